//! A computer at home that knows of a service what its page says, and an app password.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use cell_testkit::Namespace;
use cell_testkit::celld::PATIENCE;
use cell_testkit::wait_for;
use cell_testkit::world::HOME_GATEWAY;
use cell_tests::services::{AppPassword, ServiceHost};
use serde_json::Value;
use tempfile::TempDir;

/// Seconds that a program may take: 100 MiB through a busy machine.
const LIMIT: &str = "300";

/// A computer with folders of its own.
pub(crate) struct Device {
    /// What its owner has typed.
    pub(crate) typed: Typed,
    /// Its files; gone with it.
    pub(crate) folder: TempDir,
    /// The authority that it trusts.
    pub(crate) authority: PathBuf,
    namespace: Namespace,
}

/// What is read on a service's page and typed into a program.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    pub(crate) address: String,
    pub(crate) username: String,
    pub(crate) password: String,
}

/// What a program said, and whether it ended well.
pub(crate) struct Said {
    pub(crate) is_well: bool,
    pub(crate) text: String,
}

/// A box with these services, well and answering by name.
pub(crate) fn serving(services: &[&str]) -> ServiceHost {
    let host = ServiceHost::with_own_services();
    for service in services {
        host.install(service);
    }
    for service in services {
        host.wait(service, "ok");
        host.wait_answer(service, 401);
    }
    // The laptop asks the box for names, as everything at home does.
    let laptop = &host.cell.world.laptop;
    laptop.set_resolvers(&[HOME_GATEWAY.into()]).unwrap();
    host
}

/// Stops a service, and starts it again.
pub(crate) fn restart(host: &ServiceHost, service: &str) {
    host.enable(service, false);
    let stopped = wait_for(PATIENCE, || {
        let is_silent = host.ask(service, "/", &[]).0 != 401;
        is_silent.then_some(())
    });
    assert!(stopped.is_some(), "{}", host.service(service));
    host.enable(service, true);
    host.wait(service, "ok");
    host.wait_answer(service, 401);
}

impl Device {
    /// One whose owner does what the page of a service says for a platform.
    pub(crate) fn new(
        host: &ServiceHost,
        service: &str,
        platform: &str,
        password: &AppPassword,
    ) -> Self {
        let guide = guide(&host.service(service), platform);
        Self {
            typed: Typed {
                address: address_in(&guide).expect("an address stands in the guide"),
                username: username_in(&guide).expect("a user name stands in the guide"),
                password: password.text.clone(),
            },
            folder: tempfile::tempdir().unwrap(),
            authority: host.cell.celld.ca_pem(),
            namespace: host.cell.world.laptop.clone(),
        }
    }

    /// A program on it, with nothing of this machine's settings.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = self.namespace.command("timeout");
        command
            .args([LIMIT, name])
            .env_clear()
            // Debian's own programs: others may come first in this machine's.
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("HOME", self.folder.path())
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    Said {
        is_well: output.status.success(),
        text: String::from_utf8_lossy(&text).into_owned(),
    }
}

impl Said {
    /// Ends the test unless the program ended well.
    #[track_caller]
    pub(crate) fn well(self) -> String {
        assert!(self.is_well, "{}", self.text);
        self.text
    }

    /// Ends the test unless the program ended badly, with a word for why.
    #[track_caller]
    pub(crate) fn refused(self, words: &[&str]) {
        let is_told = words.iter().any(|word| self.text.contains(word));
        assert!(!self.is_well && is_told, "{words:?}: {}", self.text);
    }
}

/// All steps for a platform, one behind the other.
fn guide(service: &Value, platform: &str) -> String {
    let guides = service["guides"].as_array().unwrap().iter();
    let mut of_platform = guides.filter(|guide| guide["platform"] == platform);
    let steps = of_platform.next().unwrap()["steps"].as_array().unwrap();
    let steps: Vec<&str> = steps.iter().map(|step| step.as_str().unwrap()).collect();
    steps.join(" ")
}

/// The first word that is a URL, or a host where there is none. What file managers call `davs` is HTTPS.
fn address_in(guide: &str) -> Option<String> {
    let mut words = guide.split_whitespace();
    let host = || {
        let (_, behind) = guide.split_once("Server: ")?;
        behind.split_whitespace().next()
    };
    let url = words.find(|word| word.contains("://")).or_else(host)?;
    let url = url.trim_end_matches([',', '.']);
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    assert!(["https", "davs"].contains(&scheme), "{url}");
    Some(format!("https://{rest}"))
}

/// The word behind "user name:" or "user name", or that in "enter NAME and an app password".
fn username_in(guide: &str) -> Option<String> {
    let guide = guide.to_ascii_lowercase();
    let behind = |words: &str| guide.split_once(words).map(|(_, rest)| rest);
    let entered = || {
        let (before, _) = guide.split_once(" and an app password")?;
        before.rsplit_once(' ').map(|(_, name)| name)
    };
    let name = behind("user name: ")
        .or_else(|| behind("user name "))
        .or_else(entered)?;
    let word = name.split_whitespace().next()?;
    Some(word.trim_end_matches([',', '.']).to_owned())
}

#[test]
fn guides_say_what_is_to_be_typed() {
    for (guide, address, username) in [
        (
            "Choose \"URL and user name\". Base URL: https://calendar.home.cell/. User name: anna. Enter an app password.",
            "https://calendar.home.cell/",
            "anna",
        ),
        (
            "Server: calendar.home.cell. User name: anna. Enter an app password.",
            "https://calendar.home.cell",
            "anna",
        ),
        (
            "Add storage: https://files.home.cell/u/anna/, user name anna, an app password.",
            "https://files.home.cell/u/anna/",
            "anna",
        ),
        (
            "Enter davs://files.home.cell/u/anna/. Enter anna and an app password.",
            "https://files.home.cell/u/anna/",
            "anna",
        ),
    ] {
        assert_eq!(address_in(guide).as_deref(), Some(address));
        assert_eq!(username_in(guide).as_deref(), Some(username));
    }
}
