//! DNS records that the box makes itself, and how DNS writes them.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::name::{Domain, RecordOwner};

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneRecord {
    /// Its whole name.
    pub owner: RecordOwner,
    /// Type and value.
    pub data: ZoneData,
}

/// Type and value of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ZoneData {
    /// An IPv4 address.
    A {
        /// The address.
        address: Ipv4Addr,
    },
    /// Another name for a name.
    Cname {
        /// What it stands for.
        target: Domain,
    },
    /// Where mail for a domain goes (RFC 5321 section 5.1).
    Mx {
        /// Lower is tried first.
        preference: u16,
        /// The server.
        exchange: Domain,
    },
    /// The name of an address (RFC 1035 section 3.3.12).
    Ptr {
        /// The name.
        target: Domain,
    },
    /// Where a service is (RFC 2782).
    Srv {
        /// Lower is tried first.
        priority: u16,
        /// Share among those of one priority.
        weight: u16,
        /// The port.
        port: u16,
        /// The host; `None` says that there is no such service here.
        target: Option<Domain>,
    },
    /// What the certificate of a service looks like (RFC 6698 section 2.1).
    Tlsa {
        /// 3: the server's own certificate, whoever signed it.
        usage: u8,
        /// 1: its public key.
        selector: u8,
        /// 1: as SHA-256.
        matching: u8,
        /// What to find.
        data: Vec<u8>,
    },
    /// Text. What does not fit into one string of DNS goes as several.
    Txt {
        /// The whole text.
        text: String,
    },
}

impl ZoneData {
    /// The most bytes of one string within a TXT record (RFC 1035 section 3.3).
    pub const MAX_STRING: usize = 255;

    /// The strings a text is sent as, each of at most [`Self::MAX_STRING`] bytes; at least one.
    pub fn strings(text: &str) -> Vec<&[u8]> {
        if text.is_empty() {
            return vec![b""];
        }
        text.as_bytes().chunks(Self::MAX_STRING).collect()
    }

    /// The type as DNS writes it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::A { .. } => "A",
            Self::Cname { .. } => "CNAME",
            Self::Mx { .. } => "MX",
            Self::Ptr { .. } => "PTR",
            Self::Srv { .. } => "SRV",
            Self::Tlsa { .. } => "TLSA",
            Self::Txt { .. } => "TXT",
        }
    }

    /// The value as a zone file has it (RFC 1035 section 5.1): names with the final dot, text quoted.
    pub fn value(&self) -> String {
        match self {
            Self::A { address } => address.to_string(),
            Self::Cname { target } | Self::Ptr { target } => format!("{target}."),
            Self::Mx {
                preference,
                exchange,
            } => format!("{preference} {exchange}."),
            Self::Srv {
                priority,
                weight,
                port,
                target,
            } => {
                let target = target.as_ref().map_or("", Domain::as_str);
                format!("{priority} {weight} {port} {target}.")
            }
            Self::Tlsa {
                usage,
                selector,
                matching,
                data,
            } => {
                let mut text = format!("{usage} {selector} {matching} ");
                for byte in data {
                    let _ = write!(text, "{byte:02x}");
                }
                text
            }
            Self::Txt { text } => {
                let strings: Vec<String> = Self::strings(text).into_iter().map(quoted).collect();
                strings.join(" ")
            }
        }
    }
}

/// RFC 1035 section 5.1: quotes and backslashes behind a backslash, what is not printable ASCII as its number.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 2);
    text.push('"');
    for byte in bytes {
        match byte {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(*byte));
            }
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => {
                let _ = write!(text, "\\{byte:03}");
            }
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn txt(text: &str) -> ZoneData {
        ZoneData::Txt {
            text: text.to_owned(),
        }
    }

    #[test]
    fn values_are_those_of_a_zone_file() {
        let mail: Domain = "mail.home.cell".parse().unwrap();
        let mx = ZoneData::Mx {
            preference: 10,
            exchange: mail.clone(),
        };
        assert_eq!((mx.type_name(), &*mx.value()), ("MX", "10 mail.home.cell."));
        let srv = |target| ZoneData::Srv {
            priority: 0,
            weight: 1,
            port: 993,
            target,
        };
        assert_eq!(srv(Some(mail)).value(), "0 1 993 mail.home.cell.");
        assert_eq!(srv(None).value(), "0 1 993 .");
        let tlsa = ZoneData::Tlsa {
            usage: 3,
            selector: 1,
            matching: 1,
            data: vec![0x0a, 0xff],
        };
        assert_eq!(tlsa.value(), "3 1 1 0aff");
    }

    #[test]
    fn text_is_quoted_and_cut_where_a_string_ends() {
        assert_eq!(txt("v=spf1 mx -all").value(), "\"v=spf1 mx -all\"");
        assert_eq!(txt("a\"b\\c\u{e4}").value(), "\"a\\\"b\\\\c\\195\\164\"");
        assert_eq!(txt("").value(), "\"\"");
        let long = txt(&format!("{}y", "x".repeat(255)));
        assert_eq!(long.value(), format!("\"{}\" \"y\"", "x".repeat(255)));
    }

    #[test]
    fn record_travels_as_json() {
        let record = ZoneRecord {
            owner: "_dmarc.home.cell".parse().unwrap(),
            data: txt("v=DMARC1; p=none"),
        };
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(
            json,
            r#"{"owner":"_dmarc.home.cell","data":{"type":"txt","text":"v=DMARC1; p=none"}}"#
        );
        assert_eq!(serde_json::from_str::<ZoneRecord>(&json).unwrap(), record);
    }
}
