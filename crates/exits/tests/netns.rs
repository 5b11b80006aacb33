//! Flows that a packet filter leads to the relay, by way of proxies of others (microsocks, tinyproxy), each in a network
//! namespace of its own. Needs root, `ip`, `nft`, `microsocks` and `tinyproxy`.
//!
//! ```text
//! device 10.9.0.2 ── 10.9.0.1 box 203.0.113.2 ── 203.0.113.1 outside: proxy 203.0.113.1, leaves as 203.0.113.9
//!                                                        198.51.100.7 says who calls, and all that it hears
//!                                                        198.51.100.53 answers names
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by stopping"
)]

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cell_exits::link::LocalLink;
use cell_exits::{Exits, ProcessExits};
use cell_model::config::ProxyScheme;
use cell_model::secret::Secret;
use cell_model::spec::{ExitRelaySpec, ExitsSpec, LoginSpec, ProxyWaySpec, TunnelsSpec, WaySpec};
use cell_model::status::State;
use cell_testkit::{DnsServer, Namespace, wait_for};
use uuid::Uuid;

const WAY: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);
/// Only a failing test waits for it.
const LONG: Duration = Duration::from_secs(60);
const TARGET: (Ipv4Addr, u16) = (Ipv4Addr::new(198, 51, 100, 7), 80);
const RESOLVER: (Ipv4Addr, u16) = (Ipv4Addr::new(198, 51, 100, 53), 53);
/// What the proxy leaves as, so that who comes by it is told from who comes straight.
const LEAVES_AS: &str = "203.0.113.9";
const PROXY: &str = "203.0.113.1";
const PORT: u16 = 1080;

/// A proxy that runs until dropped.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct World {
    device: Namespace,
    home: Namespace,
    outside: Namespace,
    names: DnsServer,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let [device, home, outside] =
            ["device", "home", "outside"].map(|label| Namespace::create(label).unwrap());
        home.ip(&format!(
            "link add vpn type veth peer name vpn netns {}\nlink add wan type veth peer name wan netns {}\n\
             link set vpn up\nlink set wan up\naddr add 10.9.0.1/24 dev vpn\naddr add 203.0.113.2/24 dev wan\n\
             route add default via {PROXY}",
            device.name(),
            outside.name()
        ))
        .unwrap();
        device
            .ip("link set vpn up\naddr add 10.9.0.2/24 dev vpn\nroute add default via 10.9.0.1")
            .unwrap();
        outside
            .ip(&format!(
                "link set wan up\naddr add {PROXY}/24 dev wan\naddr add {LEAVES_AS}/24 dev wan\n\
                 addr add {}/32 dev lo\naddr add {}/32 dev lo\nroute add 10.9.0.0/24 via 203.0.113.2",
                TARGET.0, RESOLVER.0
            ))
            .unwrap();
        // Whoever is not led to the relay gets out all the same, so that it would be seen.
        home.set_sysctl("net.ipv4.ip_forward", "1").unwrap();
        let zone = [("proxy.example.org", PROXY.parse().unwrap())];
        let names = DnsServer::start(&outside, &[RESOLVER.into()], &zone).unwrap();
        outside.run(serve_target).unwrap();
        let world = Self {
            device,
            home,
            outside,
            names,
            folder: tempfile::tempdir().unwrap(),
        };
        world.lead("iifname vpn meta l4proto tcp dnat ip to 10.9.0.1:9100");
        world
    }

    /// Has the box lead connections on.
    fn lead(&self, rule: &str) {
        let rules = format!(
            "add table ip test\nadd chain ip test lead {{ type nat hook prerouting priority dstnat; }}\n\
             flush chain ip test lead\nadd rule ip test lead {rule}\n"
        );
        let mut nft = self.home.command("nft");
        let mut nft = nft.args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        nft.stdin
            .take()
            .unwrap()
            .write_all(rules.as_bytes())
            .unwrap();
        assert!(nft.wait().unwrap().success());
    }

    /// Starts a proxy of this kind.
    fn proxy(&self, scheme: ProxyScheme, login: Option<(&str, &str)>) -> Proxy {
        let mut command = match scheme {
            ProxyScheme::Socks5 => {
                let mut command = self.outside.command("microsocks");
                command.args(["-i", PROXY, "-p", &PORT.to_string(), "-b", LEAVES_AS]);
                if let Some((username, password)) = login {
                    command.args(["-u", username, "-P", password]);
                }
                command
            }
            ProxyScheme::Http => {
                let file = self.folder.path().join("tinyproxy.conf");
                let login =
                    login.map(|(username, password)| format!("BasicAuth {username} {password}\n"));
                let text = format!(
                    "Port {PORT}\nListen {PROXY}\nBind {LEAVES_AS}\nTimeout 60\nMaxClients 50\n{}",
                    login.unwrap_or_default()
                );
                fs::write(&file, text).unwrap();
                let mut command = self.outside.command("tinyproxy");
                command.arg("-d").arg("-c").arg(file);
                command
            }
        };
        let child = command.stdout(Stdio::null()).stderr(Stdio::null());
        let proxy = Proxy(child.spawn().unwrap());
        let address = SocketAddr::new(PROXY.parse().unwrap(), PORT);
        let connects = || self.home.run(|| TcpStream::connect(address).ok()).unwrap();
        assert!(wait_for(LONG, connects).is_some(), "no proxy came up");
        proxy
    }

    /// Runs the box's side inside its namespace.
    fn at_home<F: Future<Output = ()>>(&self, work: impl FnOnce() -> F + Send) {
        let run = || {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap()
                .block_on(work());
        };
        self.home.run(run).unwrap();
    }

    /// What a device hears that connects the target, says this, and is done; `Err` when it is torn down.
    fn says(&self, said: &[u8]) -> std::io::Result<Vec<u8>> {
        self.device.run(|| converse(TARGET.into(), said)).unwrap()
    }
}

