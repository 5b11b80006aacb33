//! Every field, wrong in each way.

use super::*;

#[test]
fn each_wrong_value_is_told_with_its_place() {
    let cut_key = &KEY[..40];
    let other_hash = HASH.replace("m=19456", "m=4096");
    for (old, new, expected, told) in [
        (
            "\"hut\"",
            "\"-hut\"",
            (2, 12),
            "hostname must start and end",
        ),
        (
            "\"hut\"",
            "\"h\u{443}t\"",
            (2, 12),
            "(у (U+0443) is not a letter",
        ),
        ("\"hut\"", "\"\"", (2, 12), "must not be empty"),
        (
            "\"hut\"",
            "17",
            (2, 12),
            "hostname must be a text in quotes; for example: hostname = \"home\"",
        ),
        (
            "\"eth0\"",
            "\"eth 0\"",
            (5, 7),
            "network.wan may only contain",
        ),
        (
            "\"eth0\"",
            "[\"eth0\"]",
            (5, 7),
            "network.wan must be a text",
        ),
        (
            "\"eth0\"",
            "\"sixteen-letters-\"",
            (5, 7),
            "must have at most 15 characters",
        ),
        ("\"eth1\"", "\"eth0\"", (6, 7), "must be another interface"),
        (
            "wan = \"eth0\"\n",
            "",
            (5, 1),
            "network.lan needs network.wan",
        ),
        (
            "lan_addressing = { address = \"192.168.77.1/24\" }\n",
            "",
            (6, 1),
            "network.lan needs network.lan_addressing",
        ),
        (
            "lan = \"eth1\"\n",
            "",
            (7, 1),
            "network.lan_addressing needs network.lan",
        ),
        (
            "192.168.1.5/24",
            "192.168.1.5",
            (7, 30),
            "length of its network's prefix",
        ),
        (
            "192.168.1.5/24",
            "192.168.1.0/24",
            (7, 30),
            "must be the address of a host",
        ),
        (
            "192.168.1.5/24",
            "192.168.1.300/24",
            (7, 30),
            "must be an IPv4 address",
        ),
        (
            "192.168.1.5/24",
            "fd00::5/64",
            (7, 30),
            "must be an IPv4 address",
        ),
        (
            "192.168.1.1\"",
            "192.168.2.1\"",
            (7, 58),
            "must be another host of the same network",
        ),
        (
            "192.168.1.1\"",
            "192.168.1\"",
            (7, 58),
            "gateway must be an IPv4 address",
        ),
        (
            "address = \"192.168.1.5/24\", ",
            "",
            (7, 1),
            "network.wan_addressing.address is missing",
        ),
        (
            "gateway =",
            "route =",
            (7, 48),
            "network.wan_addressing.route is not a setting",
        ),
        (
            "{ address = \"192.168.77.1/24\" }",
            "\"auto\"",
            (8, 18),
            "must be the word dhcp",
        ),
        (
            "{ address = \"192.168.77.1/24\" }",
            "true",
            (8, 18),
            "must be the word dhcp",
        ),
        (
            "77.1/24\"",
            "77.1/24\", gateway = \"192.168.77.2\"",
            (8, 59),
            "only the uplink has a gateway",
        ),
        (
            "192.168.77.1/24",
            "192.168.1.9/24",
            (8, 1),
            "must be in another network",
        ),
        (
            "authorized_keys",
            "keys",
            (11, 1),
            "ssh.keys is not a setting; there are: authorized_keys",
        ),
        (
            "[ssh]\n",
            "[ssh]\nport = 22\n",
            (11, 1),
            "ssh.port is not a setting",
        ),
        (KEY, cut_key, (12, 3), "is damaged"),
        (
            KEY,
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            (12, 3),
            "must not be a private key",
        ),
        (
            &format!("\"{KEY}\""),
            "1",
            (12, 3),
            "must have texts in quotes",
        ),
        (&format!("  \"{KEY}\",\n"), "", (11, 19), "must have a key"),
        ("\"lan\"", "\"acme\"", (16, 15), "must be the word lan"),
        ("\"hut.cell\"", "\"hut.local\"", (17, 10), "special meaning"),
        (
            "domain = \"hut.cell\"\n",
            "",
            (15, 8),
            "setup.answers.domain is missing; for example: domain = \"home.cell\"",
        ),
        (
            "10.31.7.0/24",
            "10.31.7.1/24",
            (18, 14),
            "is 10.31.7.0/24 meant?",
        ),
        ("10.31.7.0/24", "8.8.8.0/24", (18, 14), "must be private"),
        (
            "10.31.7.0/24",
            "192.168.0.0/16",
            (18, 14),
            "another network than that of network.wan_addressing",
        ),
        (
            "\"anna\"",
            "\"anna@console\"",
            (19, 18),
            "is kept for the console",
        ),
        ("\"anna\"", "\"a b\"", (19, 18), "may only contain"),
        (
            HASH,
            "correct horse battery",
            (20, 23),
            "never the password itself; make a hash of it",
        ),
        (HASH, &other_hash, (20, 23), "is too weak"),
        (
            "Europe/Vienna",
            "Mars/Olympus",
            (21, 12),
            "is not a known time zone",
        ),
        (
            "hut.example.org",
            "http://hut",
            (22, 12),
            "must be a host name or address",
        ),
        (
            "endpoint",
            "\"end\\u001Bpoint\"",
            (22, 1),
            "setup.answers.end\\u{1b}point is not a setting",
        ),
        (
            "[setup.answers]",
            "[setup]\ncode = \"H7K2M4PX\"\n[setup.answers]",
            (16, 1),
            "exclude each other",
        ),
        (
            "[setup.answers]",
            "[setup.answer]",
            (15, 8),
            "setup.answer is not a setting",
        ),
        (
            "[setup.answers]\n",
            "[setup.answers]\nsetup_code = \"H7K2M4PX\"\n",
            (16, 1),
            "nobody enters a setup code",
        ),
        (
            "[setup.answers]\n",
            "[setup.answers]\ncell_name = \"hut\"\n",
            (16, 1),
            "said at the top already",
        ),
        ("hostname", "hostnаme", (1, 1), ""),
        (
            "hostname = \"hut\"",
            "cell_name = \"hut\"\nhostname = \"hut\"",
            (2, 1),
            "are the same",
        ),
        (
            "[network]",
            "[wifi]\nssid = \"a\"\n[network]",
            (4, 2),
            "Wi-Fi is not supported by this version",
        ),
        (
            "[network]",
            "[[network]]",
            (4, 3),
            "network must be a table",
        ),
        (
            "[network]",
            "[colour]\n[network]",
            (4, 2),
            "colour is not a setting; there are: hostname",
        ),
    ] {
        let found = findings(old, new);
        if told.is_empty() {
            // Not a key at all: told by the TOML parser, in the line it is in.
            assert_eq!(found[0].position.line, 2, "{found:?}");
            assert!(found[0].message.contains("U+0430"), "{found:?}");
            continue;
        }
        let first = found.iter().find(|finding| finding.message.contains(told));
        let first = first.unwrap_or_else(|| panic!("{new}: {found:?}"));
        assert_eq!(place(first), expected, "{new}: {first}");
    }
}
