//! What public DNS says: records, keys, the name of the address.

use std::collections::BTreeMap;

use cell_mail_check::Scope;
use cell_model::mail::FindingState::{Failed, Ok, Unknown, Warning};
use cell_model::mail::{DkimSeen, MailPurpose, MailRecord};
use cell_model::spec::ZoneData;

use crate::world::{ADDRESS, Names, assert_found, command, finding, record, report, text};

const KEY: &str = "v=DKIM1; k=rsa; p=AAAABBBB";
const REVERSE: &str = "7.113.0.203.in-addr.arpa";

fn mx() -> MailRecord {
    let data = ZoneData::Mx {
        preference: 10,
        exchange: "mail.example.org".parse().unwrap(),
    };
    record(MailPurpose::Receive, "example.org", data)
}

fn host() -> MailRecord {
    let data = ZoneData::A { address: ADDRESS };
    record(MailPurpose::Host, "mail.example.org", data)
}

fn reverse() -> MailRecord {
    let data = ZoneData::Ptr {
        target: "mail.example.org".parse().unwrap(),
    };
    record(MailPurpose::Reverse, REVERSE, data)
}

fn dkim(selector: &str) -> MailRecord {
    let owner = format!("{selector}._domainkey.example.org");
    text(MailPurpose::Dkim, &owner, KEY)
}

fn settings() -> MailRecord {
    let data = ZoneData::Cname {
        target: "mail.example.org".parse().unwrap(),
    };
    record(MailPurpose::Settings, "autoconfig.example.org", data)
}

fn imaps() -> MailRecord {
    let data = ZoneData::Srv {
        priority: 0,
        weight: 1,
        port: 993,
        target: Some("mail.example.org".parse().unwrap()),
    };
    record(MailPurpose::Programs, "_imaps._tcp.example.org", data)
}

/// Everything as it should be.
async fn good() -> Names {
    let names = Names::start().await;
    names.mx("example.org", 10, "mail.example.org");
    names.txt("example.org", &["site-verification=1"]);
    names.txt("example.org", &["v=spf1 ", "mx -all"]);
    names.a("mail.example.org", ADDRESS);
    names.ptr(REVERSE, "mail.example.org");
    names.txt(
        "new._domainkey.example.org",
        &["v=DKIM1; k=rsa; p=AAAA", "BBBB"],
    );
    names.cname("autoconfig.example.org", "MAIL.example.org");
    names.srv("_imaps._tcp.example.org", 993, "mail.example.org");
    names
}

fn all() -> Vec<MailRecord> {
    let spf = text(MailPurpose::Spf, "example.org", "v=spf1 mx -all");
    vec![
        mx(),
        host(),
        reverse(),
        spf,
        dkim("new"),
        settings(),
        imaps(),
    ]
}

#[tokio::test]
async fn good_zone_has_nothing_to_mend() {
    let names = good().await;
    let mut command = command(&names);
    command.records = all();
    let report = report(&command).await;
    let ids: Vec<&str> = report.findings.iter().map(|f| f.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "domain",
            "mx",
            "host",
            "rdns",
            "spf",
            "dkim:new",
            "autoconfig",
            "srv:imaps",
            // Nothing is served.
            "port_25_in",
        ]
    );
    for finding in &report.findings[..8] {
        assert_eq!(finding.state, Ok, "{finding:?}");
    }
    let key = "new".parse().unwrap();
    assert_eq!(report.keys, BTreeMap::from([(key, DkimSeen::Right)]));
}

#[tokio::test]
async fn domain_that_nobody_has_is_said_first() {
    let names = Names::start().await;
    let mut command = command(&names);
    command.records = all();
    let report = report(&command).await;
    assert_eq!(report.findings[0].id, "domain");
    assert_found(
        &report,
        "domain",
        Failed,
        "does not know the domain example.org",
    );
    assert_found(&report, "mx", Failed, "does not have the MX record");
    assert_found(&report, "rdns", Warning, "has no name");
    let key = "new".parse().unwrap();
    assert_eq!(report.keys, BTreeMap::from([(key, DkimSeen::Wrong)]));
}

