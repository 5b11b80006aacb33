//! What runs now, as the loader told the kernel.

use std::path::Path;

use super::{BootStateError, Mode, Slot};

/// The running system: `cell.slot`, `cell.mode` and `cell.select` of the kernel's command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Where it was loaded from.
    pub slot: Slot,
    /// What for.
    pub mode: Mode,
    /// The GPT partition id of the `select` partition whose loader booted it, lower case. Tells two like disks apart.
    pub select: String,
}

impl Running {
    /// Reads `/proc/cmdline`, or what stands for it.
    ///
    /// # Errors
    /// [`BootStateError::CommandLine`], and as for [`parse`](Self::parse).
    pub fn read(path: &Path) -> Result<Self, BootStateError> {
        let line = std::fs::read_to_string(path).map_err(|source| BootStateError::CommandLine {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&line)
    }

    /// Finds our words in a kernel command line. The last one of a name counts: the loader puts its own behind those of
    /// the slot.
    ///
    /// # Errors
    /// [`BootStateError::Unmarked`] names a word that is missing; a word with a value that is none of ours is
    /// [`BootStateError::NoSlot`] or [`BootStateError::NoMode`].
    pub fn parse(line: &str) -> Result<Self, BootStateError> {
        let value = |name: &'static str| {
            line.split_ascii_whitespace()
                .filter_map(|word| word.strip_prefix(name)?.strip_prefix('='))
                .next_back()
                .ok_or(BootStateError::Unmarked(name))
        };
        Ok(Self {
            slot: value("cell.slot")?.parse()?,
            mode: value("cell.mode")?.parse()?,
            select: value("cell.select")?.to_ascii_lowercase(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "BOOT_IMAGE=(hd0,gpt3)/vmlinuz quiet cell.slot=b cell.select=0A-1 cell.mode=trial\n";

    #[test]
    fn our_words_are_found_among_others() {
        let running = Running::parse(LINE).unwrap();
        assert_eq!((running.slot, running.mode), (Slot::B, Mode::Trial));
        assert_eq!(running.select, "0a-1");
    }

    #[test]
    fn the_loaders_word_counts_against_one_in_the_slots_arguments() {
        let running = Running::parse(&format!("cell.mode=normal cell.slot=a {LINE}")).unwrap();
        assert_eq!((running.slot, running.mode), (Slot::B, Mode::Trial));
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let refusal = |line: &str| Running::parse(line).unwrap_err().to_string();
        assert_eq!(refusal(""), "the kernel was started without cell.slot");
        assert_eq!(
            refusal("cell.slot=a cell.mode=normal"),
            "the kernel was started without cell.select"
        );
        assert_eq!(refusal("cell.slot=c"), "\"c\" is no slot");
        assert_eq!(
            refusal("cell.slot=a cell.mode=new cell.select=1"),
            "\"new\" is no boot mode"
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let error = Running::read(Path::new("/nowhere/cmdline")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /nowhere/cmdline");
    }
}
