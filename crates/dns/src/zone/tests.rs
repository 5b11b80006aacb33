use std::collections::BTreeMap;

use cell_model::config::DnsRecordConfig;
use cell_model::spec::{ZoneData, ZoneRecord};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::*;

const LAN: &str = "192.168.1.20";
const VPN: &str = "10.31.7.9";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn addresses(texts: &[&str]) -> BTreeSet<IpAddr> {
    texts.iter().map(|text| ip(text)).collect()
}

fn label(text: &str) -> DnsLabel {
    text.parse().unwrap()
}

fn made() -> Vec<ZoneRecord> {
    let mail = || "mail.home.cell".parse().unwrap();
    let txt = |text: &str| ZoneData::Txt {
        text: text.to_owned(),
    };
    let srv = |port, target| ZoneData::Srv {
        priority: 0,
        weight: 1,
        port,
        target,
    };
    let mx = ZoneData::Mx {
        preference: 10,
        exchange: mail(),
    };
    let tlsa = ZoneData::Tlsa {
        usage: 3,
        selector: 1,
        matching: 1,
        data: vec![0xab; 32],
    };
    let records = [
        ("home.cell", mx),
        ("home.cell", txt("v=spf1 mx -all")),
        ("_dmarc.home.cell", txt("v=DMARC1; p=none")),
        ("c202611._domainkey.home.cell", txt(&"k".repeat(400))),
        ("_25._tcp.mail.home.cell", tlsa),
        ("_imaps._tcp.home.cell", srv(993, Some(mail()))),
        ("_imap._tcp.home.cell", srv(0, None)),
        ("deep.er.home.cell", ZoneData::Cname { target: mail() }),
        ("anna.home.cell", txt("made")),
        ("home.cell.example", txt("of another zone")),
    ];
    let record = |(owner, data): (&str, ZoneData)| ZoneRecord {
        owner: owner.parse().unwrap(),
        data,
    };
    records.map(record).into()
}

fn spec() -> ZoneSpec {
    let record = |name: &str, kind: &str, value: &str| DnsRecordConfig {
        name: label(name),
        data: RecordData::parse(kind, value).unwrap(),
    };
    ZoneSpec {
        domain: "home.cell".parse().unwrap(),
        serial: 5,
        own: OwnAddresses {
            lan: addresses(&["192.168.1.1", "fd00::1"]),
            vpn: addresses(&["10.31.7.1"]),
            vpn_sources: ["10.31.7.0/24".parse().unwrap()].into(),
        },
        services: [label("mail")].into(),
        names: BTreeMap::from([
            (
                label("anna"),
                Arc::new(addresses(&["10.31.7.2", "fd12::2"])),
            ),
            (label("calendar"), Arc::new(addresses(&["10.31.7.1"]))),
        ]),
        records: vec![
            record("nas", "A", "192.168.1.50"),
            record("nas", "AAAA", "fd00::50"),
            record("files", "CNAME", "nas.home.cell"),
            record("www2", "CNAME", "www.example.com"),
            record("lost", "CNAME", "gone.home.cell"),
            record("round", "CNAME", "about.home.cell"),
            record("about", "CNAME", "round.home.cell"),
            record("note", "TXT", "hello"),
            record("anna", "TXT", "her phone"),
        ],
        made: made(),
    }
}

fn ask_from(name: &str, record_type: RecordType, source: &str) -> Answer {
    let asked = Name::from_ascii(name).unwrap();
    let question = Question {
        name: &asked.to_lowercase(),
        asked: &asked,
        record_type,
    };
    answer(Some(&Zone::new(&spec()).unwrap()), question, ip(source))
}

fn ask(name: &str, record_type: RecordType) -> Reply {
    match ask_from(name, record_type, LAN) {
        Answer::Here(reply) => reply,
        Answer::Elsewhere => panic!("{name} is passed on"),
    }
}

fn texts(reply: &Reply) -> Vec<String> {
    let data = reply.answers.iter().map(|record| record.data.to_string());
    data.collect()
}

