//! vdirsyncer: calendars and contacts in folders, kept the same as on the box.

use std::fs;

use super::{Device, Said, run};

/// A computer whose folders `calendars` and `contacts` go with the box.
#[derive(Debug)]
pub struct Vdirsyncer {
    /// Where it runs.
    pub device: Device,
}

impl Vdirsyncer {
    /// Sets the program up on a device.
    ///
    /// # Panics
    /// Its files cannot be written.
    #[must_use]
    pub fn new(device: Device) -> Self {
        for folder in ["calendars", "contacts"] {
            fs::create_dir(device.path(folder)).unwrap();
        }
        let computer = Self { device };
        let address = computer.device.typed.address.clone();
        computer.set_up(&address, r#"["from a", "from b"]"#);
        computer
    }

    /// Writes the settings of the program.
    pub fn set_up(&self, address: &str, collections: &str) {
        let (authority, typed) = (self.device.authority.display(), &self.device.typed);
        let (username, password) = (&typed.username, &typed.password);
        let pair = |kind: &str, folder: &str, extension: &str| {
            let at = self.device.path(folder);
            format!(
                "[pair {folder}]\na = \"{folder}_here\"\nb = \"{folder}_box\"\ncollections = {collections}\n\
                 conflict_resolution = \"b wins\"\n\
                 [storage {folder}_here]\ntype = \"filesystem\"\npath = \"{}\"\nfileext = \"{extension}\"\n\
                 [storage {folder}_box]\ntype = \"{kind}\"\nurl = \"{address}\"\nusername = \"{username}\"\n\
                 password = \"{password}\"\nverify = \"{authority}\"\n",
                at.display()
            )
        };
        let settings = format!(
            "[general]\nstatus_path = \"{}\"\n{}{}",
            self.device.path("status").display(),
            pair("caldav", "calendars", ".ics"),
            pair("carddav", "contacts", ".vcf"),
        );
        fs::write(self.device.path("settings"), settings).unwrap();
        let _ = fs::remove_dir_all(self.device.path("status"));
    }

    /// What it says to a command.
    ///
    /// # Panics
    /// It cannot be run.
    #[must_use]
    pub fn ask(&self, command: &str) -> Said {
        // It asks whether a collection that is on one side only shall be made on the other.
        fs::write(self.device.path("yes"), "y\n".repeat(20)).unwrap();
        let yes = fs::File::open(self.device.path("yes")).unwrap();
        let mut program = self.device.program("vdirsyncer");
        program.arg("--config").arg(self.device.path("settings"));
        run(program.arg(command).stdin(yes))
    }

    /// Finds what is on both sides, and brings each to the other.
    #[track_caller]
    pub fn sync(&self) {
        self.ask("discover").well();
        self.ask("sync").well();
    }

    /// Ends the test unless it is not let in, and says one of the words.
    #[track_caller]
    pub fn is_refused(&self, words: &[&str]) {
        self.ask("discover").refused(words);
    }

    /// Writes an item that is to go to the box.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.device.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// All that is in a folder, in the order of what is in it.
    pub fn holds(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.device.path(folder)) else {
            return Vec::new();
        };
        let mut found: Vec<String> = entries
            .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
            .collect();
        found.sort();
        found
    }

    /// Ends the test unless each item of a folder has one of the texts, in any order.
    #[track_caller]
    pub fn has(&self, folder: &str, texts: &[&str]) {
        let found = self.holds(folder);
        let is_there = |text: &&str| found.iter().any(|item| item.contains(*text));
        assert!(
            found.len() == texts.len() && texts.iter().all(is_there),
            "{folder}: {texts:?} {found:?}"
        );
    }
}
