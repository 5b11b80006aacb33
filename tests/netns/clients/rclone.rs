//! Files with rclone: trees go up and come back byte for byte, whatever they are called.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cell_tests::device::Rclone;
use cell_tests::services::{AppPassword, ServiceHost};
use cell_tests::{DOMAIN, OWNER};
use serde_json::json;

use crate::serving::{device, restart, serving};

const MIB: usize = 1024 * 1024;
/// What people call their files.
const NAMES: [&str; 14] = [
    "plain.txt",
    "two words.txt",
    "Grüße aus Köln.txt",
    "日本語.txt",
    "🎉.txt",
    "hash#tag.txt",
    "100%.txt",
    "%41%2f.txt",
    "a+b&c=d;e.txt",
    "it's [not] {this}, (or) that!.txt",
    "~$draft.docx",
    ".hidden",
    "no extension",
    "UPPER.TXT",
];

/// A computer with a remote called `box`.
fn computer(host: &ServiceHost, password: &AppPassword) -> Rclone {
    let device = device(host, "files", "android", password);
    assert_eq!(device.typed.username, OWNER);
    Rclone { device }
}

/// Every file below a folder, by its path, with what is in it.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

/// Bytes that differ from place to place.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // Xorshift: what is next to it, or elsewhere, is other bytes.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn make_tree(folder: &Path) {
    for (number, name) in NAMES.iter().enumerate() {
        let below = folder.join("a folder/Übung #2");
        fs::create_dir_all(&below).unwrap();
        fs::write(folder.join(name), format!("{number}\n")).unwrap();
        fs::write(below.join(name), bytes(number * 777)).unwrap();
    }
    fs::write(folder.join(format!("{}.txt", "x".repeat(196))), "long").unwrap();
    fs::write(folder.join("empty"), "").unwrap();
    fs::write(folder.join("film.mkv"), bytes(100 * MIB + 1)).unwrap();
}

#[test]
fn tree_goes_up_and_comes_back_as_it_was() {
    let host = serving(&["files"]);
    let computer = computer(&host, &host.app_password("desktop"));
    let here = computer.device.path("here");
    make_tree(&here);
    computer.does(&["copy", "here", "box:there"]);
    computer.does(&["check", "--download", "here", "box:there"]);
    computer.does(&["sync", "box:there", "back"]);
    assert!(
        tree(&computer.device.path("back")) == tree(&here),
        "bytes differ"
    );

    // Nothing is copied that is there already, and what is gone here goes there.
    fs::remove_file(here.join("plain.txt")).unwrap();
    fs::write(here.join("100%.txt"), "other\n").unwrap();
    let said = computer.does(&["sync", "--verbose", "--size-only", "here", "box:there"]);
    assert!(
        said.contains("100%.txt: Copied") && said.contains("plain.txt: Deleted"),
        "{said}"
    );
    assert_eq!(said.matches(": Copied").count(), 1, "{said}");

    let list = |path: &str| computer.does(&["lsf", path]);
    computer.does(&[
        "moveto",
        "box:there/two words.txt",
        "box:there/ü/zwei Wörter.txt",
    ]);
    assert_eq!(list("box:there/ü").trim(), "zwei Wörter.txt");
    assert!(!list("box:there").contains("two words.txt"));
    computer.does(&[
        "copyto",
        "box:there/ü/zwei Wörter.txt",
        "box:there/copy.txt",
    ]);
    assert_eq!(computer.does(&["cat", "box:there/copy.txt"]), "1\n");
    computer.does(&["moveto", "box:there/a folder", "box:there/folder %20"]);
    assert!(list("box:there/folder %20/Übung #2").contains("hash#tag.txt"));
    computer.does(&["deletefile", "box:there/film.mkv"]);
    assert!(!list("box:there").contains("film.mkv"));

    restart(&host, "files");
    assert_eq!(computer.does(&["cat", "box:there/copy.txt"]), "1\n");
    computer.does(&["purge", "box:there"]);
    assert!(!list("box:").contains("there"));
}

#[test]
fn nobody_gets_to_files_without_a_password_of_their_own() {
    let host = serving(&["files"]);
    let ben = json!({ "username": "ben", "password": "another long river", "role": "member" });
    host.post("/api/auth/users", &ben, 201);
    let of_ben = host.app_password_with(&json!({ "username": "ben", "device": "phone" }));
    let mut bens = computer(&host, &of_ben);
    bens.device.typed.username = "ben".to_owned();
    bens.device.typed.address = format!("https://files.{DOMAIN}/u/ben/");
    fs::write(bens.device.path("secret.txt"), "surprise").unwrap();
    bens.does(&["copy", "secret.txt", "box:"]);

    let password = host.app_password("desktop");
    let mut computer = computer(&host, &password);
    fs::write(computer.device.path("mine.txt"), "mine").unwrap();
    computer.does(&["copy", "mine.txt", "box:"]);
    let own = computer.device.typed.clone();
    for (address, username, word, why) in [
        (
            &bens.device.typed.address,
            OWNER,
            own.password.as_str(),
            "401",
        ),
        (&bens.device.typed.address, "ben", &own.password, "401"),
        (&own.address, OWNER, "wrong", "401"),
        (&own.address, "nobody", &own.password, "401"),
    ] {
        computer.device.typed.address = address.clone();
        computer.device.typed.username = username.to_owned();
        computer.device.typed.password = word.to_owned();
        for arguments in [
            &["cat", "box:secret.txt"][..],
            &["copyto", "mine.txt", "box:secret.txt"],
            &["deletefile", "box:secret.txt"],
            &["lsf", "box:"],
        ] {
            computer.ask(arguments).refused(&[why, "not found"]);
        }
    }
    computer.device.typed = own;
    assert_eq!(computer.does(&["cat", "box:mine.txt"]), "mine");
    host.remove_app_password(&password.id);
    computer.ask(&["cat", "box:mine.txt"]).refused(&["401"]);
    assert_eq!(bens.does(&["cat", "box:secret.txt"]), "surprise");
}