/// Says to each who comes who they are, and then all that they say, until they are done.
fn serve_target() {
    let listener = TcpListener::bind(TARGET).unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, from)) = listener.accept() {
            std::thread::spawn(move || {
                let _ = writeln!(stream, "{}", from.ip());
                let mut reader = stream.try_clone().unwrap();
                let _ = std::io::copy(&mut reader, &mut stream);
                let _ = stream.shutdown(Shutdown::Write);
            });
        }
    });
}

/// What is heard after all of it was said: as much as that and the line before it. Neither end is done before: many proxies
/// take the end of one direction for that of both.
fn converse(to: SocketAddr, said: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&to, LONG)?;
    stream.set_read_timeout(Some(LONG))?;
    let mut writer = stream.try_clone()?;
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || writer.write_all(said));
        let mut reader = BufReader::new(&mut stream);
        let mut heard = Vec::new();
        reader.read_until(b'\n', &mut heard)?;
        let line = heard.len();
        heard.resize(line + said.len(), 0);
        reader.read_exact(&mut heard[line..])?;
        writing.join().unwrap()?;
        Ok(heard)
    })
}

fn way(scheme: ProxyScheme, host: &str, login: Option<(&str, &str)>) -> ExitRelaySpec {
    ExitRelaySpec {
        listen: Some("10.9.0.1:9100".parse().unwrap()),
        names: "127.0.0.1:9100".parse().unwrap(),
        resolvers: vec![RESOLVER.into()],
        way: WaySpec::Proxy(ProxyWaySpec {
            scheme,
            host: host.parse().unwrap(),
            port: PORT,
            login: login.map(|(username, password)| LoginSpec {
                username: username.parse().unwrap(),
                password: Secret::new(password.to_owned()),
            }),
        }),
    }
}

fn spec(ways: &[(Uuid, ExitRelaySpec)]) -> Arc<ExitsSpec> {
    let relays = ways.iter().map(|(id, way)| (*id, Arc::new(way.clone())));
    Arc::new(ExitsSpec {
        tunnels: TunnelsSpec::default(),
        relays: relays.collect(),
        name_servers: vec![RESOLVER.into()],
    })
}

type Home = ProcessExits<LocalLink>;

fn exits() -> Home {
    ProcessExits::new(LocalLink::default())
}

