//! The file a device is set up with, in the form of `man 8 wg-quick`.

use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cell_model::key::{PresharedKey, PrivateKey, PublicKey};
use cell_model::name::Domain;
use cell_model::secret::Secret;
use ipnet::IpNet;

/// What a device has to know. Prints its keys as masks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFile {
    /// The device's key; without it the line is left out, for whoever keeps the key on the device.
    pub private_key: Option<PrivateKey>,
    /// The device's address in the tunnel.
    pub address: Ipv4Addr,
    /// The device's IPv6 address in the tunnel.
    pub address6: Option<Ipv6Addr>,
    /// Name servers to ask while connected.
    pub dns_servers: Vec<IpAddr>,
    /// Domain that short names are looked up in. Only written beside a name server.
    pub search_domain: Option<Domain>,
    /// The key of the box.
    pub server_public_key: PublicKey,
    /// The key both ends share.
    pub preshared_key: Option<PresharedKey>,
    /// Destinations that go through the tunnel.
    pub allowed_ips: Vec<IpNet>,
    /// Where the box is: host and port.
    pub endpoint: String,
    /// Seconds between packets that keep the path open.
    pub keepalive: Option<u16>,
}

impl ClientFile {
    /// Short enough for the mapping of any home router, whose shortest keep a silent UDP path for 30 seconds.
    pub const KEEPALIVE: u16 = 25;

    /// The file.
    pub fn render(&self) -> Secret<String> {
        let mut text = String::new();
        self.write(&mut text)
            .expect("writing to a string cannot fail");
        Secret::new(text)
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "[Interface]")?;
        if let Some(key) = &self.private_key {
            writeln!(text, "PrivateKey = {}", key.expose_text().expose())?;
        }
        write!(text, "Address = {}/32", self.address)?;
        if let Some(address) = self.address6 {
            write!(text, ", {address}/128")?;
        }
        writeln!(text)?;
        if !self.dns_servers.is_empty() {
            let servers = self.dns_servers.iter().map(ToString::to_string);
            let domain = self.search_domain.iter().map(ToString::to_string);
            writeln!(text, "DNS = {}", list(servers.chain(domain)))?;
        }
        writeln!(text, "\n[Peer]")?;
        writeln!(text, "PublicKey = {}", self.server_public_key)?;
        if let Some(key) = &self.preshared_key {
            writeln!(text, "PresharedKey = {}", key.expose_text().expose())?;
        }
        let networks = list(self.allowed_ips.iter().map(ToString::to_string));
        writeln!(text, "AllowedIPs = {networks}")?;
        writeln!(text, "Endpoint = {}", self.endpoint)?;
        if let Some(seconds) = self.keepalive {
            writeln!(text, "PersistentKeepalive = {seconds}")?;
        }
        Ok(())
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    fn full() -> ClientFile {
        ClientFile {
            private_key: Some(PrivateKey::from_bytes([1; 32])),
            address: Ipv4Addr::new(10, 8, 0, 2),
            address6: Some("fd00:8::2".parse().unwrap()),
            dns_servers: vec!["10.8.0.1".parse().unwrap()],
            search_domain: Some("home.cell".parse().unwrap()),
            server_public_key: PrivateKey::from_bytes([2; 32]).public_key(),
            preshared_key: Some(PresharedKey::from_bytes([3; 32])),
            allowed_ips: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()],
            endpoint: "home.example.org:51820".to_owned(),
            keepalive: Some(ClientFile::KEEPALIVE),
        }
    }

    #[test]
    fn full_file_has_all_lines() {
        assert_eq!(
            full().render().expose(),
            "[Interface]\n\
             PrivateKey = AAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAUE=\n\
             Address = 10.8.0.2/32, fd00:8::2/128\n\
             DNS = 10.8.0.1, home.cell\n\
             \n\
             [Peer]\n\
             PublicKey = zo060cy2M+x7cMF4FKXHbs0CloUFDTRHRboFhw5YfVk=\n\
             PresharedKey = AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=\n\
             AllowedIPs = 0.0.0.0/0, ::/0\n\
             Endpoint = home.example.org:51820\n\
             PersistentKeepalive = 25\n"
        );
    }

    #[test]
    fn what_is_not_there_has_no_line() {
        let file = ClientFile {
            private_key: None,
            address6: None,
            dns_servers: Vec::new(),
            preshared_key: None,
            keepalive: None,
            ..full()
        };
        let text = file.render();
        for word in [
            "PrivateKey",
            "fd00",
            "DNS",
            "home.cell",
            "Preshared",
            "Keepalive",
        ] {
            assert!(!text.expose().contains(word), "{word}");
        }
    }

    #[test]
    fn keys_do_not_show_in_debug_output() {
        let shown = format!("{:?} {:?}", full(), full().render());
        assert!(!shown.contains("AAEBAQEB") && !shown.contains("AwMDAwMD"));
    }

    /// wg-quick strips its own lines; what is left is for `wg setconf`, which knows no unknown line.
    #[test]
    fn wg_quick_accepts_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("phone.conf");
        fs::write(&path, full().render().expose()).unwrap();
        let output = match Command::new("wg-quick").arg("strip").arg(&path).output() {
            Ok(output) => output,
            Err(error) => {
                eprintln!("wg-quick is not installed, so nothing was compared: {error}");
                return;
            }
        };
        assert!(output.status.success(), "{output:?}");
        let stripped = String::from_utf8(output.stdout).unwrap();
        for kept in [
            "PrivateKey",
            "PublicKey",
            "PresharedKey",
            "AllowedIPs",
            "Endpoint",
        ] {
            assert!(stripped.contains(kept), "{stripped}");
        }
        for quick in ["Address", "DNS"] {
            assert!(!stripped.contains(quick), "{stripped}");
        }
    }
}
