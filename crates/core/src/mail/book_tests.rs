use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// People by what they have.
struct Crowd(BTreeMap<Username, Holds>, Vec<Username>);

impl People for Crowd {
    fn holds(&self, username: &Username) -> Holds {
        self.0.get(username).copied().unwrap_or(Holds::NoAccount)
    }

    fn who_run_the_box(&self) -> Vec<Username> {
        self.1.clone()
    }
}

struct House {
    mail: MailConfig,
    domain: Domain,
    people: Crowd,
}

impl House {
    /// Anna runs it, Ben has a mailbox, Carla none any more.
    fn new(mail: serde_json::Value) -> Self {
        let people = [
            ("anna", Holds::Mailbox),
            ("ben", Holds::Mailbox),
            ("carla", Holds::Nothing),
        ];
        let people = people.map(|(name, holds)| (name.parse().unwrap(), holds));
        Self {
            mail: serde_json::from_value(mail).unwrap(),
            domain: "hut.example".parse().unwrap(),
            people: Crowd(people.into(), vec!["anna".parse().unwrap()]),
        }
    }

    fn ask(&self, table: MailTable, key: &str) -> String {
        let book = Book {
            mail: &self.mail,
            domain: &self.domain,
            people: &self.people,
        };
        book.look_up(table, key).unwrap_or_else(|| "-".to_owned())
    }

    fn mailbox(&self, key: &str) -> String {
        self.ask(MailTable::Mailbox, key)
    }

    fn alias(&self, key: &str) -> String {
        self.ask(MailTable::Alias, key)
    }

    fn sender(&self, key: &str) -> String {
        self.ask(MailTable::Sender, key)
    }
}

fn plain() -> House {
    House::new(serde_json::json!({
        "aliases": {
            "info": ["shop", "anna"],
            "shop": ["ben", "friend@example.org", "Ben+shop@HUT.example"],
            "gone": ["carla"],
            "out": ["friend@example.org"],
            "round": ["trip"], "trip": ["round", "ben"],
            "carla": ["anna"],
        },
    }))
}

fn catching() -> House {
    let mut all = plain();
    all.mail.catch_all = Some("ben".parse().unwrap());
    all
}

#[test]
fn everybody_has_their_own_address() {
    let all = plain();
    for key in [
        "anna@hut.example",
        "Anna@HUT.Example",
        "anna+lists@hut.example",
        "anna+a+b@hut.example",
        "\"anna\"@hut.example",
        "\"a\\nna\"@hut.example",
    ] {
        assert_eq!(all.mailbox(key), "anna", "{key}");
        assert_eq!(all.alias(key), "-", "{key}");
        assert_eq!(all.sender(key), "anna", "{key}");
    }
}

#[test]
fn nobody_else_has_one() {
    for all in [plain(), catching()] {
        let long = format!("{}@hut.example", "a".repeat(65));
        let longer = format!("{}@hut.example", "a".repeat(2_000));
        for key in [
            "",
            "@",
            "anna",
            "@hut.example",
            "anna@",
            "anna@hut.example.org",
            "anna@x.hut.example",
            "anna@hut.example.",
            "anna@other.example",
            "anna@[10.0.0.1]",
            "anna@hut.example@other.example",
            "anna@other.example@hut.example",
            "\"anna@other.example\"@hut.example",
            "anna%other.example@hut.example",
            "other!anna@hut.example",
            "\"anna@hut.example",
            "anna\"@hut.example",
            "\"an\"na\"@hut.example",
            "an na@hut.example",
            "anna\n@hut.example",
            "anna\0@hut.example",
            "änna@hut.example",
            &long,
            &longer,
        ] {
            let seen = [all.mailbox(key), all.alias(key), all.sender(key)];
            assert_eq!(seen, ["-", "-", "-"], "{key:?}");
        }
    }
}

