use std::collections::BTreeSet;

use cell_model::Timestamp;
use cell_model::config::RelayConfig;

use super::*;

fn domain(text: &str) -> Domain {
    text.parse().unwrap()
}

fn key(selector: &str, state: DkimState) -> DkimKey {
    DkimKey {
        selector: selector.parse().unwrap(),
        domain: domain("example.org"),
        state,
        since: Timestamp::UNIX_EPOCH,
        public: "MIIBIjANBg==".to_owned(),
    }
}

fn relay() -> DeliveryConfig {
    DeliveryConfig::Relay(RelayConfig {
        host: domain("smtp.relay.example"),
        port: port::SUBMISSION,
        username: None,
    })
}

struct Sample {
    domain: Domain,
    host: Domain,
    dkim: Vec<DkimKey>,
}

impl Sample {
    fn new() -> Self {
        Self {
            domain: domain("example.org"),
            host: domain("mail.example.org"),
            dkim: vec![
                key("c202611", DkimState::Signing),
                key("c202605", DkimState::Revoked),
            ],
        }
    }

    fn names(&self) -> MailNames<'_> {
        MailNames {
            domain: &self.domain,
            host: self.host.clone(),
            public_address: Some(Ipv4Addr::new(203, 0, 113, 9)),
            delivery: &DeliveryConfig::Direct,
            dkim: self.dkim.iter().collect(),
            settings: true,
            key_hash: Some([0xab; 32]),
        }
    }
}

fn lines(records: &[MailRecord]) -> Vec<String> {
    let line = |record: &MailRecord| {
        let weight = if record.needed { '!' } else { ' ' };
        let data = &record.record.data;
        let (owner, kind) = (&record.record.owner, data.type_name());
        format!("{weight} {owner} {kind} {}", data.value())
    };
    records.iter().map(line).collect()
}

#[test]
fn box_that_delivers_by_itself_has_them_all() {
    let sample = Sample::new();
    let tlsa = format!("  _25._tcp.mail.example.org TLSA 3 1 1 {}", "ab".repeat(32));
    assert_eq!(
        lines(&records(&sample.names())),
        [
            "! example.org MX 10 mail.example.org.",
            "! mail.example.org A 203.0.113.9",
            "! 9.113.0.203.in-addr.arpa PTR mail.example.org.",
            "! example.org TXT \"v=spf1 mx -all\"",
            "  mail.example.org TXT \"v=spf1 a -all\"",
            "! c202611._domainkey.example.org TXT \"v=DKIM1; k=rsa; p=MIIBIjANBg==\"",
            "  c202605._domainkey.example.org TXT \"v=DKIM1; k=rsa; p=\"",
            "! _dmarc.example.org TXT \"v=DMARC1; p=quarantine; rua=mailto:postmaster@example.org; adkim=s; aspf=s\"",
            "  _smtp._tls.example.org TXT \"v=TLSRPTv1; rua=mailto:postmaster@example.org\"",
            &tlsa,
            "  _imaps._tcp.example.org SRV 0 1 993 mail.example.org.",
            "  _submissions._tcp.example.org SRV 0 1 465 mail.example.org.",
            "  _submission._tcp.example.org SRV 0 1 587 mail.example.org.",
            "  _imap._tcp.example.org SRV 0 0 0 .",
            "  _pop3._tcp.example.org SRV 0 0 0 .",
            "  _pop3s._tcp.example.org SRV 0 0 0 .",
            "  autoconfig.example.org CNAME mail.example.org.",
            "  autodiscover.example.org CNAME mail.example.org.",
            "  _autodiscover._tcp.example.org SRV 0 1 443 autodiscover.example.org.",
        ]
    );
}

fn of_purpose(names: &MailNames<'_>, purpose: MailPurpose) -> Vec<String> {
    let mut records = records(names);
    records.retain(|record| record.purpose == purpose);
    lines(&records)
}

#[test]
fn relay_may_send_too_and_the_address_needs_no_name() {
    let sample = Sample::new();
    let mut names = sample.names();
    let relay = relay();
    names.delivery = &relay;
    assert_eq!(
        of_purpose(&names, MailPurpose::Spf),
        ["! example.org TXT \"v=spf1 mx ?all\""]
    );
    assert_eq!(
        of_purpose(&names, MailPurpose::Dmarc),
        ["! _dmarc.example.org TXT \"v=DMARC1; p=quarantine; rua=mailto:postmaster@example.org\""]
    );
    let reverse = of_purpose(&names, MailPurpose::Reverse);
    assert!(reverse[0].starts_with("  9.113.0.203"), "{reverse:?}");
    assert!(of_purpose(&names, MailPurpose::SpfHost).is_empty());
}

