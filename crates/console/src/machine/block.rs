//! Block devices as the kernel lists them (`/sys/class/block`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where block devices are found.
#[derive(Debug, Clone)]
pub(super) struct BlockDevices {
    /// A folder, or a link to one, for each.
    pub(super) listing: PathBuf,
    /// The devices themselves.
    pub(super) nodes: PathBuf,
}

/// One block device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) name: String,
    /// The disk it is on, or it itself.
    pub(super) disk: String,
    /// It came by USB or can be taken out.
    pub(super) is_removable: bool,
    /// Its number and name in the partition table.
    pub(super) partition: Option<(u32, String)>,
}

impl Default for BlockDevices {
    fn default() -> Self {
        Self {
            listing: "/sys/class/block".into(),
            nodes: "/dev".into(),
        }
    }
}

impl BlockDevices {
    /// All devices, by name.
    pub(super) fn list(&self) -> io::Result<Vec<Device>> {
        let mut devices = Vec::new();
        for entry in fs::read_dir(&self.listing)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // The links lead through the bus to the disk, and a partition is a folder of its disk.
            let path = fs::canonicalize(entry.path())?;
            let number = number(&path.join("partition"));
            let disk = match number {
                Some(_) => path.parent().unwrap_or(&path).to_owned(),
                None => path.clone(),
            };
            let on_usb = disk
                .components()
                .any(|part| part.as_os_str().to_string_lossy().starts_with("usb"));
            let event = fs::read_to_string(path.join("uevent")).unwrap_or_default();
            let label = event
                .lines()
                .find_map(|line| line.strip_prefix("PARTNAME="));
            devices.push(Device {
                name,
                is_removable: on_usb || number_of(&disk, "removable") == Some(1),
                disk: disk
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                partition: number.map(|number| (number, label.unwrap_or_default().to_owned())),
            });
        }
        devices.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(devices)
    }

    pub(super) fn node(&self, device: &Device) -> PathBuf {
        self.nodes.join(&device.name)
    }
}

fn number_of(folder: &Path, name: &str) -> Option<u32> {
    number(&folder.join(name))
}

fn number(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A machine with these devices: path below the bus (one that ends with a digit is a partition), name in the
    /// partition table, what it holds.
    pub(in crate::machine) fn machine(
        folder: &Path,
        devices: &[(&str, &str, Vec<u8>)],
    ) -> BlockDevices {
        let (listing, nodes, bus) = (folder.join("block"), folder.join("dev"), folder.join("bus"));
        for path in [&listing, &nodes, &bus] {
            fs::create_dir_all(path).unwrap();
        }
        for (path, label, content) in devices {
            let real = bus.join(path);
            fs::create_dir_all(&real).unwrap();
            let name = real.file_name().unwrap();
            symlink(&real, listing.join(name)).unwrap();
            fs::write(nodes.join(name), content).unwrap();
            if let Some(digit) = path.chars().last().filter(char::is_ascii_digit) {
                fs::write(real.join("partition"), format!("{digit}\n")).unwrap();
                fs::write(real.join("uevent"), format!("PARTNAME={label}\n")).unwrap();
            }
        }
        BlockDevices { listing, nodes }
    }
}
