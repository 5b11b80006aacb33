//! The appliance image in a virtual machine, with a small outside: the host it runs on and a phone.
//!
//! ```text
//! phone 10.9.9.2 ── 10.9.9.1 host ── QEMU (router, DHCP) ── eth0 box
//! ```
//!
//! The host forwards the admin page's, the name server's and the VPN's port to the box. What lies where comes from `cargo xtask test`, in
//! `CELL_IMAGE` and `CELL_TOOLBOX`, and `CELL_BOARD` says for which board the image is: without it, for a PC.

mod disk;

pub use disk::BootFiles;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cell_os::board::Board;
use cell_os::fat;
use cell_testkit::vm::{
    Emulator, Forward, Frozen, Machine, MachineOptions, Nic, PATIENCE, Processor,
};
use cell_testkit::{Client, Namespace, Reply, wait_for};
use serde_json::{Value, json};

use crate::silence::Silence;
use crate::{OWNER, PASSWORD, expect_status, setup_answers};

/// The host's address on the phone's side.
pub const HOST: &str = "10.9.9.1";
/// Where the admin page and names are forwarded from. QEMU shows the box who asks, unless that is the host itself: then the asker
/// looks like the router beside the box, which is at home.
const ADMIN: &str = "127.0.0.1";
/// An interface of the host's that leads to the internet.
pub const CABLE: &str = "cable";
/// How long a few boots may take on a busy machine.
pub const BOOTS: Duration = Duration::from_secs(900);
/// Each try to reach the page is a process, which takes from the machine what it needs to come up.
const BETWEEN_ASKING: Duration = Duration::from_millis(800);
/// How long a person looks at a screen that is not what they wait for.
const READING: Duration = Duration::from_secs(15);
/// What the console says before the code.
pub const CODE: &str = "Setup code: ";
/// Characters of the code, of Crockford's base 32.
const CODE_LENGTH: usize = 8;
/// Ctrl-L. QEMU's serial port says a character twice now and then; a person has the screen drawn anew.
const REDRAW: &str = "\x0c";

/// A box and what is around it.
#[derive(Debug)]
pub struct Appliance {
    /// The owner's browser, on the host.
    pub owner: Client,
    /// The box.
    pub machine: Machine,
    /// Where QEMU runs.
    pub host: Namespace,
    /// A phone that reaches the host only.
    pub phone: Namespace,
    /// Where the admin page is.
    admin: IpAddr,
    emulator: Emulator,
    options: MachineOptions,
    // Holds the disk across restarts.
    _folder: tempfile::TempDir,
}

/// QEMU, as `cargo xtask test` says where it is.
#[must_use]
pub fn emulator() -> Emulator {
    Emulator::new(cell_os::toolbox::Toolbox::new(from_environment(
        "CELL_TOOLBOX",
    )))
}

/// The image, as `cargo xtask test` says where it is.
#[must_use]
pub fn image() -> PathBuf {
    from_environment("CELL_IMAGE")
}

/// The services that are in the image, as `cargo xtask test` says where they are.
#[must_use]
pub fn services() -> PathBuf {
    from_environment("CELL_BOARD_SERVICES")
}

/// The image with a seed on it, as `cargo xtask flash --seed` leaves it; it lies in `folder`.
#[must_use]
pub fn seeded_image(folder: &Path, seed: &str) -> PathBuf {
    let (file, copy) = (folder.join("cell.toml"), folder.join("seeded.img"));
    fs::write(&file, seed).unwrap();
    fat::with_seed(&image(), &file, &copy, emulator().toolbox()).unwrap();
    copy
}

/// The processor of the machine that the image is for.
#[must_use]
pub fn processor() -> Processor {
    let Ok(name) = std::env::var("CELL_BOARD") else {
        return Processor::X86_64;
    };
    let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("../board");
    Processor::of(&Board::read(&boards, &name).unwrap()).unwrap()
}

