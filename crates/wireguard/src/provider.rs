//! The file a provider gives for a tunnel of its own, in the form of `man 8 wg-quick`.
//!
//! Only what says where the tunnel is and who is at its ends is taken. What would run a program is refused, and so is what
//! nobody knows the meaning of: it may be another protocol.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use cell_model::endpoint::{Endpoint, Host};
use cell_model::key::{PresharedKey, PrivateKey, PublicKey};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The longest file that is read, in bytes.
pub const MOST_BYTES: usize = 16 * 1024;
/// Packets that small every IPv6 link takes whole (RFC 8200, section 5); larger ones Ethernet does not.
const MTU: std::ops::RangeInclusive<u16> = 1280..=1500;
/// Settings that run a program.
const HOOKS: [&str; 4] = ["preup", "postup", "predown", "postdown"];
/// Settings of protocols that are made of WireGuard, and are none.
const OTHERS: [&str; 16] = [
    "jc", "jmin", "jmax", "s1", "s2", "s3", "s4", "h1", "h2", "h3", "h4", "i1", "i2", "i3", "i4",
    "i5",
];
/// Settings of how the tunnel is had on a computer: the box has its own way.
const OWN: [&str; 4] = ["listenport", "fwmark", "table", "saveconfig"];

/// What a provider's file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderFile {
    /// This end's key.
    pub private_key: PrivateKey,
    /// This end's IPv4 address in the tunnel.
    pub address: Ipv4Addr,
    /// This end's IPv6 address in the tunnel, where IPv6 leaves by it.
    pub address6: Option<Ipv6Addr>,
    /// Name servers in it.
    pub dns: Vec<IpAddr>,
    /// Largest packet in it, in bytes.
    pub mtu: Option<u16>,
    /// The other end's key.
    pub server_public_key: PublicKey,
    /// A key both ends share besides.
    pub preshared_key: Option<PresharedKey>,
    /// Where the other end is. It has a port.
    pub endpoint: Endpoint,
    /// Seconds between packets that keep the path open.
    pub keepalive: Option<u16>,
}

/// Something in a file that is wrong, or missing. Says nothing of what is in the file but names of settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Counted from 1; `None`: it is about the file.
    pub line: Option<usize>,
    /// What, as the end of a sentence.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl ProviderFile {
    /// Reads a file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        if text.len() > MOST_BYTES {
            return Err(vec![Fault {
                line: None,
                what: format!("must have at most {MOST_BYTES} bytes"),
            }]);
        }
        let mut reader = Reader::default();
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            reader.line(number + 1, line);
        }
        reader.end()
    }
}

/// The part of the file that a line is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Interface,
    Peer,
}

