//! The kernel's log and log files, masked.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cell_audit::redact;
use rustix::fs::OFlags;

use super::file;

/// The most bytes taken of one file, from its end.
pub const MAX_FILE: u64 = 512 * 1024;
/// One record of the kernel's log is no longer (kernel: `PRINTK_MESSAGE_MAX` is 2,048, and the prefix).
const MAX_RECORD: usize = 8 * 1024;
/// The most records: the kernel's ring has some thousands.
const MAX_RECORDS: usize = 20_000;

/// Everything, with a heading for each source; `single` too, if it is there.
pub(super) fn collect(folders: &[PathBuf], single: &Path) -> Vec<String> {
    let mut lines = vec!["== kernel".to_owned()];
    lines.extend(kernel(Path::new("/dev/kmsg")));
    let paths = folders
        .iter()
        .flat_map(|folder| super::files(folder).unwrap_or_default())
        .chain(single.exists().then(|| single.to_owned()));
    for path in paths {
        lines.push(format!("== {}", path.display()));
        match file::read_end(&path, MAX_FILE) {
            // Binary logs, such as wtmp, tell a person nothing.
            Ok(text) if text.contains('\0') => lines.push("(not text)".to_owned()),
            Ok(text) => lines.extend(text.lines().map(redact)),
            Err(error) => lines.push(format!("(cannot be read: {error})")),
        }
    }
    lines
}

fn kernel(path: &Path) -> Vec<String> {
    let opened = OpenOptions::new()
        .read(true)
        // Without it, reading would wait for the next message at the end.
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path);
    let mut device = match opened {
        Ok(device) => device,
        Err(error) => return vec![format!("(cannot be read: {error})")],
    };
    let mut lines = Vec::new();
    let mut record = vec![0; MAX_RECORD];
    // Each read is one record; `EPIPE` says that some were overwritten meanwhile.
    while lines.len() < MAX_RECORDS {
        match device.read(&mut record) {
            Ok(0) => break,
            Ok(length) => {
                let text = String::from_utf8_lossy(&record[..length]);
                lines.push(redact(&kernel_line(&text)));
            }
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            Err(_) => break,
        }
    }
    lines
}

/// A record of `/dev/kmsg` as a line (kernel: Documentation/ABI/testing/dev-kmsg).
pub fn kernel_line(record: &str) -> String {
    let first = record.lines().next().unwrap_or_default();
    let (prefix, message) = first.split_once(';').unwrap_or(("", first));
    let micros: u64 = prefix
        .split(',')
        .nth(2)
        .and_then(|field| field.parse().ok())
        .unwrap_or(0);
    format!(
        "[{:5}.{:06}] {message}",
        micros / 1_000_000,
        micros % 1_000_000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_record_is_a_line_with_its_time() {
        let record = "6,339,5140900,-;NET: Registered PF_INET\n SUBSYSTEM=net\n";
        assert_eq!(
            kernel_line(record),
            "[    5.140900] NET: Registered PF_INET"
        );
        assert_eq!(kernel_line("nonsense"), "[    0.000000] nonsense");
    }

    #[test]
    fn files_are_headed_and_secrets_masked() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("celld"), "started\npassword=hunter2\n").unwrap();
        std::fs::write(folder.path().join("wtmp"), "a\0b").unwrap();
        let (single, none) = (folder.path().join("celld"), folder.path().join("none"));
        let folders = [folder.path().to_owned(), none.clone()];
        let again = collect(&folders, &single).join("\n");
        assert_eq!(again.matches("celld\nstarted").count(), 2, "{again}");
        let lines = collect(&folders, &none);
        let text = lines.join("\n");
        assert!(text.starts_with("== kernel\n"), "{text}");
        assert!(text.contains("celld\nstarted\npassword="), "{text}");
        assert!(text.contains("wtmp\n(not text)"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