pub(crate) fn from_environment(name: &str) -> PathBuf {
    std::env::var_os(name)
        .unwrap_or_else(|| panic!("{name} is not set: run these tests by `cargo xtask test`"))
        .into()
}

impl Appliance {
    /// Switches a fresh box on.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// Switches a fresh box on that differs as `change` says.
    #[must_use]
    pub fn start_with(change: impl FnOnce(&mut MachineOptions)) -> Self {
        let (host, phone) = outside();
        let folder = tempfile::tempdir().unwrap();
        let forward = |protocol, address: &str, port: u16| Forward {
            protocol,
            outside: format!("{address}:{port}").parse().unwrap(),
            inside: port,
        };
        let nic = Nic::User(vec![
            forward("tcp", ADMIN, 8443),
            forward("udp", ADMIN, 53),
            forward("udp", HOST, 51820),
        ]);
        let mut options = MachineOptions {
            processor: processor(),
            overlay: Some(folder.path().join("disk.qcow2")),
            namespace: Some(host.clone()),
            ..MachineOptions::new(image(), nic)
        };
        change(&mut options);
        let emulator = emulator();
        let machine = Machine::start(&emulator, &options).unwrap();
        let admin = ADMIN.parse().unwrap();
        Self {
            owner: browser(&host, admin),
            machine,
            host,
            phone,
            admin,
            emulator,
            options,
            _folder: folder,
        }
    }

    /// Has the admin page looked for at this address: where the host is beside the box, not behind QEMU's router.
    pub fn is_at(&mut self, address: IpAddr) {
        self.admin = address;
        self.owner = browser(&self.host, address);
    }

    /// Cuts the power and switches on again, with the same disk.
    pub fn power_cycle(&mut self) {
        self.machine.cut_power().unwrap();
        self.power_on();
    }

    /// Switches on again after the power was cut.
    pub fn power_on(&mut self) {
        self.machine = Machine::start(&self.emulator, &self.options).unwrap();
    }

    /// Keeps the box as it is now, to go on from there; then it is off.
    pub fn freeze(&mut self) -> Frozen {
        self.machine.freeze().unwrap()
    }

    /// Goes on from there, after the power was cut.
    pub fn thaw(&mut self, frozen: &Frozen) {
        self.machine = Machine::thaw(&self.emulator, &self.options, frozen).unwrap();
    }

    /// Switches on, after the power was cut, with what the disk held then.
    pub fn power_on_from(&mut self, frozen: &Frozen) {
        fs::copy(frozen.disk(), self.machine.disk()).unwrap();
        self.power_on();
    }

    /// Makes the box of something else from the next start on.
    pub fn change(&mut self, change: impl FnOnce(&mut MachineOptions)) {
        change(&mut self.options);
    }

    /// Overwrites some bytes of a partition, while the box is off.
    pub fn damage(&self, partition: &str, offset: u64, length: u64) {
        let at = cell_os::disk::offset_of(partition) + offset;
        self.emulator
            .overwrite(self.machine.disk(), at, length)
            .unwrap();
    }

    /// The code on the console: the last, where several were shown. One that was drawn half, or with a character said
    /// twice, is drawn anew.
    #[must_use]
    pub fn setup_code(&self) -> String {
        let serial = self.machine.serial();
        serial.wait(CODE, PATIENCE).unwrap();
        let limit = Instant::now() + PATIENCE;
        loop {
            let code = wait_for(READING, || last_code(&serial.text()));
            if let Some(code) = code {
                return code;
            }
            assert!(Instant::now() < limit, "no whole setup code is shown");
            serial.send(REDRAW).unwrap();
        }
    }

    /// Whether the code was shown since power-on, which is when a box that is not set up has started.
    #[must_use]
    pub fn has_shown_code(&self) -> bool {
        self.machine.serial().text().contains(CODE)
    }