#[derive(Default)]
struct Reader {
    section: Option<Section>,
    interfaces: usize,
    peers: usize,
    private_key: Option<PrivateKey>,
    addresses: Vec<IpNet>,
    dns: Vec<IpAddr>,
    mtu: Option<u16>,
    public_key: Option<PublicKey>,
    preshared_key: Option<PresharedKey>,
    allowed: Vec<IpNet>,
    endpoint: Option<Endpoint>,
    keepalive: Option<u16>,
    faults: Vec<Fault>,
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            return;
        }
        if let Err(what) = self.read(line) {
            let line = Some(number);
            self.faults.push(Fault { line, what });
        }
    }

    fn read(&mut self, line: &str) -> Result<(), String> {
        if line.starts_with('[') {
            return self.begin(line);
        }
        let (name, value) = line
            .split_once('=')
            .ok_or("must be a setting, such as Address = 10.2.0.2/32")?;
        let (name, value) = (name.trim(), value.trim());
        let lower = name.to_ascii_lowercase();
        if HOOKS.contains(&lower.as_str()) {
            return Err(format!(
                "{lower} runs a program, which a file from elsewhere may not do here; leave the line out"
            ));
        }
        match self.section {
            Some(Section::Interface) => self.interface(&lower, value),
            Some(Section::Peer) => self.peer(&lower, value),
            None => Err("must come after [Interface] or [Peer]".to_owned()),
        }
    }

    fn begin(&mut self, line: &str) -> Result<(), String> {
        let (section, count) = match line.to_ascii_lowercase().as_str() {
            "[interface]" => (Section::Interface, &mut self.interfaces),
            "[peer]" => (Section::Peer, &mut self.peers),
            _ => {
                self.section = None;
                return Err("must be [Interface] or [Peer]".to_owned());
            }
        };
        self.section = Some(section);
        *count += 1;
        match *count {
            1 => Ok(()),
            _ => Err("must not begin a second time: a tunnel has two ends".to_owned()),
        }
    }

    fn interface(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "privatekey" => once(&mut self.private_key, parsed(name, value)?, name),
            "address" => {
                for item in items(value) {
                    self.addresses
                        .push(network(item).ok_or_else(|| not_valid(name))?);
                }
                Ok(())
            }
            "dns" => {
                // Names there are domains to be searched in.
                let servers = items(value).filter_map(|item| item.parse::<IpAddr>().ok());
                self.dns.extend(servers);
                Ok(())
            }
            "mtu" => {
                let mtu = parsed(name, value)?;
                match MTU.contains(&mtu) {
                    true => once(&mut self.mtu, mtu, name),
                    false => Err(format!("mtu must be from {} to {}", MTU.start(), MTU.end())),
                }
            }
            name if OWN.contains(&name) => Ok(()),
            _ => Err(unknown(name)),
        }
    }

    fn peer(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "publickey" => once(&mut self.public_key, parsed(name, value)?, name),
            "presharedkey" => once(&mut self.preshared_key, parsed(name, value)?, name),
            "allowedips" => {
                for item in items(value) {
                    self.allowed
                        .push(network(item).ok_or_else(|| not_valid(name))?);
                }
                Ok(())
            }
            "endpoint" => {
                let endpoint: Endpoint = parsed(name, value)?;
                match endpoint.port {
                    Some(port) if port != 0 => once(&mut self.endpoint, endpoint, name),
                    _ => Err("endpoint must have a port".to_owned()),
                }
            }
            "persistentkeepalive" => match value.to_ascii_lowercase().as_str() {
                "0" | "off" => Ok(()),
                value => once(&mut self.keepalive, parsed(name, value)?, name),
            },
            _ => Err(unknown(name)),
        }
    }

    fn end(mut self) -> Result<ProviderFile, Vec<Fault>> {
        let mut lacks = |what: &str| {
            self.faults.push(Fault {
                line: None,
                what: what.to_owned(),
            });
        };
        if self.private_key.is_none() {
            lacks("must have a PrivateKey below [Interface]");
        }
        if self.public_key.is_none() {
            lacks("must have a PublicKey below [Peer]");
        }
        if self.endpoint.is_none() {
            lacks("must have an Endpoint below [Peer]");
        }
        let v4: Vec<Ipv4Addr> = self.addresses.iter().filter_map(v4).collect();
        let v6: Vec<Ipv6Addr> = self.addresses.iter().filter_map(v6).collect();
        if v4.len() != 1 || v6.len() > 1 {
            lacks("must have one IPv4 Address below [Interface], and at most one of IPv6");
        }
        let mut own = v4.iter().copied().map(IpAddr::V4);
        let mut own6 = v6.iter().copied().map(IpAddr::V6);
        if !own.all(is_of_a_machine) || !own6.all(is_of_a_machine) {
            lacks("must have an Address that one machine can have");
        }
        let other = match &self.endpoint {
            Some(Endpoint {
                host: Host::Address(address),
                ..
            }) => Some(*address),
            _ => None,
        };
        let is_own = |address: &IpAddr| self.addresses.iter().any(|own| own.addr() == *address);
        if self.dns.iter().chain(&other).any(is_own) {
            lacks("must have another Address than those of Endpoint and DNS");
        }
        let own_key = self.private_key.as_ref().map(PrivateKey::public_key);
        if own_key.is_some() && own_key == self.public_key {
            lacks(
                "must have the provider's PublicKey below [Peer], and not that of its own PrivateKey",
            );
        }
        let networks = || self.allowed.iter().map(IpNet::trunc);
        let all4 = Ipv4Net::default();
        let is_all4 = holds_all(networks(), &all4.into());
        let is_all6 = holds_all(networks(), &Ipv6Net::default().into());
        if !is_all4 {
            lacks("must have 0.0.0.0/0 among AllowedIPs: all that devices send is to go by it");
        }
        match (self.private_key, self.public_key, self.endpoint, v4.first()) {
            (Some(private_key), Some(server_public_key), Some(endpoint), Some(address))
                if self.faults.is_empty() =>
            {
                Ok(ProviderFile {
                    private_key,
                    address: *address,
                    address6: v6.first().copied().filter(|_| is_all6),
                    dns: self.dns,
                    mtu: self.mtu,
                    server_public_key,
                    preshared_key: self.preshared_key,
                    endpoint,
                    keepalive: self.keepalive,
                })
            }
            _ => Err(self.faults),
        }
    }
}