/// Waits until the way is so; what it says of itself then.
async fn becomes(exits: &Home, state: State) -> String {
    let mut last = BTreeMap::new();
    for _ in 0..600 {
        last = exits.observe().await.unwrap();
        if let Some(status) = last.get(&WAY).filter(|status| status.state == state) {
            assert_eq!(status.latency.is_some(), state == State::Ok);
            return status.detail.clone();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it does not become {state:?}: {last:?}");
}

#[test]
fn flows_leave_by_each_kind_of_proxy_and_arrive_whole() {
    let world = World::new();
    let said: Vec<u8> = (0..1_500_000_u32).flat_map(u32::to_le_bytes).collect();
    let hosts = [PROXY, "proxy.example.org"];
    for scheme in ProxyScheme::ALL {
        for (host, login) in hosts.into_iter().zip([None, Some(("anna", "s3cret"))]) {
            let _proxy = world.proxy(scheme, login);
            world.at_home(async || {
                let exits = exits();
                let way = way(scheme, host, login);
                exits.apply(&spec(&[(WAY, way)])).await.unwrap();
                becomes(&exits, State::Ok).await;
                let heard = tokio::task::block_in_place(|| world.says(&said)).unwrap();
                let line = format!("{LEAVES_AS}\n");
                let rest = heard.strip_prefix(line.as_bytes());
                let rest = rest.unwrap_or_else(|| panic!("{scheme:?}: {} bytes", heard.len()));
                assert!(
                    rest == said,
                    "{} bytes of {} came back",
                    rest.len(),
                    said.len()
                );
            });
        }
    }
    let asked = world.names.queries();
    assert!(
        asked.iter().any(|name| name == "proxy.example.org"),
        "{asked:?}"
    );
}

#[test]
fn names_are_asked_out_there() {
    let world = World::new();
    let _proxy = world.proxy(ProxyScheme::Socks5, None);
    world.at_home(async || {
        let exits = exits();
        let way = way(ProxyScheme::Socks5, PROXY, None);
        exits.apply(&spec(&[(WAY, way)])).await.unwrap();
        let mut dig = world.home.command("dig");
        dig.args([
            "+tcp",
            "+short",
            "+tries=1",
            "+time=30",
            "-p",
            "9100",
            "@127.0.0.1",
        ]);
        dig.arg("proxy.example.org");
        let answered = tokio::task::block_in_place(|| dig.output()).unwrap();
        assert_eq!(String::from_utf8_lossy(&answered.stdout).trim(), PROXY);
    });
}

#[test]
fn resolver_that_is_not_reached_is_passed_over() {
    let world = World::new();
    let _proxy = world.proxy(ProxyScheme::Socks5, None);
    // Somebody who takes no notice at all.
    world
        .outside
        .ip("route add blackhole 198.51.100.99/32")
        .unwrap();
    world.at_home(async || {
        let exits = exits();
        let mut way = way(ProxyScheme::Socks5, PROXY, None);
        way.resolvers = vec!["198.51.100.99:53".parse().unwrap(), RESOLVER.into()];
        exits.apply(&spec(&[(WAY, way)])).await.unwrap();
        becomes(&exits, State::Ok).await;
        let mut dig = world.home.command("dig");
        dig.args([
            "+tcp",
            "+short",
            "+tries=1",
            "+time=30",
            "-p",
            "9100",
            "@127.0.0.1",
        ]);
        dig.arg("proxy.example.org");
        let answered = tokio::task::block_in_place(|| dig.output()).unwrap();
        assert_eq!(String::from_utf8_lossy(&answered.stdout).trim(), PROXY);
    });
}

#[test]
fn way_that_leads_nowhere_says_why_and_tears_flows_down() {
    let world = World::new();
    let torn = |world: &World| {
        let heard = tokio::task::block_in_place(|| world.says(b"anybody there?"));
        let kind = heard.map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::ConnectionReset));
    };
    for scheme in ProxyScheme::ALL {
        world.at_home(async || {
            let exits = exits();
            let absent = way(scheme, PROXY, None);
            exits.apply(&spec(&[(WAY, absent.clone())])).await.unwrap();
            let detail = becomes(&exits, State::Failed).await;
            assert_eq!(
                detail,
                format!("the proxy does not answer at {PROXY}:{PORT}")
            );
            torn(&world);

            // It mends by itself once somebody is there.
            let proxy =
                tokio::task::block_in_place(|| world.proxy(scheme, Some(("anna", "s3cret"))));
            let detail = becomes_other(&exits, &detail).await;
            assert_eq!(detail, "the proxy wants a username and a password");
            torn(&world);
            let wrong = way(scheme, PROXY, Some(("anna", "guess")));
            exits.apply(&spec(&[(WAY, wrong)])).await.unwrap();
            let detail = becomes(&exits, State::Failed).await;
            assert_eq!(detail, "the proxy refuses the username and password");
            torn(&world);

            let mut nowhere = way(scheme, PROXY, Some(("anna", "s3cret")));
            nowhere.resolvers = vec!["198.51.100.7:53".parse().unwrap()];
            exits.apply(&spec(&[(WAY, nowhere)])).await.unwrap();
            let detail = becomes(&exits, State::Failed).await;
            assert!(
                detail.starts_with("the proxy does not reach 198.51.100.7:53: "),
                "{detail}"
            );
            drop(proxy);
        });
    }
    world.at_home(async || {
        let exits = exits();
        let unnamed = way(ProxyScheme::Http, "nobody.example.org", None);
        exits.apply(&spec(&[(WAY, unnamed)])).await.unwrap();
        let detail = becomes(&exits, State::Failed).await;
        assert_eq!(detail, "the proxy's name nobody.example.org is not found");
    });
}

