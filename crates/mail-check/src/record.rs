//! A record compared with what public DNS says. Pure.

use std::collections::BTreeSet;

use cell_model::mail::{DkimSeen, FindingState, MailPurpose, MailRecord};
use cell_model::name::DnsLabel;
use cell_model::spec::ZoneData;

use crate::answer::Answer;
use crate::finding::Verdict;
use crate::text::{list, short};

/// What is proposed where a provider brings mail on, from servers that only the provider knows (RFC 7208 section 2.6.2).
const OTHERS_SEND: &str = "?all";
const COPY: &str = "Copy the record to wherever the DNS of the domain is kept. Others may remember for about an hour what \
    was there before.";
const ASK_AGAIN: &str =
    "Look at the box's connection to the internet and at its DNS servers, then check again.";

/// What a finding about a record is called.
pub(crate) fn id(record: &MailRecord) -> String {
    let first = || {
        let owner = record.record.owner.to_string();
        let label = owner.split('.').next().unwrap_or_default();
        label.trim_start_matches('_').to_owned()
    };
    match record.purpose {
        MailPurpose::Receive => "mx".to_owned(),
        MailPurpose::Host => "host".to_owned(),
        MailPurpose::Reverse => "rdns".to_owned(),
        MailPurpose::Spf => "spf".to_owned(),
        MailPurpose::SpfHost => "spf_host".to_owned(),
        MailPurpose::Dkim | MailPurpose::DkimRevoked => format!("dkim:{}", first()),
        MailPurpose::Dmarc => "dmarc".to_owned(),
        MailPurpose::TlsReports => "tls_reports".to_owned(),
        MailPurpose::Tlsa => "tlsa".to_owned(),
        MailPurpose::Programs | MailPurpose::NoPrograms => format!("srv:{}", first()),
        MailPurpose::Settings => match record.record.data {
            ZoneData::Srv { .. } => format!("srv:{}", first()),
            _ => first(),
        },
    }
}

/// The key that a record is of.
pub(crate) fn selector(record: &MailRecord) -> Option<DnsLabel> {
    let owner = record.record.owner.to_string();
    let (selector, _) = owner.split_once("._domainkey.")?;
    selector.parse().ok()
}

/// How it is with a record.
pub(crate) fn judge(record: &MailRecord, answer: &Answer) -> Verdict {
    let values = match answer {
        Answer::Values(values) => values,
        Answer::NoValue | Answer::NoName => return missing(record),
        Answer::Silence => return silent(&what(record)),
    };
    match record.purpose {
        MailPurpose::Receive => exchanges(record, values),
        MailPurpose::Spf | MailPurpose::SpfHost => senders(record, values),
        MailPurpose::Dkim => match key(record, values) {
            Some(DkimSeen::Right) => right(record),
            Some(DkimSeen::Wrong) => differs(record, values),
            None => missing(record),
        },
        MailPurpose::DkimRevoked => revoked(record, values),
        MailPurpose::Dmarc => policy(record, values),
        MailPurpose::Tlsa => server_key(record, values),
        MailPurpose::TlsReports => one_text(record, values),
        MailPurpose::Programs | MailPurpose::NoPrograms => place(record, values),
        MailPurpose::Settings => match record.record.data {
            ZoneData::Srv { .. } => place(record, values),
            _ => exactly(record, values),
        },
        MailPurpose::Host | MailPurpose::Reverse => exactly(record, values),
    }
}

/// What a key's record says; `None` when nobody could be asked.
pub(crate) fn seen(record: &MailRecord, answer: &Answer) -> Option<DkimSeen> {
    match answer {
        Answer::Values(values) => Some(key(record, values).unwrap_or(DkimSeen::Wrong)),
        Answer::NoValue | Answer::NoName => Some(DkimSeen::Wrong),
        Answer::Silence => None,
    }
}

/// Nobody could be asked for something.
pub(crate) fn silent(what: &str) -> Verdict {
    Verdict::unknown(
        format!("No name server answered when asked for {what}."),
        ASK_AGAIN,
    )
}

fn what(record: &MailRecord) -> String {
    let kind = record.record.data.type_name();
    format!("the {kind} record of {}", record.record.owner)
}

fn should_be(record: &MailRecord) -> String {
    match &record.record.data {
        ZoneData::Txt { text } => text.clone(),
        data => data.value(),
    }
}

fn weight(record: &MailRecord) -> FindingState {
    match record.needed {
        true => FindingState::Failed,
        false => FindingState::Warning,
    }
}

fn missing(record: &MailRecord) -> Verdict {
    Verdict::new(
        weight(record),
        format!("Public DNS does not have {}.", what(record)),
        COPY,
    )
}

fn right(record: &MailRecord) -> Verdict {
    Verdict::ok(format!("Public DNS has {} as it should be.", what(record)))
}

fn differs(record: &MailRecord, values: &[String]) -> Verdict {
    Verdict::new(
        weight(record),
        format!(
            "In public DNS, {} says {}. It should say {}.",
            what(record),
            list(values),
            short(&should_be(record))
        ),
        COPY,
    )
}

