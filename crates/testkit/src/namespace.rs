//! One network namespace: made, entered, removed.
//!
//! Names are `cell-<process id>-<number>-<label>`, so that worlds of parallel tests differ and a later process can
//! see whose owner is gone. Start at [`Namespace::create`].

use std::ffi::OsStr;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Once};

use rustix::process::{Pid, Signal};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use thiserror::Error;

/// Where `ip netns` keeps its names (ip-netns(8)).
const NAMES: &str = "/run/netns";

/// Files under `<this>/<namespace>/` replace those in `/etc` for `ip netns exec` (ip-netns(8)).
const OWN_ETC: &str = "/etc/netns";

/// What can go wrong with a namespace.
#[derive(Debug, Error)]
pub enum NamespaceError {
    /// The caller is not root.
    #[error(
        "network namespaces need root; run the tests as root or with `sudo -E env PATH=$PATH cargo …`"
    )]
    NotRoot,
    /// A program could not be started.
    #[error("cannot start `{program}`")]
    Start {
        /// The program's name.
        program: &'static str,
        /// Why.
        source: io::Error,
    },
    /// `ip` refused.
    #[error("`ip {arguments}` failed: {message}")]
    Refused {
        /// What it was asked, batch lines included.
        arguments: String,
        /// What it said.
        message: String,
    },
    /// A thread could not enter the namespace.
    #[error("cannot enter namespace {name}")]
    Enter {
        /// The namespace.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// A kernel setting could not be written.
    #[error("cannot set {key} in namespace {name}")]
    Setting {
        /// The key, with dots.
        key: String,
        /// The namespace.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The namespace's own form of a file in `/etc` could not be written.
    #[error("cannot write {path}")]
    OwnFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A network namespace of this process; the last clone removes it and ends what still runs in it.
#[derive(Debug, Clone)]
pub struct Namespace {
    owned: Arc<Owned>,
}

#[derive(Debug)]
struct Owned {
    name: String,
}

impl Namespace {
    /// Makes a namespace with loopback up.
    ///
    /// # Errors
    /// [`NamespaceError::NotRoot`], or what `ip` answered.
    pub fn create(label: &str) -> Result<Self, NamespaceError> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        static SWEEP: Once = Once::new();
        if !rustix::process::geteuid().is_root() {
            return Err(NamespaceError::NotRoot);
        }
        SWEEP.call_once(remove_orphans);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("cell-{}-{number}-{label}", std::process::id());
        ip(&["netns", "add", &name], "")?;
        let namespace = Self {
            owned: Arc::new(Owned { name }),
        };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// The name `ip netns` knows it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.owned.name
    }

    /// A command that runs `program` in the namespace.
    ///
    /// `ip netns exec` replaces itself by the program, so the child's process id is the program's.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.name()]).arg(program);
        command
    }

    /// Runs `work` on a thread of its own inside the namespace.
    ///
    /// A socket made there stays in the namespace and may be used from any thread.
    ///
    /// # Errors
    /// [`NamespaceError::Enter`]. A panic in `work` goes on in the caller.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        let inside = || {
            let file = std::fs::File::open(Path::new(NAMES).join(self.name()))?;
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(work())
        };
        std::thread::scope(|scope| match scope.spawn(inside).join() {
            Ok(answer) => answer,
            Err(panic) => std::panic::resume_unwind(panic),
        })
        .map_err(|source| NamespaceError::Enter {
            name: self.name().to_owned(),
            source,
        })
    }

    /// Runs lines of `ip -batch` (`addr add …`, `route add …`) in the namespace; the first refused line ends it.
    ///
    /// # Errors
    /// [`NamespaceError::Refused`] with what `ip` said.
    pub fn ip(&self, lines: &str) -> Result<(), NamespaceError> {
        ip(&["-n", self.name(), "-batch", "-"], lines)
    }

    /// [`Namespace::ip`] for lines that mean IPv6 where their words do not tell (`rule`, `route add default dev`).
    ///
    /// # Errors
    /// As [`Namespace::ip`].
    pub fn ip6(&self, lines: &str) -> Result<(), NamespaceError> {
        ip(&["-6", "-n", self.name(), "-batch", "-"], lines)
    }

    /// The ids of the processes in the namespace, this one left out.
    ///
    /// # Errors
    /// [`NamespaceError::Start`].
    pub fn process_ids(&self) -> Result<Vec<i32>, NamespaceError> {
        process_ids(self.name())
    }

    /// Sets a kernel setting such as `net.ipv4.ip_forward` in the namespace.
    ///
    /// # Errors
    /// [`NamespaceError::Setting`].
    pub fn set_sysctl(&self, key: &str, value: &str) -> Result<(), NamespaceError> {
        let path = Path::new("/proc/sys").join(key.replace('.', "/"));
        self.run(|| std::fs::write(path, value))?
            .map_err(|source| NamespaceError::Setting {
                key: key.to_owned(),
                name: self.name().to_owned(),
                source,
            })
    }

    /// Gives programs in the namespace their own name servers; none: what the host has.
    ///
    /// # Errors
    /// [`NamespaceError::OwnFile`].
    pub fn set_resolvers(&self, servers: &[IpAddr]) -> Result<(), NamespaceError> {
        self.set_resolvers_and_search(servers, &[])
    }

    /// Names that programs in the namespace know without asking anybody.
    ///
    /// # Errors
    /// [`NamespaceError::OwnFile`].
    pub fn set_hosts(&self, hosts: &[(IpAddr, String)]) -> Result<(), NamespaceError> {
        let line = |(address, name): &(IpAddr, String)| format!("{address} {name}\n");
        let lines: String = hosts.iter().map(line).collect();
        self.write_own("hosts", &format!("127.0.0.1 localhost\n{lines}"))
    }

    /// [`Namespace::set_resolvers`] with domains in which names without dots are looked for.
    ///
    /// # Errors
    /// [`NamespaceError::OwnFile`].
    pub fn set_resolvers_and_search(
        &self,
        servers: &[IpAddr],
        domains: &[String],
    ) -> Result<(), NamespaceError> {
        let mut lines: String = servers
            .iter()
            .map(|server| format!("nameserver {server}\n"))
            .collect();
        if !lines.is_empty() && !domains.is_empty() {
            lines.push_str(&format!("search {}\n", domains.join(" ")));
        }
        self.write_own("resolv.conf", &lines)
    }

    /// Has programs in the namespace see the lines instead of what the host has in `/etc`, or that again without lines.
    fn write_own(&self, name: &str, lines: &str) -> Result<(), NamespaceError> {
        let folder = Path::new(OWN_ETC).join(self.name());
        let path = folder.join(name);
        let written = match lines.is_empty() {
            true => gone(std::fs::remove_file(&path)).map(|()| {
                // The folder stays for as long as another file is in it.
                let _ = std::fs::remove_dir(folder);
            }),
            false => std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, lines)),
        };
        written.map_err(|source| NamespaceError::OwnFile { path, source })
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

