//! From a finished root and a kernel to the disk image; the same for every base.

use std::fs;
use std::path::{Path, PathBuf};

use cell_signed::Envelope;
use cell_updates::boot_state::first_files;
use cell_updates::bundle::{BLOCK, KEYS, RELEASE, Release, Verity};
use serde::Serialize;

use crate::board::Board;
use crate::disk::{self, Filling};
use crate::error::{self, OsError};
use crate::fat::Fat;
use crate::toolbox::Toolbox;
use crate::{digest, files, loader, squash, verity};

/// Where the daemon looks for services that come with the box.
const SERVICES: &str = "usr/share/cell/services";

/// What a base hands over.
#[derive(Debug, Clone)]
pub struct Base {
    /// The root file system as a folder: userland, overlay, our programs.
    pub root: PathBuf,
    /// The kernel as GRUB starts it.
    pub kernel: PathBuf,
    /// Where the kernel has its drivers as modules: the first file system.
    pub initrd: Option<PathBuf>,
}

/// How it is put together.
#[derive(Debug, Clone)]
pub struct Assembly {
    /// For which board.
    pub board: Board,
    /// `board/common`: the loader's scripts.
    pub common: PathBuf,
    /// The programs that make file systems.
    pub toolbox: Toolbox,
    /// Which version it is.
    pub release: Release,
    /// The chain of key lists whose bundles it takes; none when it is never to be updated.
    pub keys: Vec<Envelope>,
    /// The services that come with it, as a package folder for the board's processor; without it, none do.
    pub services: Option<PathBuf>,
    /// Room for what is made on the way; emptied before.
    pub scratch: PathBuf,
    /// Time of all files in seconds since 1970: part of the bytes.
    pub epoch: u64,
}

/// What was made.
#[derive(Debug, Clone)]
pub struct Image {
    /// The raw disk.
    pub disk: PathBuf,
    /// Bytes of a root slot's content, hash tree included.
    pub root_size: u64,
    /// SHA-256 of the root slot's content.
    pub root_digest: String,
}

/// Makes `out/cell-BOARD.img`; `progress` is told each step.
///
/// # Errors
/// The step that failed. A finished image from before stays as it was.
pub fn assemble(
    base: &Base,
    assembly: &Assembly,
    out: &Path,
    mut progress: impl FnMut(&str),
) -> Result<Image, OsError> {
    let Assembly {
        board,
        common,
        toolbox,
        release,
        keys,
        services,
        scratch,
        epoch,
    } = assembly;
    files::empty_folder(scratch)?;
    files::make_folder(out)?;

    write_json(&base.root.join(RELEASE), release)?;
    write_json(&base.root.join(KEYS), keys)?;
    if let Some(services) = services {
        let there = base.root.join(SERVICES);
        files::empty_folder(&there)?;
        files::copy_below(services, &there)?;
    }

    progress("packing the root file system");
    let root = scratch.join("root.squashfs");
    squash::pack(&base.root, &root, *epoch, toolbox)?;
    let content = digest::of_file(&root)?;

    progress("hashing it block by block");
    let verity = verity::append(&root, &content, &digest::uuid(&content, "verity"), toolbox)?;
    let root_size = fs::metadata(&root).map_err(error::read(&root))?.len();

    progress("making the boot partition");
    let slot = scratch.join("slot.cfg");
    files::write(
        &slot,
        slot_cfg(&verity, base.initrd.is_some(), &board.cmdline),
        0o644,
    )?;
    let mut content_of_boot = vec![
        (slot, "slot.cfg".to_owned()),
        (base.kernel.clone(), "vmlinuz".to_owned()),
    ];
    content_of_boot.extend(
        base.initrd
            .clone()
            .map(|initrd| (initrd, "initrd".to_owned())),
    );
    let boot = scratch.join("boot.fat");
    let fat = |name, label, serial, bits| Fat {
        size: disk::size_of(name),
        label,
        serial,
        bits,
        epoch: *epoch,
    };
    fat("boot-a", "BOOT", &content[..8], 16).make(&boot, &content_of_boot, toolbox)?;

    progress("making the loader");
    let efi = scratch.join("loader.efi");
    loader::make(board, common, &efi, scratch, toolbox)?;
    let select = scratch.join("select.fat");
    let mut content_of_select = vec![(efi, format!("EFI/BOOT/{}", board.meta.efi_loader))];
    for (file, block) in first_files(None) {
        let path = scratch.join(file.path());
        files::write(&path, block, 0o644)?;
        content_of_select.push((path, file.path().to_owned()));
    }
    let readme = scratch.join("README.TXT");
    files::write(&readme, SEED_README, 0o644)?;
    content_of_select.push((readme, "seed/README.TXT".to_owned()));
    fat("select", "CELL", &content[8..16], 32).make(&select, &content_of_select, toolbox)?;

    progress("putting the disk together");
    let disk = out.join(format!("cell-{}.img", board.name));
    // The box fills the other slot itself once this one has proven good: nobody downloads the system twice.
    let fillings: [Filling; 3] = [
        ("select", select),
        ("boot-a", boot),
        ("root-a", root.clone()),
    ];
    disk::make(&disk, &fillings, &content, toolbox)?;
    Ok(Image {
        disk,
        root_size,
        root_digest: digest::of_file(&root)?,
    })
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), OsError> {
    let text = serde_json::to_vec(value).map_err(|source| OsError::Write {
        path: path.to_owned(),
        source: source.into(),
    })?;
    files::write(path, text, 0o644)
}