    /// Waits until the admin page answers.
    pub fn wait_healthy(&mut self) {
        let healthy = wait_for(PATIENCE, || {
            if !self.machine.is_running().unwrap() {
                panic!("the machine ended");
            }
            let is_healthy = self.is_healthy();
            if !is_healthy {
                std::thread::sleep(BETWEEN_ASKING);
            }
            is_healthy.then_some(())
        });
        assert!(healthy.is_some(), "the admin page does not answer");
    }

    /// Whether the admin page answers.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        let reply = self.owner.get("/health");
        reply.is_ok_and(|reply| reply.status == 200)
    }

    /// The answers of the setup wizard, with the code on the box's console.
    #[must_use]
    pub fn setup_form(&self) -> Value {
        let mut form = setup_answers(&self.setup_code());
        form["endpoint"] = json!(format!("{HOST}:51820"));
        form
    }

    /// Sets the box up and signs the owner in.
    pub fn set_up(&mut self) {
        self.wait_healthy();
        let form = self.setup_form();
        expect_status(&self.owner.post("/api/setup/complete", &form).unwrap(), 200);
        self.sign_in();
    }

    /// Signs the owner in.
    pub fn sign_in(&mut self) {
        self.wait_healthy();
        self.owner = browser(&self.host, self.admin);
        let signed_in = wait_for(PATIENCE, || self.owner.login(OWNER, PASSWORD).ok());
        expect_status(&signed_in.expect("the box answers"), 200);
    }

    /// Proves the owner's password once more: a sign-in counts for a quarter of an hour, and machines are slow.
    pub fn prove_password(&self) {
        let form = json!({ "password": PASSWORD });
        let reply = self.owner.post("/api/auth/reauthenticate", &form);
        expect_status(&reply.unwrap(), 204);
    }

    /// GET as the owner; anything but 200 ends the test.
    #[must_use]
    pub fn get(&self, path: &str) -> Value {
        let reply = self.owner.get(path).unwrap();
        expect_status(&reply, 200);
        reply.json()
    }

    /// Adds a device and waits until it may connect.
    pub fn add_peer(&mut self, name: &str) -> Value {
        let reply: Reply = self
            .owner
            .post("/api/peers", &json!({ "name": name }))
            .unwrap();
        expect_status(&reply, 201);
        let settled = wait_for(PATIENCE, || {
            let status = self.get("/api/status");
            (status["revision"] == status["applied_revision"]).then_some(())
        });
        assert!(settled.is_some(), "{}", self.get("/api/status"));
        reply.json()
    }

    /// Types at the serial port, then waits until this stands on its screen.
    pub fn leads(&self, keys: &str, text: &str) {
        let serial = self.machine.serial();
        serial.send(keys).unwrap();
        let limit = Instant::now() + PATIENCE;
        while let Err(error) = serial.sees(text, READING) {
            assert!(Instant::now() < limit, "after {keys:?}: {error}");
            serial.send(REDRAW).unwrap();
        }
    }

    /// Opens the shell of the menu with the owner's password.
    pub fn open_shell_as_owner(&self) {
        self.leads("", "8  Open a shell");
        self.leads("8", "Whose password?");
        self.leads("1", "Password of");
        self.leads(&format!("{PASSWORD}\r"), "# ");
    }

    /// Opens the shell of the menu with the setup code.
    pub fn open_shell_before_setup(&self) {
        let code = self.setup_code();
        self.leads("", "8  Open a shell");
        self.leads("8", "the setup code opens the shell");
        self.leads(&format!("{code}\r"), "# ");
    }

    /// What a command prints in the shell of the menu, on one line.
    #[must_use]
    pub fn answer(&self, command: &str) -> String {
        let serial = self.machine.serial();
        let ask = || {
            let mark = serial.mark();
            // In two pieces, so that what is typed is not taken for what is answered.
            serial
                .send(&format!("echo \"answer\"-is=$({command})\r"))
                .unwrap();
            serial.wait_after(mark, "answer-is=", READING).ok()
        };
        let limit = Instant::now() + PATIENCE;
        loop {
            // The port says a character twice now and then, but hardly the same one again.
            if let Some(said) = ask()
                && ask().as_ref() == Some(&said)
            {
                return said;
            }
            assert!(Instant::now() < limit, "no answer to {command:?}");
        }
    }

    /// Looks from now on for how long names are not answered.
    #[must_use]
    pub fn watch_names(&self) -> Silence {
        Silence::watch(&self.host, name_server())
    }

    /// Waits until both slots hold the system, which they do soon after the first start.
    pub fn wait_both_slots(&self) {
        let serial = self.machine.serial();
        serial
            .wait("slot b holds a copy of slot a", PATIENCE)
            .unwrap();
    }

    /// Waits until the system has told the loader that it is good: the whole root was read by then.
    pub fn wait_good(&self, limit: Duration) {
        self.machine.serial().wait("is good", limit).unwrap();
    }
}

