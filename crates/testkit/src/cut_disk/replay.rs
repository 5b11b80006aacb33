//! Going through a recording, and cutting the power.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use fastrand::Rng;

use super::content::Content;
use super::file::File;
use super::image::{Image, Item};
use super::names::{Entry, NameChange, Names, ROOT};
use super::{Event, Recording};

/// A disk at a moment of its recording.
#[derive(Debug)]
pub struct Replay<'a> {
    events: &'a [Event],
    /// How many events have happened.
    now: usize,
    /// The journal is on the disk at least up to here: the number of events.
    committed: usize,
    /// Names as far as committed.
    names: Names,
    /// Later changes of names, and when.
    waiting: VecDeque<(usize, &'a NameChange)>,
    /// Names as programs see them.
    newest: Names,
    files: BTreeMap<u64, File>,
    /// When the entries or rights of each folder last changed.
    folders: BTreeMap<u64, usize>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(recording: &'a Recording) -> Self {
        let (names, files) = unpack(&recording.start);
        let files = files.into_iter();
        Self {
            events: &recording.events,
            now: 0,
            committed: 0,
            newest: names.clone(),
            names,
            waiting: VecDeque::new(),
            files: files
                .map(|(node, content)| (node, File::new(content, 0)))
                .collect(),
            folders: BTreeMap::new(),
        }
    }

    /// How many things have happened.
    #[must_use]
    pub fn moment(&self) -> usize {
        self.now
    }

    /// Goes on to a moment, unless it is past; at most to the end.
    pub fn advance_to(&mut self, moment: usize) {
        while self.now < moment.min(self.events.len()) {
            let event = &self.events[self.now];
            self.now += 1;
            self.take(event);
        }
    }

    /// What a power cut now may leave.
    #[must_use]
    pub fn cut(&self, random: &mut Rng) -> Image {
        // Both ends are more telling than what lies between: all that may be lost, and all there is.
        let journal = match random.u8(..4) {
            0 => self.committed,
            1 => self.now,
            _ => random.usize(self.committed..=self.now),
        };
        let mut names = self.names.clone();
        for (_, change) in self.waiting.iter().take_while(|(at, _)| *at <= journal) {
            names.apply(change);
        }
        self.image(&names, |file| file.cut(journal, random))
    }

    /// What programs see now.
    #[must_use]
    pub fn whole(&self) -> Image {
        self.image(&self.newest, File::newest)
    }

    fn take(&mut self, event: &'a Event) {
        let now = self.now;
        match event {
            Event::Name(change) => {
                if let NameChange::MakeFile { node, .. } = change {
                    self.files.insert(*node, File::new(Content::default(), now));
                }
                for node in self.newest.concerned(change) {
                    match self.files.get_mut(&node) {
                        Some(file) => file.named = now,
                        None => drop(self.folders.insert(node, now)),
                    }
                }
                self.newest.apply(change);
                self.waiting.push_back((now, change));
            }
            Event::Write { file, offset, data } => {
                if let Some(file) = self.files.get_mut(file) {
                    file.write(now, *offset, data);
                }
            }
            Event::Length { file, length } => {
                if let Some(file) = self.files.get_mut(file) {
                    file.set_len(now, *length);
                }
            }
            Event::Sync { node, data_only } => self.sync(*node, *data_only),
        }
    }

    fn sync(&mut self, node: u64, data_only: bool) {
        let changed = match self.files.get_mut(&node) {
            Some(file) => {
                file.sync();
                match data_only {
                    true => file.measured,
                    false => file.measured.max(file.named),
                }
            }
            None => self.folders.get(&node).copied().unwrap_or_default(),
        };
        self.committed = self.committed.max(changed);
        while let Some((at, change)) = self.waiting.front() {
            if *at > self.committed {
                break;
            }
            self.names.apply(change);
            self.waiting.pop_front();
        }
    }

    fn image(&self, names: &Names, mut content: impl FnMut(&File) -> Content) -> Image {
        let mut image = Image::empty();
        let mut folders = vec![(PathBuf::new(), ROOT)];
        while let Some((path, folder)) = folders.pop() {
            for (name, node) in names.folder(folder).into_iter().flatten() {
                let path = path.join(name);
                let content = self.files.get(node).map(&mut content);
                if content.is_none() {
                    folders.push((path.clone(), *node));
                }
                let item = Item {
                    mode: names.mode(*node),
                    is_write_through: names.is_write_through(*node),
                    content,
                };
                image.0.insert(path, item);
            }
        }
        image
    }
}

/// Numbers everything on a disk.
pub(super) fn unpack(image: &Image) -> (Names, BTreeMap<u64, Content>) {
    let mut names = Names::new();
    let mut files = BTreeMap::new();
    let mut folders = BTreeMap::from([(PathBuf::new(), ROOT)]);
    for (node, (path, item)) in (ROOT + 1..).zip(&image.0) {
        let parent = path.parent().unwrap_or(Path::new(""));
        let at = Entry {
            folder: folders.get(parent).copied().unwrap_or(ROOT),
            name: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        };
        let mode = item.mode;
        names.apply(&match &item.content {
            Some(content) => {
                files.insert(node, content.clone());
                NameChange::MakeFile { at, node, mode }
            }
            None => {
                folders.insert(path.clone(), node);
                NameChange::MakeFolder { at, node, mode }
            }
        });
        names.apply(&NameChange::WriteThrough {
            node,
            is_on: item.is_write_through,
        });
    }
    (names, files)
}
