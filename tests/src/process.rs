//! A process as the kernel shows it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use cell_testkit::wait_for;

/// A process, by its id. What is asked of one that is gone is `None` or empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process(pub u32);

impl Process {
    /// Whether it runs; an ended child that nobody waited for does not.
    #[must_use]
    pub fn is_running(self) -> bool {
        self.status()
            .get("State")
            .is_some_and(|state| !state.starts_with(['Z', 'X']))
    }

    /// Whether it ends within `limit`.
    #[must_use]
    pub fn ends_within(self, limit: Duration) -> bool {
        wait_for(limit, || (!self.is_running()).then_some(())).is_some()
    }

    /// Its arguments, joined by blanks.
    #[must_use]
    pub fn command_line(self) -> String {
        let bytes = std::fs::read(self.file("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&bytes)
            .replace('\0', " ")
            .trim_end()
            .to_owned()
    }

    /// The lines of proc_pid_status(5), by name.
    #[must_use]
    pub fn status(self) -> BTreeMap<String, String> {
        let text = std::fs::read_to_string(self.file("status")).unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        pairs
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect()
    }

    /// What its descriptors are: paths, or words such as `socket:[123]`.
    #[must_use]
    pub fn descriptors(self) -> Vec<String> {
        let entries = std::fs::read_dir(self.file("fd")).into_iter().flatten();
        entries
            .flatten()
            .filter_map(|entry| std::fs::read_link(entry.path()).ok())
            .map(|target| target.display().to_string())
            .collect()
    }

    /// The children that are roles of the daemon; those that run a program for a moment are left out.
    #[must_use]
    pub fn roles(self) -> Vec<Self> {
        let is_role = |child: &Self| child.command_line().starts_with("celld role ");
        let mut roles = self.children();
        roles.retain(is_role);
        roles.sort();
        roles
    }

    /// The child that is this role of the daemon; none while it is not there.
    #[must_use]
    pub fn role(self, word: &str) -> Option<Self> {
        let line = format!("celld role {word} ");
        let mut roles = self.roles().into_iter();
        roles.find(|child| child.command_line().starts_with(&line))
    }

    fn children(self) -> Vec<Self> {
        let tasks = std::fs::read_dir(self.file("task")).into_iter().flatten();
        let ids: String = tasks
            .flatten()
            .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
            .collect();
        let ids = ids.split_whitespace().filter_map(|id| id.parse().ok());
        ids.map(Self).filter(|child| child.is_running()).collect()
    }

    /// Ends it as a crash would.
    pub fn kill9(self) {
        let pid = rustix::process::Pid::from_raw(self.0.cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }

    fn file(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.0))
    }
}