/// Waits until the way says something else of itself.
async fn becomes_other(exits: &Home, than: &str) -> String {
    for _ in 0..600 {
        let status = exits.observe().await.unwrap();
        if status[&WAY].detail != than {
            return status[&WAY].detail.clone();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it goes on saying: {than}");
}

#[test]
fn what_answers_and_is_no_proxy_is_said_to_be_none() {
    let world = World::new();
    for scheme in ProxyScheme::ALL {
        world.at_home(async || {
            let exits = exits();
            // The target says who calls, which is neither SOCKS nor HTTP.
            let mut no_proxy = way(scheme, "198.51.100.7", None);
            let WaySpec::Proxy(proxy) = &mut no_proxy.way else {
                panic!("{:?}", no_proxy.way);
            };
            proxy.port = TARGET.1;
            exits.apply(&spec(&[(WAY, no_proxy)])).await.unwrap();
            let detail = becomes(&exits, State::Failed).await;
            let kind = match scheme {
                ProxyScheme::Socks5 => "SOCKS5",
                ProxyScheme::Http => "HTTP",
            };
            assert_eq!(detail, format!("what answers there is no {kind} proxy"));
        });
    }
}

#[test]
fn who_was_not_led_here_is_refused() {
    let world = World::new();
    let _proxy = world.proxy(ProxyScheme::Socks5, None);
    world.at_home(async || {
        let exits = exits();
        let way = way(ProxyScheme::Socks5, PROXY, None);
        exits.apply(&spec(&[(WAY, way.clone())])).await.unwrap();
        becomes(&exits, State::Ok).await;
        let calls = |from: &Namespace| {
            let to = way.listen.unwrap();
            tokio::task::block_in_place(|| from.run(|| converse(to, b"connect me")).unwrap())
        };
        // Led in a circle, called by the box itself, and called by a device that nobody leads.
        for (from, rule) in [
            (
                &world.device,
                "iifname vpn meta l4proto tcp dnat ip to 10.9.0.1:9100",
            ),
            (
                &world.home,
                "iifname vpn meta l4proto tcp dnat ip to 10.9.0.1:9100",
            ),
            (&world.device, "iifname nobody accept"),
        ] {
            world.lead(rule);
            let kind = calls(from).map_err(|error| error.kind());
            assert_eq!(kind, Err(ErrorKind::ConnectionReset), "{rule}");
        }
    });
}

#[test]
fn flow_goes_on_while_its_way_stays_and_ends_with_it() {
    let world = World::new();
    let _proxy = world.proxy(ProxyScheme::Socks5, None);
    world.at_home(async || {
        let exits = exits();
        let mut ways = vec![(WAY, way(ProxyScheme::Socks5, PROXY, None))];
        exits.apply(&spec(&ways)).await.unwrap();
        let mut flow = tokio::task::block_in_place(|| {
            world.device.run(|| {
                let flow = TcpStream::connect_timeout(&TARGET.into(), LONG).unwrap();
                flow.set_read_timeout(Some(LONG)).unwrap();
                flow
            })
        })
        .unwrap();
        let mut line = vec![0; LEAVES_AS.len() + 1];
        tokio::task::block_in_place(|| flow.read_exact(&mut line)).unwrap();
        let mut echoes = |text: &[u8]| {
            tokio::task::block_in_place(|| {
                let mut back = vec![0; text.len()];
                flow.write_all(text)?;
                flow.read_exact(&mut back)?;
                Ok::<_, std::io::Error>(back)
            })
        };
        assert_eq!(echoes(b"one").unwrap(), b"one");

        let mut other = way(ProxyScheme::Http, PROXY, None);
        (other.listen, other.names) = (
            Some("10.9.0.1:9101".parse().unwrap()),
            "127.0.0.1:9101".parse().unwrap(),
        );
        ways.push((OTHER, other));
        exits.apply(&spec(&ways)).await.unwrap();
        assert_eq!(echoes(b"two").unwrap(), b"two");
        exits.replay().await.unwrap();
        assert_eq!(echoes(b"three").unwrap(), b"three");
        // Whom names are asked of by the uplink is nothing to it.
        let mut others = ExitsSpec::clone(&spec(&ways));
        others.name_servers.clear();
        exits.apply(&Arc::new(others)).await.unwrap();
        assert_eq!(echoes(b"more").unwrap(), b"more");

        ways.remove(0);
        exits.apply(&spec(&ways)).await.unwrap();
        assert!(echoes(b"four").is_err());
        let refused = tokio::task::block_in_place(|| world.says(b"anybody there?"));
        assert_eq!(
            refused.map_err(|error| error.kind()),
            Err(ErrorKind::ConnectionRefused)
        );
    });
}

#[test]
fn port_that_is_taken_is_said_and_the_other_ways_are_served() {
    let world = World::new();
    let _proxy = world.proxy(ProxyScheme::Socks5, None);
    world.at_home(async || {
        let taken = TcpListener::bind("10.9.0.1:9101").unwrap();
        let exits = exits();
        let mut other = way(ProxyScheme::Http, PROXY, None);
        (other.listen, other.names) = (
            Some("10.9.0.1:9101".parse().unwrap()),
            "127.0.0.1:9101".parse().unwrap(),
        );
        let ways = spec(&[(WAY, way(ProxyScheme::Socks5, PROXY, None)), (OTHER, other)]);
        let error = exits.apply(&ways).await.unwrap_err().to_string();
        assert_eq!(error, "cannot listen on [10.9.0.1:9101]");
        becomes(&exits, State::Ok).await;
        assert_eq!(exits.observe().await.unwrap().len(), 1);
        drop(taken);
        exits.apply(&ways).await.unwrap();
        assert_eq!(exits.observe().await.unwrap().len(), 2);
    });
}

#[test]
fn restarted_box_is_not_needed_for_addresses_that_come_later() {
    // The VPN's address may not be there yet when the relay is: binding fails, and is tried again.
    let world = World::new();
    world.at_home(async || {
        let exits = exits();
        let mut way = way(ProxyScheme::Socks5, PROXY, None);
        way.listen = Some(SocketAddr::new(
            IpAddr::V4(Ipv4Addr::new(10, 9, 0, 77)),
            9100,
        ));
        let ways = spec(&[(WAY, way)]);
        assert!(exits.apply(&ways).await.is_err());
        assert!(exits.observe().await.unwrap().is_empty());
        world.home.ip("addr add 10.9.0.77/24 dev vpn").unwrap();
        exits.apply(&ways).await.unwrap();
        assert_eq!(exits.observe().await.unwrap().len(), 1);
    });
}
