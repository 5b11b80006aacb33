//! Devices on the VPN.

mod form;
mod view;

use cell_control::change::{Change, PeerReceipt, Receipt};
use cell_control::query::{Peer, Peers};
use cell_model::name::PeerName;
use clap::{Args, Subcommand};

use crate::command::Limit;
use crate::core::Core;
use crate::error::CellctlError;
use crate::output::Output;
use crate::qr::{self, Colours};
use crate::text::{pending, receipt};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List devices
    List(Limit),
    /// Show one device
    Show {
        /// Its name
        name: PeerName,
    },
    /// Add a device and print the file for its WireGuard app; its private key is shown this once
    Add(Box<form::Addition>),
    /// Change what a device may do
    Change(Box<form::Changes>),
    /// Remove a device
    Remove {
        /// Its name
        name: PeerName,
    },
    /// Make a new key pair for a device and print its file; its private key is shown this once
    Rekey(File),
    /// Print the present file of a device, without its private key
    File(File),
}

#[derive(Debug, Args)]
pub(crate) struct File {
    /// Its name
    name: PeerName,
    #[command(flatten)]
    picture: Picture,
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Picture {
    /// Print the file as a QR code too
    #[arg(long, conflicts_with = "json")]
    qr: bool,
}

impl Command {
    pub(crate) async fn perform(self, core: &Core, output: &Output) -> Result<(), CellctlError> {
        if self.picture().qr && output.is_json() {
            return Err(CellctlError::PictureForPrograms);
        }
        match self {
            Self::List(Limit { limit }) => {
                let page = core.list(limit, |range| Peers { range }).await?;
                output.show_page(&page, view::table)?;
            }
            Self::Show { name } => {
                let peer = core.ask(Peer { name }).await?;
                output.show(&peer, view::details)?;
            }
            Self::Add(addition) => {
                let picture = addition.picture;
                let stored = core.submit(Change::AddPeer(addition.form())).await?;
                hand_out(&stored, picture, output)?;
            }
            Self::Change(changes) => {
                let (name, update) = changes.update();
                let stored = core.submit(Change::ChangePeer { name, update }).await?;
                output.show(&stored, receipt)?;
            }
            Self::Remove { name } => {
                let stored = core.submit(Change::RemovePeer { name }).await?;
                output.show(&stored, receipt)?;
            }
            Self::Rekey(File { name, picture }) => {
                let stored = core.submit(Change::RekeyPeer { name }).await?;
                hand_out(&stored, picture, output)?;
            }
            Self::File(File { name, picture }) => {
                let stored = core.submit(Change::FetchPeerFile { name }).await?;
                hand_out(&stored, picture, output)?;
            }
        }
        Ok(())
    }
}

impl Command {
    /// What was said of a picture. Clap checks the conflict only where `--json` stands behind the command.
    fn picture(&self) -> Picture {
        match self {
            Self::Add(addition) => addition.picture,
            Self::Rekey(file) | Self::File(file) => file.picture,
            _ => Picture { qr: false },
        }
    }
}

/// The file alone on standard output, so that it can be redirected; everything about it beside it.
fn hand_out(stored: &Receipt, picture: Picture, output: &Output) -> Result<(), CellctlError> {
    let Some(PeerReceipt {
        peer,
        config: Some(file),
        notes,
    }) = &stored.peer
    else {
        return Ok(output.show(stored, receipt)?);
    };
    if output.is_json() {
        return Ok(output.show(stored, receipt)?);
    }
    output.bytes(file.expose().as_bytes())?;
    if picture.qr {
        let colours = if output.is_terminal() {
            Colours::Fixed
        } else {
            Colours::None
        };
        output.bytes(b"\n")?;
        output.bytes(qr::render(file, colours)?.expose().as_bytes())?;
    }
    output.note(&format!("{} has the address {}.", peer.name, peer.address));
    notes.iter().for_each(|note| output.note(note));
    if let Some(waiting) = &stored.confirm {
        output.note(pending(waiting).trim_end());
    }
    Ok(())
}