#[tokio::test]
async fn keys_alone_are_asked_for_when_the_box_looks_by_itself() {
    let names = good().await;
    names.txt("wrong._domainkey.example.org", &["v=DKIM1; p=CCCC"]);
    names.fail_at("away._domainkey.example.org");
    let mut command = command(&names);
    command.scope = Scope::Keys;
    command.records = all();
    command
        .records
        .extend([dkim("wrong"), dkim("away"), dkim("none")]);
    let report = report(&command).await;
    let keys = [
        ("new", DkimSeen::Right),
        ("wrong", DkimSeen::Wrong),
        ("none", DkimSeen::Wrong),
    ];
    let keys = keys.map(|(key, seen)| (key.parse().unwrap(), seen));
    assert_eq!(report.keys, BTreeMap::from(keys));
    assert_eq!(report.findings.len(), 4);
    assert_found(&report, "dkim:away", Unknown, "No name server answered");
    assert_eq!(names.asked("example.org"), 0);
    assert_eq!(names.asked("mail.example.org"), 0);
}

#[tokio::test]
async fn what_nobody_answers_is_unknown_and_ends() {
    let (_silent, address) = Names::silent().await;
    let names = good().await;
    let mut command = command(&names);
    command.records = all();
    command.name_servers = vec![address];
    let dark = report(&command).await;
    for id in ["domain", "mx", "host", "rdns", "spf", "dkim:new"] {
        assert_found(&dark, id, Unknown, "No name server answered");
    }
    assert!(dark.keys.is_empty());
    // The next server is asked where the first is silent.
    command.name_servers.push(names.address);
    let light = report(&command).await;
    assert_found(&light, "mx", Ok, "as it should be");
}

#[tokio::test]
async fn name_of_the_address_has_to_lead_back() {
    let names = good().await;
    let mut command = command(&names);
    command.records = vec![host(), reverse()];
    command.leaves = cell_mail_check::Leaves::Direct {
        greeted: Vec::new(),
        port: 25,
        block_lists: Vec::new(),
    };
    assert_found(&report(&command).await, "rdns", Ok, "leads back");

    names.clear("mail.example.org");
    names.a("mail.example.org", [203, 0, 113, 9]);
    let elsewhere = report(&command).await;
    assert_found(&elsewhere, "rdns", Failed, "does not lead back");
    assert_found(&elsewhere, "host", Failed, "says 203.0.113.9");

    names.clear(REVERSE);
    names.ptr(REVERSE, "dsl-7.provider.example");
    let other = report(&command).await;
    assert_found(
        &other,
        "rdns",
        Failed,
        "has the name dsl-7.provider.example.",
    );
    assert!(
        finding(&other, "rdns")
            .action
            .contains("provides the internet connection")
    );
}

#[tokio::test]
async fn provider_has_to_be_let_in_to_send() {
    let names = Names::start().await;
    let mut command = command(&names);
    command.records = vec![text(MailPurpose::Spf, "example.org", "v=spf1 mx ?all")];
    for (published, state, told) in [
        ("v=spf1 mx ?all", Ok, "as it should be"),
        (
            "v=spf1 mx include:spf.relay.example -all",
            Unknown,
            "only the provider knows",
        ),
        (
            "v=spf1 +ip4:192.0.2.0/24 ~all",
            Unknown,
            "only the provider knows",
        ),
        (
            "v=spf1 a:mail.example.org -all",
            Failed,
            "your provider brings on",
        ),
        ("v=spf1 mx -all", Failed, "your provider brings on"),
        ("v=spf1 mx ~all", Failed, "your provider brings on"),
        ("v=spf1 +all", Failed, "lets everybody"),
    ] {
        names.clear("example.org");
        names.txt("example.org", &[published]);
        assert_found(&report(&command).await, "spf", state, told);
    }
}

#[tokio::test]
async fn box_that_knows_no_address_says_what_dns_has() {
    let names = good().await;
    let mut command = command(&names);
    command.public_address = None;
    command.records = vec![mx()];
    let guessed = report(&command).await;
    assert_found(&guessed, "host", Unknown, "leads to 203.0.113.7");
    assert_found(&guessed, "rdns", Ok, "leads back");
    names.clear("mail.example.org");
    let none = report(&command).await;
    assert_found(&none, "host", Failed, "does not know its own");
    assert!(none.findings.iter().all(|finding| finding.id != "rdns"));
}

#[tokio::test]
async fn alias_may_be_an_address_and_the_host_has_only_one() {
    let names = good().await;
    let mut command = command(&names);
    command.records = vec![host(), settings()];
    names.clear("autoconfig.example.org");
    names.a("autoconfig.example.org", ADDRESS);
    let aaaa = hickory_proto::rr::RData::AAAA("2001:db8::7".parse().unwrap());
    names.put("mail.example.org", aaaa);
    let report = report(&command).await;
    assert_found(&report, "autoconfig", Ok, "leads to this box");
    assert_found(&report, "host", Warning, "2001:db8::7");
}