/// Code, number of answers, owner of the SOA record.
fn absence(reply: &Reply) -> (ResponseCode, usize, String) {
    let soa = reply.authorities.first().unwrap();
    assert_eq!(soa.record_type(), RecordType::SOA);
    (reply.code, reply.answers.len(), soa.name.to_ascii())
}

#[test]
fn apex_and_admin_are_the_box_on_the_side_the_question_comes_from() {
    for name in ["home.cell.", "admin.home.cell."] {
        assert_eq!(texts(&ask(name, RecordType::A)), ["192.168.1.1"]);
        assert_eq!(texts(&ask(name, RecordType::AAAA)), ["fd00::1"]);
        let Answer::Here(reply) = ask_from(name, RecordType::A, VPN) else {
            panic!("{name} is passed on");
        };
        assert_eq!(texts(&reply), ["10.31.7.1"]);
    }
}

#[test]
fn names_and_owners_records_share_a_label() {
    assert_eq!(texts(&ask("anna.home.cell.", RecordType::A)), ["10.31.7.2"]);
    assert_eq!(
        texts(&ask("anna.home.cell.", RecordType::AAAA)),
        ["fd12::2"]
    );
    assert_eq!(
        texts(&ask("anna.home.cell.", RecordType::TXT)),
        ["her phone", "made"]
    );
}

#[test]
fn answer_is_authoritative_with_the_question_in_its_own_case() {
    let reply = ask("AnNa.HOME.cell.", RecordType::A);
    assert!(reply.authoritative);
    assert_eq!(reply.answers[0].name.to_ascii(), "AnNa.HOME.cell.");
    assert_eq!(reply.answers[0].ttl, TTL);
}

#[test]
fn apex_has_soa_and_ns() {
    let soa = ask("home.cell.", RecordType::SOA);
    let RData::SOA(data) = &soa.answers[0].data else {
        panic!("no SOA");
    };
    assert_eq!(data.serial, 5);
    assert_eq!(data.mname.to_ascii(), "admin.home.cell.");
    let ns = ask("home.cell.", RecordType::NS);
    assert_eq!(texts(&ns), ["admin.home.cell."]);
    assert_eq!(ns.additionals.len(), 2);
}

#[test]
fn missing_type_and_missing_name_are_told_apart() {
    let zone = "home.cell.".to_owned();
    let no_error = (ResponseCode::NoError, 0, zone.clone());
    assert_eq!(absence(&ask("anna.home.cell.", RecordType::MX)), no_error);
    assert_eq!(
        absence(&ask("calendar.home.cell.", RecordType::AAAA)),
        no_error
    );
    let no_name = (ResponseCode::NXDomain, 0, zone);
    assert_eq!(absence(&ask("bob.home.cell.", RecordType::A)), no_name);
    assert_eq!(absence(&ask("bob.home.cell.", RecordType::ANY)), no_name);
    assert_eq!(absence(&ask("x.anna.home.cell.", RecordType::A)), no_name);
    assert_eq!(absence(&ask("*.home.cell.", RecordType::A)), no_name);
}

#[test]
fn made_records_are_answered_at_any_depth() {
    for (name, record_type, values) in [
        ("home.cell.", RecordType::MX, vec!["10 mail.home.cell."]),
        ("home.cell.", RecordType::TXT, vec!["v=spf1 mx -all"]),
        ("home.cell.", RecordType::A, vec!["192.168.1.1"]),
        ("mail.home.cell.", RecordType::A, vec!["192.168.1.1"]),
        (
            "_dmarc.home.cell.",
            RecordType::TXT,
            vec!["v=DMARC1; p=none"],
        ),
        (
            "_IMAPS._tcp.home.cell.",
            RecordType::SRV,
            vec!["0 1 993 mail.home.cell."],
        ),
        ("_imap._tcp.home.cell.", RecordType::SRV, vec!["0 1 0 ."]),
        (
            "deep.er.home.cell.",
            RecordType::A,
            vec!["mail.home.cell.", "192.168.1.1"],
        ),
    ] {
        let reply = ask(name, record_type);
        assert_eq!(texts(&reply), values, "{name} {record_type}");
        assert!(reply.authoritative);
        assert_eq!(reply.answers[0].name.to_ascii(), name);
    }
    let tlsa = ask("_25._tcp.mail.home.cell.", RecordType::TLSA);
    assert_eq!(texts(&tlsa), [format!("3 1 1 {}", "ab".repeat(32))]);
}