#[test]
fn whoever_may_not_use_mail_has_none_and_it_is_not_caught() {
    for all in [plain(), catching()] {
        for key in [
            "carla@hut.example",
            "Carla+x@hut.example",
            "gone@hut.example",
        ] {
            let seen = [all.mailbox(key), all.alias(key), all.sender(key)];
            assert_eq!(seen, ["-", "-", "-"], "{key}");
        }
    }
}

#[test]
fn who_has_a_mailbox_may_sign_in() {
    let all = catching();
    let ask = |key| all.ask(MailTable::Login, key);
    assert_eq!(["anna", "ben"].map(ask), ["OK", "OK"]);
    for key in ["carla", "nobody", "info", "anna@hut.example", ""] {
        assert_eq!(ask(key), "-", "{key}");
    }
}

#[test]
fn aliases_are_followed_to_their_ends() {
    let all = catching();
    let info = "anna@hut.example,ben@hut.example,friend@example.org";
    assert_eq!(all.alias("Info@hut.example"), info);
    assert_eq!(all.alias("info+x@hut.example"), info);
    assert_eq!(all.mailbox("info@hut.example"), "-");
    assert_eq!(all.sender("info@hut.example"), "anna,ben");
    assert_eq!(all.alias("out@hut.example"), "friend@example.org");
    assert_eq!(all.sender("out@hut.example"), "-");
    assert_eq!(all.alias("round@hut.example"), "ben@hut.example");
    assert_eq!(all.alias("trip@hut.example"), "ben@hut.example");
}

#[test]
fn names_that_others_rely_on_reach_whoever_runs_the_box() {
    let mut all = catching();
    for name in KEPT_NAMES {
        let key = format!("{}+x@hut.example", name.to_uppercase());
        assert_eq!(all.alias(&key), "anna@hut.example", "{name}");
        assert_eq!(all.sender(&key), "anna", "{name}");
    }
    let ben: MailTarget = "ben".parse().unwrap();
    all.mail
        .aliases
        .insert("abuse".parse().unwrap(), [ben].into());
    assert_eq!(all.alias("abuse@hut.example"), "ben@hut.example");
    all.people
        .0
        .insert("admin".parse().unwrap(), Holds::Mailbox);
    assert_eq!(all.mailbox("admin@hut.example"), "admin");
    assert_eq!(all.alias("admin@hut.example"), "-");
    all.people.1.clear();
    assert_eq!(all.alias("postmaster@hut.example"), "-");
}

#[test]
fn what_is_left_is_caught_when_somebody_catches_it() {
    let mut all = catching();
    for key in [
        "nobody@hut.example",
        "no..body@hut.example",
        "+x@hut.example",
        "o'brien@hut.example",
    ] {
        assert_eq!(all.alias(key), "ben@hut.example", "{key}");
        assert_eq!(
            (all.mailbox(key), all.sender(key)),
            ("-".into(), "ben".into())
        );
        assert_eq!(plain().alias(key), "-");
    }
    all.mail.catch_all = Some("carla".parse().unwrap());
    assert_eq!(all.alias("nobody@hut.example"), "-");
}

#[test]
fn mail_leaves_the_box_as_it_is_set() {
    let ask = |delivery: serde_json::Value| {
        let all = House::new(serde_json::json!({ "delivery": delivery }));
        let keys = [
            "*",
            "",
            "x@Hut.Example",
            "hut.example",
            "x@example.org",
            "example.org",
        ];
        keys.map(|key| all.ask(MailTable::Transport, key))
    };
    assert_eq!(ask(serde_json::json!({ "mode": "direct" })), ["-"; 6]);
    let relay = |port: u16| {
        let relay = serde_json::json!({ "host": "smtp.example.net", "port": port });
        serde_json::json!({ "mode": "relay", "relay": relay })
    };
    for (port, by) in [
        (465, "smtps:[smtp.example.net]:465"),
        (587, "smtp:[smtp.example.net]:587"),
    ] {
        assert_eq!(ask(relay(port)), ["-", "-", "-", "-", by, by]);
    }
    let none = "error:5.7.1 This box only receives mail";
    let receive = serde_json::json!({ "mode": "receive_only" });
    assert_eq!(ask(receive), ["-", "-", "-", "-", none, none]);
    let all = House::new(serde_json::json!({ "delivery": relay(465) }));
    for (key, policy) in [
        ("[smtp.example.net]:465", "secure"),
        ("[SMTP.example.net]:465", "secure"),
        ("[smtp.example.net]:587", "-"),
        ("smtp.example.net", "-"),
        ("example.org", "-"),
        ("", "-"),
    ] {
        assert_eq!(all.ask(MailTable::TlsPolicy, key), policy, "{key}");
        assert_eq!(plain().ask(MailTable::TlsPolicy, key), "-");
    }
}