fn process_ids(name: &str) -> Result<Vec<i32>, NamespaceError> {
    let output = Command::new("ip").args(["netns", "pids", name]).output();
    let output = output.map_err(|source| NamespaceError::Start {
        program: "ip",
        source,
    })?;
    let own = std::process::id().cast_signed();
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers = text.lines().filter_map(|line| line.trim().parse().ok());
    Ok(numbers.filter(|pid| *pid != own).collect())
}

/// Runs `ip` with `arguments`, `input` on its standard input.
fn ip(arguments: &[&str], input: &str) -> Result<(), NamespaceError> {
    let start = |source| NamespaceError::Start {
        program: "ip",
        source,
    };
    let mut child = Command::new("ip")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(start)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A refused line closes the pipe early; the reason is on standard error.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(start)?;
    if output.status.success() {
        return Ok(());
    }
    Err(NamespaceError::Refused {
        arguments: format!("{} {}", arguments.join(" "), input.trim()),
        message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// Removes the namespaces of test processes that were killed before they could.
fn remove_orphans() {
    let Ok(names) = std::fs::read_dir(NAMES) else {
        return;
    };
    for name in names
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
    {
        let orphaned = owner(&name).is_some_and(|pid| !Path::new("/proc").join(pid).exists());
        if orphaned {
            remove(&name);
        }
    }
}

/// The process id in a name of ours.
fn owner(name: &str) -> Option<&str> {
    let (pid, rest) = name.strip_prefix("cell-")?.split_once('-')?;
    let (number, label) = rest.split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(pid) && digits(number) && !label.is_empty()).then_some(pid)
}

/// Ends what runs in a namespace of ours and forgets its name. Best effort: it runs in `drop`.
fn remove(name: &str) {
    for pid in process_ids(name).unwrap_or_default() {
        if let Some(pid) = Pid::from_raw(pid) {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }
    let _ = ip(&["netns", "del", name], "");
    let _ = std::fs::remove_dir_all(Path::new(OWN_ETC).join(name));
}

/// What was to be removed may be gone.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exists(name: &str) -> bool {
        Path::new(NAMES).join(name).exists()
    }

    #[test]
    fn a_dropped_namespace_is_gone_with_its_processes() {
        let namespace = Namespace::create("gone").unwrap();
        let name = namespace.name().to_owned();
        let mut sleeper = namespace.command("sleep").arg("600").spawn().unwrap();
        crate::wait_for(std::time::Duration::from_secs(30), || {
            (!namespace.process_ids().unwrap().is_empty()).then_some(())
        })
        .expect("the sleeper enters the namespace");
        drop(namespace);
        assert!(!exists(&name));
        assert!(!sleeper.wait().unwrap().success());
    }

    #[test]
    fn a_namespace_is_removed_after_a_panic() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let panicked = std::thread::spawn(move || {
            let namespace = Namespace::create("panic").unwrap();
            sender.send(namespace.name().to_owned()).unwrap();
            panic!("as a failing test does");
        })
        .join();
        assert!(panicked.is_err());
        assert!(!exists(&receiver.recv().unwrap()));
    }

    #[test]
    fn work_inside_sees_only_loopback() {
        let namespace = Namespace::create("inside").unwrap();
        let inside =
            namespace.run(|| std::fs::read_to_string("/proc/thread-self/net/dev").unwrap());
        let interfaces: Vec<String> = inside
            .unwrap()
            .lines()
            .filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()))
            .collect();
        assert!(interfaces.contains(&"lo".to_owned()), "{interfaces:?}");
        assert!(!interfaces.contains(&"eth0".to_owned()), "{interfaces:?}");
    }

    #[test]
    fn a_setting_stays_inside() {
        let host = || std::fs::read_to_string("/proc/sys/net/ipv4/ip_default_ttl").unwrap();
        let before = host();
        let namespace = Namespace::create("setting").unwrap();
        namespace
            .set_sysctl("net.ipv4.ip_default_ttl", "77")
            .unwrap();
        let inside = namespace.run(host).unwrap();
        assert_eq!(inside.trim(), "77");
        assert_eq!(host(), before);
    }

    #[test]
    fn programs_inside_see_their_own_resolver() {
        let namespace = Namespace::create("resolver").unwrap();
        namespace
            .set_resolvers(&["192.0.2.53".parse().unwrap()])
            .unwrap();
        let file = namespace
            .command("cat")
            .arg("/etc/resolv.conf")
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&file.stdout),
            "nameserver 192.0.2.53\n"
        );
        let folder = Path::new(OWN_ETC).join(namespace.name());
        namespace.set_resolvers(&[]).unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn a_refused_line_says_what_ip_said() {
        let namespace = Namespace::create("refused").unwrap();
        let error = namespace
            .ip("addr add 192.0.2.1/24 dev nowhere")
            .unwrap_err();
        assert!(error.to_string().contains("nowhere"), "{error}");
    }

    #[test]
    fn only_names_of_ours_have_an_owner() {
        assert_eq!(owner("cell-12-0-phone"), Some("12"));
        for foreign in [
            "cell-phone",
            "cell-x-0-phone",
            "cell-12--phone",
            "vpn",
            "cell-12-0-",
        ] {
            assert_eq!(owner(foreign), None, "{foreign}");
        }
    }
}
