//! A real server on this host, good and bad.
#![expect(
    clippy::single_range_in_vec_init,
    reason = "a list of parts may have one"
)]

use std::time::Duration;

use cell_testkit::firmware::noise;
use cell_testkit::{HttpsServer, Manner};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use crate::client::{Limits, serve_within};
use crate::{Command, FetchError, Reply};

const SIZE: usize = 300_000;

struct World {
    server: HttpsServer,
    file: Vec<u8>,
}

impl World {
    fn new(manner: Manner) -> Self {
        let (server, file) = (HttpsServer::start_here(), noise(7, SIZE));
        server.put(file.clone());
        server.behave(manner);
        Self { server, file }
    }

    fn command(&self, parts: &[std::ops::Range<u64>]) -> Command {
        Command {
            url: format!("https://{}/stable/a.bundle", self.server.address())
                .parse()
                .unwrap(),
            authorities: Some(self.server.authority.clone()),
            name_servers: Vec::new(),
            parts: parts.to_vec(),
            same_as: None,
        }
    }

    fn content(&self, parts: &[std::ops::Range<u64>]) -> Vec<u8> {
        let part = |part: &std::ops::Range<u64>| {
            let end = usize::try_from(part.end).unwrap().min(SIZE);
            self.file[usize::try_from(part.start).unwrap()..end].to_vec()
        };
        parts.iter().flat_map(part).collect()
    }

    async fn fetch(&self, parts: &[std::ops::Range<u64>]) -> (Reply, Vec<u8>) {
        fetch(&self.command(parts)).await
    }
}

/// A server that says nothing for so long is given up.
const IMPATIENT: Limits = Limits {
    patience: Duration::from_secs(3),
    least: 1_000,
};

async fn fetch(command: &Command) -> (Reply, Vec<u8>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (mut ours, mut bytes) = (ours, Vec::new());
    let (reply, read) = tokio::join!(
        serve_within(command, theirs, IMPATIENT),
        ours.read_to_end(&mut bytes)
    );
    read.unwrap();
    (reply, bytes)
}

#[tokio::test]
async fn only_the_parts_are_fetched_and_come_in_their_order() {
    let parts = [0..10, 1_000..70_000, 200_000..200_001, 290_000..400_000];
    for manner in [Manner::Good, Manner::OneAnswer, Manner::WholeFiles] {
        let world = World::new(manner.clone());
        let (reply, bytes) = world.fetch(&parts).await;
        assert_eq!(reply.unwrap().size, SIZE as u64, "{manner:?}");
        assert!(bytes == world.content(&parts), "{manner:?}");
        let fetched = match manner {
            Manner::WholeFiles => SIZE,
            _ => bytes.len(),
        };
        assert_eq!(world.server.bytes(), fetched as u64, "{manner:?}");
    }
}

#[tokio::test]
async fn parts_behind_the_end_have_no_bytes() {
    let world = World::new(Manner::Good);
    let (reply, bytes) = world.fetch(&[0..5, 400_000..400_001]).await;
    assert_eq!((reply.unwrap().size, bytes.len()), (SIZE as u64, 5));
}

#[tokio::test]
async fn each_bad_server_is_given_up_with_its_own_reason() {
    let here = |world: &World| world.server.address().to_string();
    let whole = [0..1_000_000];
    let two = [0..10, 100_000..100_010];
    for manner in [
        Manner::Redirects("https://elsewhere.example/".to_owned()),
        Manner::Status(404),
        Manner::StallsAfter(50_000),
        Manner::CutsAfter(50_000),
        Manner::Garbage,
        Manner::WrongPart,
        Manner::NoSize,
        Manner::Replaces,
        Manner::Drips(Duration::from_millis(50)),
    ] {
        let world = World::new(manner.clone());
        let parts: &[_] = if manner == Manner::Replaces {
            &two
        } else {
            &whole
        };
        let (reply, bytes) = world.fetch(parts).await;
        let error = reply.unwrap_err();
        let expected = match &manner {
            Manner::Redirects(to) => FetchError::Redirected(to.clone()),
            Manner::Status(status) => FetchError::Status(*status),
            Manner::StallsAfter(_) | Manner::Drips(_) => FetchError::Stalled(here(&world)),
            Manner::CutsAfter(_) => FetchError::Cut,
            Manner::WrongPart => FetchError::WrongPart,
            Manner::NoSize => FetchError::NoSize,
            Manner::Replaces => FetchError::Replaced,
            _ => {
                assert!(matches!(error, FetchError::Garbage(..)), "{error:?}");
                continue;
            }
        };
        assert_eq!(error, expected);
        // What came is right as far as it goes.
        assert!(world.file.starts_with(&bytes), "{manner:?}");
    }
}

#[tokio::test]
async fn server_that_nobody_vouches_for_is_told_nothing() {
    let world = World::new(Manner::Good);
    let stranger = HttpsServer::start_here();
    for authorities in [None, Some(stranger.authority.clone())] {
        let command = Command {
            authorities,
            ..world.command(&[0..10])
        };
        let (reply, _) = fetch(&command).await;
        let error = reply.unwrap_err();
        assert!(matches!(error, FetchError::Untrusted(..)), "{error:?}");
    }
    assert!(world.server.paths().is_empty());
}

#[tokio::test]
async fn nobody_there_and_nobody_of_that_name_are_said() {
    let world = World::new(Manner::Good);
    let mut command = world.command(&[0..10]);
    drop(world);
    let (reply, _) = fetch(&command).await;
    assert!(
        matches!(reply, Err(FetchError::Unreachable(..))),
        "{reply:?}"
    );
    // Nobody can be asked for it.
    command.url = "https://updates.example.net/".parse().unwrap();
    let (reply, _) = fetch(&command).await;
    assert_eq!(
        reply,
        Err(FetchError::Name("updates.example.net".to_owned()))
    );
}

#[tokio::test]
async fn file_that_was_replaced_since_other_parts_came_is_refused() {
    let world = World::new(Manner::Good);
    let (reply, _) = world.fetch(&[0..10]).await;
    let tag = reply.unwrap().tag;
    assert!(tag.is_some());
    let mut command = world.command(&[10..20]);
    command.same_as.clone_from(&tag);
    assert_eq!(fetch(&command).await.0.unwrap().tag, tag);
    command.same_as = Some("\"another\"".to_owned());
    assert_eq!(fetch(&command).await.0, Err(FetchError::Replaced));
}