/// The code that was said last, if it is whole; the menu draws it too, with more behind it on the line.
fn last_code(text: &str) -> Option<String> {
    let (_, shown) = text.rsplit_once(CODE)?;
    let end = shown.find(|character: char| !character.is_ascii_alphanumeric())?;
    let code = &shown[..end];
    let is_crockford =
        |byte: u8| matches!(byte, b'0'..=b'9' | b'A'..=b'Z') && !b"ILOU".contains(&byte);
    (code.len() == CODE_LENGTH && code.bytes().all(is_crockford)).then(|| code.to_owned())
}

/// A browser on the host that knows the admin page by address.
fn browser(host: &Namespace, admin: IpAddr) -> Client {
    Client::trusting_anything(host, format!("https://{admin}:8443")).unwrap()
}

/// Lays a cable from where a box runs, [`CABLE`] there, to the internet, which has a device of this name with the address of
/// the box's router.
pub fn lay_cable(host: &Namespace, internet: &Namespace, name: &str, router: Ipv4Addr) {
    host.ip(&format!(
        "tuntap add dev {CABLE} mode tap\nlink add bridge type bridge\nlink set {CABLE} master bridge\n\
         link add to-internet type veth peer name {name} netns {}\nlink set to-internet master bridge\n\
         link set bridge up\nlink set to-internet up\nlink set {CABLE} up",
        internet.name()
    ))
    .unwrap();
    internet
        .ip(&format!(
            "addr add {router}/24 dev {name}\nlink set {name} up"
        ))
        .unwrap();
}

/// Where the host's side of the box answers for names.
fn name_server() -> SocketAddr {
    format!("{ADMIN}:53").parse().unwrap()
}

/// The host's and the phone's namespace, connected.
fn outside() -> (Namespace, Namespace) {
    let host = Namespace::create("host").unwrap();
    let phone = Namespace::create("phone").unwrap();
    host.ip(&format!(
        "link set lo up\nlink add phone type veth peer name eth0 netns {}\naddr add {HOST}/24 dev phone\nlink set phone up",
        phone.name()
    ))
    .unwrap();
    phone
        .ip("link set lo up\naddr add 10.9.9.2/24 dev eth0\nlink set eth0 up")
        .unwrap();
    (host, phone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_setup_code_is_taken() {
        for (text, code) in [
            ("Setup code: VDDYHH3G\n", Some("VDDYHH3G")),
            ("Setup code: VDDYHH3G\x1b[K", Some("VDDYHH3G")),
            (
                "Setup code: 00000000\nSetup code: VDDYHH3G  ",
                Some("VDDYHH3G"),
            ),
            // Half of it is there; whether more follows is not known; one character was said twice.
            ("Setup code: 00000000\nSetup code: VDDY", None),
            ("Setup code: VDDYHH3G", None),
            ("Setup code: VDDYYHH3G\n", None),
            ("Setup code: VDDYHH3U\n", None),
            ("nothing", None),
        ] {
            assert_eq!(last_code(text).as_deref(), code, "{text:?}");
        }
    }
}
