//! Files under litmus, the suite of tests for servers of WebDAV (RFC 4918).

use std::collections::BTreeSet;

use cell_tests::device::run;
use cell_tests::{DOMAIN, OWNER};

use crate::serving::{device, serving};

/// What copyparty does not do as the RFC has it. Nothing else may be lacking; what works one day leaves this list, and
/// docs/admin/services.md. None of it loses what is there: what it does not do it refuses, but for locks, which every
/// client gets and which keep nobody else away.
const LACKING: [&str; 20] = [
    // A folder that is to be made of something.
    "basic mkcol_with_body",
    // What is there is kept, with another status than 412; a folder does not take the place of another.
    "copymove copy_overwrite",
    "copymove move",
    "copymove copy_coll",
    "copymove move_coll",
    // Folders on the way are made.
    "copymove copy_nodestcoll",
    "copymove copy_shallow",
    // What is no XML is answered 500.
    "props propfind_invalid",
    "props propfind_invalid2",
    // Properties of clients' own.
    "props propset",
    "props propmanyns",
    "props propget",
    // Locks are given and not kept; those of folders are not given.
    "locks refresh",
    "locks notowner_modify",
    "locks notowner_lock",
    "locks owner_modify",
    "locks copy",
    "locks cond_put_corrupt_token",
    "locks fail_cond_put_unlocked",
    "locks lock_collection",
];

#[test]
fn files_are_served_as_the_protocol_says_but_for_what_is_known() {
    let host = serving(&["files"]);
    let device = device(&host, "files", "linux", &host.app_password("suite"));
    let typed = &device.typed;
    let mut litmus = device.program("litmus");
    // With `-k` one suite that fails does not keep the others from running.
    litmus.args(["-k", &typed.address, &typed.username, &typed.password]);
    let said = run(&mut litmus).text;
    let (failed, passed) = judged(&said);
    assert_eq!(failed, LACKING.map(str::to_owned).into(), "{said}");
    assert!(passed > 50, "{passed}: {said}");
}

#[test]
fn what_is_not_done_leaves_everything_as_it_was() {
    let host = serving(&["files"]);
    let user = format!("{OWNER}:{}", host.app_password("suite").text);
    let ask = |method: &str, name: &str, more: &[&str]| {
        let path = format!("/u/{OWNER}/{name}");
        let own = ["--user", user.as_str(), "--request", method];
        host.ask("files", &path, &[&own[..], more].concat())
    };
    for folder in ["one", "two"] {
        assert_eq!(ask("MKCOL", folder, &[]).0, 201);
    }
    for file in ["one/first", "two/second", "third", "fourth"] {
        assert_eq!(ask("PUT", file, &["--data-binary", file]).0, 201);
    }
    for (method, from, to, overwrite) in [
        ("COPY", "one/", "two/", "T"),
        ("MOVE", "one/", "two/", "T"),
        ("COPY", "third", "fourth", "F"),
        ("MOVE", "third", "fourth", "F"),
    ] {
        let to = format!("Destination: https://files.{DOMAIN}/u/{OWNER}/{to}");
        let overwrite = format!("Overwrite: {overwrite}");
        let (status, text) = ask(method, from, &["--header", &to, "--header", &overwrite]);
        assert!(status >= 400, "{method} {from}: {text}");
        for file in ["one/first", "two/second", "third", "fourth"] {
            let (status, text) = ask("GET", file, &[]);
            let is_there = status == 200 && text.ends_with(file);
            assert!(is_there, "{method} {from}: {file}: {text}");
        }
    }
}

/// The tests that failed, and how many passed.
fn judged(said: &str) -> (BTreeSet<String>, usize) {
    let (mut failed, mut passed) = (BTreeSet::new(), 0);
    let mut suite = "";
    // It writes over the line that says what it is about to do.
    for line in said.split(['\n', '\r']) {
        if let Some(name) = line.strip_prefix("-> running `") {
            suite = name.trim_end_matches("':");
        }
        let name = line
            .split(['.', ' '])
            .filter(|word| !word.is_empty())
            .nth(1);
        match name {
            Some(name) if line.contains(" FAIL (") => {
                failed.insert(format!("{suite} {name}"));
            }
            Some(_) if line.ends_with(" pass") => passed += 1,
            _ => {}
        }
    }
    (failed, passed)
}
