//! Every entry of the menu, on a full screen with the daemon and in plain lines without it.

use cell_testkit::CelldOptions;
use cell_testkit::World;
use cell_tests::{Cell, OWNER, PASSWORD};
use tempfile::TempDir;

use crate::sitting::{Setting, Sitting};

const NEW_PASSWORD: &str = "a short and noisy brook";
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti anna@laptop";
const ESC: &str = "\x1b";
const DOWN: &str = "\x1b[B";

/// A set-up cell whose state partition is a folder of its own.
pub(crate) fn cell() -> (TempDir, Cell) {
    let partition = tempfile::tempdir().unwrap();
    let options = CelldOptions {
        state_dir: Some(partition.path().join("cell")),
        ..CelldOptions::default()
    };
    let cell = Cell::start_in(World::new().unwrap(), options);
    (partition, cell)
}

pub(crate) fn setting<'a>(cell: &'a Cell, run: &'a std::path::Path) -> Setting<'a> {
    Setting {
        namespace: Some(&cell.world.cell),
        ..Setting::screen(run, cell.celld.state_dir())
    }
}

/// Whether this password opens a session.
pub(crate) fn signs_in(cell: &Cell, password: &str) -> bool {
    let client = cell.celld.client(&cell.world.laptop).unwrap();
    client.login(OWNER, password).unwrap().status == 200
}

#[test]
fn full_screen_with_the_daemon() {
    let (partition, cell) = cell();
    let run = cell.celld.runtime_dir();
    let mut console = Sitting::start(&setting(&cell, &run));
    console.sees("home - recovery console");
    console.sees("The daemon runs.");
    console.sees("https://192.168.77.1:8443");

    console.leads("1", "CA fingerprint (SHA-256):");
    console.sees("https://home.local:8443");
    console.sees("wan0: 203.0.113.2/24");
    console.leads(ESC, "1  Status");

    // Which interface is which.
    console.leads("2", "WAN interface: chosen by the box");
    console.leads("1", "wan0 (connected)");
    console.leads("2", "WAN is wan0.");
    console.leads("\r", "WAN interface: wan0");
    let conf = std::fs::read_to_string(partition.path().join("start.conf")).unwrap();
    assert_eq!(conf, "WAN=wan0\n");

    // A fixed address, which returns by itself unless kept.
    console.leads("4", "LAN addresses");
    console.leads("2", "Address and prefix length");
    console.leads("192.168.77.1/24\r", "LAN: 192.168.77.1/24");
    console.leads(&format!("{DOWN}\r"), "unless you keep it");
    console.leads("1", "The change stays.");
    console.leads("\r", "LAN addresses: 192.168.77.1/24");
    let network = cell.get("/api/config")["network"].clone();
    assert_eq!(network["lan"]["addressing"]["address"], "192.168.77.1/24");
    assert!(cell.get("/api/status")["pending"].is_null());
    console.leads(ESC, "9  Restart or power off");

    // The owner's password, and the sessions with it.
    console.leads("3", OWNER);
    console.leads("1", "New password of anna");
    console.leads(&format!("{NEW_PASSWORD}\r"), "The same password again");
    console.leads(&format!("{NEW_PASSWORD}\r"), "anna has a new password.");
    assert!(!console.stream().contains(NEW_PASSWORD));
    assert_eq!(cell.owner.get("/api/peers").unwrap().status, 401);
    assert!(!signs_in(&cell, PASSWORD));
    assert!(signs_in(&cell, NEW_PASSWORD));
    console.leads("\r", "4  Boot the other system");

    console.leads("4", "The other one is tried");
    console.leads("2", "not started by the cell's loader");
    console.leads("\r", "5  Export logs");

    console.leads("5", "To a USB stick (FAT)");
    console.leads("1", "There is no USB stick");
    console.leads("\r", "5  Export logs");
    console.leads("5", "Show them here");
    console.leads("2", "== celld");
    console.leads(ESC, "To a USB stick");
    console.leads(ESC, "6  SSH");

    console.leads("6", "SSH is off");
    console.leads("1", "Paste the public key");
    console.leads(&format!("{KEY}\r"), "SSH is on for ssh-ed25519 SHA256:");
    let keys = partition.path().join("ssh/authorized_keys");
    assert_eq!(std::fs::read_to_string(&keys).unwrap(), format!("{KEY}\n"));
    console.leads("\r", "whoever has one of these keys");
    console.leads("2", "Yes, remove every key");
    console.leads("2", "SSH is off.");
    assert!(!keys.exists());
    console.leads("\r", "Let a key in");
    console.leads(ESC, "8  Open a shell");

    console.leads("8", "Whose password?");
    console.leads("1", "Password of anna");
    console.leads("wrong\r", "Not done");
    console.leads("\r", "Password of anna");
    console.leads(&format!("{NEW_PASSWORD}\r"), "# ");
    console.leads("echo shell-$((6*7))\r", "shell-42");
    console.leads("exit\r", "8  Open a shell");

    console.leads("9", "Power off");
    console.leads("1", "Services and connections stop");
    console.leads("\r", "Power off");
    assert_eq!(console.started("reboot"), 0, "Enter alone must not restart");
    console.leads("12", "The box restarts.");
    assert_eq!(console.started("reboot"), 1);
    console.leads("\r", "9  Restart or power off");
    console.leads("922", "The box switches off.");
    assert_eq!(console.started("poweroff"), 1);
    console.leads("\r", "7  Factory reset");

    console.leads("7", "Type home or RESET");
    console.leads("hom\r", "Nothing was erased.");
    assert!(!partition.path().join("factory-reset").exists());
    console.leads("\x15home\r", "The box restarts and erases");
    assert!(partition.path().join("factory-reset").is_file());
    assert_eq!(console.started("reboot"), 2);
}