fn exactly(record: &MailRecord, values: &[String]) -> Verdict {
    let wanted = should_be(record);
    match values.contains(&wanted) {
        false => differs(record, values),
        true if values.len() == 1 => right(record),
        true => {
            let others = values.iter().filter(|value| **value != wanted);
            Verdict::warning(
                format!(
                    "In public DNS, {} says what it should, and also {}.",
                    what(record),
                    list(others)
                ),
                "Take the others out, if they are not meant to be there: some are led to them.",
            )
        }
    }
}

/// RFC 5321 section 5.1: every exchange that is listed may get mail.
fn exchanges(record: &MailRecord, values: &[String]) -> Verdict {
    let ZoneData::Mx { exchange, .. } = &record.record.data else {
        return exactly(record, values);
    };
    let host = |value: &str| {
        let host = value.split(' ').nth(1).unwrap_or_default();
        host.trim_end_matches('.').to_owned()
    };
    let hosts: BTreeSet<String> = values.iter().map(|value| host(value)).collect();
    let others: BTreeSet<String> = hosts
        .iter()
        .filter(|host| **host != exchange.as_str())
        .cloned()
        .collect();
    if !hosts.contains(exchange.as_str()) {
        differs(record, values)
    } else if others.is_empty() {
        right(record)
    } else {
        Verdict::warning(
            format!(
                "Mail for {} goes to this box, and also to {}.",
                record.record.owner,
                list(&others)
            ),
            "Take the other servers out of the MX records, unless they pass mail on to this box.",
        )
    }
}

/// The texts that begin with the word of a record, whatever else is under its name.
fn texts<'a>(values: &'a [String], word: &str) -> Vec<&'a str> {
    let of_kind = |value: &&str| {
        let rest = value.get(..word.len()).map(str::to_ascii_lowercase);
        let next = value.as_bytes().get(word.len());
        rest.is_some_and(|start| start == word)
            && next.is_none_or(|byte| !byte.is_ascii_alphanumeric())
    };
    let values = values.iter().map(|value| value.trim());
    values.filter(of_kind).collect()
}

/// RFC 7208.
fn senders(record: &MailRecord, values: &[String]) -> Verdict {
    let found = texts(values, "v=spf1");
    let wanted = should_be(record);
    let [found] = found.as_slice() else {
        return match found.len() {
            0 => missing(record),
            count => Verdict::new(
                weight(record),
                format!(
                    "{} has {count} texts that say who may send its mail. Others believe none of them then.",
                    record.record.owner
                ),
                "Leave one text that begins with v=spf1, and put everything that may send into it.",
            ),
        };
    };
    let words = |text: &str| -> BTreeSet<String> {
        let words = text.split_ascii_whitespace();
        words.map(str::to_ascii_lowercase).collect()
    };
    let (found_words, wanted_words) = (words(found), words(&wanted));
    let found_text = [(*found).to_owned()];
    if found_words.contains("+all") || found_words.contains("all") {
        return Verdict::new(
            weight(record),
            format!(
                "{} lets everybody send mail in its name: {}.",
                record.record.owner,
                list(&found_text)
            ),
            COPY,
        );
    }
    if found_words == wanted_words {
        return right(record);
    }
    if wanted_words.contains(OTHERS_SEND) {
        let owner = &record.record.owner;
        let others = found_words
            .iter()
            .any(|word| names_others(word, owner.as_str()));
        let refuses = ["-all", "~all"]
            .iter()
            .any(|all| found_words.contains(*all));
        match (refuses, others) {
            (true, true) => {
                return Verdict::unknown(
                    format!(
                        "The text of {owner} names others who may send: {}. Whether your provider is among them, only the \
                         provider knows.",
                        list(&found_text)
                    ),
                    "Compare it with what your provider says.",
                );
            }
            (true, false) => {
                return Verdict::new(
                    weight(record),
                    format!(
                        "Others turn away what your provider brings on, since {owner} does not name it: {}.",
                        list(&found_text)
                    ),
                    "Put before the last word what your provider says, as a rule include: and a name, or copy the record.",
                );
            }
            (false, _) => {}
        }
    }
    let sends = wanted_words
        .iter()
        .filter(|word| !word.starts_with("v=") && !word.ends_with("all"))
        .all(|word| found_words.contains(word) || found_words.contains(&format!("+{word}")));
    match sends && wanted_words.len() > 2 {
        true => Verdict::warning(
            format!(
                "This box may send mail of {}. The text says more than was proposed: {}.",
                record.record.owner,
                list(&found_text)
            ),
            "Nothing is wrong if others send mail of the domain, too. Otherwise copy the record.",
        ),
        false => differs(record, &found_text),
    }
}

