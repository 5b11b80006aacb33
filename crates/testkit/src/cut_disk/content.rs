//! The bytes of a file, and which of its blocks have a place on the disk.

/// Bytes of a block, as the box formats its disk.
pub(super) const BLOCK: usize = 4096;

/// What a file holds. A block without a place is a hole and reads as zeros.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Content {
    bytes: Vec<u8>,
    /// Of every block up to the end: whether it has a place.
    placed: Vec<bool>,
}

impl Content {
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn has_place(&self, block: usize) -> bool {
        self.placed.get(block).is_some_and(|placed| *placed)
    }

    /// Writes as a program does: gets longer if need be, and gives every block it touches a place.
    pub(super) fn write(&mut self, offset: usize, data: &[u8]) {
        let end = offset + data.len();
        if end > self.bytes.len() {
            self.set_len(end);
        }
        self.bytes[offset..end].copy_from_slice(data);
        if !data.is_empty() {
            self.placed[offset / BLOCK..end.div_ceil(BLOCK)].fill(true);
        }
    }

    /// Puts a range of `other` here, as far as this file reaches.
    pub(super) fn take_over(&mut self, other: &Self, begin: usize, end: usize) {
        let end = end.min(self.bytes.len()).min(other.bytes.len());
        if begin < end {
            self.bytes[begin..end].copy_from_slice(&other.bytes[begin..end]);
        }
    }

    pub(super) fn place(&mut self, block: usize) {
        if let Some(placed) = self.placed.get_mut(block) {
            *placed = true;
        }
    }

    pub(super) fn grow(&mut self, length: usize) {
        if length > self.bytes.len() {
            self.set_len(length);
        }
    }

    /// Cuts the file, or makes it longer by a hole.
    pub(super) fn set_len(&mut self, length: usize) {
        self.bytes.resize(length, 0);
        self.placed.resize(length.div_ceil(BLOCK), false);
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        let placed = vec![true; bytes.len().div_ceil(BLOCK)];
        Self { bytes, placed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_that_was_skipped_is_a_hole() {
        let mut content = Content::default();
        content.write(2 * BLOCK + 1, b"x");
        assert_eq!(content.len(), 2 * BLOCK + 2);
        let placed: Vec<_> = (0..4).map(|block| content.has_place(block)).collect();
        assert_eq!(placed, [false, false, true, false]);
    }

    #[test]
    fn cut_file_that_grows_again_holds_zeros() {
        let mut content = Content::from(vec![7; BLOCK + 10]);
        content.set_len(5);
        content.set_len(BLOCK + 10);
        assert_eq!(content.bytes()[..6], [7, 7, 7, 7, 7, 0]);
        assert!(content.has_place(0) && !content.has_place(1));
    }
}
