//! Where a bundle comes from.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use super::InstallError;

/// A bundle that is read from its first byte to its last. What is not needed is skipped, which costs nothing where
/// the other side can do that.
pub trait Source: Send {
    /// The next bytes; 0 only at the end.
    ///
    /// # Errors
    /// What the other side or the disk says.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Passes over the next bytes.
    ///
    /// # Errors
    /// What the other side or the disk says; `UnexpectedEof` where the end is known to come earlier.
    fn skip(&mut self, bytes: u64) -> io::Result<()>;

    /// Hears which bytes of the whole bundle will be read and which are skipped, for sources that can ask for several
    /// parts at once. Rising, and apart from each other.
    fn expect(&mut self, _parts: &[Range<u64>]) {}
}

/// Fills the buffer.
pub(super) fn read_exact(source: &mut dyn Source, buffer: &mut [u8]) -> Result<(), InstallError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => return Err(InstallError::Cut),
            Ok(read) => filled += read,
            Err(again) if again.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(gone(error)),
        }
    }
    Ok(())
}

/// Passes over the next bytes.
pub(super) fn skip(source: &mut dyn Source, bytes: u64) -> Result<(), InstallError> {
    if bytes == 0 {
        return Ok(());
    }
    source.skip(bytes).map_err(gone)
}

/// Refuses what follows the last chunk.
pub(super) fn end(source: &mut dyn Source) -> Result<(), InstallError> {
    match source.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(InstallError::TooLong),
        Err(error) => Err(gone(error)),
    }
}

fn gone(error: io::Error) -> InstallError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => InstallError::Cut,
        _ => InstallError::Source(error),
    }
}

/// What comes byte by byte, such as an upload: skipping is reading.
#[derive(Debug)]
pub struct Stream<R>(pub R);

impl<R: Read + Send> Source for Stream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        match io::copy(&mut self.0.by_ref().take(bytes), &mut io::sink())? {
            skipped if skipped == bytes => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Source for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Read::read(self, buffer)
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let at = self.stream_position()?.saturating_add(bytes);
        if at > self.metadata()?.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.seek(SeekFrom::Start(at)).map(drop)
    }
}