/// What a person finds who looks at the stick on another machine.
const SEED_README: &str = "Put a file cell.toml into this folder to set the box up before its first start.\r\n\
     What may be in it: docs/admin/seed.md of the project.\r\n";

/// The side file of a slot, read by GRUB's script: which arguments this slot's kernel needs.
fn slot_cfg(verity: &Verity, initramfs: bool, cmdline: &str) -> String {
    let Verity {
        root_hash,
        salt,
        data_blocks,
    } = verity;
    if initramfs {
        return format!(
            "set slot_args=\"{cmdline} cell.root={root_hash}:{salt}:{data_blocks}\"\n\
             set slot_initrd=/initrd\n"
        );
    }
    // The kernel makes the device itself (Documentation/admin-guide/device-mapper/dm-init.rst). The loader's script knows
    // the partition it came from, and how many after it the slot's root is.
    let sectors = data_blocks * BLOCK / 512;
    let hash_start = data_blocks + 1;
    let block = BLOCK;
    let device = "PARTUUID=$cell_uuid/PARTNROFF=$cell_root_after";
    format!(
        "set slot_args=\"{cmdline} root=/dev/dm-0 ro dm-mod.waitfor={device} dm-mod.create=\\\"root,,,ro,0 {sectors} verity 1 {device} \
         {device} {block} {block} {data_blocks} {hash_start} sha256 {root_hash} {salt} 1 panic_on_corruption\\\"\"\n\
         set slot_initrd=\n"
    )
}

/// What the side file of a slot says of its root, in either of its forms.
pub(crate) fn verity_of(slot_cfg: &str) -> Result<Verity, OsError> {
    let words: Vec<&str> = slot_cfg
        .split(|c: char| c.is_whitespace() || c == '"' || c == '\\')
        .collect();
    let with_initramfs = || {
        let word = words
            .iter()
            .find_map(|word| word.strip_prefix("cell.root="))?;
        let [hash, salt, blocks] = word.split(':').collect::<Vec<_>>().try_into().ok()?;
        Some((hash, salt, blocks))
    };
    let without = || {
        let at = words.iter().position(|word| *word == "sha256")?;
        Some((
            *words.get(at + 1)?,
            *words.get(at + 2)?,
            *words.get(at.checked_sub(2)?)?,
        ))
    };
    let found = with_initramfs()
        .or_else(without)
        .and_then(|(hash, salt, blocks)| {
            Some(Verity {
                root_hash: hash.parse().ok()?,
                salt: salt.to_owned(),
                data_blocks: blocks.parse().ok()?,
            })
        });
    found.ok_or_else(|| OsError::Answer {
        program: "slot.cfg".to_owned(),
        what: "what its root is checked against",
        output: slot_cfg.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn side_files_say_what_their_roots_are_checked_against() {
        for initramfs in [true, false] {
            let text = slot_cfg(&verity(), initramfs, "quiet panic=5");
            assert_eq!(verity_of(&text).unwrap(), verity());
        }
        assert!(verity_of("set slot_args=\"quiet\"\n").is_err());
    }

    fn verity() -> Verity {
        Verity {
            root_hash: "aa".repeat(32).parse().unwrap(),
            salt: "bb".repeat(32),
            data_blocks: 10,
        }
    }

    #[test]
    fn slot_with_modules_hands_the_hash_to_its_first_file_system() {
        let text = slot_cfg(&verity(), true, "quiet");
        assert!(text.contains(&format!(
            "cell.root={}:{}:10",
            "aa".repeat(32),
            "bb".repeat(32)
        )));
        assert!(text.contains("slot_initrd=/initrd"));
    }

    #[test]
    fn slot_without_them_lets_the_kernel_check() {
        let text = slot_cfg(&verity(), false, "quiet");
        assert!(
            text.contains("0 80 verity 1 PARTUUID=$cell_uuid/PARTNROFF=$cell_root_after"),
            "{text}"
        );
        assert!(text.contains("4096 4096 10 11 sha256"), "{text}");
        assert!(text.ends_with("set slot_initrd=\n"));
    }
}
