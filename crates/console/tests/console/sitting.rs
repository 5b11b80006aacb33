//! `cell-console` on a pseudo-terminal, and what a person would see there.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use cell_testkit::{Namespace, wait_for};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};
use tempfile::TempDir;

/// How long something may take to appear; generous, since machines differ.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How to run it.
pub(crate) struct Setting<'a> {
    pub(crate) namespace: Option<&'a Namespace>,
    pub(crate) runtime_dir: &'a Path,
    pub(crate) state_dir: &'a Path,
    pub(crate) arguments: &'a [&'a str],
    /// Columns and rows; 0: a serial line, which has none.
    pub(crate) size: (u16, u16),
    pub(crate) term: Option<&'a str>,
}

impl<'a> Setting<'a> {
    /// A full screen of the usual size.
    pub(crate) fn screen(runtime_dir: &'a Path, state_dir: &'a Path) -> Self {
        Self {
            namespace: None,
            runtime_dir,
            state_dir,
            arguments: &[],
            size: (80, 24),
            term: Some("vt102"),
        }
    }
}

/// What came out of the terminal.
struct Seen {
    raw: Vec<u8>,
    screen: vt100::Parser,
}

/// One console at work; ended on drop.
pub(crate) struct Sitting {
    child: Child,
    keyboard: Option<File>,
    terminal: File,
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    programs: TempDir,
}

