//! Disks of this machine, as sysfs and procfs show them.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::FlashError;

/// Where the kernel shows its disks; another place in tests.
#[derive(Debug)]
pub(super) struct Host {
    root: PathBuf,
}

/// A disk.
#[derive(Debug, Clone)]
pub(super) struct Device {
    /// The kernel's name.
    pub(super) name: String,
    /// Its device file.
    pub(super) path: PathBuf,
    /// Bytes.
    pub(super) size: u64,
    /// Vendor and model as it says.
    pub(super) model: String,
    /// A card or a stick.
    pub(super) is_removable: bool,
    /// Who uses it or a part of it.
    pub(super) uses: Vec<String>,
}

impl Host {
    pub(super) fn real() -> Self {
        Self { root: "/".into() }
    }

    /// All disks.
    pub(super) fn devices(&self) -> Result<Vec<Device>, FlashError> {
        let folder = self.root.join("sys/block");
        let look = |source| FlashError::Look {
            path: folder.clone(),
            source,
        };
        let mut names: Vec<String> = fs::read_dir(&folder)
            .map_err(look)?
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        Ok(names
            .iter()
            .map(|name| self.describe(name))
            .filter(|device| device.size > 0)
            .collect())
    }

    /// The disk at this device file.
    pub(super) fn device(&self, path: &Path) -> Result<Device, FlashError> {
        let real = path
            .canonicalize()
            .map_err(|_| FlashError::NoDevice(path.to_owned()))?;
        let name = real.file_name().unwrap_or_default().to_string_lossy();
        let is_disk = real.parent() == Some(Path::new("/dev"))
            && self.root.join("sys/block").join(&*name).exists();
        if !is_disk {
            return Err(FlashError::NoDevice(path.to_owned()));
        }
        Ok(self.describe(&name))
    }

    fn describe(&self, name: &str) -> Device {
        let folder = self.root.join("sys/block").join(name);
        let text = |path: &str| {
            let text = fs::read_to_string(folder.join(path)).unwrap_or_default();
            text.trim().to_owned()
        };
        let sectors: u64 = text("size").parse().unwrap_or_default();
        let model = [
            text("device/vendor"),
            text("device/model"),
            text("device/name"),
        ];
        Device {
            name: name.to_owned(),
            path: Path::new("/dev").join(name),
            // The kernel counts in 512 bytes whatever the disk does (Documentation/ABI/stable/sysfs-block).
            size: sectors * 512,
            model: model
                .iter()
                .filter(|word| !word.is_empty())
                .cloned()
                .collect::<Vec<_>>()
                .join(" "),
            // Card readers in a slot are not "removable" to the kernel, but the cards are.
            is_removable: text("removable") == "1" || name.starts_with("mmcblk"),
            uses: self.uses(name),
        }
    }

    /// Mounts, swap and mappings of the disk and its partitions.
    fn uses(&self, disk: &str) -> Vec<String> {
        let folder = self.root.join("sys/block").join(disk);
        let mut names = vec![disk.to_owned()];
        let parts = fs::read_dir(&folder).into_iter().flatten().flatten();
        names.extend(
            parts
                .filter(|entry| entry.path().join("partition").exists())
                .map(|entry| entry.file_name().to_string_lossy().into_owned()),
        );
        let mut uses = Vec::new();
        let mounts = fs::read_to_string(self.root.join("proc/self/mounts")).unwrap_or_default();
        let swaps = fs::read_to_string(self.root.join("proc/swaps")).unwrap_or_default();
        for name in &names {
            let file = format!("/dev/{name}");
            let lines = |text: &str, word: usize| -> Vec<String> {
                text.lines()
                    .map(|line| line.split_whitespace().collect::<Vec<_>>())
                    .filter(|words| words.first() == Some(&file.as_str()))
                    .filter_map(|words| words.get(word).map(|text| (*text).to_owned()))
                    .collect()
            };
            uses.extend(
                lines(&mounts, 1)
                    .iter()
                    .map(|at| format!("mounted at {at}")),
            );
            uses.extend(lines(&swaps, 0).iter().map(|_| "swap".to_owned()));
            let place = if name == disk {
                folder.clone()
            } else {
                folder.join(name)
            };
            let holders = fs::read_dir(place.join("holders"))
                .into_iter()
                .flatten()
                .flatten();
            uses.extend(
                holders.map(|entry| format!("part of {}", entry.file_name().to_string_lossy())),
            );
        }
        uses
    }
}