/// Whether a word of such a text may be about servers that are not of the domain `own` (RFC 7208 sections 5 and 6.1).
fn names_others(word: &str, own: &str) -> bool {
    let word = word.strip_prefix('+').unwrap_or(word);
    let kinds = [
        "include:",
        "redirect=",
        "ip4:",
        "ip6:",
        "a:",
        "mx:",
        "exists:",
    ];
    let mut named = kinds.iter().filter_map(|kind| word.strip_prefix(kind));
    named.any(|name| name != own && !name.ends_with(&format!(".{own}")))
}

/// Fields of `name=value; …` (RFC 6376 section 3.2), names in lower case, values without blanks.
fn fields(text: &str) -> Vec<(String, String)> {
    let fields = text.split(';').filter_map(|field| field.split_once('='));
    fields
        .map(|(name, value)| {
            let value = value.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            (name.trim().to_ascii_lowercase(), value)
        })
        .collect()
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut fields = fields.iter();
    fields
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

/// RFC 6376 section 3.6.1: `v` and `k` may be left out. Several keys under one name: others take any of them. `None`:
/// there is no key.
fn key(record: &MailRecord, values: &[String]) -> Option<DkimSeen> {
    let wanted = fields(&should_be(record));
    let keys: Vec<_> = values.iter().map(|value| fields(value)).collect();
    let keys: Vec<_> = keys
        .iter()
        .filter(|fields| field(fields, "p").is_some())
        .collect();
    let is_right = |fields: &[(String, String)]| {
        field(fields, "p") == field(&wanted, "p")
            && field(fields, "v").is_none_or(|version| version == "DKIM1")
            && field(fields, "k").is_none_or(|kind| kind.eq_ignore_ascii_case("rsa"))
    };
    match keys.as_slice() {
        [] => None,
        [one] if is_right(one) => Some(DkimSeen::Right),
        _ => Some(DkimSeen::Wrong),
    }
}

/// A key that is not there any more does as well as one that says so.
fn revoked(record: &MailRecord, values: &[String]) -> Verdict {
    match key(record, values) {
        Some(DkimSeen::Wrong) => differs(record, values),
        Some(DkimSeen::Right) | None => right(record),
    }
}

/// RFC 7489 section 6.6.3.
fn policy(record: &MailRecord, values: &[String]) -> Verdict {
    let found = texts(values, "v=dmarc1");
    let [found] = found.as_slice() else {
        return match found.len() {
            0 => missing(record),
            count => Verdict::new(
                weight(record),
                format!(
                    "{} has {count} rules for forged mail. Others follow none of them then.",
                    record.record.owner
                ),
                "Leave one text that begins with v=DMARC1.",
            ),
        };
    };
    let (found_fields, wanted) = (fields(found), fields(&should_be(record)));
    if found_fields == wanted {
        return right(record);
    }
    let word = field(&found_fields, "p").map(str::to_ascii_lowercase);
    match word.as_deref() {
        Some("quarantine" | "reject") => Verdict::ok(format!(
            "Others are told to hold back forged mail, in other words than were proposed: {}.",
            short(found)
        )),
        Some("none") => Verdict::warning(
            format!(
                "Others are told to let forged mail of the domain pass: {}.",
                short(found)
            ),
            "Copy the record once your own mail arrives well.",
        ),
        _ => differs(record, &[(*found).to_owned()]),
    }
}

fn one_text(record: &MailRecord, values: &[String]) -> Verdict {
    let wanted = should_be(record);
    let word = wanted.split(';').next().unwrap_or_default();
    let found = texts(values, &word.to_ascii_lowercase());
    match found.as_slice() {
        [] => missing(record),
        [one] if fields(one) == fields(&wanted) => right(record),
        [one] if record.purpose == MailPurpose::TlsReports => Verdict::ok(format!(
            "Others report failed encryption as public DNS says: {}.",
            short(one)
        )),
        found => {
            let found: Vec<String> = found.iter().map(|text| (*text).to_owned()).collect();
            differs(record, &found)
        }
    }
}

/// Priority and weight mean nothing where there is one host.
fn place(record: &MailRecord, values: &[String]) -> Verdict {
    let host_and_port = |value: &str| {
        let words: Vec<&str> = value.split(' ').collect();
        match words.as_slice() {
            // There is no such service, whatever the port (RFC 2782).
            [.., "."] => ".".to_owned(),
            [_, _, port, host] => format!("{port} {host}"),
            _ => value.to_owned(),
        }
    };
    let wanted = host_and_port(&should_be(record));
    match values.iter().all(|value| host_and_port(value) == wanted) {
        true => right(record),
        false => differs(record, values),
    }
}

/// RFC 7672 section 3: one that fits is enough, and where none does, those who check it do not deliver.
fn server_key(record: &MailRecord, values: &[String]) -> Verdict {
    let wanted = should_be(record);
    match values.contains(&wanted) {
        true => right(record),
        false => Verdict::failed(
            format!(
                "Public DNS names another key of the server than it has: {}. Servers that check it bring no mail.",
                list(values)
            ),
            "Copy the record, or take it out of DNS.",
        ),
    }
}

#[cfg(test)]
mod tests;
