//! Shows 6: every entry of the menu on the serial line, as a person would take them, and what becomes of it.
//!
//! It boots four times: `cargo xtask test --long vm_long`.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use cell_testkit::vm::{Forward, Nic, PATIENCE, Stick};
use cell_testkit::{Namespace, wait_for};
use cell_tests::vm::{Appliance, emulator};
use cell_tests::{OWNER, PASSWORD};

const NEW_PASSWORD: &str = "a short and noisy brook";
const ESC: &str = "\x1b";
/// Where the box's SSH port is seen.
const SSH: u16 = 2222;

#[test]
#[ignore = "boots four times; run by `cargo xtask test --long vm_long`"]
fn vm_long_every_entry_of_the_menu_does_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let stick = Stick::new(emulator().toolbox(), &folder.path().join("stick.img")).unwrap();
    let mut appliance = Appliance::start_with(|options| {
        options.stick = Some(stick.path().to_owned());
        if let Some(Nic::User(forwards)) = options.nics.first_mut() {
            forwards.push(Forward {
                protocol: "tcp",
                outside: ([127, 0, 0, 1], SSH).into(),
                inside: 22,
            });
        }
    });
    appliance.wait_healthy();
    appliance.leads("", &format!("Setup code: {}", appliance.setup_code()));
    appliance.set_up();
    appliance.wait_both_slots();
    appliance.leads("", "home - recovery console");

    appliance.leads("1", "CA fingerprint (SHA-256):");
    appliance.leads("", "eth0: 10.0.2.15/24");
    appliance.leads(ESC, "9  Restart or power off");

    network(&appliance);
    password(&mut appliance);

    appliance.leads("5", "To a USB stick (FAT)");
    appliance.leads("1", "You can pull the stick out now.");
    appliance.leads("\r", "6  SSH");
    appliance.leads("5", "Show them here");
    appliance.leads("2", "== celld");
    appliance.leads(ESC, "To a USB stick");
    appliance.leads(ESC, "6  SSH");

    secure_shell(&appliance, folder.path());

    appliance.leads("8", "Whose password?");
    appliance.leads("1", "Password of anna");
    appliance.leads("wrong\r", "Not done");
    appliance.leads("\r", "Password of anna");
    appliance.leads(&format!("{NEW_PASSWORD}\r"), "# ");
    appliance.leads("echo shell-$((6*7))\r", "shell-42");
    appliance.leads("exit\r", "4  Boot the other system");

    appliance.leads("4", "The other one is tried");
    let mark = appliance.machine.serial().mark();
    appliance.leads("2", "Booting slot b (trial)");
    started(&mut appliance, mark, "system b is up, mode trial");
    let serial = appliance.machine.serial();
    serial.wait_after(mark, "slot b is good", PATIENCE).unwrap();

    appliance.leads("9", "Power off");
    appliance.leads("1", "Services and connections stop");
    let mark = appliance.machine.serial().mark();
    appliance.leads("2", "Booting slot b (normal)");
    started(&mut appliance, mark, "system b is up, mode normal");

    appliance.leads("9", "Power off");
    appliance.leads("2", "stays off");
    appliance.machine.serial().send("2").unwrap();
    assert!(appliance.machine.wait_off(PATIENCE).unwrap(), "it runs on");

    // What becomes of a factory reset is in `reset.rs`; here what stops one.
    appliance.power_on();
    started(&mut appliance, 0, "system b is up, mode normal");
    appliance.leads("7", "Type home or RESET");
    appliance.leads("hom\r", "Nothing was erased.");
    let logs = stick.bytes().unwrap();
    let text = String::from_utf8_lossy(&logs);
    assert!(text.contains("== kernel"), "the logs are on the stick");
    assert!(!text.contains(NEW_PASSWORD) && !text.contains(PASSWORD));
}

/// Waits until the box has come up, and its menu is there.
fn started(appliance: &mut Appliance, mark: usize, system: &str) {
    let serial = appliance.machine.serial();
    serial.wait_after(mark, system, PATIENCE).unwrap();
    appliance.wait_healthy();
    appliance.leads("", "9  Restart or power off");
}

fn network(appliance: &Appliance) {
    appliance.leads("2", "WAN interface: chosen by the box");
    appliance.leads("1", "eth0 (connected)");
    appliance.leads("1", "WAN is eth0.");
    appliance.leads("\r", "WAN interface: eth0");
    // A fixed address, which returns by itself unless kept.
    appliance.leads("3", "WAN addresses");
    appliance.leads("2", "Address and prefix length");
    appliance.leads("10.0.2.15/24\r", "Gateway, such as");
    appliance.leads("10.0.2.2\r", "10.0.2.15/24 via 10.0.2.2");
    appliance.leads("\x1b[B\r", "unless you keep it");
    appliance.leads("1", "The change stays.");
    appliance.leads("\r", "WAN addresses: 10.0.2.15/24");
    let network = appliance.get("/api/config")["network"].clone();
    assert_eq!(network["wan"]["addressing"]["address"], "10.0.2.15/24");
    appliance.leads(ESC, "9  Restart or power off");
}

fn password(appliance: &mut Appliance) {
    appliance.leads("3", OWNER);
    appliance.leads("1", "New password of anna");
    appliance.leads(&format!("{NEW_PASSWORD}\r"), "The same password again");
    appliance.leads(&format!("{NEW_PASSWORD}\r"), "anna has a new password.");
    assert_eq!(appliance.owner.get("/api/peers").unwrap().status, 401);
    let reply = appliance.owner.login(OWNER, NEW_PASSWORD).unwrap();
    assert_eq!(reply.status, 200);
    appliance.leads("\r", "4  Boot the other system");
}

fn secure_shell(appliance: &Appliance, folder: &Path) {
    let (private, public) = key(folder);
    let said = ssh(&appliance.host, &private);
    assert!(!said.contains("recovery console"), "off at first: {said}");
    appliance.leads("6", "SSH is off");
    appliance.leads("1", "Paste the public key");
    appliance.leads(&format!("{public}\r"), "SSH is on for ssh-ed25519 SHA256:");
    // What it opens is the menu.
    let entered = wait_for(PATIENCE, || {
        let said = ssh(&appliance.host, &private);
        said.contains("home - recovery console").then_some(())
    });
    assert!(
        entered.is_some(),
        "no way in: {}",
        ssh(&appliance.host, &private)
    );
    appliance.leads("\r", "whoever has one of these keys");
    appliance.leads("2", "Yes, remove every key");
    appliance.leads("2", "SSH is off.");
    appliance.leads("\r", "Let a key in");
    appliance.leads(ESC, "8  Open a shell");
    let closed = wait_for(PATIENCE, || {
        let said = ssh(&appliance.host, &private);
        (!said.contains("recovery console")).then_some(())
    });
    assert!(closed.is_some(), "the key still opens");
}

/// A key for SSH: the path of its private half, and its public half.
fn key(folder: &Path) -> (PathBuf, String) {
    let path = folder.join("key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "anna@laptop", "-f"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
    (path, public.trim().to_owned())
}

/// Everything that a client with this key gets to see, without typing anything.
fn ssh(host: &Namespace, key: &Path) -> String {
    let output = host
        .command("ssh")
        .args(["-p", &SSH.to_string(), "-i"])
        .arg(key)
        .args([
            "-oBatchMode=yes",
            "-oStrictHostKeyChecking=no",
            "-oUserKnownHostsFile=/dev/null",
            "-oConnectTimeout=20",
            "root@127.0.0.1",
        ])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}
