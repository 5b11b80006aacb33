//! `cargo xtask run`: the appliance, as a person would meet it, until Ctrl-C.
//!
//! Boots the image in a virtual machine; with `--namespaces`, the daemon alone in a small world of network namespaces.

mod machine;
mod namespaces;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::error::XtaskError;
use crate::image;

/// How often new log lines and the wish to stop are looked for.
const TICK: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Not the image: the daemon alone, in network namespaces (internet, cell, laptop, phone)
    #[arg(long)]
    namespaces: bool,
    /// The image of which board: a folder of `board/`
    #[arg(long, value_name = "BOARD", default_value = image::DEFAULT_BOARD, conflicts_with = "namespaces")]
    board: String,
    /// Build without optimisation: quicker to build, slower to run
    #[arg(long, requires = "namespaces")]
    dev: bool,
    /// Put the cell beside the home's router instead of making it the router
    #[arg(long, requires = "namespaces")]
    one_armed: bool,
    /// Give every link IPv6 too
    #[arg(long, requires = "namespaces")]
    ipv6: bool,
    /// Where the admin page is published
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Where the VPN is published, for a WireGuard client on this machine
    #[arg(
        long,
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:51820",
        conflicts_with = "namespaces"
    )]
    vpn: SocketAddr,
    /// Keep the machine's disk in this file, with the image it began with in FILE.base, and go on with it next time
    #[arg(long, value_name = "FILE", conflicts_with = "namespaces")]
    disk: Option<PathBuf>,
}

pub(crate) fn perform(options: &Options) -> Result<ExitCode, XtaskError> {
    if options.namespaces {
        namespaces::perform(options)
    } else {
        machine::perform(options)
    }
}

/// Where a browser finds what listens at `published`.
fn admin_url(published: SocketAddr) -> String {
    let host = if published.ip().is_loopback() {
        "localhost".to_owned()
    } else {
        published.ip().to_string()
    };
    format!("https://{host}:{}", published.port())
}
