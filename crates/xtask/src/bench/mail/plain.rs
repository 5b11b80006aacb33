//! The peer: the same packages, installed plainly.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Child;

use cell_testkit::Namespace;
use cell_testkit::world::{OUTSIDE_DNS, World};
use tempfile::TempDir;

use super::super::error::BenchError;
use super::super::process;
use super::senders::Post;
use crate::error::XtaskError;
use crate::{cargo, service_image};

/// The network of benches (RFC 2544), of which this is the internet's end.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
const DOMAIN: &str = "plain.example";
const USER: &str = "anna";
const SCRIPT: &str = "crates/xtask/src/bench/mail/plain.sh";

/// A host on the internet with mail; dropped, all of it is gone.
pub(super) struct Plain {
    process: Child,
    folder: TempDir,
    _host: Namespace,
}

impl Plain {
    /// Starts it. Its mail comes up by itself.
    pub(super) fn start(world: &World) -> Result<Self, XtaskError> {
        let host = Namespace::create("plain")?;
        world.internet.ip(&format!(
            "link add plain0 type veth peer name eth0 netns {}
             addr add {GATEWAY}/30 dev plain0
             link set plain0 up",
            host.name()
        ))?;
        host.ip(&format!(
            "addr add {ADDRESS}/30 dev eth0
             link set eth0 up
             route add default via {GATEWAY}"
        ))?;
        let folder = tempfile::tempdir().map_err(BenchError::Folder)?;
        let trees = trees()?;
        let mut start = host.command("unshare");
        start
            .args(["--mount", "--pid", "--fork", "--kill-child", "sh"])
            .arg(cargo::root().join(SCRIPT))
            .arg(folder.path())
            .args([&trees, DOMAIN, USER])
            .arg(OUTSIDE_DNS.to_string());
        let process = start.spawn().map_err(BenchError::Plain)?;
        Ok(Self {
            process,
            folder,
            _host: host,
        })
    }

    /// Where it takes mail, and keeps it.
    pub(super) fn post(&self) -> Post {
        let mailbox = Path::new("upper/home").join(USER).join("Maildir/new");
        Post {
            address: (ADDRESS, 25).into(),
            receiver: format!("{USER}@{DOMAIN}"),
            mailbox: self.folder.path().join(mailbox),
        }
    }

    /// Whether all of it runs still. If not, it has said why.
    pub(super) fn is_up(&self) -> bool {
        self.processes().len() > 1
    }

    pub(super) fn processes(&self) -> Vec<i32> {
        process::descendants(self.process.id().cast_signed())
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        // All that it started ends with it, and its mounts with them.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The packages of the box's own mail service, unpacked, as the layers of one root.
fn trees() -> Result<String, XtaskError> {
    let images = ["mail/postfix", "mail/dovecot", "mail/rspamd"];
    let trees: Result<Vec<PathBuf>, XtaskError> =
        images.into_iter().map(service_image::packages).collect();
    let trees = trees?.into_iter().map(|tree| tree.display().to_string());
    Ok(trees.collect::<Vec<_>>().join(":"))
}
