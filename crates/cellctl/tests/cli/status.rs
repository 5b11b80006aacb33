//! `status` and `status --watch`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use cell_control::view::StatusView;
use cell_model::status::Part;

use crate::daemon::{Daemon, finish};

#[test]
fn status_names_the_box_and_each_part() {
    let text = Daemon::ready().succeed("status");
    assert!(
        text.starts_with("home: revision 7, applied 7, 1 device, celld 0.1.0\n"),
        "{text}"
    );
    for part in Part::ALL {
        let line = text.lines().find(|line| line.starts_with(part.as_str()));
        let line = line.unwrap_or_else(|| panic!("no {part:?} in {text}"));
        assert!(
            line.ends_with("ok     2026-11-18T11:06:40Z  As asked."),
            "{line}"
        );
    }
}

#[test]
fn watch_writes_one_document_a_line_until_nobody_reads() {
    let daemon = Daemon::ready();
    let mut child = daemon
        .command("--json status --watch")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.take(3) {
        let view: StatusView = serde_json::from_str(&line.unwrap()).unwrap();
        assert_eq!(view.items.len(), Part::ALL.len());
    }
    let ran = finish(child);
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
}
