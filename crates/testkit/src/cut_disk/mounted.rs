//! The file system as the kernel sees it: answers at once, keeps everything in memory, and writes down what was asked.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, IoctlFlags, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyOpen, ReplyStatfs, ReplyWrite,
    Request, TimeOrNow, WriteFlags,
};

use super::content::{BLOCK, Content};
use super::names::{Entry, NameChange, Names, ROOT};
use super::replay::unpack;
use super::{Event, Image};

/// The kernel may keep what it was told: nobody else changes the disk.
const VALID: Duration = Duration::from_secs(3600);
/// Never reused, so one is enough.
const GENERATION: Generation = Generation(0);
/// Blocks the disk has, and has free: more than any test fills.
const ROOM: u64 = 1 << 20;
/// The longest name.
const LONGEST_NAME: u32 = 255;

/// Reading and setting a node's attributes, `FS_IOC_GETFLAGS` and `FS_IOC_SETFLAGS` of linux/fs.h.
const GET_FLAGS: u32 = 0x8008_6601;
const SET_FLAGS: u32 = 0x4008_6602;
/// The attribute `S`, `FS_SYNC_FL` there. The disk knows no other.
const WRITE_THROUGH: u32 = 8;

/// The same in another form, `FS_IOC_FSGETXATTR` and `FS_XFLAG_SYNC`: the kernel asks for it before it sets any.
const GET_EXTENDED: u32 = 0x801c_581f;
const EXTENDED_WRITE_THROUGH: u32 = 0x20;

/// What is on the disk, and how it came about.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) start: Image,
    pub(super) events: Vec<Event>,
    names: Names,
    files: BTreeMap<u64, Content>,
    next: u64,
    /// Folders that are being read, as they were when they were opened.
    listings: BTreeMap<u64, Vec<(u64, FileType, String)>>,
}

impl Live {
    pub(super) fn new(start: &Image) -> Self {
        let (names, files) = unpack(start);
        Self {
            next: ROOT + 1 + start.0.len() as u64,
            start: start.clone(),
            events: Vec::new(),
            names,
            files,
            listings: BTreeMap::new(),
        }
    }

    fn rename(&mut self, change: NameChange) {
        let concerned = self.names.concerned(&change);
        self.names.apply(&change);
        self.events.push(Event::Name(change));
        for node in concerned {
            if self.names.folder(node).is_some() {
                self.write_through(node, false);
            }
        }
    }

