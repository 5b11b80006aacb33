//! Files of sources that are on USB sticks, for whom others are fetched by a process.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use cell_core::OpenStick;
use cell_fetch::{Command, FetchError, FetchLink, Fetched, LinkError, Reply};
use cell_model::problem::chain;
use cell_model::url::SourceUrl;
use cell_updates::install::{StickError, StickFile, open_on_stick};

/// Bytes that are passed on at a time.
const PIECE: usize = 64 << 10;

/// The sticks of this machine.
pub(crate) fn of_this_machine() -> OpenStick {
    Arc::new(open_on_stick)
}

/// A folder that stands for a stick once it is there.
pub(crate) fn in_folder(folder: PathBuf) -> OpenStick {
    Arc::new(move |name| open_in(&folder, name))
}

fn open_in(folder: &Path, name: &str) -> Result<StickFile, StickError> {
    if !folder.exists() {
        return Err(StickError::NoStick);
    }
    let file = File::open(folder.join(name)).map_err(|_| StickError::NoFile(name.to_owned()))?;
    Ok(StickFile::standing_in(file, name.to_owned()))
}

/// Reads what is on sticks, and leaves what is on servers to another.
///
/// Files are copied here and understood by whoever asked, as those of servers are. That the core mounts a stick is no more
/// than it does for firmware.
pub(crate) struct WithSticks<L> {
    servers: L,
    open: OpenStick,
}

impl<L: FetchLink> WithSticks<L> {
    /// With these sticks.
    pub(crate) fn new(servers: L, open: OpenStick) -> Self {
        Self { servers, open }
    }
}

#[async_trait]
impl<L: FetchLink> FetchLink for WithSticks<L> {
    async fn fetch(&self, command: Command, sink: OwnedFd) -> Result<Reply, LinkError> {
        let SourceUrl::Stick(path) = &command.url else {
            return self.servers.fetch(command, sink).await;
        };
        let (open, path, parts) = (Arc::clone(&self.open), path.clone(), command.parts);
        let wanted = Wanted(Arc::new(AtomicBool::new(true)));
        let is_wanted = Arc::clone(&wanted.0);
        let read = tokio::task::spawn_blocking(move || {
            let mut file = open(path.as_str()).map_err(told)?;
            let mut sink = UnixStream::from(sink);
            pass_on(&mut file.file, &parts, &mut sink, &is_wanted)
        });
        let read = read.await;
        read.map_err(|error| LinkError(format!("did not end: {error}")))
    }
}

/// Whoever asked has gone when this is dropped, and nothing more is passed on.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn told(error: StickError) -> FetchError {
    match error {
        StickError::NoStick => FetchError::NoStick,
        StickError::NoFile(name) => FetchError::NotOnStick(name),
        StickError::Unreadable { .. } => FetchError::StickUnreadable(chain(&error)),
    }
}

/// Writes the parts of a file, as long as they are wanted.
fn pass_on(
    file: &mut (impl Read + Seek),
    parts: &[Range<u64>],
    sink: &mut impl Write,
    is_wanted: &AtomicBool,
) -> Reply {
    // A stick that is pulled out ends in the middle.
    let cut = |_: io::Error| FetchError::Cut;
    let size = file.seek(SeekFrom::End(0)).map_err(cut)?;
    let mut piece = vec![0; PIECE];
    for part in parts {
        let (mut at, end) = (part.start, part.end.min(size));
        file.seek(SeekFrom::Start(at)).map_err(cut)?;
        while at < end {
            let wanted = usize::try_from(end - at).map_or(PIECE, |left| left.min(PIECE));
            let came = file.read(&mut piece[..wanted]).map_err(cut)?;
            if came == 0 {
                return Err(FetchError::Cut);
            }
            if !is_wanted.load(Ordering::Relaxed) {
                return Err(FetchError::Unwanted);
            }
            let written = sink.write_all(&piece[..came]);
            written.map_err(|_| FetchError::Unwanted)?;
            at += came as u64;
        }
    }
    Ok(Fetched { size, tag: None })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cell_fetch::fake::FakeFetch;
    use cell_fetch::{WholeError, whole};

    use super::*;

    async fn fetch(link: &dyn FetchLink, url: &str, limit: u64) -> Result<Vec<u8>, WholeError> {
        let command = Command {
            url: url.parse().unwrap(),
            authorities: None,
            name_servers: Vec::new(),
            parts: Vec::new(),
            same_as: None,
        };
        whole(link, command, limit, Duration::from_secs(30)).await
    }

    fn failure(fetched: Result<Vec<u8>, WholeError>) -> FetchError {
        match fetched {
            Err(WholeError::Fetch(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn sticks_are_read_here_and_servers_are_left_to_the_other_one() {
        let folder = tempfile::tempdir().unwrap();
        let stick = folder.path().join("stick");
        let servers = FakeFetch::new();
        servers.put("https://store.example.org/a", b"server");
        let link = WithSticks::new(servers, in_folder(stick.clone()));
        let found = fetch(&link, "https://store.example.org/a", 100).await;
        assert_eq!(found.unwrap(), b"server");
        let none = fetch(&link, "usb:services/a", 100).await;
        assert_eq!(failure(none), FetchError::NoStick);
        std::fs::create_dir_all(stick.join("services")).unwrap();
        let other = fetch(&link, "usb:services/a", 100).await;
        let expected = FetchError::NotOnStick("services/a".to_owned());
        assert_eq!(failure(other), expected);
        let content = vec![7; 200_000];
        std::fs::write(stick.join("services/a"), &content).unwrap();
        let found = fetch(&link, "usb:services/a", 200_000).await;
        assert_eq!(found.unwrap(), content);
        let large = fetch(&link, "usb:services/a", 199_999).await;
        assert!(matches!(large, Err(WholeError::TooLarge(200_000))));
        // A folder is no file.
        let folder = fetch(&link, "usb:services", 100).await;
        assert_eq!(failure(folder), FetchError::Cut);
    }

    #[test]
    fn parts_are_passed_on_in_order_and_the_last_may_go_beyond_the_end() {
        let mut file = io::Cursor::new((0..100).collect::<Vec<u8>>());
        let mut sink = Vec::new();
        let is_wanted = AtomicBool::new(true);
        let parts = [5..7, 98..500, 600..700];
        let fetched = pass_on(&mut file, &parts, &mut sink, &is_wanted);
        assert_eq!(fetched.unwrap().size, 100);
        assert_eq!(sink, [5, 6, 98, 99]);
        is_wanted.store(false, Ordering::Relaxed);
        let given_up = pass_on(&mut file, &parts, &mut sink, &is_wanted);
        assert_eq!(given_up, Err(FetchError::Unwanted));
        assert_eq!(sink.len(), 4);
    }
}
