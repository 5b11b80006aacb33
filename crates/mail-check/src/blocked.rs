//! Block lists: who says of the address that one should take no mail from it (RFC 5782).

use std::net::Ipv4Addr;

use cell_model::name::Domain;
use hickory_proto::rr::RecordType;

use crate::answer::{Answer, Asker};
use crate::finding::Verdict;
use crate::names::reversed;

/// An address that every list has, so that one can see whether it answers (RFC 5782 section 5).
const ALWAYS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// What a list says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// The address is not on it.
    NotListed,
    /// It is.
    Listed,
    /// It is, as one of those that homes have: nobody has done anything wrong.
    ListedAsHome,
    /// It does not answer those who ask through this name server.
    Unwilling,
    /// Nothing that a list says.
    Nothing,
}

/// How it is with an address and a list.
pub(crate) async fn look(asker: &Asker, list: &Domain, address: Ipv4Addr) -> Verdict {
    let ask = async |address| {
        let name = format!("{}.{list}", reversed(address));
        said(&asker.ask(&name, RecordType::A).await)
    };
    let (said, always) = tokio::join!(ask(address), ask(ALWAYS));
    match (said, always) {
        (Said::Listed, _) => Verdict::failed(
            format!(
                "The address {address} is on the block list {list}: many servers take no mail from it."
            ),
            format!(
                "Look at the operator's page of {list} for the reason, mend it, and have the address taken out. Until then \
                 have a provider bring your mail on."
            ),
        ),
        (Said::ListedAsHome, _) => Verdict::failed(
            format!(
                "The list {list} has the address {address} as one of a home, which others take no mail from."
            ),
            "Have a provider bring your mail on, or get a fixed address and have it taken out at check.spamhaus.org.",
        ),
        (Said::Unwilling, _) | (_, Said::Unwilling) => Verdict::unknown(
            format!(
                "The list {list} does not answer questions that come through the DNS servers of this box."
            ),
            "Look the address up on the list's own page.",
        ),
        (Said::NotListed, Said::Listed | Said::ListedAsHome) => Verdict::ok(format!(
            "The address {address} is not on the block list {list}."
        )),
        (Said::NotListed | Said::Nothing, _) => Verdict::unknown(
            format!("The block list {list} gives no answer that means anything."),
            "Look the address up on the list's own page.",
        ),
    }
}

fn said(answer: &Answer) -> Said {
    let values = match answer {
        Answer::NoName | Answer::NoValue => return Said::NotListed,
        Answer::Silence => return Said::Nothing,
        Answer::Values(values) => values,
    };
    let addresses: Vec<Ipv4Addr> = values.iter().filter_map(|v| v.parse().ok()).collect();
    let any = |is: fn([u8; 4]) -> bool| addresses.iter().any(|address| is(address.octets()));
    // Spamhaus says so where questions come from public name servers, are too many, or are badly written.
    if any(|octets| octets[..3] == [127, 255, 255]) {
        Said::Unwilling
    } else if !any(|octets| octets[0] == 127) {
        // Name servers that answer something for names that are not there.
        Said::Nothing
    } else if addresses
        .iter()
        .all(|address| matches!(address.octets(), [127, 0, 0, 10 | 11]))
    {
        // Spamhaus PBL.
        Said::ListedAsHome
    } else {
        Said::Listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_lists_are_told_apart() {
        let values = |values: &[&str]| {
            said(&Answer::Values(
                values.iter().map(|value| (*value).to_owned()).collect(),
            ))
        };
        assert_eq!(said(&Answer::NoName), Said::NotListed);
        assert_eq!(said(&Answer::Silence), Said::Nothing);
        assert_eq!(values(&["127.0.0.4"]), Said::Listed);
        assert_eq!(values(&["127.0.0.10"]), Said::ListedAsHome);
        assert_eq!(values(&["127.0.0.11", "127.0.0.4"]), Said::Listed);
        assert_eq!(values(&["127.255.255.254"]), Said::Unwilling);
        assert_eq!(values(&["198.51.100.1"]), Said::Nothing);
    }
}