fn once<T>(place: &mut Option<T>, value: T, name: &str) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{name} must not be there twice")),
    }
}

fn parsed<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| not_valid(name))
}

/// The value may be a key, and is not repeated.
fn not_valid(name: &str) -> String {
    format!("the value of {name} is not valid")
}

/// Whatever stands before a sign of equality may be half of a key: only settings that others are known to have are named.
fn unknown(name: &str) -> String {
    match OTHERS.contains(&name) {
        true => format!("{name} is a setting of another protocol than WireGuard"),
        false => "must be a setting of WireGuard, and is none that is known here".to_owned(),
    }
}

/// Whether an address can be that of one machine in a tunnel.
fn is_of_a_machine(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, ..] = v4.octets();
            let is_none = first == 0 || first >= 224;
            !(is_none || v4.is_loopback() || v4.is_link_local())
        }
        IpAddr::V6(v6) => {
            let is_none = v6.is_unspecified() || v6.is_multicast() || v6.is_loopback();
            !(is_none || v6.is_unicast_link_local() || v6.to_ipv4_mapped().is_some())
        }
    }
}

fn items(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

/// A network, or an address, which is one of its own.
fn network(item: &str) -> Option<IpNet> {
    let address = || item.parse::<IpAddr>().map(IpNet::from).ok();
    item.parse().ok().or_else(address)
}

fn v4(network: &IpNet) -> Option<Ipv4Addr> {
    match network {
        IpNet::V4(network) => Some(network.addr()),
        IpNet::V6(_) => None,
    }
}

fn v6(network: &IpNet) -> Option<Ipv6Addr> {
    match network {
        IpNet::V6(network) => Some(network.addr()),
        IpNet::V4(_) => None,
    }
}

/// Whether networks together are all addresses of a family: that one, or both its halves.
fn holds_all(networks: impl Iterator<Item = IpNet>, all: &IpNet) -> bool {
    let networks: Vec<IpNet> = networks.collect();
    let holds = |network: &IpNet| networks.contains(network);
    let mut halves = all.subnets(1).into_iter().flatten();
    holds(all) || halves.all(|half| holds(&half))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# A provider's\n\
        [Interface]\n\
        PrivateKey = AAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAUE=\n\
        Address = 10.2.0.2/32, fd00:2::2/128\n\
        DNS = 10.2.0.1, example.net\n\
        MTU = 1380\n\
        Table = off\n\
        \n\
        [Peer]\n\
        PublicKey = zo060cy2M+x7cMF4FKXHbs0CloUFDTRHRboFhw5YfVk=\n\
        PresharedKey = AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=\n\
        AllowedIPs = 0.0.0.0/0, ::/0\n\
        Endpoint = vpn.example.net:51820 # Sweden\n\
        PersistentKeepalive = 25\n";

    fn faults(text: &str) -> String {
        let faults = ProviderFile::parse(text).unwrap_err();
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        faults.join("; ")
    }

    #[test]
    fn file_of_a_provider_is_read() {
        let file = ProviderFile::parse(FILE).unwrap();
        assert_eq!(file.address, Ipv4Addr::new(10, 2, 0, 2));
        assert_eq!(file.address6, Some("fd00:2::2".parse().unwrap()));
        assert_eq!(file.dns, ["10.2.0.1".parse::<IpAddr>().unwrap()]);
        assert_eq!((file.mtu, file.keepalive), (Some(1380), Some(25)));
        assert_eq!(file.endpoint.to_string(), "vpn.example.net:51820");
        assert!(file.preshared_key.is_some());
        let windows = FILE.replace('\n', "\r\n").replace("Address", "ADDRESS");
        assert_eq!(ProviderFile::parse(&windows).unwrap(), file);
    }

    #[test]
    fn ipv6_leaves_by_it_only_where_all_of_it_may() {
        let halves = FILE.replace("0.0.0.0/0, ::/0", "0.0.0.0/1, 128.0.0.0/1");
        assert_eq!(ProviderFile::parse(&halves).unwrap().address6, None);
        let half = FILE.replace("0.0.0.0/0, ::/0", "128.0.0.0/1, ::/0");
        assert!(faults(&half).contains("0.0.0.0/0"));
    }

    #[test]
    fn what_would_run_a_program_is_refused_by_name() {
        for hook in ["PreUp", "PostUp", "PreDown", "PostDown"] {
            let text = FILE.replace("Table = off", &format!("{hook} = rm -rf /"));
            let said = faults(&text);
            assert!(
                said.contains(&hook.to_lowercase()) && said.contains("line 7"),
                "{said}"
            );
            assert!(!said.contains("rm -rf"), "{said}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_told_at_once_and_no_key_with_it() {
        let said = faults("[Interface]\n[Peer]\n");
        for missing in [
            "PrivateKey",
            "PublicKey",
            "Endpoint",
            "Address",
            "AllowedIPs",
        ] {
            assert!(said.contains(missing), "{missing}: {said}");
        }
        for (from, to, expected) in [
            ("AAEBAQEB", "AAEBAQE", "privatekey is not valid"),
            ("zo060cy2", "zo060cy", "publickey is not valid"),
            ("10.2.0.2/32, ", "", "one IPv4 Address"),
            (
                "10.2.0.2/32",
                "10.2.0.2/32, 10.2.0.3/32",
                "one IPv4 Address",
            ),
            ("10.2.0.2/32", "10.2.0/32", "address is not valid"),
            ("MTU = 1380", "MTU = 68", "mtu must be from"),
            (
                "MTU = 1380",
                "Jc = 4",
                "jc is a setting of another protocol",
            ),
            (
                "MTU = 1380",
                "AAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAUE=",
                "line 6: must be a setting of WireGuard",
            ),
            (
                "10.2.0.2/32, fd00:2::2/128",
                "10.2.0.2/32, fe80::2/64",
                "that one machine can have",
            ),
            ("10.2.0.2/32", "0.0.0.0/0", "that one machine can have"),
            ("10.2.0.2/32", "224.0.0.5/32", "that one machine can have"),
            ("10.2.0.2/32", "10.2.0.1/32", "another Address"),
            ("vpn.example.net", "10.2.0.2", "another Address"),
            ("MTU = 1380", "MTU 1380", "line 6: must be a setting"),
            (":51820", "", "endpoint must have a port"),
            ("[Peer]", "[Peer]\n[Peer]", "must not begin a second time"),
            ("[Peer]", "[Server]", "must be [Interface] or [Peer]"),
            ("# A provider's", "client", "line 1: must be a setting"),
            ("# A provider's", "Address = 10.0.0.1/32", "must come after"),
            (
                "PersistentKeepalive = 25",
                "PersistentKeepalive = -1",
                "is not valid",
            ),
        ] {
            let said = faults(&FILE.replace(from, to));
            assert!(said.contains(expected), "{to}: {said}");
            let said = said.to_lowercase();
            assert!(!said.contains("aaeb") && !said.contains("zo06"), "{said}");
        }
        let own = PrivateKey::from_str("AAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAUE=").unwrap();
        let own = FILE.replace(
            "zo060cy2M+x7cMF4FKXHbs0CloUFDTRHRboFhw5YfVk=",
            &own.public_key().to_string(),
        );
        assert!(faults(&own).contains("the provider's PublicKey"));
        assert!(faults(&"#".repeat(MOST_BYTES + 1)).contains("at most"));
    }
}
