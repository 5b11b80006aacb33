//! The shipped script in `grub-emu`, on disks like the box's: a GPT with the FAT partitions select, boot-a and boot-b.
//!
//! One run of the emulator goes through many disks. Only the commands that would leave the loader are replaced.
//! `GRUB_ROOT` names a folder with another GRUB (a Debian tree to `chroot` into); without it the installed one runs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cell_updates::boot_state::{BLOCK_SIZE, Mode, Slot, Start, StateFile};

/// The script as it goes into the memdisk.
pub(crate) const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../board/common/grub.cfg");

/// The emulator has 256 places for disks.
pub(crate) const DISKS: usize = 200;

/// The partition id of `select` of every disk.
const SELECT: &str = "aaaaaaaa-0000-4000-8000-000000000001";

/// What makes a slot impossible to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    NoSlotFile,
    TornSlotFile,
    NoKernel,
    NoInitrd,
}

/// One power-on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Case {
    /// The state files; those left out are missing.
    pub(crate) files: BTreeMap<StateFile, Vec<u8>>,
    pub(crate) faults: BTreeMap<Slot, Fault>,
    /// The digit that stands for the clock.
    pub(crate) dice: u8,
    /// What the firmware says the loader came from; by default the case's own disk, `(hdN,gpt1)/EFI/BOOT`.
    pub(crate) firmware: Option<&'static str>,
    pub(crate) entry: Entry,
}

/// What is chosen in the menu.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Entry {
    #[default]
    Start,
    Recovery,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) start: Option<Start>,
    pub(crate) files: BTreeMap<StateFile, Vec<u8>>,
    /// The kernel's arguments.
    pub(crate) arguments: Vec<String>,
    /// The state files in the order they were read, when that is traced.
    pub(crate) reads: Vec<String>,
}

/// A disk image, and where on it things lie.
pub(crate) struct Template {
    image: Vec<u8>,
    /// Where the content of each file begins, and its directory entry.
    files: BTreeMap<StateFile, (usize, usize)>,
    script: String,
    folder: tempfile::TempDir,
}

/// Where the first partition begins, and what each has: as little as FAT12 can do with.
const SELECT_AT: usize = 64;
const SECTORS: usize = 64;
const SECTOR: usize = 512;

impl Template {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("cell-grub-")
            .tempdir_in(root().join("tmp"))
            .unwrap();
        let disk = folder.path().join("template");
        let sectors = SELECT_AT + 3 * SECTORS + 40;
        std::fs::write(&disk, vec![0; sectors * SECTOR]).unwrap();
        let mut layout = format!("label: gpt\nfirst-lba: 34\nlast-lba: {}\n", sectors - 34);
        for (number, name) in ["select", "boot-a", "boot-b"].into_iter().enumerate() {
            let start = SELECT_AT + number * SECTORS;
            writeln!(layout, "start={start}, size={SECTORS}, name={name}").unwrap();
        }
        let layout = layout.replace("name=select", &format!("name=select, uuid={SELECT}"));
        feed(Command::new("sfdisk").arg("--quiet").arg(&disk), &layout);