#[test]
fn box_that_only_receives_lets_nobody_send_in_its_name() {
    let sample = Sample::new();
    let mut names = sample.names();
    names.delivery = &DeliveryConfig::ReceiveOnly;
    let all = lines(&records(&names));
    let needed: Vec<&String> = all.iter().filter(|line| line.starts_with('!')).collect();
    assert_eq!(
        needed,
        [
            "! example.org MX 10 mail.example.org.",
            "! mail.example.org A 203.0.113.9"
        ]
    );
    assert!(all.contains(&"  example.org TXT \"v=spf1 -all\"".to_owned()));
    let dmarc = of_purpose(&names, MailPurpose::Dmarc);
    assert!(dmarc[0].contains("p=reject"), "{dmarc:?}");
}

#[test]
fn what_is_not_known_is_left_out() {
    let sample = Sample::new();
    let mut names = sample.names();
    (names.public_address, names.settings, names.key_hash) = (None, false, None);
    for purpose in [
        MailPurpose::Host,
        MailPurpose::Reverse,
        MailPurpose::Settings,
        MailPurpose::Tlsa,
    ] {
        assert!(of_purpose(&names, purpose).is_empty(), "{purpose:?}");
    }
}

#[test]
fn at_home_the_box_says_its_own_addresses() {
    let sample = Sample::new();
    let mut names = sample.names();
    names.settings = false;
    let hosts = ["mail", "autodiscover"].map(|host| host.parse().unwrap());
    let home = at_home(names, &hosts.into());
    let kinds: BTreeSet<&str> = home.iter().map(|record| record.data.type_name()).collect();
    assert_eq!(kinds, ["MX", "SRV", "TLSA", "TXT"].into());
    let outlook = domain("example.org").owner("_autodiscover._tcp").unwrap();
    let says = |home: &[ZoneRecord]| home.iter().any(|record| record.owner == outlook);
    assert!(says(&home));
    assert!(!says(&at_home(sample.names(), &BTreeSet::new())));
}

#[test]
fn key_of_real_length_goes_as_two_strings() {
    let mut sample = Sample::new();
    sample.dkim = vec![DkimKey {
        public: "k".repeat(392),
        ..key("c202611", DkimState::Made)
    }];
    let text = of_purpose(&sample.names(), MailPurpose::Dkim).remove(0);
    let expected = format!(
        "TXT \"v=DKIM1; k=rsa; p={}\" \"{}\"",
        "k".repeat(237),
        "k".repeat(155)
    );
    assert!(text.ends_with(&expected), "{text}");
}

#[test]
fn zone_text_has_whole_names_and_says_what_each_is_for() {
    let sample = Sample::new();
    let text = zone_text(&sample.domain, &records(&sample.names()));
    let start = "; Mail of example.org\n\n; Mail for the domain comes to this box (needed)\n\
        example.org. 3600 IN MX 10 mail.example.org.\n\n; The address of the mail server (needed)\n\
        mail.example.org. 3600 IN A 203.0.113.9\n";
    assert!(text.starts_with(start), "{text}");
    assert!(text.contains("\n; 9.113.0.203.in-addr.arpa. 3600 IN PTR mail.example.org.\n"));
    let programs = "\n; Mail programs do not try without encryption\n\
        _imap._tcp.example.org. 3600 IN SRV 0 0 0 .\n\
        _pop3._tcp.example.org. 3600 IN SRV 0 0 0 .\n";
    assert!(text.contains(programs), "{text}");
    assert!(text.lines().all(|line| line.len() < 512));
}

#[test]
fn domain_without_room_loses_names_only() {
    let mut sample = Sample::new();
    let long = ["a".repeat(60).as_str(); 4].join(".");
    sample.domain = domain(&long);
    let records = records(&sample.names());
    assert_eq!(records[0].record.owner.as_str(), long);
    assert!(of_purpose(&sample.names(), MailPurpose::Dkim).is_empty());
}
