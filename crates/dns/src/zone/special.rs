//! Names with a meaning of their own, which no server outside can know anything about.

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::{Name, RData, RecordType};

/// Suffixes that do not exist in the public DNS, lower case, last label first.
/// RFC 6761 (invalid), RFC 6762 (local), RFC 7686 (onion), RFC 8375 (home.arpa),
/// RFC 9462 section 6.4 (resolver.arpa), RFC 9476 (alt), ICANN resolution 2024.07.29.06 (internal).
/// Not so `test`: who tries things out has a server of theirs for it, and named it as upstream.
const ABSENT: [&[&[u8]]; 7] = [
    &[b"invalid"],
    &[b"local"],
    &[b"onion"],
    &[b"alt"],
    &[b"internal"],
    &[b"arpa", b"home"],
    &[b"arpa", b"resolver"],
];

/// What a special name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    /// `localhost` or below it: the asking machine itself (RFC 6761 section 6.3).
    Localhost,
    /// Does not exist; so many labels of the name are the suffix that says so.
    Absent(usize),
}

/// Whether a name in lower case is special.
pub(crate) fn special(name: &Name) -> Option<Special> {
    if name.iter().next_back()? == b"localhost" {
        return Some(Special::Localhost);
    }
    ABSENT
        .into_iter()
        .find(|suffix| {
            suffix.len() <= usize::from(name.num_labels())
                && name.iter().rev().zip(suffix.iter()).all(|(a, b)| a == *b)
        })
        .map(|suffix| Special::Absent(suffix.len()))
}

/// The loopback address as a record of this type.
pub(crate) fn loopback(record_type: RecordType) -> Option<RData> {
    match record_type {
        RecordType::A => Some(RData::A(Ipv4Addr::LOCALHOST.into())),
        RecordType::AAAA => Some(RData::AAAA(Ipv6Addr::LOCALHOST.into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn special_of(name: &str) -> Option<Special> {
        special(&Name::from_ascii(name).unwrap())
    }

    #[test]
    fn names_that_never_leave_the_house_are_known() {
        assert_eq!(special_of("localhost."), Some(Special::Localhost));
        assert_eq!(special_of("a.localhost."), Some(Special::Localhost));
        assert_eq!(special_of("printer.local."), Some(Special::Absent(1)));
        assert_eq!(special_of("x.home.arpa."), Some(Special::Absent(2)));
        assert_eq!(special_of("onion."), Some(Special::Absent(1)));
    }

    #[test]
    fn ordinary_names_are_not_special() {
        for name in [
            ".",
            "arpa.",
            "example.com.",
            "local.example.",
            "xlocal.",
            "www.test.",
            "in-addr.arpa.",
        ] {
            assert_eq!(special_of(name), None, "{name}");
        }
    }
}
