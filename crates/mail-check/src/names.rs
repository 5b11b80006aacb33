//! The domain, the server's name and its address.

use std::net::Ipv4Addr;

use cell_model::mail::{FindingState, MailPurpose, MailRecord};
use cell_model::spec::ZoneData;
use hickory_proto::rr::RecordType;

use crate::answer::{Answer, Asker};
use crate::finding::Verdict;
use crate::record::{self, silent};
use crate::text::list;
use crate::{Command, Leaves};

const ENTER_ADDRESS: &str =
    "Enter in the settings the address that the box is reached at from outside.";
const NAME_IT: &str = "Ask whoever provides the internet connection to give the address that name. If they do not, have a \
    provider bring your mail on.";

/// Whether public DNS knows the domain at all.
pub(crate) async fn domain(asker: &Asker, command: &Command) -> Verdict {
    let domain = &command.domain;
    match asker.ask(domain.as_str(), RecordType::NS).await {
        Answer::Values(_) | Answer::NoValue => {
            Verdict::ok(format!("Public DNS knows the domain {domain}."))
        }
        Answer::NoName => Verdict::failed(
            format!(
                "Public DNS does not know the domain {domain}: nobody outside the house can send mail to it."
            ),
            "Register the domain, or give the box another one that is yours. Then copy the records to its DNS.",
        ),
        Answer::Silence => silent(&format!("the domain {domain}")),
    }
}

/// How it is with a record, after one question or two.
pub(crate) async fn look_up(asker: &Asker, record: &MailRecord, command: &Command) -> Looked {
    let owner = record.record.owner.to_string();
    let kind = kind(&record.record.data);
    let answer = asker.ask(&owner, kind).await;
    let verdict = match record.purpose {
        MailPurpose::Host => host(asker, record, &answer).await,
        MailPurpose::Reverse => reverse(asker, command, command.public_address, &answer).await,
        _ if kind == RecordType::CNAME => alias(asker, record, command, &answer).await,
        _ => record::judge(record, &answer),
    };
    Looked { answer, verdict }
}

/// What was asked, and what it means.
pub(crate) struct Looked {
    pub(crate) answer: Answer,
    pub(crate) verdict: Verdict,
}

fn kind(data: &ZoneData) -> RecordType {
    match data {
        ZoneData::A { .. } => RecordType::A,
        ZoneData::Cname { .. } => RecordType::CNAME,
        ZoneData::Mx { .. } => RecordType::MX,
        ZoneData::Ptr { .. } => RecordType::PTR,
        ZoneData::Srv { .. } => RecordType::SRV,
        ZoneData::Tlsa { .. } => RecordType::TLSA,
        ZoneData::Txt { .. } => RecordType::TXT,
    }
}

/// The mail service has no IPv6 address: whoever is led to one finds nobody.
async fn host(asker: &Asker, record: &MailRecord, answer: &Answer) -> Verdict {
    let verdict = record::judge(record, answer);
    let owner = record.record.owner.to_string();
    let others = asker.ask(&owner, RecordType::AAAA).await;
    match verdict.state {
        FindingState::Ok if !others.values().is_empty() => Verdict::warning(
            format!(
                "{owner} also has the IPv6 address {}, where mail does not listen.",
                list(others.values())
            ),
            "Take the AAAA record of this name out of DNS.",
        ),
        _ => verdict,
    }
}

/// What should be an alias of the host may lead to its address by itself, too.
async fn alias(asker: &Asker, record: &MailRecord, command: &Command, answer: &Answer) -> Verdict {
    if let (Answer::NoValue, Some(address)) = (answer, command.public_address) {
        let owner = record.record.owner.to_string();
        if asker.addresses(&owner).await.contains(&address) {
            return Verdict::ok(format!("{owner} leads to this box."));
        }
    }
    record::judge(record, answer)
}

/// Where nobody has told the box its address: what can be said all the same, and which address public DNS has.
pub(crate) async fn host_without_address(
    asker: &Asker,
    command: &Command,
) -> (Verdict, Option<Ipv4Addr>) {
    let host = &command.host;
    let answer = asker.ask(host.as_str(), RecordType::A).await;
    let values = answer.values();
    let verdict = match &answer {
        Answer::Values(_) => Verdict::unknown(
            format!(
                "{host} leads to {}. Whether that is this box, the box cannot tell.",
                list(values)
            ),
            ENTER_ADDRESS,
        ),
        Answer::NoValue | Answer::NoName => Verdict::failed(
            format!("Public DNS has no address of {host}, and the box does not know its own."),
            ENTER_ADDRESS,
        ),
        Answer::Silence => silent(&format!("the address of {host}")),
    };
    let address = values.first().and_then(|value| value.parse().ok());
    (verdict, address)
}

/// How it is with the name of an address that nobody has told the box.
pub(crate) async fn reverse_of(asker: &Asker, command: &Command, address: Ipv4Addr) -> Verdict {
    let owner = format!("{}.in-addr.arpa", reversed(address));
    let answer = asker.ask(&owner, RecordType::PTR).await;
    reverse(asker, command, Some(address), &answer).await
}

/// The name of the address is the one the server greets with, and leads back to it (RFC 1912 section 2.1).
async fn reverse(
    asker: &Asker,
    command: &Command,
    address: Option<Ipv4Addr>,
    answer: &Answer,
) -> Verdict {
    let (host, Some(address)) = (&command.host, address) else {
        return Verdict::unknown("The box does not know its own address.", ENTER_ADDRESS);
    };
    let weighed = |seen: String, action: &str| match command.leaves {
        Leaves::Direct { .. } => Verdict::failed(
            format!("{seen} Many servers take no mail from such an address."),
            action,
        ),
        // What others see is the provider's.
        Leaves::Relay(_) | Leaves::ReceiveOnly => Verdict::warning(seen, action),
    };
    match answer {
        Answer::Silence => silent(&format!("the name of {address}")),
        Answer::NoName | Answer::NoValue => weighed(
            format!("The address {address} has no name; it should be {host}."),
            NAME_IT,
        ),
        Answer::Values(names) if !names.contains(&format!("{host}.")) => weighed(
            format!(
                "The address {address} has the name {}; it should be {host}.",
                list(names)
            ),
            NAME_IT,
        ),
        Answer::Values(_) => {
            let answer = asker.ask(host.as_str(), RecordType::A).await;
            let leads_back = answer.values().contains(&address.to_string());
            match answer {
                Answer::Silence => silent(&format!("the address of {host}")),
                _ if leads_back => Verdict::ok(format!(
                    "The address {address} has the name {host}, which leads back to it."
                )),
                _ => weighed(
                    format!(
                        "The address {address} has the name {host}, which does not lead back to it."
                    ),
                    "Mend the address of the mail server in DNS.",
                ),
            }
        }
    }
}

/// As names below which addresses are looked up have it.
pub(crate) fn reversed(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("{d}.{c}.{b}.{a}")
}
