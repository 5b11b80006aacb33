//! A WireGuard client as a person's device has it: wireguard-go, `wg`, and the config text from the web page.
//!
//! Follows wg-quick(8): addresses, name servers, routes from `AllowedIPs`, a rule instead of a route for everything.

use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use thiserror::Error;

use crate::namespace::{Namespace, NamespaceError};
use crate::wait_for;

/// How long wireguard-go may take to make its interface.
const PATIENCE: Duration = Duration::from_secs(60);
/// Mark of tunnel packets and number of the table for everything else, as wg-quick has it.
const TABLE: u32 = 51_820;

/// What can go wrong with a client.
#[derive(Debug, Error)]
pub enum WgClientError {
    /// The config text has a line that no client understands.
    #[error("line {line} of the config is not understood: {text}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// A program could not be started.
    #[error("cannot start `{program}`")]
    Start {
        /// The program.
        program: &'static str,
        /// Why.
        source: io::Error,
    },
    /// wireguard-go made no interface.
    #[error("wireguard-go made no interface within {} s", PATIENCE.as_secs())]
    NoInterface,
    /// The config could not be handed to `wg`.
    #[error("cannot write the config for `wg`")]
    Write(#[source] io::Error),
    /// `wg` refused.
    #[error("`wg {arguments}` failed: {message}")]
    Refused {
        /// What it was asked.
        arguments: String,
        /// What it said.
        message: String,
    },
    /// The namespace's addresses, routes or resolvers could not be set.
    #[error("cannot set up the tunnel's network")]
    Network(#[from] NamespaceError),
}

/// A connected device; down when dropped.
#[derive(Debug)]
pub struct WgClient {
    namespace: Namespace,
    interface: String,
    config: WgConfig,
    process: Child,
}

impl WgClient {
    /// Brings the tunnel of `config` (the text of a `.conf` file) up in `namespace`.
    ///
    /// # Errors
    /// [`WgClientError`]; nothing is left up.
    pub fn up(namespace: &Namespace, config: &str) -> Result<Self, WgClientError> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let config = WgConfig::parse(config)?;
        // Unique on the machine: wireguard-go's control sockets lie in one folder for all namespaces.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let interface = format!("wg{:x}x{number:x}", std::process::id());
        let process = namespace
            .command("wireguard-go")
            .args(["--foreground", &interface])
            .env("LOG_LEVEL", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| WgClientError::Start {
                program: "wireguard-go",
                source,
            })?;
        // From here on, an error drops the client and so takes everything down.
        let client = Self {
            namespace: namespace.clone(),
            interface,
            config,
            process,
        };
        client.configure()?;
        Ok(client)
    }

    /// The interface's name.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// The addresses of the config, with prefix lengths.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.config.addresses
    }

    /// The name servers of the config; programs in the namespace use them while the tunnel is up.
    #[must_use]
    pub fn resolvers(&self) -> &[IpAddr] {
        &self.config.resolvers
    }

    /// Whether any peer ever answered.
    ///
    /// # Errors
    /// [`WgClientError::Refused`].
    pub fn has_handshake(&self) -> Result<bool, WgClientError> {
        let shown = self.wg(&["show", &self.interface, "latest-handshakes"])?;
        Ok(shown.lines().any(|line| {
            line.split_whitespace()
                .nth(1)
                .is_some_and(|time| time != "0")
        }))
    }

    /// Takes the tunnel down; the same as dropping it.
    pub fn down(self) {}

