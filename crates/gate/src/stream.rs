//! Bodies that no memory shall hold.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::Bytes;
use cell_model::problem::Problem;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::{Mutex, mpsc};

/// A body that comes piece by piece, within the route's limit.
#[derive(Debug, Clone)]
pub struct BodyStream(Arc<Mutex<mpsc::Receiver<Result<Bytes, Problem>>>>);

impl BodyStream {
    pub(crate) fn new(pieces: mpsc::Receiver<Result<Bytes, Problem>>) -> Self {
        Self(Arc::new(Mutex::new(pieces)))
    }

    /// The next piece; none after the last. 413, 408 and 400 as for other bodies.
    pub async fn next(&self) -> Option<Result<Bytes, Problem>> {
        self.0.lock().await.recv().await
    }

    /// Writes all of it to a socket, whose other end `take` is given: what answers from there may do so before all of
    /// it was read.
    ///
    /// # Errors
    /// What `take` answers; 413, 408 and 400 as for other bodies, after `take` has seen that it broke off.
    pub async fn hand_over<T, F>(&self, take: impl FnOnce(OwnedFd) -> F) -> Result<T, Problem>
    where
        F: Future<Output = Result<T, Problem>>,
    {
        let (ours, theirs) = UnixStream::pair().map_err(|_| Problem::unavailable())?;
        let theirs = theirs.into_std().map_err(|_| Problem::unavailable())?;
        let taking = take(theirs.into());
        tokio::pin!(taking);
        tokio::select! {
            taken = &mut taking => taken,
            passed = self.write_to(ours) => match passed {
                Ok(()) => taking.await,
                Err(problem) => {
                    let _ = taking.await;
                    Err(problem)
                }
            },
        }
    }

    /// Every piece, until nobody takes any more: then the answer says why.
    async fn write_to(&self, mut to: UnixStream) -> Result<(), Problem> {
        while let Some(piece) = self.next().await {
            if to.write_all(&piece?).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Takes in what is left and throws it away: browsers show no answer before they have sent everything.
    pub async fn finish(&self) {
        while let Some(Ok(_)) = self.next().await {}
    }
}
