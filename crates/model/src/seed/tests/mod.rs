mod values;

use proptest::prelude::*;

use super::*;
use crate::toml_text::Finding;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti anna@laptop";
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$ZV46XA6ECigW0Kpvu8MpRg$Tbr5y8HybIkGhryrDaq/s4Bsu9GNKiNEiujvmmUYUBE";
const GUIDE: &str = include_str!("../../../../../docs/admin/seed.md");

/// A seed that says all there is; line numbers below count in it.
fn whole() -> String {
    format!(
        r#"# For the hut.
hostname = "hut"

[network]
wan = "eth0"
lan = "eth1"
wan_addressing = {{ address = "192.168.1.5/24", gateway = "192.168.1.1" }}
lan_addressing = {{ address = "192.168.77.1/24" }}

[ssh]
authorized_keys = [
  "{KEY}",
]

[setup.answers]
domain_mode = "lan"
domain = "hut.cell"
vpn_subnet = "10.31.7.0/24"
admin_username = "anna"
admin_password_hash = "{HASH}"
timezone = "Europe/Vienna"
endpoint = "hut.example.org"
"#
    )
}

fn read(text: &str) -> Result<Seed, TomlError> {
    Seed::parse(text.as_bytes())
}

/// The findings of the whole seed with one text replaced by another.
fn findings(old: &str, new: &str) -> Vec<Finding> {
    let whole = whole();
    assert!(whole.contains(old), "{old}");
    findings_of(&whole.replacen(old, new, 1))
}

fn findings_of(text: &str) -> Vec<Finding> {
    read(text).expect_err(text).findings
}

fn place(finding: &Finding) -> (usize, usize) {
    (finding.position.line, finding.position.column)
}

#[test]
fn seed_is_read_whole() {
    let seed = read(&whole()).unwrap();
    assert_eq!(seed.cell_name.as_ref().unwrap().as_str(), "hut");
    let interfaces = seed.interfaces.unwrap();
    assert_eq!(interfaces.wan.as_str(), "eth0");
    assert_eq!(interfaces.lan.unwrap().as_str(), "eth1");
    assert_eq!(
        seed.wan_addressing,
        Some(AddressingConfig::Static {
            address: "192.168.1.5/24".parse().unwrap(),
            gateway: Some("192.168.1.1".parse().unwrap()),
        })
    );
    assert_eq!(seed.ssh_keys[0].as_str(), KEY);
    let Some(SeedSetup::Answers(answers)) = seed.setup else {
        panic!("answers");
    };
    assert_eq!(answers.cell_name.as_str(), "hut");
    assert_eq!(answers.vpn_subnet, "10.31.7.0/24".parse().unwrap());
    assert_eq!(answers.admin_password_hash.expose(), HASH);
    assert_eq!(answers.endpoint, Some("hut.example.org".parse().unwrap()));
}

#[test]
fn little_is_enough_and_the_rest_stays_unsaid() {
    let seed = read("[setup]\ncode = \"h7k2m4px\"\n").unwrap();
    let code = Secret::new("H7K2M4PX".to_owned());
    assert_eq!(seed.setup, Some(SeedSetup::Code(code)));
    assert_eq!((seed.cell_name, seed.interfaces), (None, None));
    let seed = read("network.wan = \"eth0\"\nnetwork.wan_addressing = \"dhcp\"").unwrap();
    assert_eq!(seed.wan_addressing, Some(AddressingConfig::Dhcp));
    assert_eq!(seed.interfaces.unwrap().lan, None);
    let named = whole()
        .replace("hostname = \"hut\"\n", "")
        .replace("domain_mode", "cell_name = \"hut\"\ndomain_mode");
    assert!(read(&named).unwrap().cell_name.is_none());
}

#[test]
fn example_of_the_guide_is_a_seed() {
    let examples: Vec<&str> = GUIDE
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(examples.len() >= 2);
    for example in examples {
        assert!(read(example).is_ok(), "{:?}\n{example}", read(example));
    }
}

#[test]
fn marks_and_line_ends_of_windows_do_not_matter() {
    let windows = format!("\u{feff}{}", whole().replace('\n', "\r\n"));
    assert_eq!(read(&windows), read(&whole()));
    let wrong = windows.replace("\"eth1\"", "\"eth/1\"");
    assert_eq!(place(&findings_of(&wrong)[0]), (6, 7));
    let first = "\u{feff}hostname = 3\r\n";
    assert_eq!(place(&findings_of(first)[0]), (1, 12));
}

#[test]
fn plain_password_is_refused_with_what_to_do() {
    for key in ["admin_password", "password"] {
        let found = findings(
            &format!("admin_password_hash = \"{HASH}\""),
            &format!("{key} = \"hunter2hunter2\""),
        );
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(place(&found[0]), (20, 1));
        assert!(found[0].message.contains("argon2 \"$(openssl"), "{found:?}");
    }
}

