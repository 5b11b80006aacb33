//! Mail as programs that are not ours use it.
//!
//! Promises: a program knows no more of a box than the test gives it, and trusts nobody but the cell's authority; none runs for
//! ever.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use cell_testkit::Namespace;
use data_encoding::BASE64;
use serde_json::Value;

/// Other servers, good and bad, for [`python`].
pub const SENDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/netns/mail_sender.py");
/// Seconds that a program may take.
const LIMIT: &str = "600";

/// A program in Python that reaches a box at an address, and knows passwords; what it is to do comes last.
#[must_use]
pub fn python(
    from: &Namespace,
    script: &str,
    (address, host): (&str, &str),
    authority: &Path,
    passwords: &BTreeMap<&str, &str>,
) -> Command {
    let mut program = from.command("timeout");
    program
        .args([LIMIT, "/usr/bin/python3", "-B", script, address, host])
        .arg(authority)
        .env("PASSWORDS", serde_json::to_string(passwords).unwrap());
    program
}

/// Has OpenSSL sign in where a device does, with nothing but what the box says of somebody's mail, `GET /api/peer/mail`.
#[track_caller]
pub fn sign_in_by_openssl(from: &Namespace, authority: &Path, own: &Value, password: &str) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let name = text(&own["username"]);
    let servers = own["servers"].as_array().unwrap();
    assert_eq!(servers.len(), 3, "{own}");
    for server in servers {
        let (host, protocol) = (text(&server["host"]), text(&server["protocol"]));
        let begins_in_the_clear = server["security"] == "start_tls";
        let mut openssl = from.command("timeout");
        openssl
            .args([LIMIT, "openssl", "s_client", "-quiet", "-crlf", "-CAfile"])
            .arg(authority)
            .args(["-verify_return_error", "-verify_hostname", &host])
            .args(["-connect", &format!("{host}:{}", server["port"])])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if begins_in_the_clear {
            openssl.args(["-starttls", &protocol]);
        }
        // What is said, how the last line of the answer begins, and how that of a good one.
        let steps = match &*protocol {
            "imap" => vec![
                (format!("a LOGIN {name} \"{password}\""), "a ", "a OK"),
                ("b LOGOUT".to_owned(), "b ", "b OK"),
            ],
            _ => {
                let login = BASE64.encode(format!("\0{name}\0{password}").as_bytes());
                vec![
                    ("EHLO laptop.example.net".to_owned(), "250 ", "250 "),
                    (format!("AUTH PLAIN {login}"), "", "235 2.7.0"),
                    // It stays for as long as the server does, whatever becomes of its input.
                    ("QUIT".to_owned(), "", "221 "),
                ]
            }
        };
        let mut child = openssl.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = Vec::new();
        // It keeps to itself what was said in the clear.
        if !begins_in_the_clear {
            told.extend(output.next());
        }
        for (line, last, good) in steps {
            // A program that has ended says below why.
            let _ = writeln!(input, "{line}");
            let answer = output.find(|line| {
                let line = line.as_deref();
                line.is_ok_and(|line| line.starts_with(last))
            });
            let is_good = matches!(&answer, Some(Ok(line)) if line.starts_with(good));
            told.extend(answer);
            if !is_good {
                drop(input);
                let mut errors = String::new();
                let _ = child.stderr.take().unwrap().read_to_string(&mut errors);
                let _ = child.wait();
                panic!("{server}: {told:?}\n{errors}");
            }
        }
        drop(input);
        let _ = child.wait();
    }
}