        let mut image = std::fs::read(&disk).unwrap();
        for number in 0..3 {
            let part = folder.path().join(format!("part{number}"));
            let tool = |name: &str| {
                let mut command = Command::new(name);
                command.arg("-i").arg(&part);
                command
            };
            let geometry = ["-C", "-t", "1", "-h", "1", "-s", "64", "::"];
            feed(tool("mformat").args(geometry), "");
            let put = |name: &str, content: &[u8]| {
                let source = folder.path().join("source");
                std::fs::write(&source, content).unwrap();
                feed(tool("mcopy").arg(&source).arg(format!("::/{name}")), "");
            };
            if number == 0 {
                feed(tool("mmd").arg("::/cell"), "");
                for file in StateFile::ALL {
                    put(file.path(), &marker(file));
                }
            } else {
                put("slot.cfg", SLOT_FILE.as_bytes());
                put("vmlinuz", b"kernel");
                put("initrd", b"initrd");
            }
            let at = (SELECT_AT + number * SECTORS) * SECTOR;
            let part = std::fs::read(&part).unwrap();
            image[at..at + part.len()].copy_from_slice(&part);
        }
        let script = std::fs::read_to_string(SCRIPT).unwrap();
        let places = StateFile::ALL.map(|file| {
            let name = file.path().rsplit('/').next().unwrap();
            let content = find(&image, &marker(file), 0);
            (file, (content, entry(&image, name, 0)))
        });
        Self {
            files: places.into(),
            image,
            script,
            folder,
        }
    }

    /// From now on the script says which state files it reads. It reads each one after it wrote it.
    pub(crate) fn trace_reads(&mut self) {
        let head = "function cell_read {\n";
        assert!(self.script.contains(head));
        let traced = format!("{head}  echo \"@READ $1\"\n");
        self.script = self.script.replace(head, &traced);
    }

    /// Powers on once a case, all in one run of the emulator.
    pub(crate) fn run(&self, cases: &[Case]) -> Vec<Seen> {
        assert!(cases.len() <= DISKS);
        let folder = tempfile::tempdir_in(self.folder.path()).unwrap();
        let inside = |path: &Path| inside(path).display().to_string();
        let disk = |index: usize| folder.path().join(format!("disk{index}"));
        let (mut map, mut script) = (String::new(), HARNESS.to_owned());
        for (index, case) in cases.iter().enumerate() {
            std::fs::write(disk(index), self.image_of(case)).unwrap();
            writeln!(map, "(hd{index}) {}", inside(&disk(index))).unwrap();
            let own = format!("(hd{index},gpt1)/EFI/BOOT");
            let entry = match case.entry {
                Entry::Start => "cell_start",
                Entry::Recovery => "cell_recover",
            };
            writeln!(
                script,
                "set cmdpath=\"{}\"\nset cell_dice={}\necho @CASE\n{entry}",
                case.firmware.unwrap_or(&own),
                case.dice
            )
            .unwrap();
        }
        script.push_str("exit\n");
        let text = self.emulate(folder.path(), &map, &script);
        let seen: Vec<&str> = text.split("@CASE").skip(1).collect();
        assert_eq!(seen.len(), cases.len(), "{text}");
        let seen = seen.into_iter().enumerate().map(|(index, text)| Seen {
            start: started(text),
            files: self.files_of(&std::fs::read(disk(index)).unwrap(), &cases[index]),
            arguments: lines(text, "@ARGUMENT ").map(str::to_owned).collect(),
            reads: lines(text, "@READ ").map(str::to_owned).collect(),
        });
        seen.collect()
    }

    /// Runs the emulator with a list of disks and a script that finds the shipped one as `script.cfg`. Answers what it
    /// wrote on the screen.
    pub(crate) fn emulate(&self, folder: &Path, map: &str, script: &str) -> String {
        std::fs::write(folder.join("map"), map).unwrap();
        std::fs::write(folder.join("grub.cfg"), script).unwrap();
        std::fs::write(folder.join("script.cfg"), &self.script).unwrap();
        let output = grub("grub-emu")
            .arg("--device-map")
            .arg(inside(&folder.join("map")))
            .arg("--directory")
            .arg(inside(folder))
            .env("TERM", "dumb")
            .stdin(Stdio::null())
            .output()
            .expect("grub-emu runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn image_of(&self, case: &Case) -> Vec<u8> {
        let mut image = self.image.clone();
        for file in StateFile::ALL {
            let (at, entry) = self.files[&file];
            match case.files.get(&file) {
                None => image[entry] = DELETED,
                Some(content) => {
                    assert!(content.len() <= BLOCK_SIZE);
                    image[at..at + content.len()].copy_from_slice(content);
                    let size = u32::try_from(content.len()).unwrap();
                    image[entry + 28..entry + 32].copy_from_slice(&size.to_le_bytes());
                }
            }
        }
        for (slot, fault) in &case.faults {
            let partition = if *slot == Slot::A { 1 } else { 2 };
            let mut delete = |name| image[entry(&self.image, name, partition)] = DELETED;
            match fault {
                Fault::NoSlotFile => delete("slot.cfg"),
                Fault::NoKernel => delete("vmlinuz"),
                Fault::NoInitrd => delete("initrd"),
                Fault::TornSlotFile => {
                    let entry = entry(&self.image, "slot.cfg", partition);
                    image[entry + 28..entry + 32].copy_from_slice(&20_u32.to_le_bytes());
                }
            }
        }
        image
    }

    fn files_of(&self, image: &[u8], case: &Case) -> BTreeMap<StateFile, Vec<u8>> {
        let present = case.files.iter().map(|(file, content)| {
            let (at, _) = self.files[file];
            (*file, image[at..at + content.len()].to_vec())
        });
        present.collect()
    }
}

