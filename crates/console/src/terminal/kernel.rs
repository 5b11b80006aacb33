//! What the kernel prints on its consoles, over whatever is drawn there.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, SeekFrom, seek};

/// The kernel's log (kernel: Documentation/ABI/testing/dev-kmsg).
const LOG: &str = "/dev/kmsg";
/// Its first number: only what is more urgent is printed (kernel: Documentation/admin-guide/sysctl/kernel.rst, printk).
const LOUDNESS: &str = "/proc/sys/kernel/printk";
/// Time to read a message before the menu is drawn anew.
const READING: Duration = Duration::from_secs(3);
/// Larger than any record; the kernel refuses to cut one.
const MAX_RECORD: usize = 8_192;

/// Messages since the console began; none where the log cannot be read.
pub(super) struct KernelMessages {
    log: Option<File>,
    /// When what was printed has been read.
    tidy: Option<Instant>,
}

impl KernelMessages {
    pub(super) fn new() -> Self {
        let log = File::options()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(LOG);
        // What is older was there before the menu.
        let log = log.ok().filter(|log| seek(log, SeekFrom::End(0)).is_ok());
        Self { log, tidy: None }
    }

    /// What to wait for.
    pub(super) fn waiting(&self) -> Option<BorrowedFd<'_>> {
        self.log.as_ref().map(AsFd::as_fd)
    }

    /// How long until [`untidy`](Self::untidy) may have another answer.
    pub(super) fn until(&self) -> Option<Duration> {
        let tidy = self.tidy?;
        Some(tidy.saturating_duration_since(Instant::now()))
    }

    /// Whether a message has stood over the picture for long enough.
    pub(super) fn untidy(&mut self) -> bool {
        if self.printed() {
            self.tidy = Some(Instant::now() + READING);
        }
        let is_due = self.tidy.is_some_and(|tidy| Instant::now() >= tidy);
        if is_due {
            self.tidy = None;
        }
        is_due
    }

    /// Whether something was printed since it was asked last.
    fn printed(&mut self) -> bool {
        let Some(log) = &mut self.log else {
            return false;
        };
        let limit = loudness(Path::new(LOUDNESS));
        let mut record = [0; MAX_RECORD];
        let mut found = false;
        loop {
            match log.read(&mut record) {
                Ok(length) => found |= is_printed(&record[..length], limit),
                // Records that were overwritten meanwhile: something was said.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => found = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return found,
                Err(_) => {
                    self.log = None;
                    return found;
                }
            }
        }
    }
}

/// Whether a record is urgent enough: its first number holds the facility in all but the lowest three bits.
fn is_printed(record: &[u8], loudness: u8) -> bool {
    let digits = record.split(|byte| *byte == b',').next();
    let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u32>().ok());
    number.is_some_and(|number| number % 8 < u32::from(loudness))
}

fn loudness(path: &Path) -> u8 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let first = text.split_whitespace().next();
    first.and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_urgent_enough_is_over_the_picture() {
        assert!(is_printed(b"3,339,5140900,-;cell: slot a is good\n", 4));
        // Facility 1, as programs write it.
        assert!(is_printed(b"11,340,5140901,-;cell: celld ended\n", 4));
        assert!(!is_printed(b"12,341,5140902,-;later\n", 4));
        assert!(!is_printed(b"6,342,5140903,-;NET: up\n", 4));
        assert!(!is_printed(b"nonsense", 8));
    }

    #[test]
    fn loudness_is_the_first_of_four_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("printk");
        std::fs::write(&path, "4\t4\t1\t7\n").unwrap();
        assert_eq!(loudness(&path), 4);
        assert_eq!(loudness(&folder.path().join("absent")), 0);
    }
}