impl Device {
    /// Whether an image of `size` bytes may be written to it.
    pub(super) fn check(&self, size: u64, built_in_too: bool) -> Result<(), FlashError> {
        let device = self.to_string();
        if !self.uses.is_empty() {
            let uses = self.uses.join(", ");
            return Err(FlashError::InUse { device, uses });
        }
        if !self.is_removable && !built_in_too {
            return Err(FlashError::BuiltIn { device });
        }
        if self.size < size {
            return Err(FlashError::TooSmall {
                device,
                has: self.size,
                needs: size,
            });
        }
        Ok(())
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gigabytes = self.size as f64 / 1e9;
        write!(
            f,
            "{} ({gigabytes:.1} GB, {})",
            self.path.display(),
            self.model
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with a system disk, a stick and a card.
    fn host() -> (tempfile::TempDir, Host) {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for (disk, sectors, removable) in [
            ("sda", "62500000", "0"),
            ("sdb", "15000000", "1"),
            ("mmcblk0", "15000000", "0"),
        ] {
            write(&format!("sys/block/{disk}/size"), sectors);
            write(&format!("sys/block/{disk}/removable"), removable);
            write(&format!("sys/block/{disk}/device/model"), "Thing\n");
        }
        write("sys/block/sda/sda1/partition", "1");
        write("sys/block/sdb/sdb2/partition", "2");
        write("sys/block/loop0/size", "0");
        write(
            "proc/self/mounts",
            "/dev/sda1 / ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0\n",
        );
        write("proc/swaps", "Filename Type Size Used Priority\n");
        let host = Host {
            root: folder.path().to_owned(),
        };
        (folder, host)
    }

    fn found(host: &Host, name: &str) -> Device {
        host.devices()
            .unwrap()
            .into_iter()
            .find(|device| device.name == name)
            .unwrap()
    }

    #[test]
    fn stick_and_card_may_be_written_and_the_system_disk_not() {
        let (_folder, host) = host();
        assert_eq!(host.devices().unwrap().len(), 3);
        assert!(found(&host, "sdb").check(2 << 30, false).is_ok());
        assert!(found(&host, "mmcblk0").check(2 << 30, false).is_ok());
        let error = found(&host, "sda").check(2 << 30, true).unwrap_err();
        assert!(error.to_string().contains("mounted at /"), "{error}");
    }

    #[test]
    fn what_is_in_use_is_refused_for_each_use() {
        let (folder, host) = host();
        fs::write(
            folder.path().join("proc/swaps"),
            "/dev/sdb2 partition 1 0 -2\n",
        )
        .unwrap();
        assert_eq!(found(&host, "sdb").uses, ["swap"]);
        fs::write(folder.path().join("proc/swaps"), "").unwrap();
        fs::create_dir_all(folder.path().join("sys/block/sdb/sdb2/holders/dm-0")).unwrap();
        assert_eq!(found(&host, "sdb").uses, ["part of dm-0"]);
        assert!(found(&host, "sdb").check(0, true).is_err());
    }

    #[test]
    fn small_and_built_in_devices_are_refused() {
        let (folder, host) = host();
        assert!(matches!(
            found(&host, "sdb").check(8 << 30, false),
            Err(FlashError::TooSmall { .. })
        ));
        fs::write(folder.path().join("proc/self/mounts"), "").unwrap();
        let disk = found(&host, "sda");
        assert!(matches!(
            disk.check(0, false),
            Err(FlashError::BuiltIn { .. })
        ));
        assert!(disk.check(0, true).is_ok());
    }

    #[test]
    fn partitions_and_files_are_no_devices() {
        let (folder, host) = host();
        for path in [
            folder.path().join("sys"),
            "/dev/null".into(),
            "/dev/nothing".into(),
        ] {
            assert!(
                matches!(host.device(&path), Err(FlashError::NoDevice(_))),
                "{path:?}"
            );
        }
    }
}
