//! `start.conf`: which interfaces the daemon is started with. Lines the shell reads; `WAN=eth0`, `LAN=eth1`.

use std::fs;
use std::io;
use std::path::Path;

use cell_model::name::InterfaceName;

use crate::effect::Side;
use crate::refusal::Refusal;

/// Which interface is which side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartConf {
    /// The uplink; `None`: the init scripts choose.
    pub wan: Option<InterfaceName>,
    /// The home side; `None`: one-armed.
    pub lan: Option<InterfaceName>,
    /// Lines that say something else; they stay.
    others: Vec<String>,
}

impl StartConf {
    /// The other side's interface, or this one's.
    pub fn set(&mut self, side: Side, interface: Option<InterfaceName>) {
        match side {
            Side::Wan => self.wan = interface,
            Side::Lan => self.lan = interface,
        }
    }

    pub(super) fn read(path: &Path) -> Result<Self, Refusal> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Refusal::new(
                format!("{} cannot be read: {error}.", path.display()),
                "Restart the box and try again.",
            )),
        }
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), Refusal> {
        cell_durable::replace(path, self.render().as_bytes(), 0o644).map_err(|error| {
            Refusal::new(
                format!("{} cannot be written: {error}.", path.display()),
                "Nothing was changed. Restart the box and try again.",
            )
        })
    }

    /// A value that is no interface counts as none: the person is about to choose one.
    fn parse(text: &str) -> Self {
        let mut conf = Self::default();
        for line in text.lines() {
            let value = |value: &str| value.trim().trim_matches(['"', '\'']).parse().ok();
            match line.trim().split_once('=') {
                Some(("WAN", name)) => conf.wan = value(name),
                Some(("LAN", name)) => conf.lan = value(name),
                _ if line.trim().is_empty() => {}
                _ => conf.others.push(line.to_owned()),
            }
        }
        conf
    }

    fn render(&self) -> String {
        let mut text = String::new();
        for line in &self.others {
            text.push_str(line);
            text.push('\n');
        }
        // Names of interfaces hold nothing the shell would expand.
        for (side, interface) in [(Side::Wan, &self.wan), (Side::Lan, &self.lan)] {
            if let Some(interface) = interface {
                text.push_str(&format!("{}={interface}\n", side.as_str()));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_read_and_other_lines_stay() {
        let mut conf = StartConf::parse("# made by the seed\nWAN=eth0\n\nLAN=\"eth1\"\nMTU=1400\n");
        assert_eq!(conf.wan.as_ref().unwrap().as_str(), "eth0");
        assert_eq!(conf.lan.as_ref().unwrap().as_str(), "eth1");
        conf.set(Side::Wan, Some("enp1s0".parse().unwrap()));
        conf.set(Side::Lan, None);
        assert_eq!(conf.render(), "# made by the seed\nMTU=1400\nWAN=enp1s0\n");
    }

    #[test]
    fn value_that_is_no_interface_counts_as_none() {
        let conf = StartConf::parse("WAN=$(reboot)\nLAN=\n");
        assert_eq!(conf, StartConf::default());
        assert_eq!(conf.render(), "");
    }

    #[test]
    fn file_that_is_not_there_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("start.conf");
        assert_eq!(StartConf::read(&path).unwrap(), StartConf::default());
        let mut conf = StartConf::default();
        conf.set(Side::Wan, Some("eth0".parse().unwrap()));
        conf.write(&path).unwrap();
        assert_eq!(StartConf::read(&path).unwrap(), conf);
    }
}
