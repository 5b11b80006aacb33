//! What public DNS may say, and what a person is told then.

use cell_model::mail::{DkimSeen, FindingState, MailPurpose, MailRecord};
use cell_model::spec::{ZoneData, ZoneRecord};

use super::*;
use FindingState::{Failed, Ok, Unknown, Warning};

fn record(purpose: MailPurpose, owner: &str, data: ZoneData) -> MailRecord {
    MailRecord {
        record: ZoneRecord {
            owner: owner.parse().unwrap(),
            data,
        },
        purpose,
        needed: true,
    }
}

fn txt(purpose: MailPurpose, owner: &str, text: &str) -> MailRecord {
    let data = ZoneData::Txt {
        text: text.to_owned(),
    };
    record(purpose, owner, data)
}

fn mx() -> MailRecord {
    let data = ZoneData::Mx {
        preference: 10,
        exchange: "mail.example.org".parse().unwrap(),
    };
    record(MailPurpose::Receive, "example.org", data)
}

fn spf() -> MailRecord {
    txt(MailPurpose::Spf, "example.org", "v=spf1 mx -all")
}

fn dkim() -> MailRecord {
    let owner = "c202611._domainkey.example.org";
    txt(MailPurpose::Dkim, owner, "v=DKIM1; k=rsa; p=AAAA")
}

fn srv(purpose: MailPurpose, port: u16, target: Option<&str>) -> MailRecord {
    let data = ZoneData::Srv {
        priority: 0,
        weight: 1,
        port,
        target: target.map(|target| target.parse().unwrap()),
    };
    record(purpose, "_imaps._tcp.example.org", data)
}

fn found(values: &[&str]) -> Answer {
    Answer::Values(values.iter().map(|value| (*value).to_owned()).collect())
}

fn state(record: &MailRecord, values: &[&str]) -> FindingState {
    judge(record, &found(values)).state
}

#[test]
fn what_is_not_there_weighs_as_much_as_it_is_needed() {
    for answer in [Answer::NoName, Answer::NoValue] {
        let mut record = mx();
        let verdict = judge(&record, &answer);
        assert_eq!(verdict.state, Failed);
        assert_eq!(
            verdict.seen,
            "Public DNS does not have the MX record of example.org."
        );
        assert!(verdict.action.starts_with("Copy the record"));
        record.needed = false;
        assert_eq!(judge(&record, &answer).state, Warning);
    }
    let verdict = judge(&mx(), &Answer::Silence);
    assert_eq!(verdict.state, Unknown);
    assert!(!verdict.action.is_empty());
}

#[test]
fn other_exchangers_are_said() {
    assert_eq!(state(&mx(), &["10 mail.example.org."]), Ok);
    // The number means nothing where there is one.
    assert_eq!(state(&mx(), &["0 mail.example.org."]), Ok);
    assert_eq!(state(&mx(), &["10 mx.example.net."]), Failed);
    assert_eq!(state(&mx(), &["0 ."]), Failed);
    let both = found(&["10 mail.example.org.", "20 mx.example.net."]);
    let verdict = judge(&mx(), &both);
    assert_eq!(verdict.state, Warning);
    assert!(
        verdict.seen.contains("also to mx.example.net"),
        "{verdict:?}"
    );
}

#[test]
fn text_of_senders_is_one_among_others() {
    let other = "google-site-verification=abc";
    assert_eq!(state(&spf(), &[other, "v=spf1 mx -all"]), Ok);
    assert_eq!(state(&spf(), &["V=SPF1  MX -ALL"]), Ok);
    assert_eq!(state(&spf(), &[other]), Failed);
    assert_eq!(state(&spf(), &["v=spf10 mx -all"]), Failed);
    let verdict = judge(&spf(), &found(&["v=spf1 mx -all", "v=spf1 -all"]));
    assert_eq!(verdict.state, Failed);
    assert!(verdict.seen.contains("2 texts"), "{verdict:?}");
    assert!(verdict.action.contains("one text"), "{verdict:?}");
}

#[test]
fn text_of_senders_may_say_more_but_not_everybody() {
    let more = "v=spf1 mx include:news.example ~all";
    assert_eq!(state(&spf(), &[more]), Warning);
    assert_eq!(state(&spf(), &["v=spf1 include:news.example -all"]), Failed);
    assert_eq!(state(&spf(), &["v=spf1 mx +all"]), Failed);
    // Whoever sends nothing, and lets others send.
    let none = txt(MailPurpose::Spf, "example.org", "v=spf1 -all");
    assert_eq!(state(&none, &["v=spf1 -all"]), Ok);
    assert_eq!(state(&none, &["v=spf1 mx -all"]), Failed);
}

