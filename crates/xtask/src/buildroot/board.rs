//! What the tree says of its boards: `board/<name>/buildroot.fragment` over `buildroot/configs/common.fragment`.
//!
//! The defconfigs are committed so that Buildroot can be used without `cargo xtask`; the fragments are their source.

use std::path::{Path, PathBuf};

use super::error::{BuildrootError, read};
use super::fragment::{self, Asked};

/// How a defconfig names the BR2_EXTERNAL tree.
const EXTERNAL: &str = "$(BR2_EXTERNAL_CELL_PATH)";
/// Where a defconfig lists the kernel's fragments: first the board's, then the common ones.
const KERNEL_LISTS: [&str; 2] = [
    "BR2_LINUX_KERNEL_CUSTOM_CONFIG_FILE",
    "BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES",
];

/// A board that Buildroot can build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Board {
    /// As the folder is named: `x86_64-uefi`.
    pub(super) name: String,
    /// What is asked of Buildroot.
    pub(super) asked: Vec<Asked>,
}

/// The BR2_EXTERNAL tree.
pub(super) fn external(root: &Path) -> PathBuf {
    root.join("buildroot")
}

/// All boards with a Buildroot fragment, by name.
pub(super) fn all(root: &Path) -> Result<Vec<Board>, BuildrootError> {
    let folder = root.join("board");
    let entries = std::fs::read_dir(&folder).map_err(|source| BuildrootError::Read {
        path: folder.clone(),
        source,
    })?;
    let common = fragment::load(&external(root).join("configs/common.fragment"))?;
    let mut boards = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path().join("buildroot.fragment");
        if path.is_file() {
            boards.push(Board {
                name: entry.file_name().to_string_lossy().into_owned(),
                asked: fragment::merge(&[common.clone(), fragment::load(&path)?]),
            });
        }
    }
    boards.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(boards)
}

/// The board of that name.
pub(super) fn find(root: &Path, name: &str) -> Result<Board, BuildrootError> {
    let boards = all(root)?;
    let available: Vec<_> = boards.iter().map(|board| board.name.clone()).collect();
    let found = boards.into_iter().find(|board| board.name == name);
    found.ok_or_else(|| BuildrootError::NoBoard {
        board: name.to_owned(),
        available: available.join(", "),
    })
}

impl Board {
    /// The defconfig's name without its ending: `cell_x86_64_uefi`.
    pub(super) fn config_name(&self) -> String {
        format!("cell_{}", self.name.replace('-', "_"))
    }

    /// Where the defconfig is kept.
    pub(super) fn defconfig_path(&self, root: &Path) -> PathBuf {
        external(root).join(format!("configs/{}_defconfig", self.config_name()))
    }

    /// What the defconfig holds.
    pub(super) fn defconfig(&self) -> String {
        let mut text = format!(
            "# Written by `cargo xtask buildroot defconfigs` from common.fragment and board/{}/buildroot.fragment.\n",
            self.name
        );
        for asked in &self.asked {
            text.push_str(&asked.line());
            text.push('\n');
        }
        text
    }

    /// What is wrong with the committed defconfig.
    pub(super) fn stale(&self, root: &Path) -> Vec<String> {
        let path = self.defconfig_path(root);
        if read(&path).is_ok_and(|text| text == self.defconfig()) {
            return Vec::new();
        }
        vec![format!(
            "{} is not the merge of its fragments: run `cargo xtask buildroot defconfigs`",
            path.display()
        )]
    }

    /// What the defconfig gives for `symbol`, without quotes.
    pub(super) fn value(&self, symbol: &str) -> Option<&str> {
        let asked = self.asked.iter().find(|asked| asked.symbol == symbol)?;
        asked.value.as_deref().map(|value| value.trim_matches('"'))
    }