    /// Follows a change of a node with what its attribute asks for.
    fn write_through(&mut self, node: u64, data_only: bool) {
        if self.names.is_write_through(node) {
            self.events.push(Event::Sync { node, data_only });
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    fn kind(&self, node: u64) -> FileType {
        match self.files.contains_key(&node) {
            true => FileType::RegularFile,
            false => FileType::Directory,
        }
    }

    fn attributes(&self, node: u64) -> FileAttr {
        let size = self.files.get(&node).map_or(0, Content::len) as u64;
        let time = SystemTime::UNIX_EPOCH;
        FileAttr {
            ino: INodeNo(node),
            size,
            blocks: size.div_ceil(512),
            atime: time,
            mtime: time,
            ctime: time,
            crtime: time,
            kind: self.kind(node),
            perm: u16::try_from(self.names.mode(node) & 0o7777).unwrap_or_default(),
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }

    fn make(&mut self, at: Entry, kind: FileType, mode: u32) -> FileAttr {
        let node = self.number();
        if kind == FileType::RegularFile {
            self.files.insert(node, Content::default());
            self.rename(NameChange::MakeFile { at, node, mode });
        } else {
            self.rename(NameChange::MakeFolder { at, node, mode });
        }
        self.attributes(node)
    }

    fn set_len(&mut self, file: u64, length: u64) -> Result<(), Errno> {
        let length = usize::try_from(length).map_err(|_| Errno::EFBIG)?;
        let content = self.files.get_mut(&file).ok_or(Errno::EISDIR)?;
        content.set_len(length);
        self.events.push(Event::Length { file, length });
        self.write_through(file, false);
        Ok(())
    }

    fn write(&mut self, file: u64, offset: u64, data: &[u8]) -> Result<(), Errno> {
        let offset = usize::try_from(offset).map_err(|_| Errno::EFBIG)?;
        let content = self.files.get_mut(&file).ok_or(Errno::EISDIR)?;
        content.write(offset, data);
        let data = data.to_vec();
        self.events.push(Event::Write { file, offset, data });
        self.write_through(file, true);
        Ok(())
    }

    fn remove(&mut self, at: Entry) -> Result<(), Errno> {
        let node = self.names.find(&at).ok_or(Errno::ENOENT)?;
        if self
            .names
            .folder(node)
            .is_some_and(|folder| !folder.is_empty())
        {
            return Err(Errno::ENOTEMPTY);
        }
        self.rename(NameChange::Remove { at });
        Ok(())
    }

    fn move_to(&mut self, from: Entry, to: Entry, flags: RenameFlags) -> Result<(), Errno> {
        self.names.find(&from).ok_or(Errno::ENOENT)?;
        let target = self.names.find(&to);
        if flags == RenameFlags::RENAME_EXCHANGE {
            target.ok_or(Errno::ENOENT)?;
            self.rename(NameChange::Exchange {
                one: from,
                other: to,
            });
            return Ok(());
        }
        let is_in_the_way = |node| {
            flags.contains(RenameFlags::RENAME_NOREPLACE)
                || self
                    .names
                    .folder(node)
                    .is_some_and(|folder| !folder.is_empty())
        };
        if target.is_some_and(is_in_the_way) {
            return Err(Errno::EEXIST);
        }
        self.rename(NameChange::Move { from, to });
        Ok(())
    }
}

/// What the kernel talks to.
#[derive(Debug)]
pub(super) struct Mounted(pub(super) Arc<Mutex<Live>>);

impl Mounted {
    fn live(&self) -> MutexGuard<'_, Live> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a file or folder that is not there yet.
    fn make(
        &self,
        parent: INodeNo,
        name: &OsStr,
        kind: FileType,
        mode: u32,
    ) -> Result<FileAttr, Errno> {
        let at = entry(parent, name)?;
        let mut live = self.live();
        match live.names.find(&at) {
            Some(_) => Err(Errno::EEXIST),
            None => Ok(live.make(at, kind, mode)),
        }
    }
}

fn entry(parent: INodeNo, name: &OsStr) -> Result<Entry, Errno> {
    Ok(Entry {
        folder: parent.0,
        name: name.to_str().ok_or(Errno::EILSEQ)?.to_owned(),
    })
}

fn answer(done: Result<(), Errno>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Mounted {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let live = self.live();
        let node = entry(parent, name).and_then(|at| live.names.find(&at).ok_or(Errno::ENOENT));
        match node {
            Ok(node) => reply.entry(&VALID, &live.attributes(node), GENERATION),
            Err(error) => reply.error(error),
        }
    }

    fn getattr(&self, _: &Request, node: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&VALID, &self.live().attributes(node.0));
    }

    fn setattr(
        &self,
        _: &Request,
        node: INodeNo,
        mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut live = self.live();
        if let Some(mode) = mode {
            let mode = mode & 0o7777;
            live.rename(NameChange::Mode { node: node.0, mode });
        }
        if let Some(Err(error)) = size.map(|size| live.set_len(node.0, size)) {
            reply.error(error);
            return;
        }
        reply.attr(&VALID, &live.attributes(node.0));
    }

    fn mkdir(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        match self.make(parent, name, FileType::Directory, mode & !umask & 0o7777) {
            Ok(attributes) => reply.entry(&VALID, &attributes, GENERATION),
            Err(error) => reply.error(error),
        }
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        match self.make(parent, name, FileType::RegularFile, mode & !umask & 0o7777) {
            Ok(attributes) => reply.created(
                &VALID,
                &attributes,
                GENERATION,
                FileHandle(0),
                FopenFlags::empty(),
            ),
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed = entry(parent, name).and_then(|at| self.live().remove(at));
        answer(removed, reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed = entry(parent, name).and_then(|at| self.live().remove(at));
        answer(removed, reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let moved = entry(parent, name).and_then(|from| {
            let to = entry(new_parent, new_name)?;
            self.live().move_to(from, to, flags)
        });
        answer(moved, reply);
    }

    fn read(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let live = self.live();
        let Some(content) = live.files.get(&node.0) else {
            reply.error(Errno::EISDIR);
            return;
        };
        let bytes = content.bytes();
        let begin = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let end = begin.saturating_add(size as usize).min(bytes.len());
        reply.data(&bytes[begin..end]);
    }

    fn write(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let written = self.live().write(node.0, offset, data);
        match (written, u32::try_from(data.len())) {
            (Ok(()), Ok(length)) => reply.written(length),
            (Err(error), _) => reply.error(error),
            (Ok(()), Err(_)) => reply.error(Errno::EINVAL),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, node: INodeNo, _: FileHandle, data_only: bool, reply: ReplyEmpty) {
        let node = node.0;
        self.live().events.push(Event::Sync { node, data_only });
        reply.ok();
    }

    fn fsyncdir(
        &self,
        request: &Request,
        node: INodeNo,
        handle: FileHandle,
        data_only: bool,
        reply: ReplyEmpty,
    ) {
        self.fsync(request, node, handle, data_only, reply);
    }

    fn opendir(&self, _: &Request, node: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let mut live = self.live();
        let entries = live.names.folder(node.0).into_iter().flatten();
        let entries = entries.map(|(name, node)| (*node, live.kind(*node), name.clone()));
        let listing = entries.collect();
        let handle = live.number();
        live.listings.insert(handle, listing);
        reply.opened(FileHandle(handle), FopenFlags::empty());
    }

    fn readdir(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let live = self.live();
        let listing = live.listings.get(&handle.0).into_iter().flatten();
        let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
        for (next, (node, kind, name)) in (1..).zip(listing).skip(skipped) {
            if reply.add(INodeNo(*node), next, *kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.live().listings.remove(&handle.0);
        reply.ok();
    }

    fn ioctl(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        _: IoctlFlags,
        command: u32,
        data: &[u8],
        _: u32,
        reply: ReplyIoctl,
    ) {
        let mut live = self.live();
        let node = node.0;
        match (
            command,
            data.first_chunk().map(|flags| u32::from_ne_bytes(*flags)),
        ) {
            (GET_FLAGS, _) => {
                let flags = u32::from(live.names.is_write_through(node)) * WRITE_THROUGH;
                reply.ioctl(0, &flags.to_ne_bytes());
            }
            (GET_EXTENDED, _) => {
                let flags = u32::from(live.names.is_write_through(node)) * EXTENDED_WRITE_THROUGH;
                let mut answer = [0; 28];
                answer[..4].copy_from_slice(&flags.to_ne_bytes());
                reply.ioctl(0, &answer);
            }
            (SET_FLAGS, Some(flags)) if flags & !WRITE_THROUGH == 0 => {
                let is_on = flags == WRITE_THROUGH;
                live.rename(NameChange::WriteThrough { node, is_on });
                reply.ioctl(0, &[]);
            }
            (SET_FLAGS, _) => reply.error(Errno::EOPNOTSUPP),
            _ => reply.error(Errno::ENOTTY),
        }
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let block = u32::try_from(BLOCK).unwrap_or_default();
        reply.statfs(ROOM, ROOM, ROOM, ROOM, ROOM, block, LONGEST_NAME, block);
    }
}