    fn configure(&self) -> Result<(), WgClientError> {
        let socket = format!("/var/run/wireguard/{}.sock", self.interface);
        wait_for(PATIENCE, || Path::new(&socket).exists().then_some(()))
            .ok_or(WgClientError::NoInterface)?;

        let file = tempfile::NamedTempFile::new().map_err(WgClientError::Write)?;
        std::fs::write(file.path(), &self.config.stripped).map_err(WgClientError::Write)?;
        self.wg(&[
            "setconf",
            &self.interface,
            &file.path().display().to_string(),
        ])?;
        let families = self.config.families_of_everything();
        if !families.is_empty() {
            self.wg(&["set", &self.interface, "fwmark", &TABLE.to_string()])?;
            // Replies to marked packets pass the reverse path filter only so.
            self.namespace
                .set_sysctl("net.ipv4.conf.all.src_valid_mark", "1")?;
        }
        self.namespace.ip(&self.config.network(&self.interface))?;
        for family in families {
            let lines = format!(
                "route add default dev {} table {TABLE}\n\
                 rule add not fwmark {TABLE} table {TABLE}\n\
                 rule add table main suppress_prefixlength 0",
                self.interface
            );
            family.ip(&self.namespace, &lines)?;
        }
        self.namespace
            .set_resolvers_and_search(&self.config.resolvers, &self.config.search)?;
        Ok(())
    }