#[test]
fn long_text_goes_as_several_strings() {
    let reply = ask("c202611._domainkey.home.cell.", RecordType::TXT);
    let RData::TXT(text) = &reply.answers[0].data else {
        panic!("no text");
    };
    let lengths: Vec<usize> = text.txt_data.iter().map(|part| part.len()).collect();
    assert_eq!((reply.answers.len(), lengths), (1, vec![255, 145]));
}

#[test]
fn name_above_a_record_exists_and_holds_nothing() {
    let nothing = (ResponseCode::NoError, 0, "home.cell.".to_owned());
    for name in [
        "_domainkey.home.cell.",
        "_tcp.home.cell.",
        "er.home.cell.",
        "_tcp.mail.home.cell.",
    ] {
        for record_type in [RecordType::TXT, RecordType::A, RecordType::ANY] {
            assert_eq!(absence(&ask(name, record_type)), nothing, "{name}");
        }
    }
    let no_name = (ResponseCode::NXDomain, 0, "home.cell.".to_owned());
    for name in [
        "_25.home.cell.",
        "x._domainkey.home.cell.",
        "_udp.mail.home.cell.",
    ] {
        assert_eq!(absence(&ask(name, RecordType::TXT)), no_name, "{name}");
    }
    let elsewhere = ask_from("home.cell.example.", RecordType::TXT, LAN);
    assert_eq!(elsewhere, Answer::Elsewhere);
}

#[test]
fn owners_alias_stays_one_with_records_below_it_only() {
    let mut spec = spec();
    let mut add = |owner: &str| {
        spec.made.push(ZoneRecord {
            owner: owner.parse().unwrap(),
            data: ZoneData::Txt {
                text: "x".to_owned(),
            },
        });
        let asked = Name::from_ascii("files.home.cell.").unwrap();
        let question = Question {
            name: &asked,
            asked: &asked,
            record_type: RecordType::A,
        };
        let zone = Zone::new(&spec).unwrap();
        match answer(Some(&zone), question, ip(LAN)) {
            Answer::Here(reply) => reply.answers.len(),
            Answer::Elsewhere => panic!("passed on"),
        }
    };
    assert_eq!(add("_x.files.home.cell"), 2);
    assert_eq!(add("files.home.cell"), 0);
}

#[test]
fn alias_is_followed_inside_the_zone() {
    let reply = ask("files.home.cell.", RecordType::A);
    assert_eq!(texts(&reply), ["nas.home.cell.", "192.168.1.50"]);
    assert_eq!(
        texts(&ask("files.home.cell.", RecordType::CNAME)),
        ["nas.home.cell."]
    );
    let no_type = ask("files.home.cell.", RecordType::TXT);
    assert_eq!(
        absence(&no_type),
        (ResponseCode::NoError, 1, "home.cell.".to_owned())
    );
}

#[test]
fn alias_to_nothing_says_so_behind_the_alias() {
    let reply = ask("lost.home.cell.", RecordType::A);
    assert_eq!(
        absence(&reply),
        (ResponseCode::NXDomain, 1, "home.cell.".to_owned())
    );
}

#[test]
fn alias_out_of_the_zone_is_left_to_others() {
    let reply = ask("www2.home.cell.", RecordType::A);
    assert_eq!(texts(&reply), ["www.example.com."]);
    assert_eq!(reply.follow.unwrap().to_ascii(), "www.example.com.");
}

#[test]
fn circle_of_aliases_is_an_error() {
    let reply = ask("round.home.cell.", RecordType::A);
    assert_eq!(reply.code, ResponseCode::ServFail);
    assert!(reply.answers.is_empty());
}

#[test]
fn any_gets_one_small_record() {
    let reply = ask("anna.home.cell.", RecordType::ANY);
    assert_eq!(reply.answers.len(), 1);
    assert_eq!(reply.answers[0].record_type(), RecordType::HINFO);
}

