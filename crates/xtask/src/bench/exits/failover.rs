//! How long a device has no internet when its way out goes down, if it may use the uplink meanwhile.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use cell_control::change::{Change, PeerForm, PeerUpdate};
use cell_control::connection::{ConnectionForm, ProxyForm, WayForm};
use cell_control::query::{self, Peer};
use cell_model::config::ProxyScheme;
use cell_model::endpoint::Host;
use cell_model::name::PeerName;
use cell_model::status::State;
use cell_testkit::world::{OUTSIDE_DNS, OUTSIDE_WEB};
use cell_testkit::{Namespace, WgClient, wait_for};
use uuid::Uuid;

use super::super::cell::Cell;
use super::super::error::BenchError;
use super::RUNS;
use super::lab::{LIMIT, PROXY_PORT, Running, start};
use crate::error::XtaskError;

const PROXY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 20);
/// After this, whoever is asked every few seconds was asked.
const PAUSE: Duration = Duration::from_secs(7);
/// One try to connect.
const TRY: Duration = Duration::from_millis(500);

/// Seconds, each time.
pub(super) fn measure(binary: &Path) -> Result<Vec<f64>, XtaskError> {
    let cell = Cell::set_up(binary.to_owned())?;
    let internet = &cell.world.internet;
    internet.ip(&format!("addr add {PROXY}/32 dev lo"))?;
    let mut proxy = Some(start_proxy(internet)?);
    let id = add_way(&cell)?;
    let phone: PeerName = "phone".parse().expect("a constant of the bench");
    let added = cell.change(
        "add a device",
        Change::AddPeer(PeerForm {
            name: phone.clone(),
            username: None,
            full_tunnel: true,
            public_key: None,
            services: None,
            peer_to_peer: false,
            preshared_key: false,
            exit_connection_id: Some(id),
            expires_at: None,
        }),
    )?;
    let update = PeerUpdate {
        failopen: Some(Some(true)),
        ..PeerUpdate::default()
    };
    let name = phone.clone();
    cell.change("open its way", Change::ChangePeer { name, update })?;
    let file = added.peer.and_then(|peer| peer.config);
    let file = file.ok_or(BenchError::NoProgram {
        program: "the device's file",
    })?;
    let _tunnel = WgClient::up(&cell.world.phone, file.expose()).map_err(BenchError::Client)?;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        wait_until_closed(&cell, id, &phone)?;
        std::thread::sleep(PAUSE);
        drop(proxy.take());
        let start = Instant::now();
        let connects = || gets_out(&cell.world.phone).then_some(());
        wait_for(LIMIT, connects).ok_or(BenchError::NoProgram {
            program: "the uplink",
        })?;
        times.push(start.elapsed().as_secs_f64());
        proxy = Some(start_proxy(internet)?);
    }
    Ok(times)
}

fn start_proxy(internet: &Namespace) -> Result<Running, BenchError> {
    let mut command = internet.command("microsocks");
    command.args(["-i", &PROXY.to_string(), "-p", &PROXY_PORT.to_string()]);
    start(&mut command, "microsocks")
}

fn add_way(cell: &Cell) -> Result<Uuid, XtaskError> {
    let form = ConnectionForm {
        name: "Work".parse().expect("a constant of the bench"),
        enabled: true,
        way: WayForm::Proxy(ProxyForm {
            scheme: ProxyScheme::Socks5,
            host: Host::Address(PROXY.into()),
            port: PROXY_PORT,
            username: None,
            password: None,
        }),
        resolvers: vec![OUTSIDE_DNS.into()],
    };
    let added = cell.change("add a way out", Change::AddConnection(Box::new(form)))?;
    let id = added.connection;
    Ok(id.ok_or(BenchError::NoProgram {
        program: "the way out",
    })?)
}

/// Waits until the way leads out, and the device leaves by it.
fn wait_until_closed(cell: &Cell, id: Uuid, name: &PeerName) -> Result<(), BenchError> {
    let leads_out = || {
        let way = cell
            .ask("tell how its way is", query::Connection { id })
            .ok()?;
        let name = name.clone();
        let peer = cell.ask("tell of a device", Peer { name }).ok()?;
        (way.status.health == State::Ok && !peer.open_now && gets_out(&cell.world.phone))
            .then_some(())
    };
    wait_for(LIMIT, leads_out).ok_or(BenchError::NoProgram {
        program: "the way out",
    })
}

fn gets_out(phone: &Namespace) -> bool {
    let address = SocketAddr::from((OUTSIDE_WEB, 80));
    let connected = phone.run(|| TcpStream::connect_timeout(&address, TRY).is_ok());
    connected.unwrap_or(false)
}