    fn wg(&self, arguments: &[&str]) -> Result<String, WgClientError> {
        let output = self.namespace.command("wg").args(arguments).output();
        let output = output.map_err(|source| WgClientError::Start {
            program: "wg",
            source,
        })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(WgClientError::Refused {
            arguments: arguments.join(" "),
            message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }
}

impl Drop for WgClient {
    fn drop(&mut self) {
        for family in self.config.families_of_everything() {
            // Either may be missing when the start failed half-way.
            let to_table = format!("rule del not fwmark {TABLE} table {TABLE}");
            let _ = family.ip(&self.namespace, &to_table);
            let _ = family.ip(
                &self.namespace,
                "rule del table main suppress_prefixlength 0",
            );
        }
        let _ = self.namespace.set_resolvers(&[]);
        // The interface goes with its process; the socket's file does not when it is killed.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(format!("/var/run/wireguard/{}.sock", self.interface));
    }
}

/// What a client takes from the text; the rest goes to `wg setconf` as it is.
#[derive(Debug, Default, PartialEq, Eq)]
struct WgConfig {
    addresses: Vec<String>,
    resolvers: Vec<IpAddr>,
    search: Vec<String>,
    mtu: Option<String>,
    allowed: Vec<String>,
    stripped: String,
}

impl WgConfig {
    fn parse(text: &str) -> Result<Self, WgClientError> {
        let mut config = Self::default();
        for (index, line) in text.lines().enumerate() {
            let content = line.split('#').next().unwrap_or_default().trim();
            if content.is_empty() || content.starts_with('[') {
                config.stripped.push_str(&format!("{content}\n"));
                continue;
            }
            let Some((key, value)) = content.split_once('=') else {
                return Err(WgClientError::Line {
                    line: index + 1,
                    text: line.to_owned(),
                });
            };
            let entries = value.split(',').map(|entry| entry.trim().to_owned());
            match key.trim().to_ascii_lowercase().as_str() {
                "address" => config.addresses.extend(entries),
                "mtu" => config.mtu = Some(value.trim().to_owned()),
                "dns" => {
                    // What is no address is a search domain (wg-quick(8)).
                    for text in entries {
                        match text.parse() {
                            Ok(address) => config.resolvers.push(address),
                            Err(_) => config.search.push(text),
                        }
                    }
                }
                key => {
                    if key == "allowedips" {
                        config.allowed.extend(entries);
                    }
                    config.stripped.push_str(&format!("{content}\n"));
                }
            }
        }
        Ok(config)
    }

    /// The families whose every packet goes through the tunnel.
    fn families_of_everything(&self) -> Vec<Family> {
        let has = |range: &str| self.allowed.iter().any(|allowed| allowed == range);
        let everything = [("0.0.0.0/0", Family::V4), ("::/0", Family::V6)];
        let taken = everything.into_iter().filter(|(range, _)| has(range));
        taken.map(|(_, family)| family).collect()
    }

    /// Lines of `ip -batch` that give the interface its addresses and routes.
    fn network(&self, interface: &str) -> String {
        let mut lines = String::new();
        for address in &self.addresses {
            let _ = writeln!(lines, "addr add {address} dev {interface}");
        }
        // wg-quick's default for a path of 1500 bytes.
        let mtu = self.mtu.as_deref().unwrap_or("1420");
        let _ = writeln!(lines, "link set {interface} mtu {mtu} up");
        for range in self.allowed.iter().filter(|range| !range.ends_with("/0")) {
            let _ = writeln!(lines, "route replace {range} dev {interface}");
        }
        lines
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn ip(self, namespace: &Namespace, lines: &str) -> Result<(), NamespaceError> {
        match self {
            Self::V4 => namespace.ip(lines),
            Self::V6 => namespace.ip6(lines),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::world::{CELL_WAN, OUTSIDE_WEB, World};

    fn key_pair() -> (String, String) {
        let private = Command::new("wg").arg("genkey").output().unwrap().stdout;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &private).unwrap();
        let public = Command::new("wg")
            .arg("pubkey")
            .stdin(std::fs::File::open(file.path()).unwrap())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
        (text(private), text(public.stdout))
    }

    #[test]
    fn the_text_is_split_between_wg_and_ip() {
        let text = "[Interface]\nPrivateKey = aa=\nAddress = 10.1.2.3/32, fd00::3/128\nDNS=10.1.2.1, home.test\n# note\n\
                    [Peer]\nPublicKey = bb=\nAllowedIPs = 10.1.2.0/24, 0.0.0.0/0\n";
        let config = WgConfig::parse(text).unwrap();
        assert_eq!(config.addresses, ["10.1.2.3/32", "fd00::3/128"]);
        assert_eq!(config.resolvers, ["10.1.2.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(config.search, ["home.test"]);
        assert_eq!(
            config.stripped,
            "[Interface]\nPrivateKey = aa=\n\n[Peer]\nPublicKey = bb=\nAllowedIPs = 10.1.2.0/24, 0.0.0.0/0\n"
        );
        let network = config.network("wg0");
        assert!(
            network.contains("route replace 10.1.2.0/24 dev wg0\n"),
            "{network}"
        );
        assert!(!network.contains("/0 dev"), "{network}");
        assert_eq!(config.families_of_everything(), [Family::V4]);
    }

    #[test]
    fn a_line_that_is_not_understood_is_named() {
        let error = WgConfig::parse("[Interface]\nhello\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 2 of the config is not understood: hello"
        );
    }

    #[test]
    fn a_phone_reaches_what_its_tunnel_leads_to_and_nothing_once_down() {
        let world = World::new().unwrap();
        let ((cell_private, cell_public), (phone_private, phone_public)) = (key_pair(), key_pair());
        let cell = format!(
            "[Interface]\nPrivateKey = {cell_private}\nListenPort = 51820\nAddress = 10.9.9.1/24\n\
             [Peer]\nPublicKey = {phone_public}\nAllowedIPs = 10.9.9.2/32\n"
        );
        let phone = format!(
            "[Interface]\nPrivateKey = {phone_private}\nAddress = 10.9.9.2/32\nDNS = 10.9.9.1\n\
             [Peer]\nPublicKey = {cell_public}\nEndpoint = {CELL_WAN}:51820\nAllowedIPs = 0.0.0.0/0\n"
        );
        let reaches = |to: &str| {
            let mut ping = world.phone.command("ping");
            ping.args(["-c", "1", "-W", "5", to])
                .output()
                .unwrap()
                .status
                .success()
        };
        let _cell = WgClient::up(&world.cell, &cell).unwrap();
        let client = WgClient::up(&world.phone, &phone).unwrap();
        assert!(!client.has_handshake().unwrap());
        assert!(reaches("10.9.9.1"));
        assert!(client.has_handshake().unwrap());
        assert_eq!(client.resolvers(), ["10.9.9.1".parse::<IpAddr>().unwrap()]);
        // All traffic goes into the tunnel, and this cell forwards none of it.
        assert!(!reaches(&OUTSIDE_WEB.to_string()));
        client.down();
        assert!(!reaches("10.9.9.1"));
        assert!(reaches(&OUTSIDE_WEB.to_string()));
    }
}