#[test]
fn key_is_the_same_however_it_is_written() {
    let key = |values: &[&str]| seen(&dkim(), &found(values));
    for same in [
        "v=DKIM1; k=rsa; p=AAAA",
        "v=DKIM1;k=rsa;p=AA AA",
        "p=AAAA;",
        "k=RSA; t=s; p=AAAA",
    ] {
        assert_eq!(key(&[same]), Some(DkimSeen::Right), "{same}");
        assert_eq!(state(&dkim(), &[same]), Ok, "{same}");
    }
    for other in ["v=DKIM1; k=rsa; p=BBBB", "v=DKIM1; p=", "k=ed25519; p=AAAA"] {
        assert_eq!(key(&[other]), Some(DkimSeen::Wrong), "{other}");
        assert_eq!(state(&dkim(), &[other]), Failed, "{other}");
    }
    // Verifiers may take either of two.
    assert_eq!(key(&["p=AAAA", "p=BBBB"]), Some(DkimSeen::Wrong));
    let verdict = judge(&dkim(), &found(&["something else"]));
    assert!(verdict.seen.contains("does not have"), "{verdict:?}");
    let nowhere = seen(&dkim(), &Answer::NoName);
    assert_eq!(nowhere, Some(DkimSeen::Wrong));
    assert_eq!(seen(&dkim(), &Answer::Silence), None);
    assert_eq!(selector(&dkim()).unwrap().as_str(), "c202611");
}

#[test]
fn revoked_key_may_be_gone() {
    let mut record = txt(
        MailPurpose::DkimRevoked,
        "c202601._domainkey.example.org",
        "v=DKIM1; k=rsa; p=",
    );
    record.needed = false;
    assert_eq!(state(&record, &["v=DKIM1; k=rsa; p="]), Ok);
    assert_eq!(state(&record, &["v=DKIM1; k=rsa; p=AAAA"]), Warning);
    assert_eq!(id(&record), "dkim:c202601");
}

#[test]
fn stricter_rules_for_forged_mail_are_the_owners_choice() {
    let wanted = "v=DMARC1; p=quarantine; rua=mailto:postmaster@example.org; adkim=s; aspf=s";
    let record = txt(MailPurpose::Dmarc, "_dmarc.example.org", wanted);
    assert_eq!(state(&record, &[wanted]), Ok);
    assert_eq!(state(&record, &["v=DMARC1;p=reject"]), Ok);
    assert_eq!(state(&record, &["v=DMARC1; p=none"]), Warning);
    assert_eq!(state(&record, &["v=DMARC1"]), Failed);
    assert_eq!(state(&record, &[wanted, "v=DMARC1; p=none"]), Failed);
}

#[test]
fn programs_are_led_to_the_host_whatever_the_priority() {
    let record = srv(MailPurpose::Programs, 993, Some("mail.example.org"));
    assert_eq!(state(&record, &["5 0 993 mail.example.org."]), Ok);
    assert_eq!(state(&record, &["0 1 143 mail.example.org."]), Failed);
    assert_eq!(id(&record), "srv:imaps");
    let none = srv(MailPurpose::NoPrograms, 0, None);
    assert_eq!(state(&none, &["0 0 143 ."]), Ok);
    assert_eq!(state(&none, &["0 0 143 mail.example.org."]), Failed);
}

#[test]
fn old_key_of_the_server_stops_mail_though_none_would_not() {
    let data = ZoneData::Tlsa {
        usage: 3,
        selector: 1,
        matching: 1,
        data: vec![0xab; 32],
    };
    let mut record = record(MailPurpose::Tlsa, "_25._tcp.mail.example.org", data);
    record.needed = false;
    let (right, old) = (
        format!("3 1 1 {}", "ab".repeat(32)),
        format!("3 1 1 {}", "cd".repeat(32)),
    );
    assert_eq!(judge(&record, &Answer::NoName).state, Warning);
    assert_eq!(state(&record, &[&old]), Failed);
    assert_eq!(state(&record, &[&old, &right]), Ok);
}

#[test]
fn address_among_others_is_a_warning() {
    let data = ZoneData::A {
        address: [203, 0, 113, 7].into(),
    };
    let record = record(MailPurpose::Host, "mail.example.org", data);
    assert_eq!(state(&record, &["203.0.113.7"]), Ok);
    assert_eq!(state(&record, &["203.0.113.7", "203.0.113.8"]), Warning);
    let verdict = judge(&record, &found(&["192.168.1.5"]));
    assert_eq!(verdict.state, Failed);
    assert_eq!(
        verdict.seen,
        "In public DNS, the A record of mail.example.org says 192.168.1.5. It should say 203.0.113.7."
    );
}
