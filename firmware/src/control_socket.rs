//! `R/control.sock`: the control protocol for root on this machine.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cell_control::Control;
use cell_control::channel::Channel;
use cell_control::remote::{Responder, Trust};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

/// So many programs of root at a time; more have to wait.
const MAX_CONNECTIONS: usize = 64;

/// A listening socket; removed when dropped.
pub(crate) struct ControlSocket {
    path: PathBuf,
    listener: UnixListener,
}

impl ControlSocket {
    /// Binds it, readable for root only from its first moment on.
    pub(crate) fn bind(runtime_dir: &Path) -> io::Result<Self> {
        let path = runtime_dir.join("control.sock");
        let staged = runtime_dir.join("control.new");
        for left_over in [&path, &staged] {
            match std::fs::remove_file(left_over) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let listener = UnixListener::bind(&staged)?;
        std::fs::set_permissions(&staged, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&staged, &path)?;
        Ok(Self { path, listener })
    }

    /// Answers until dropped.
    pub(crate) async fn serve(&self, control: Arc<dyn Control>) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a local connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                }
            };
            if !is_root(&stream) {
                tracing::warn!("somebody who is not root came to the control socket");
                continue;
            }
            let responder = Responder::new(Arc::clone(&control), Trust::Root);
            tokio::spawn(async move {
                let channel = Channel::start(stream, Arc::new(responder));
                channel.closed().await;
                drop(place);
            });
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The kernel's word, not the caller's.
fn is_root(stream: &UnixStream) -> bool {
    stream
        .peer_cred()
        .is_ok_and(|credentials| credentials.uid() == 0)
}
