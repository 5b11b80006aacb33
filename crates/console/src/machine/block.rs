//! Block devices as the kernel lists them (`/sys/class/block`), and their entries in the partition table.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes of a partition's entry that matter here: type, id.
const ENTRY: usize = 32;

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
    /// Bytes of a block of its disk.
    block_size: u64,
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
                block_size: number_of(&disk, "queue/logical_block_size").map_or(512, u64::from),
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

    /// The partition with this name in the table and this id; like disks differ in the id alone.
    pub(super) fn partition(&self, label: &str, id: &str) -> io::Result<Option<PathBuf>> {
        for device in self.list()? {
            let Some((number, name)) = &device.partition else {
                continue;
            };
            if name == label
                && let Ok(found) = self.id(&device, *number)
                && found.eq_ignore_ascii_case(id)
            {
                return Ok(Some(self.node(&device)));
            }
        }
        Ok(None)
    }

    pub(super) fn node(&self, device: &Device) -> PathBuf {
        self.nodes.join(&device.name)
    }

    /// A partition's id out of its disk's table (UEFI specification 2.10, sections 5.3.2 and 5.3.3): the kernel tells
    /// it only since 6.13.
    fn id(&self, device: &Device, number: u32) -> io::Result<String> {
        let disk = File::open(self.nodes.join(&device.disk))?;
        let mut header = [0; 92];
        disk.read_exact_at(&mut header, device.block_size)?;
        if header[..8] != *b"EFI PART" {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let first = u64::from_le_bytes(bytes(&header, 72)) * device.block_size;
        let size = u64::from(u32::from_le_bytes(bytes(&header, 84)));
        let mut entry = [0; ENTRY];
        disk.read_exact_at(
            &mut entry,
            first + u64::from(number.saturating_sub(1)) * size,
        )?;
        Ok(guid(bytes(&entry, 16)))
    }
}

/// Mixed byte order, as EFI has it: the first three groups are little-endian.
fn guid(id: [u8; 16]) -> String {
    let first = u32::from_le_bytes(bytes(&id, 0));
    let second = u16::from_le_bytes(bytes(&id, 4));
    let third = u16::from_le_bytes(bytes(&id, 6));
    let fourth = u16::from_be_bytes(bytes(&id, 8));
    let tail: String = id[10..].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{first:08x}-{second:04x}-{third:04x}-{fourth:04x}-{tail}")
}

/// So many bytes from `at`; the callers' buffers have them.
fn bytes<const N: usize>(from: &[u8], at: usize) -> [u8; N] {
    let mut taken = [0; N];
    taken.copy_from_slice(&from[at..at + N]);
    taken
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

    /// A disk whose second partition has this byte in its id.
    fn table(byte: u8) -> Vec<u8> {
        let mut disk = vec![0; 4_096];
        disk[512..520].copy_from_slice(b"EFI PART");
        disk[512 + 72] = 2;
        disk[512 + 84] = 128;
        for (at, id) in disk[1_024 + 128 + 16..][..16].iter_mut().enumerate() {
            *id = byte + u8::try_from(at).unwrap();
        }
        disk
    }

    #[test]
    fn like_disks_are_told_apart_by_the_id_in_their_tables() {
        let folder = tempfile::tempdir().unwrap();
        let devices = machine(
            folder.path(),
            &[
                ("pci/sda", "", table(0x10)),
                ("pci/sda/sda2", "select", Vec::new()),
                ("pci/sdb", "", table(0x20)),
                ("pci/sdb/sdb2", "select", Vec::new()),
                ("pci/sdc", "", vec![0; 4_096]),
                ("pci/sdc/sdc2", "select", Vec::new()),
            ],
        );
        let found = devices
            .partition("select", "23222120-2524-2726-2829-2A2B2C2D2E2F")
            .unwrap();
        assert_eq!(found, Some(folder.path().join("dev/sdb2")));
        let none = devices.partition("select", "00000000-0000-0000-0000-000000000000");
        assert_eq!(none.unwrap(), None);
        let other = devices.partition("state", "23222120-2524-2726-2829-2a2b2c2d2e2f");
        assert_eq!(other.unwrap(), None);
    }
}