#[test]
fn plain_lines_without_the_daemon() {
    let (partition, mut cell) = cell();
    cell.celld.terminate().unwrap();
    let run = cell.celld.runtime_dir();
    let mut console = Sitting::start(&Setting {
        arguments: &["--plain", "--mode", "recovery"],
        ..setting(&cell, &run)
    });
    console.came("The daemon is not started in recovery mode.");

    console.line("1", "Version 0.1.0, RECOVERY MODE");
    console.line("", " 9  Restart or power off");

    console.line("2", "WAN addresses: what is there");
    console.line("2", "None: the box has one cable only");
    console.line("1", "LAN is lan0.");
    console.line("", "LAN interface: lan0");
    console.line("3", "A fixed address");
    console.line("2", "Address and prefix length");
    console.line("203.0.113.2", "That is no address with a prefix length.");
    console.line("203.0.113.2/24", "Gateway, such as");
    console.line("203.0.113.7", "203.0.113.2/24 via 203.0.113.7");
    console.line("2", "The addresses of WAN are stored.");
    console.line("", "via 203.0.113.7");
    console.line("", " 1  Status");

    console.line("3", "Whose password is to be set?");
    console.line("1", "New password of anna");
    console.echoes(false);
    console.line(NEW_PASSWORD, "The same password again");
    console.echoes(false);
    console.line(NEW_PASSWORD, "anna has a new password.");
    console.echoes(true);
    assert!(!console.stream().contains(NEW_PASSWORD));
    console.line("", " 1  Status");

    console.line("4", "The other one is tried");
    console.line("2", "so there is no other");
    console.line("", " 1  Status");
    console.line("5", "To a USB stick");
    let logs = console.line("2", "Enter: back");
    assert!(
        logs.contains("== kernel") && logs.contains("(it does not run)"),
        "{logs}"
    );
    console.line("", "Show them here");
    console.line("", " 1  Status");
    console.line("6", "SSH is off");
    console.line("1", "Paste the public key");
    console.line("ssh-ed25519 AAAA", "The key is damaged");
    console.line(KEY, "SSH is on for");
    console.line("", "2  Switch SSH off");
    console.line("", " 1  Status");

    console.line("8", "Whose password?");
    console.line("1", "Password of anna");
    console.line(PASSWORD, "The password is wrong.");
    console.line("", "Password of anna");
    console.line(NEW_PASSWORD, "# ");
    console.line("echo shell-$((6*7))", "shell-42");
    console.line("exit", " 1  Status");

    console.line("9", "Restart the box");
    console.line("2", "stays off");
    console.line("2", "The box switches off.");
    console.line("", " 1  Status");
    console.line("7", "Type home or RESET");
    console.line("RESET", "The box restarts and erases");
    assert!(partition.path().join("factory-reset").is_file());
    assert_eq!(
        (console.started("reboot"), console.started("poweroff")),
        (1, 1)
    );
}
