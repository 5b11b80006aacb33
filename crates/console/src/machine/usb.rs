//! USB sticks with a FAT file system: found, mounted, written, unmounted.
//!
//! A disk that has one of the box's own partitions is none, also when the box runs from a stick.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use cell_model::Timestamp;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::block::BlockDevices;
use crate::refusal::Refusal;

/// GPT names of the box's own partitions.
const OWN: [&str; 7] = [
    "select", "boot-a", "boot-b", "root-a", "root-b", "state", "data",
];

/// Sticks of this machine.
#[derive(Debug, Clone)]
pub struct Usb {
    devices: BlockDevices,
    /// Where a stick is mounted while it is written.
    mount_point: PathBuf,
}

impl Usb {
    pub(super) fn new(runtime_dir: &Path) -> Self {
        Self {
            devices: BlockDevices::default(),
            mount_point: runtime_dir.join("usb"),
        }
    }

    /// Writes the lines to a file on the first stick that takes it. Answers the file's name.
    ///
    /// # Errors
    /// When there is no stick, or none that can be written.
    pub fn write_logs(&self, lines: &[String], now: Timestamp) -> Result<String, Refusal> {
        let sticks = self.sticks().map_err(|error| {
            Refusal::new(
                format!("The disks cannot be listed: {error}."),
                "Show the logs here instead.",
            )
        })?;
        let mut refusal = Refusal::new(
            "There is no USB stick with a FAT file system.",
            "Plug one in (FAT32, as sold), wait a few seconds and try again.",
        );
        for stick in sticks {
            match self.write_to(&stick, lines, now) {
                Ok(name) => return Ok(name),
                Err(error) => {
                    refusal = Refusal::new(
                        format!("{} cannot be written: {error}.", stick.display()),
                        "Is it full or write-protected? Try another stick.",
                    );
                }
            }
        }
        Err(refusal)
    }

    fn write_to(&self, stick: &Path, lines: &[String], now: Timestamp) -> io::Result<String> {
        fs::create_dir_all(&self.mount_point)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount(stick, &self.mount_point, "vfat", flags, None)?;
        let written = write_file(&self.mount_point, lines, now);
        // Also after a failure: a stick that stays mounted cannot be pulled out.
        let released = unmount(&self.mount_point, UnmountFlags::empty());
        let name = written?;
        released?;
        Ok(name)
    }

    /// Devices with a FAT file system on a disk that came by USB and is not the box's own.
    fn sticks(&self) -> io::Result<Vec<PathBuf>> {
        let devices = self.devices.list()?;
        let own: Vec<&str> = devices
            .iter()
            .filter(|device| {
                let partition = device.partition.as_ref();
                partition.is_some_and(|(_, name)| OWN.contains(&name.as_str()))
            })
            .map(|device| device.disk.as_str())
            .collect();
        Ok(devices
            .iter()
            .filter(|device| device.is_removable && !own.contains(&device.disk.as_str()))
            .map(|device| self.devices.node(device))
            .filter(|path| is_fat(path))
            .collect())
    }
}

/// Whether a boot sector says FAT (Microsoft, FAT specification 1.03, section 3).
fn is_fat(device: &Path) -> bool {
    let mut sector = [0; 512];
    let read = File::open(device).and_then(|mut file| file.read_exact(&mut sector));
    read.is_ok()
        && sector[510..] == [0x55, 0xaa]
        && (sector[54..57] == *b"FAT" || sector[82..87] == *b"FAT32")
}

fn write_file(folder: &Path, lines: &[String], now: Timestamp) -> io::Result<String> {
    let name = format!("cell-logs-{}.txt", now.strftime("%Y%m%d-%H%M%S"));
    let mut file = File::create(folder.join(&name))?;
    for line in lines {
        // Whoever reads it may do so on any system.
        writeln!(file, "{line}\r")?;
    }
    file.sync_all()?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::block::tests::machine;

    fn fat() -> Vec<u8> {
        let mut sector = vec![0; 512];
        sector[82..87].copy_from_slice(b"FAT32");
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        sector
    }

    fn usb(folder: &Path, devices: &[(&str, &str, Vec<u8>)]) -> Usb {
        Usb {
            devices: machine(folder, devices),
            mount_point: folder.join("mount"),
        }
    }

    fn names(usb: &Usb) -> Vec<String> {
        let sticks = usb.sticks().unwrap();
        let names = sticks.iter().map(|path| path.file_name().unwrap());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn only_fat_on_a_foreign_usb_disk_is_a_stick() {
        let folder = tempfile::tempdir().unwrap();
        let usb = usb(
            folder.path(),
            &[
                ("pci/ata1/sda", "", vec![0; 512]),
                ("pci/ata1/sda/sda1", "windows", fat()),
                ("pci/usb1/sdb", "", vec![0; 512]),
                ("pci/usb1/sdb/sdb1", "photos", fat()),
                ("pci/usb1/sdb/sdb2", "linux", vec![0; 512]),
                ("pci/usb2/sdc", "", fat()),
                // The stick the box runs from.
                ("pci/usb3/sdd", "", vec![0; 512]),
                ("pci/usb3/sdd/sdd1", "select", fat()),
                ("pci/usb3/sdd/sdd2", "more", fat()),
            ],
        );
        assert_eq!(names(&usb), ["sdb1", "sdc"]);
    }

    #[test]
    fn removable_disk_counts_wherever_it_is_plugged_in() {
        let folder = tempfile::tempdir().unwrap();
        let usb = usb(folder.path(), &[("pci/mmc/mmcblk", "", fat())]);
        assert!(names(&usb).is_empty());
        fs::write(folder.path().join("bus/pci/mmc/mmcblk/removable"), "1\n").unwrap();
        assert_eq!(names(&usb), ["mmcblk"]);
    }

    #[test]
    fn without_a_stick_the_person_is_told_what_to_plug_in() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = usb(folder.path(), &[])
            .write_logs(&[], Timestamp::UNIX_EPOCH)
            .unwrap_err();
        assert!(refusal.todo.contains("FAT32"), "{refusal}");
    }

    #[test]
    fn file_is_named_after_its_time_and_readable_everywhere() {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::constant(1_795_000_000, 0);
        let name = write_file(folder.path(), &["one".to_owned(), "two".to_owned()], now).unwrap();
        assert_eq!(name, "cell-logs-20261118-110640.txt");
        let text = fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(text, "one\r\ntwo\r\n");
    }
}
