//! The forms of the image that people download. Nothing is booted here.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use cell_os::downloads::Form;
use cell_tests::vm::emulator;

/// Runs a program of the toolbox; ends the test when it fails.
fn tool(program: &str, arguments: &[&str], files: &[&Path]) -> String {
    let mut command = emulator().toolbox().command(program).unwrap();
    cell_os::toolbox::run(command.args(arguments).args(files)).unwrap()
}

#[test]
fn every_form_holds_the_disk_and_virtual_ones_have_room() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let disk = out.join("disk.img");
    let file = File::create(&disk).unwrap();
    file.set_len(40 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"a system", 33 << 20).unwrap();

    let emulator = emulator();
    let make = |form: Form| {
        form.make(&disk, "cell-board", out, emulator.toolbox())
            .unwrap()
    };
    let [packed, qcow2, vmdk] = Form::ALL.map(make);
    assert_eq!(packed, out.join("cell-board.img.xz"));
    let first = fs::read(&packed).unwrap();
    assert!(first.len() < 100_000, "zeros take no room: {}", first.len());
    make(Form::Packed);
    assert_eq!(fs::read(&packed).unwrap(), first, "the same bytes again");
    // By the machine's own xz, not the toolbox's.
    let unpacked = Command::new("xz")
        .args(["--decompress", "--stdout"])
        .arg(&packed)
        .output();
    assert_eq!(unpacked.unwrap().stdout, fs::read(&disk).unwrap());

    for (form, path) in [("qcow2", &qcow2), ("vmdk", &vmdk)] {
        let shown = tool("qemu-img", &["info", "--output=json"], &[path]);
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown["format"], form);
        assert_eq!(shown["virtual-size"], 8_u64 << 30);
        let same = ["compare", "-q", "-f", "raw", "-F", form];
        // What one has more than the other must be zeros.
        tool("qemu-img", &same, &[&disk, path]);
    }
    let left: Vec<_> = fs::read_dir(out).unwrap().collect();
    assert_eq!(left.len(), 4, "nothing else is left: {left:?}");
}