#[test]
fn people_are_told_what_else_reaches_them() {
    let all = catching();
    let book = Book {
        mail: &all.mail,
        domain: &all.domain,
        people: &all.people,
    };
    let shared = |name: &str| -> Vec<String> {
        let names = book.shared_with(&name.parse().unwrap()).into_iter();
        names.map(|name| name.to_string()).collect()
    };
    assert_eq!(shared("ben"), ["info", "round", "shop", "trip"]);
    assert!(shared("anna").contains(&"postmaster".to_owned()));
    assert!(shared("carla").is_empty());
}

fn anything() -> impl Strategy<Value = String> {
    let local = prop_oneof![
        select(vec![
            "anna", "ben", "carla", "info", "gone", "trip", "abuse", "\"anna\"", "x"
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,12}",
        any::<String>(),
    ];
    let tag = prop_oneof![Just(String::new()), "\\+[a-z+]{0,4}"];
    let domain = prop_oneof![
        6 => Just("hut.example".to_owned()),
        1 => Just("HUT.example".to_owned()),
        1 => "[ -~]{0,12}",
    ];
    (local, tag, domain).prop_map(|(local, tag, domain)| format!("{local}{tag}@{domain}"))
}

proptest! {
    #[test]
    fn an_address_is_one_persons_or_shared_or_nobodys(key in anything(), catches in any::<bool>()) {
        let all = if catches { catching() } else { plain() };
        let (mailbox, alias, sender) = (all.mailbox(&key), all.alias(&key), all.sender(&key));
        // A mailbox is nobody else's.
        prop_assert!(mailbox == "-" || (alias == "-" && sender == mailbox));
        prop_assert!(mailbox == "-" || ["anna", "ben"].contains(&&*mailbox));
        // What an alias comes to needs no second look, and is fit for a line.
        if alias != "-" {
            for end in alias.split(',') {
                prop_assert_eq!(all.alias(end), "-");
                let own = all.mailbox(end);
                prop_assert!(own != "-" || end == "friend@example.org", "{}", end);
            }
        }
        // Nobody writes under an address whose mail they do not get.
        if sender != "-" && mailbox == "-" {
            for name in sender.split(',') {
                let address = format!("{name}@hut.example");
                prop_assert!(alias.split(',').any(|end| end == address));
            }
        }
        // Nothing outside the domain is ours.
        let domain = key.rsplit_once('@').unwrap().1;
        if !domain.eq_ignore_ascii_case("hut.example") {
            prop_assert_eq!([mailbox, alias, sender], ["-", "-", "-"]);
        }
    }

    #[test]
    fn case_and_tag_change_nothing(
        name in select(vec!["anna", "ben", "carla", "info", "gone", "trip", "abuse", "x"]),
        tag in "[a-zA-Z0-9.+-]{0,8}",
        catches in any::<bool>(),
    ) {
        let all = if catches { catching() } else { plain() };
        let key = format!("{name}@hut.example");
        let other = format!("{}+{tag}@Hut.Example", name.to_uppercase());
        for table in MailTable::ALL {
            prop_assert_eq!(all.ask(table, &key), all.ask(table, &other));
        }
    }
}