impl Sitting {
    pub(crate) fn start(setting: &Setting<'_>) -> Self {
        let keyboard =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let (columns, rows) = setting.size;
        let size = Winsize {
            ws_col: columns,
            ws_row: rows,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&keyboard, size).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = File::from(rustix::fs::open(name, flags, Mode::empty()).unwrap());
        let programs = programs();
        let mut command = match setting.namespace {
            Some(namespace) => namespace.command("setsid"),
            None => Command::new("setsid"),
        };
        // As init starts it: with the terminal as its own.
        command.arg("--ctty");
        command.arg(env!("CARGO_BIN_EXE_cell-console"));
        arguments(&mut command, setting);
        let path = std::env::var("PATH").unwrap();
        command
            .env("PATH", format!("{}:{path}", programs.path().display()))
            .env_remove("TERM")
            .env("LANG", "C")
            .env_remove("LC_ALL")
            .stdin(terminal.try_clone().unwrap())
            .stdout(terminal.try_clone().unwrap())
            .stderr(terminal.try_clone().unwrap());
        if let Some(term) = setting.term {
            command.env("TERM", term);
        }
        let child = command.spawn().unwrap();
        let keyboard = File::from(keyboard);
        let (columns, rows) = if columns == 0 {
            (80, 24)
        } else {
            (columns, rows)
        };
        let seen = Arc::new(Mutex::new(Seen {
            raw: Vec::new(),
            screen: vt100::Parser::new(
                NonZero::new(rows).unwrap(),
                NonZero::new(columns).unwrap(),
                0,
            ),
        }));
        let (mut output, sink) = (keyboard.try_clone().unwrap(), Arc::clone(&seen));
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            let moment = Timespec {
                tv_sec: 0,
                tv_nsec: 50_000_000,
            };
            while !stopping.load(Ordering::Relaxed) {
                let mut waiting = [PollFd::new(&output, PollFlags::IN)];
                if !matches!(poll(&mut waiting, Some(&moment)), Ok(ready) if ready > 0) {
                    continue;
                }
                let Ok(length) = output.read(&mut bytes) else {
                    return;
                };
                let mut seen = sink.lock().unwrap();
                seen.raw.extend(&bytes[..length]);
                seen.screen.process(&bytes[..length]);
            }
        });
        Self {
            child,
            keyboard: Some(keyboard),
            terminal,
            seen,
            stop,
            reader: Some(reader),
            programs,
        }
    }

    /// What is on the screen now.
    pub(crate) fn screen(&self) -> String {
        self.seen.lock().unwrap().screen.screen().contents()
    }

    /// Everything that ever came.
    pub(crate) fn stream(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap().raw).into_owned()
    }

    /// Types.
    pub(crate) fn keys(&mut self, text: &str) {
        self.keyboard
            .as_mut()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    /// Types bytes that may be no text.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.keyboard.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Waits until this stands on the screen.
    pub(crate) fn sees(&self, text: &str) {
        let found = wait_for(PATIENCE, || self.screen().contains(text).then_some(()));
        assert!(found.is_some(), "no {text:?} on:\n{}", self.screen());
    }

    /// Types, then waits until this stands on the screen.
    pub(crate) fn leads(&mut self, keys: &str, text: &str) {
        self.keys(keys);
        self.sees(text);
    }

    /// Types a line at a plain terminal and waits until this comes after it. Answers what came.
    pub(crate) fn line(&mut self, line: &str, text: &str) -> String {
        let before = self.stream().len();
        self.keys(&format!("{line}\n"));
        let came = || self.stream().get(before..).unwrap_or_default().to_owned();
        let found = wait_for(PATIENCE, || came().contains(text).then_some(()));
        assert!(
            found.is_some(),
            "no {text:?} after {line:?} in:\n{}",
            came()
        );
        came()
    }

    /// Waits until this came, at whatever time.
    pub(crate) fn came(&self, text: &str) {
        let found = wait_for(PATIENCE, || self.stream().contains(text).then_some(()));
        assert!(found.is_some(), "no {text:?} in:\n{}", self.stream());
    }

    /// Waits until the terminal shows what is typed, or does not.
    pub(crate) fn echoes(&self, echo: bool) {
        let found = wait_for(PATIENCE, || {
            let modes = tcgetattr(&self.terminal).unwrap().local_modes;
            (modes.contains(LocalModes::ECHO) == echo).then_some(())
        });
        assert!(found.is_some(), "the echo stays {}", !echo);
    }

    /// Does to its modes what `stty sane` does.
    pub(crate) fn set_line_modes(&self) {
        let mut modes = tcgetattr(&self.terminal).unwrap();
        let whole = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        modes.local_modes.insert(whole);
        tcsetattr(&self.terminal, OptionalActions::Now, &modes).unwrap();
    }

    /// How often one of the programs was started that would end this machine.
    pub(crate) fn started(&self, program: &str) -> usize {
        let log = fs::read_to_string(self.programs.path().join("log")).unwrap_or_default();
        log.lines().filter(|line| *line == program).count()
    }

    /// The process.
    pub(crate) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// The terminal goes, as when a connection breaks: the kernel tells whoever has it as their own.
    pub(crate) fn hang_up(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.keyboard = None;
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        let ended = wait_for(PATIENCE, || self.child.try_wait().unwrap());
        ended.unwrap_or_else(|| panic!("it runs on:\n{}", self.screen()))
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Sitting {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Without a terminal: a pipe in, a pipe out.
pub(crate) fn piped(setting: &Setting<'_>, input: &[u8]) -> (ExitStatus, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cell-console"));
    arguments(&mut command, setting);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    // It may have ended before it read everything.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    (output.status, String::from_utf8(output.stdout).unwrap())
}

fn arguments(command: &mut Command, setting: &Setting<'_>) {
    command.arg("--runtime-dir").arg(setting.runtime_dir);
    command.arg("--state-dir").arg(setting.state_dir);
    command.args(setting.arguments);
}

/// Stand-ins for the programs that would end this machine.
fn programs() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["reboot", "poweroff"] {
        let path = folder.path().join(name);
        let log = folder.path().join("log");
        fs::write(
            &path,
            format!("#!/bin/sh\necho {name} >> {}\n", log.display()),
        )
        .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

/// Directories of a box that was never started.
pub(crate) struct EmptyBox {
    pub(crate) runtime_dir: PathBuf,
    pub(crate) state_dir: PathBuf,
    _folder: TempDir,
}

impl EmptyBox {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime_dir = folder.path().join("run");
        let state_dir = folder.path().join("state/cell");
        for path in [&runtime_dir, &state_dir] {
            fs::create_dir_all(path).unwrap();
        }
        Self {
            runtime_dir,
            state_dir,
            _folder: folder,
        }
    }
}
