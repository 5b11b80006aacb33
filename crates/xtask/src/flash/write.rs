//! Every byte of an image onto a device, and back.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use rustix::fs::{Advice, fadvise};

use super::FlashError;

/// Bytes at a time: cards like large writes, and progress should move.
const BLOCK: usize = 4 << 20;
/// After how many bytes the device is waited for, so that progress is true and memory does not fill.
const FLUSH: u64 = 64 << 20;

/// Writes all `size` bytes, zeros too: what was there before must not look like ours.
pub(super) fn write(
    image: &Path,
    mut to: &File,
    size: u64,
    mut progress: impl FnMut(u64, u64),
) -> Result<(), FlashError> {
    let mut done = 0;
    let mut flushed = 0;
    each_block(image, |block| {
        let failure = |at| move |source| FlashError::Write { at, source };
        to.write_all(block).map_err(failure(done))?;
        done += block.len() as u64;
        if done - flushed >= FLUSH {
            to.sync_data().map_err(failure(done))?;
            flushed = done;
        }
        progress(done, size);
        Ok(())
    })?;
    to.sync_all()
        .map_err(|source| FlashError::Write { at: done, source })
}

/// Compares what the device gives back; pages that are still in memory are forgotten before.
pub(super) fn verify(
    image: &Path,
    mut from: &File,
    size: u64,
    mut progress: impl FnMut(u64, u64),
) -> Result<(), FlashError> {
    let mut done = 0;
    let failure = |at| move |source: io::Error| FlashError::ReadBack { at, source };
    fadvise(from, 0, None, Advice::DontNeed).map_err(|errno| failure(0)(errno.into()))?;
    from.seek(SeekFrom::Start(0)).map_err(failure(0))?;
    let mut read = vec![0; BLOCK];
    each_block(image, |block| {
        let back = &mut read[..block.len()];
        from.read_exact(back).map_err(failure(done))?;
        if let Some(at) = block.iter().zip(&*back).position(|(a, b)| a != b) {
            return Err(FlashError::Differs {
                at: done + at as u64,
            });
        }
        done += block.len() as u64;
        progress(done, size);
        Ok(())
    })
}

fn each_block(
    image: &Path,
    mut act: impl FnMut(&[u8]) -> Result<(), FlashError>,
) -> Result<(), FlashError> {
    let failure = |source| FlashError::Image {
        path: image.to_owned(),
        source,
    };
    let mut file = File::open(image).map_err(failure)?;
    let mut buffer = vec![0; BLOCK];
    loop {
        let mut filled = 0;
        while filled < BLOCK {
            match file.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(again) if again.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(failure(source)),
            }
        }
        if filled == 0 {
            return Ok(());
        }
        act(&buffer[..filled])?;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_was_written_is_read_back_and_a_lost_byte_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (image, device) = (folder.path().join("image"), folder.path().join("device"));
        let content: Vec<u8> = (0..9_000_000_u32).map(|n| (n / 251) as u8).collect();
        fs::write(&image, &content).unwrap();
        // Larger than the image, and not empty.
        fs::write(&device, vec![0xff; 10_000_000]).unwrap();
        let open = || {
            File::options()
                .read(true)
                .write(true)
                .open(&device)
                .unwrap()
        };
        let mut last = 0;
        write(&image, &open(), 9_000_000, |done, _| last = done).unwrap();
        assert_eq!(last, 9_000_000);
        verify(&image, &open(), 9_000_000, |_, _| {}).unwrap();
        let mut broken = fs::read(&device).unwrap();
        broken[5_000_001] ^= 1;
        fs::write(&device, &broken).unwrap();
        let error = verify(&image, &open(), 9_000_000, |_, _| {}).unwrap_err();
        assert!(
            matches!(error, FlashError::Differs { at: 5_000_001 }),
            "{error}"
        );
    }

    #[test]
    fn a_device_that_ends_early_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (image, device) = (folder.path().join("image"), folder.path().join("device"));
        fs::write(&image, vec![1; 100]).unwrap();
        fs::write(&device, vec![1; 50]).unwrap();
        let error = verify(&image, &File::open(&device).unwrap(), 100, |_, _| {}).unwrap_err();
        assert!(
            matches!(error, FlashError::ReadBack { at: 0, .. }),
            "{error}"
        );
        let full = File::options().write(true).open("/dev/full").unwrap();
        let error = write(&image, &full, 100, |_, _| {}).unwrap_err();
        assert!(matches!(error, FlashError::Write { .. }), "{error}");
    }
}