#[test]
fn address_leads_back_to_its_names() {
    assert_eq!(
        texts(&ask("2.7.31.10.in-addr.arpa.", RecordType::PTR)),
        ["anna.home.cell."]
    );
    let v6 = Name::from(ip("fd12::2")).to_ascii();
    assert_eq!(texts(&ask(&v6, RecordType::PTR)), ["anna.home.cell."]);
    // The calendar has the box's address, which goes by the domain.
    assert_eq!(
        texts(&ask("1.7.31.10.in-addr.arpa.", RecordType::PTR)),
        ["home.cell."]
    );
    assert_eq!(
        texts(&ask("1.0.0.127.in-addr.arpa.", RecordType::PTR)),
        ["localhost."]
    );
}

#[test]
fn private_reverse_names_stay_here() {
    let zone = |name: &str| absence(&ask(name, RecordType::PTR));
    let owner = "10.in-addr.arpa.".to_owned();
    assert_eq!(
        zone("9.9.9.10.in-addr.arpa."),
        (ResponseCode::NXDomain, 0, owner)
    );
    let vpn = "7.31.10.in-addr.arpa.".to_owned();
    assert_eq!(
        zone("77.7.31.10.in-addr.arpa."),
        (ResponseCode::NXDomain, 0, vpn.clone())
    );
    assert_eq!(
        zone("lb._dns-sd._udp.0.7.31.10.in-addr.arpa."),
        (ResponseCode::NXDomain, 0, vpn)
    );
    // Something is below it, so the name itself exists (RFC 8020).
    assert_eq!(zone("31.10.in-addr.arpa.").0, ResponseCode::NoError);
    assert_eq!(zone("168.192.in-addr.arpa.").0, ResponseCode::NoError);
    let soa = ask("10.in-addr.arpa.", RecordType::SOA);
    assert_eq!(soa.answers.len(), 1);
}

#[test]
fn special_names_stay_here() {
    assert_eq!(texts(&ask("localhost.", RecordType::A)), ["127.0.0.1"]);
    assert_eq!(texts(&ask("a.localhost.", RecordType::AAAA)), ["::1"]);
    let absent = |name| absence(&ask(name, RecordType::A));
    for (name, zone) in [
        ("printer.local.", "local."),
        ("x.onion.", "onion."),
        ("a.b.invalid.", "invalid."),
        ("nas.home.arpa.", "home.arpa."),
    ] {
        assert_eq!(absent(name), (ResponseCode::NXDomain, 0, zone.to_owned()));
    }
}

#[test]
fn everything_else_is_for_others() {
    for name in [
        "example.com.",
        "cell.",
        "xhome.cell.",
        ".",
        "8.8.8.8.in-addr.arpa.",
    ] {
        let answer = ask_from(name, RecordType::A, LAN);
        assert_eq!(answer, Answer::Elsewhere, "{name}");
    }
}

#[test]
fn patch_changes_the_named_and_nothing_else() {
    let mut zone = Zone::new(&spec()).unwrap();
    let moved = Arc::new(addresses(&["10.31.7.3"]));
    let set = BTreeMap::from([(label("anna"), moved.clone()), (label("bob"), moved)]);
    zone.patch(6, [&label("calendar")], &set);
    assert_eq!((zone.serial(), zone.len()), (6, 2));

    let mut whole = spec();
    whole.serial = 6;
    whole.names.clone_from(&set);
    let whole = Zone::new(&whole).unwrap();
    assert_eq!(zone.names, whole.names);
    assert_eq!(zone.reverse, whole.reverse);
    assert_eq!(zone.records, whole.records);
    assert_eq!(zone.made, whole.made);
}

#[test]
fn domain_without_room_for_a_label_is_refused() {
    let mut long = spec();
    long.domain = ["a".repeat(60).as_str(); 4].join(".").parse().unwrap();
    assert!(Zone::new(&long).is_ok());
    long.domain = [
        &"a".repeat(63),
        &"b".repeat(63),
        &"c".repeat(63),
        &"d".repeat(58),
    ]
    .map(String::as_str)
    .join(".")
    .parse()
    .unwrap();
    assert!(matches!(Zone::new(&long), Err(ZoneError::Domain(_))));
}
