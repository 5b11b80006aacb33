//! `R/ready`: the revision the system was brought to, for init and for checks.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cell_reconcile::Published;
use tokio::sync::watch;

fn path(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("ready")
}

/// Removes what an earlier run left.
pub(crate) fn clear(runtime_dir: &Path) -> io::Result<()> {
    match std::fs::remove_file(path(runtime_dir)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes each applied revision, whole or not at all.
pub(crate) async fn follow(runtime_dir: PathBuf, mut published: watch::Receiver<Arc<Published>>) {
    let path = path(&runtime_dir);
    let mut written = None;
    loop {
        let applied = published.borrow_and_update().applied_revision;
        if let Some(revision) = applied.filter(|_| applied != written) {
            let staged = path.with_extension("new");
            let result = std::fs::write(&staged, format!("{revision}\n"))
                .and_then(|()| std::fs::rename(&staged, &path));
            match result {
                Ok(()) => written = applied,
                Err(error) => tracing::warn!(%error, "the ready file cannot be written"),
            }
        }
        if published.changed().await.is_err() {
            return;
        }
    }
}
