//! Ways out to the internet beside the uplink.

use std::path::PathBuf;

use cell_control::change::Change;
use cell_control::connection::{ConnectionBody, ConnectionForm, ConnectionView, WayView};
use cell_control::query::{Connection, Connections};
use clap::Subcommand;
use uuid::Uuid;

use super::services::submit;
use crate::core::Core;
use crate::error::CellctlError;
use crate::input::read_json;
use crate::output::Output;
use crate::table::{Table, facts};
use crate::text::{joined, optional, time, word, yes_no};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List ways out beside the uplink
    List,
    /// Show one, and whether it leads out
    Show {
        /// Its id, as listed
        id: Uuid,
    },
    /// Add one, as `POST /api/connectivity/connections` takes it
    Add {
        /// The file with it, in JSON; `-`: standard input
        file: PathBuf,
    },
    /// Have one be as a file says; secrets that it does not say stay, for the same user at the same place
    Change {
        /// Its id, as listed
        id: Uuid,
        /// The file with it, in JSON; `-`: standard input
        file: PathBuf,
    },
    /// Remove one that no device has
    Remove {
        /// Its id, as listed
        id: Uuid,
    },
}

impl Command {
    pub(crate) async fn perform(self, core: &Core, output: &Output) -> Result<(), CellctlError> {
        match self {
            Self::List => output.show_page(&core.ask(Connections).await?, table)?,
            Self::Show { id } => output.show(&*core.ask(Connection { id }).await?, one)?,
            Self::Add { file } => {
                let form = Box::new(form(file).await?);
                submit(core, output, Change::AddConnection(form)).await?;
            }
            Self::Change { id, file } => {
                let form = Box::new(form(file).await?);
                submit(core, output, Change::PutConnection { id, form }).await?;
            }
            Self::Remove { id } => submit(core, output, Change::RemoveConnection { id }).await?,
        }
        Ok(())
    }
}

async fn form(file: PathBuf) -> Result<ConnectionForm, CellctlError> {
    let body: ConnectionBody = read_json(file).await?;
    Ok(body.form()?)
}

fn table(connections: &[ConnectionView]) -> String {
    let rows = connections.iter().map(|connection| {
        [
            connection.id.to_string(),
            connection.name.to_string(),
            leads_by(connection),
            yes_no(connection.enabled),
            word(&connection.status.health),
            joined(connection.peers.iter().map(ToString::to_string)),
        ]
    });
    Table::new(["ID", "NAME", "LEADS BY", "ON", "HEALTH", "DEVICES"])
        .with_rows(rows)
        .to_string()
}

fn one(connection: &ConnectionView) -> String {
    let carries = connection.carries;
    facts([
        ("id", connection.id.to_string()),
        ("name", connection.name.to_string()),
        ("leads by", leads_by(connection)),
        ("on", yes_no(connection.enabled)),
        ("health", word(&connection.status.health)),
        ("since", optional(connection.status.since.map(time))),
        ("detail", connection.status.detail.clone()),
        (
            "carries",
            joined(
                [
                    (carries.tcp, "TCP"),
                    (carries.udp, "UDP"),
                    (carries.ipv6, "IPv6"),
                ]
                .into_iter()
                .filter(|(carries, _)| *carries)
                .map(|(_, what)| what),
            ),
        ),
        ("mark", format!("{:#x}", connection.mark)),
        ("table", connection.table.to_string()),
        ("interface", optional(connection.iface.as_ref())),
        ("port", optional(connection.redirect_port)),
        (
            "devices",
            joined(connection.peers.iter().map(ToString::to_string)),
        ),
    ])
}

fn leads_by(connection: &ConnectionView) -> String {
    match &connection.way {
        WayView::Proxy(proxy) => {
            let scheme = proxy.scheme.as_str();
            format!("{scheme} proxy {} port {}", proxy.host, proxy.port)
        }
        WayView::WireguardExt(tunnel) => format!("WireGuard to {}", tunnel.endpoint),
    }
}
