//! The log of a version on trial: kept by the image's script while it is written to, and shown after the box went back.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use cell_testkit::{World, wait_for};
use cell_tests::slots::Slots;
use cell_tests::{Cell, expect_status};
use tempfile::TempDir;

const PATH: &str = "/api/firmware/trial-log";
/// How long the script may take to see what has happened.
const PATIENCE: Duration = Duration::from_secs(60);
const MAX_LOG: usize = 256 * 1024;

#[test]
fn log_of_the_last_trial_is_shown_as_text_that_can_do_no_harm() {
    let slots = Slots::new();
    let cell = Cell::start_in(World::new().unwrap(), slots.options());
    let reply = cell.owner.get(PATH).unwrap();
    assert_eq!(
        (reply.status, &reply.json()["code"]),
        (404, &"not_found".into())
    );
    let page = cell.owner.get("/system/trial-log").unwrap();
    assert_eq!(page.status, 200);
    assert!(page.text().contains("No version was on trial yet"));

    slots.keep_trial_log(
        b"not well: dns is not well\n<script>alert(1)</script>\x1b[2J\xff\npassword=hunter2\n",
    );
    let reply = cell.owner.get(PATH).unwrap();
    expect_status(&reply, 200);
    assert_eq!(
        reply.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(
        reply.text(),
        "not well: dns is not well\n<script>alert(1)</script> [2J\u{fffd}\npassword=[redacted]\n"
    );
    let page = cell.owner.get("/system/trial-log").unwrap().text();
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>alert"));

    // The end of one that is too long.
    let long = "a line of twenty b.\n".repeat(20_000) + "the last\n";
    slots.keep_trial_log(&long);
    let text = cell.owner.get(PATH).unwrap().text();
    assert!(text.len() <= MAX_LOG && text.len() > MAX_LOG - 100);
    assert!(text.starts_with("a line of twenty b.\n") && text.ends_with("the last\n"));
}

/// The script with folders of its own.
struct Keeper {
    child: Child,
    folder: TempDir,
}

impl Keeper {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["state", "run/log"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let scripts =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../rootfs-overlay/usr/libexec/cell");
        let root = folder.path().display().to_string();
        let text = fs::read_to_string(scripts.join("trial-log")).unwrap();
        let text = text
            .replace("/usr/libexec/cell", &scripts.display().to_string())
            .replace("/state", &format!("{root}/state"))
            .replace("/run/", &format!("{root}/run/"));
        let script = folder.path().join("trial-log");
        fs::write(&script, text).unwrap();
        let mut command = Command::new("busybox");
        command.arg("sh").arg(&script);
        Self {
            child: command.spawn().unwrap(),
            folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The partition appears.
    fn mount(&self) {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "tmpfs"]);
        assert!(command.arg(self.path("state")).status().unwrap().success());
    }

    fn kept(&self) -> Option<String> {
        fs::read_to_string(self.path("state/last-trial.log")).ok()
    }

    fn wait_kept(&self, text: &str) -> String {
        let kept = wait_for(PATIENCE, || self.kept().filter(|kept| kept.contains(text)));
        kept.unwrap_or_else(|| panic!("{text} is not in {:?}", self.kept()))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = Command::new("umount").arg(self.path("state")).status();
    }
}

#[test]
fn what_a_version_on_trial_says_is_kept_until_it_ends() {
    let mut keeper = Keeper::start();
    fs::write(keeper.path("run/log/messages"), "celld: it starts\n").unwrap();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(keeper.kept(), None, "not beside the partition");
    keeper.mount();
    keeper.wait_kept("celld: it starts");

    // As long as two log files can be, with what was not well.
    let long = "celld: the same again and again\n".repeat(40_000);
    fs::write(keeper.path("run/log/messages.0"), &long).unwrap();
    fs::write(
        keeper.path("run/log/messages"),
        long + "celld: and then it hung\n",
    )
    .unwrap();
    fs::write(keeper.path("run/not-healthy"), "dns is not well: \n").unwrap();
    let kept = keeper.wait_kept("celld: and then it hung");
    assert!(kept.len() <= MAX_LOG, "{}", kept.len());
    assert!(kept.contains("not well: dns is not well"), "{kept}");
    let parts = ["== init\n", "== kernel\n", "== daemon\n"];
    assert!(parts.iter().all(|part| kept.contains(part)));

    // What is said last is kept when the trial has failed, and then nobody writes any more.
    let last = "celld: it ends\n";
    fs::write(keeper.path("run/log/messages"), last).unwrap();
    fs::write(keeper.path("run/trial-failed"), "").unwrap();
    assert!(keeper.child.wait().unwrap().success());
    assert!(keeper.kept().unwrap().ends_with(last));
    assert!(!keeper.path("state/last-trial.log.new").exists());
}
