//! Putting a bundle together: on the machines of those who make releases.

use std::collections::HashSet;
use std::io::{self, Read, Write};

use super::{Chunk, Chunks, Content, Digester, Header, Manifest, Place};
use crate::bundle::BundleError;

impl Content {
    /// What `content` reads.
    ///
    /// # Errors
    /// What reading answers.
    pub fn of(content: impl Read) -> io::Result<Self> {
        let mut digester = Digester::default();
        let mut chunks = Vec::new();
        let mut size = 0;
        for chunk in Chunks::new(content) {
            let (_, bytes) = chunk?;
            digester.update(&bytes);
            size += bytes.len() as u64;
            chunks.push(Chunk::of(&bytes));
        }
        Ok(Self {
            size,
            digest: digester.finish(),
            chunks,
        })
    }
}

/// Writes the bundle: its header, then each different chunk of what `open` reads.
///
/// # Errors
/// What reading or writing answers; contents that are not those of the manifest.
pub fn write<R: Read>(
    header: &Header,
    manifest: &Manifest,
    mut open: impl FnMut(Place) -> io::Result<R>,
    to: &mut impl Write,
) -> io::Result<()> {
    manifest.check().map_err(io::Error::other)?;
    to.write_all(&header.to_bytes().map_err(io::Error::other)?)?;
    let mut written = HashSet::new();
    for place in Place::ALL {
        let mut content = open(place)?;
        for chunk in &manifest.content(place).chunks {
            let mut bytes = vec![0; chunk.length()];
            content.read_exact(&mut bytes)?;
            if !chunk.is(&bytes) {
                let wrong = BundleError::Manifest("the chunks are not the content");
                return Err(io::Error::other(wrong));
            }
            if written.insert(*chunk) {
                to.write_all(&bytes)?;
            }
        }
    }
    to.flush()
}