/// Where the directory entry of a file is (Microsoft FAT specification, section 6).
fn entry(image: &[u8], name: &str, partition: usize) -> usize {
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    let entry = format!("{stem:<8}{extension:<3}").to_uppercase();
    let from = (SELECT_AT + partition * SECTORS) * SECTOR;
    find(image, entry.as_bytes(), from)
}

/// The first byte of the name of a file that was deleted.
const DELETED: u8 = 0xe5;

const SLOT_FILE: &str = "slot_args=\"quiet dm-mod.create=\\\"vroot,,,ro,0 8 verity 1; $cell_root_after\\\" \
                         of=$cell_uuid rw\"\n\
                         slot_initrd=/initrd\n";

const HARNESS: &str = r#"
function test_linux {
  if [ -f "$1" ]; then
    for word in "$@"; do
      echo "@ARGUMENT $word"
    done
  else
    return 1
  fi
}
function test_initrd {
  if [ -f "$1" ]; then
    echo "@INITRD $1"
  else
    return 1
  fi
}
function test_boot {
  echo "@BOOT $cell_slot $cell_mode"
}
function test_again {
  echo "@AGAIN"
}
set cell_linux=test_linux
set cell_initrd=test_initrd
set cell_boot=test_boot
set cell_again=test_again
insmod part_gpt
source $prefix/script.cfg
"#;

/// A program of GRUB's: of the installed one, or of the tree that `GRUB_ROOT` names.
pub(crate) fn grub(program: &str) -> Command {
    match std::env::var_os("GRUB_ROOT") {
        None => Command::new(program),
        Some(root) => {
            let mut command = Command::new("chroot");
            command.arg(root).arg(format!("/usr/bin/{program}"));
            command
        }
    }
}

/// How GRUB sees a path.
pub(crate) fn inside(path: &Path) -> PathBuf {
    Path::new("/").join(path.strip_prefix(root()).unwrap())
}

pub(crate) fn root() -> PathBuf {
    std::env::var_os("GRUB_ROOT").map_or_else(|| "/".into(), PathBuf::from)
}

fn started(text: &str) -> Option<Start> {
    let ends: Vec<&str> = lines(text, "@BOOT ").chain(lines(text, "@AGAIN")).collect();
    assert_eq!(ends.len(), 1, "{text}");
    let (slot, mode) = ends[0].split_once(' ')?;
    Some(Start {
        slot: slot.parse().unwrap(),
        mode: mode.parse::<Mode>().unwrap(),
    })
}

fn lines<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines()
        .filter_map(move |line| Some(line.split_once(mark)?.1.trim_end()))
}

fn marker(file: StateFile) -> Vec<u8> {
    let mut content = format!("this is {file} of the template").into_bytes();
    content.resize(BLOCK_SIZE, b'!');
    content
}

fn find(image: &[u8], wanted: &[u8], from: usize) -> usize {
    let found = image[from..]
        .windows(wanted.len())
        .position(|window| window == wanted);
    from + found.unwrap()
}

fn feed(command: &mut Command, input: &str) {
    use std::io::Write;

    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success(), "{command:?}");
}