#[test]
fn code_is_eight_characters_that_cannot_be_confused() {
    for (code, told) in [
        ("\"H7K2M4P\"", "must be 8 letters"),
        ("\"H7K2M4PXX\"", "must be 8 letters"),
        ("\"H7K2M4PO\"", "without I, L, O and U"),
        ("\"H7K2-M4PX\"", "must be 8 letters"),
        ("\"Н7K2M4PX\"", "Н (U+041D)"),
        ("\"77777777\"", "one character"),
        ("77777777", "a text in quotes"),
    ] {
        let found = findings_of(&format!("[setup]\ncode = {code}\n"));
        assert_eq!(place(&found[0]), (2, 8), "{code}");
        assert!(found[0].message.contains(told), "{code}: {found:?}");
    }
    let found = findings_of("# code to come\n[setup]\n");
    assert_eq!(place(&found[0]), (2, 2));
    assert!(found[0].message.contains("either code or answers"));
}

#[test]
fn everything_wrong_is_told_at_once_in_the_order_of_the_text() {
    let text = whole()
        .replace("\"hut\"", "\"h_t\"")
        .replace("\"eth1\"", "\"\"")
        .replace("domain_mode = \"lan\"\n", "")
        .replace("Europe/Vienna", "Nowhere");
    let places: Vec<_> = findings_of(&text).iter().map(place).collect();
    assert_eq!(places, [(2, 12), (6, 7), (15, 8), (20, 12)]);
}

#[test]
fn what_is_no_text_is_told_apart() {
    let utf16: Vec<u8> = [0xff, 0xfe, b'a', 0].into();
    let latin = b"# gr\xfc\xdfe\n".to_vec();
    let big = format!("# {}\n", "x".repeat(MAX_BYTES)).into_bytes();
    for (bytes, expected, told) in [
        (Vec::new(), (1, 1), "empty"),
        (b" \r\n\t".to_vec(), (1, 1), "empty"),
        (b"# nothing\n".to_vec(), (1, 1), "says nothing"),
        (utf16, (1, 1), "UTF-16"),
        (latin, (1, 5), "not UTF-8"),
        (big, (1, 1), "larger than 64 KiB"),
        (b"hostname = \"h\0t\"".to_vec(), (1, 14), "zero byte"),
        (b"[ssh]\rkeys".to_vec(), (1, 6), "carriage return"),
        (b"# \x1b[31m".to_vec(), (1, 3), "control character"),
        (
            b"hostname = \"a\"\nhostname = \"b\"".to_vec(),
            (2, 1),
            "duplicate key",
        ),
        ("hostname = “hut”".as_bytes().to_vec(), (1, 12), "write \""),
        (
            "hostname\u{a0}= \"hut\"".as_bytes().to_vec(),
            (1, 9),
            "plain space",
        ),
        (b"hostname = \"hut\nx = 1".to_vec(), (1, 16), "not TOML"),
    ] {
        let finding = Seed::parse(&bytes).unwrap_err().findings.remove(0);
        assert_eq!(place(&finding), expected, "{finding}");
        assert!(finding.message.contains(told), "{finding}");
    }
}

#[test]
fn message_is_one_line_and_repeats_no_value() {
    let secret = "Zq9Zq9Zq9Zq9";
    let text = whole()
        .replace(HASH, secret)
        .replace("\"hut.cell\"", &format!("\"{secret}.\u{e4}\""));
    for cut in 0..text.len() {
        let Some(part) = text.get(..cut) else {
            continue;
        };
        if let Err(error) = read(part) {
            for finding in error.findings {
                assert!(!finding.message.contains("Zq9"), "{finding}");
                assert!(!finding.message.chars().any(char::is_control), "{finding}");
            }
        }
    }
}

/// Pieces of seeds, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let whole = whole();
    let mut words: Vec<String> = whole
        .split_inclusive([' ', '\n', '"', '{', '['])
        .map(str::to_owned)
        .collect();
    words.extend(
        [
            "\0",
            "\u{feff}",
            "\r",
            "]]",
            "[[",
            "'''",
            "\"\"\"",
            "1979-05-27",
            "inf",
            ".",
        ]
        .map(str::to_owned),
    );
    proptest::collection::vec(proptest::sample::select(words), 0..60)
        .prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Seed::parse(&bytes);
    }

    #[test]
    fn no_text_makes_it_panic_and_every_place_is_in_it(text in prop_oneof![pieces(), ".{0,200}"]) {
        if let Err(error) = read(&text) {
            prop_assert!(!error.findings.is_empty());
            for finding in error.findings {
                prop_assert!(finding.position.line <= text.split('\n').count());
                prop_assert!(finding.position.column <= text.chars().count() + 1);
            }
        }
    }

    #[test]
    fn one_changed_byte_never_makes_it_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = whole().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = Seed::parse(&bytes);
    }
}