    /// The kernel's fragments, in the order Buildroot merges them.
    pub(super) fn kernel_fragments(&self, root: &Path) -> Vec<PathBuf> {
        let external = external(root).display().to_string();
        KERNEL_LISTS
            .iter()
            .filter_map(|symbol| self.value(symbol))
            .flat_map(str::split_whitespace)
            .map(|path| PathBuf::from(path.replace(EXTERNAL, &external)))
            .collect()
    }

    /// What is asked of the kernel, and which symbols are asked for twice.
    pub(super) fn kernel(&self, root: &Path) -> Result<(Vec<Asked>, Vec<String>), BuildrootError> {
        let fragments: Vec<_> = self
            .kernel_fragments(root)
            .iter()
            .map(|path| fragment::load(path))
            .collect::<Result<_, _>>()?;
        Ok((fragment::merge(&fragments), fragment::repeated(&fragments)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo;

    #[test]
    fn defconfigs_are_the_merge_of_their_fragments() {
        let root = cargo::root();
        let boards = all(&root).unwrap();
        assert!(
            boards.iter().any(|board| board.name == "x86_64-uefi"),
            "{boards:?}"
        );
        for board in boards {
            assert_eq!(board.stale(&root), [""; 0]);
        }
    }

    #[test]
    fn a_defconfig_edited_by_hand_is_found() {
        let root = tempfile::tempdir().unwrap();
        let board = Board {
            name: "a-b".into(),
            asked: fragment::parse("f", "BR2_A=y\n").unwrap(),
        };
        std::fs::create_dir_all(root.path().join("buildroot/configs")).unwrap();
        let path = board.defconfig_path(root.path());
        assert!(
            path.ends_with("buildroot/configs/cell_a_b_defconfig"),
            "{}",
            path.display()
        );
        std::fs::write(&path, board.defconfig()).unwrap();
        assert_eq!(board.stale(root.path()), [""; 0]);
        std::fs::write(&path, board.defconfig() + "BR2_B=y\n").unwrap();
        assert_eq!(board.stale(root.path()).len(), 1);
    }

    #[test]
    fn every_kernel_fragment_is_read_and_none_asks_twice() {
        let root = cargo::root();
        for board in all(&root).unwrap() {
            let (asked, repeated) = board.kernel(&root).unwrap();
            assert_eq!(repeated, [""; 0]);
            assert!(asked.len() > 300, "{}", asked.len());
            let listed = board.kernel_fragments(&root);
            let common = std::fs::read_dir(external(&root).join("kernel"))
                .unwrap()
                .count();
            assert_eq!(listed.len(), common + 1, "{listed:?}");
        }
    }

    #[test]
    fn the_root_needs_no_module_and_no_initramfs() {
        let root = cargo::root();
        for board in all(&root).unwrap() {
            let (asked, _) = board.kernel(&root).unwrap();
            for symbol in [
                "DM_INIT",
                "DM_VERITY",
                "EROFS_FS",
                "SQUASHFS_ZSTD",
                "EXT4_FS",
                "VFAT_FS",
                "OVERLAY_FS",
                "BLK_DEV_NVME",
                "SATA_AHCI",
                "USB_STORAGE",
                "USB_XHCI_HCD",
                "MMC_BLOCK",
                "VIRTIO_BLK",
                "EFI_STUB",
                "WIREGUARD",
                "NF_TABLES_INET",
                "DEVTMPFS_MOUNT",
            ] {
                let line = format!("CONFIG_{symbol}=y");
                assert!(asked.iter().any(|asked| asked.line() == line), "{line}");
            }
            assert!(
                asked
                    .iter()
                    .any(|asked| asked.line() == "# CONFIG_BLK_DEV_INITRD is not set")
            );
        }
    }

    #[test]
    fn an_unknown_board_is_answered_with_those_there_are() {
        let error = find(&cargo::root(), "toaster").unwrap_err().to_string();
        assert!(
            error.contains("`toaster`") && error.contains("x86_64-uefi"),
            "{error}"
        );
    }
}
