//! Images that nobody needs any more: those of services that were removed, and of versions that are none any more.

use std::collections::BTreeSet;
use std::time::Duration;

use cell_containers::ContainersError;
use cell_model::container::ImageDigest;
use cell_model::problem::chain;
use tokio::time::Instant;

use super::Images;

/// How long nothing has changed before anything is taken away: who removes a service may install it again at once.
const QUIET: Duration = Duration::from_secs(60);
/// Pause after one that did not go.
const LATER: Duration = Duration::from_secs(600);

/// When what nobody needs is taken away.
#[derive(Debug, Default)]
pub(super) struct Unneeded {
    kept: Option<BTreeSet<ImageDigest>>,
    due: Option<Instant>,
}

impl Unneeded {
    /// Takes note of which images stay. Nothing is due before that was so for a while; at the start it is, for those of
    /// which the box was told before.
    fn see(&mut self, kept: Option<&BTreeSet<ImageDigest>>) {
        if self.kept.as_ref() != kept {
            self.kept = kept.cloned();
            self.due = kept.map(|_| Instant::now() + QUIET);
        }
    }
}

impl Images {
    /// When something is to be taken away next.
    pub(crate) fn clears_at(&self) -> Option<Instant> {
        self.unneeded.due
    }

    /// Takes away the images that are none of these, once nothing has changed for a while. `is_quiet`: nothing else is
    /// being done with containers, or may be before the next look.
    pub(crate) async fn clear_unneeded(
        &mut self,
        kept: Option<&BTreeSet<ImageDigest>>,
        is_quiet: bool,
    ) {
        self.unneeded.see(kept);
        let is_due = self.unneeded.due.is_some_and(|due| due <= Instant::now());
        let Some(kept) = kept.filter(|_| is_due && is_quiet && self.on_their_way.is_empty()) else {
            return;
        };
        self.unneeded.due = match self.containers.remove_images(kept).await {
            // Where podman does not run, nothing is added to what there is.
            Ok(_) | Err(ContainersError::Connect(_)) => None,
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(error, "images that nobody needs are not taken away");
                Some(Instant::now() + LATER)
            }
        };
        self.there.retain(|image| kept.contains(image));
    }
}
