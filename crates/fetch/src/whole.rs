//! All of a small file, and the rest of a large one.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::{Command, FetchError, FetchLink, Fetched, LinkError};

/// Bytes that are passed on at a time.
const PIECE: usize = 64 << 10;

/// Why a file did not come.
#[derive(Debug, thiserror::Error)]
pub enum WholeError {
    /// The server does not give it.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The process does not answer.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// It is larger than any of its kind is.
    #[error("the file has {0} bytes, which is too many")]
    TooLarge(u64),
    /// Where it is written to, there is no room, or the disk is failing.
    #[error("what was fetched cannot be written")]
    Write(#[source] io::Error),
}

/// All of a file of at most `limit` bytes, within a time. The command's parts are not looked at.
///
/// # Errors
/// [`WholeError`]; a server that takes longer is [`FetchError::Stalled`].
pub async fn whole(
    link: &dyn FetchLink,
    command: Command,
    limit: u64,
    within: Duration,
) -> Result<Vec<u8>, WholeError> {
    let host = command.url.keeper();
    let fetching = async {
        let part = 0..limit.saturating_add(1);
        let (bytes, fetched) = pass_on(link, command, part, |stream| {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).map(|_| bytes)
        })
        .await?;
        match bytes.len() as u64 {
            _ if fetched.size > limit => Err(WholeError::TooLarge(fetched.size)),
            length if length < fetched.size => Err(FetchError::Cut.into()),
            _ => Ok(bytes),
        }
    };
    match tokio::time::timeout(within, fetching).await {
        Ok(fetched) => fetched,
        Err(_) => Err(FetchError::Stalled(host).into()),
    }
}

/// What follows the first `from` bytes of a file that has `size`, at the end of another file. What has come until it
/// fails stays. `progress` is told how many bytes were written each time.
///
/// # Errors
/// [`WholeError`]; a file of another size is [`FetchError::Replaced`].
pub async fn rest(
    link: &dyn FetchLink,
    command: Command,
    from: u64,
    size: u64,
    mut to: File,
    progress: impl Fn(u64) + Send + 'static,
) -> Result<(), WholeError> {
    let (_, fetched) = pass_on(link, command, from..size, move |stream| {
        let mut piece = vec![0; PIECE];
        loop {
            let length = match stream.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            to.write_all(&piece[..length])?;
            progress(length as u64);
        }
    })
    .await?;
    match fetched.size == size {
        true => Ok(()),
        false => Err(FetchError::Replaced.into()),
    }
}

/// Has one part fetched, and its bytes taken by a thread that may wait for a disk.
async fn pass_on<T: Send + 'static>(
    link: &dyn FetchLink,
    mut command: Command,
    part: std::ops::Range<u64>,
    take: impl FnOnce(&mut UnixStream) -> io::Result<T> + Send + 'static,
) -> Result<(T, Fetched), WholeError> {
    let (mut ours, theirs) = UnixStream::pair().map_err(WholeError::Write)?;
    command.parts = vec![part];
    let taking = tokio::task::spawn_blocking(move || take(&mut ours));
    let reply = link.fetch(command, OwnedFd::from(theirs)).await;
    let taken = match taking.await {
        Ok(taken) => taken,
        Err(error) => Err(io::Error::other(error)),
    };
    match (reply?, taken) {
        // It was told that nobody takes the bytes.
        (Ok(_) | Err(FetchError::Unwanted), Err(error)) => Err(WholeError::Write(error)),
        (Err(error), _) => Err(error.into()),
        (Ok(fetched), Ok(taken)) => Ok((taken, fetched)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::fake::FakeFetch;

    const PLACE: &str = "https://store.example.org/index.json";
    const WITHIN: Duration = Duration::from_secs(5);

    fn command() -> Command {
        Command {
            url: PLACE.parse().unwrap(),
            authorities: None,
            name_servers: Vec::new(),
            parts: Vec::new(),
            same_as: None,
        }
    }

    #[tokio::test]
    async fn file_that_is_too_large_is_refused_and_one_that_fits_is_whole() {
        let fake = FakeFetch::new();
        fake.put(PLACE, &[7; 100]);
        let bytes = whole(&fake, command(), 100, WITHIN).await.unwrap();
        assert_eq!(bytes, [7; 100]);
        let refused = whole(&fake, command(), 99, WITHIN).await;
        assert!(
            matches!(refused, Err(WholeError::TooLarge(100))),
            "{refused:?}"
        );
        fake.take(PLACE);
        let refused = whole(&fake, command(), 99, WITHIN).await;
        let is_absent = matches!(refused, Err(WholeError::Fetch(FetchError::Status(404))));
        assert!(is_absent, "{refused:?}");
    }

    /// A process that never answers.
    struct Silent;

    #[async_trait::async_trait]
    impl FetchLink for Silent {
        async fn fetch(&self, _: Command, _sink: OwnedFd) -> Result<crate::Reply, LinkError> {
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn server_that_is_silent_is_given_up() {
        let within = Duration::from_millis(50);
        let refused = whole(&Silent, command(), 99, within).await;
        let is_late = matches!(refused, Err(WholeError::Fetch(FetchError::Stalled(_))));
        assert!(is_late, "{refused:?}");
    }

    #[tokio::test]
    async fn what_has_come_is_gone_on_with() {
        let fake = FakeFetch::new();
        let file: Vec<u8> = (0..200_000_u32).map(|at| at.to_le_bytes()[0]).collect();
        fake.put(PLACE, &file);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part");
        std::fs::write(&path, &file[..70_000]).unwrap();
        let told = Arc::new(AtomicU64::new(0));
        let progress = {
            let told = Arc::clone(&told);
            move |bytes| {
                told.fetch_add(bytes, Ordering::Relaxed);
            }
        };
        let to = File::options().append(true).open(&path).unwrap();
        rest(&fake, command(), 70_000, 200_000, to, progress)
            .await
            .unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), file);
        assert_eq!(told.load(Ordering::Relaxed), 130_000);
        let to = File::options().append(true).open(&path).unwrap();
        let other = rest(&fake, command(), 0, 100, to, |_| {}).await;
        let is_other = matches!(other, Err(WholeError::Fetch(FetchError::Replaced)));
        assert!(is_other, "{other:?}");
    }
}
