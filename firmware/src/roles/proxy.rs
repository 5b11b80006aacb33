//! The reverse proxy: its container's sockets, its certificate, and who answers it: when it asks whose a request is, and
//! when a request is for the admin page.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cell_containers::names;
use cell_model::name::{CellName, PartName, ServiceId};
use cell_model::problem::chain;
use cell_model::spec::ProxySpec;
use cell_proxy::{Caddy, Certificates, Proxy, ProxyError};
use cell_reconcile::{ProxyHost, ProxyHostError};
use cell_vault::{CellVault, Vault};
use tokio::time::Instant;

use super::web::{ProcessListener, ProxySockets};

/// How long its container may take to come up.
const STARTING: Duration = Duration::from_secs(150);
/// Time between two looks whether it has.
const LOOK: Duration = Duration::from_millis(500);

/// Caddy in the container of the box's own.
pub(crate) struct CaddyHost {
    caddy: Caddy,
    accounts: PathBuf,
    page: PathBuf,
    vault: Arc<CellVault>,
    listener: Arc<ProcessListener>,
}

impl CaddyHost {
    /// Its sockets are in volumes below this folder.
    pub(crate) fn new(
        volumes: &Path,
        vault: Arc<CellVault>,
        listener: Arc<ProcessListener>,
    ) -> Self {
        let socket = |volume: &str, name: &str| {
            let volume: PartName = volume.parse().expect("a name of ours is one");
            let volume = names::volume(&ServiceId::proxy(), &volume, 0);
            volumes.join(volume).join("_data").join(name)
        };
        Self {
            caddy: Caddy::new(socket("control", "admin.sock")),
            accounts: socket("accounts", "accounts.sock"),
            page: socket("accounts", "page.sock"),
            vault,
            listener,
        }
    }

    /// Waits until it can be asked.
    async fn wait(&self) -> Result<(), ProxyHostError> {
        let deadline = Instant::now() + STARTING;
        loop {
            match self.caddy.observe().await {
                Ok(_) => return Ok(()),
                Err(ProxyError::Connect(_)) if Instant::now() < deadline => {
                    tokio::time::sleep(LOOK).await;
                }
                Err(error) => return Err(proxy(&error)),
            }
        }
    }

    /// Sees to it that somebody answers at its sockets.
    async fn answer(&self, cell: &CellName) -> Result<(), ProxyHostError> {
        let present = self.accounts.exists() && self.page.exists();
        if present && self.listener.answers_proxy(cell).await {
            return Ok(());
        }
        let bound = |path: &Path| {
            bind(path).map_err(|error| {
                let path = path.display();
                ProxyHostError::Missing(format!("{path} cannot be listened at: {error}"))
            })
        };
        let sockets = ProxySockets {
            accounts: bound(&self.accounts)?,
            page: bound(&self.page)?,
        };
        self.listener
            .answer_proxy(Some((cell.clone(), sockets)))
            .await
            .map_err(|error| ProxyHostError::Missing(error.to_string()))
    }

    async fn certificates(&self) -> Result<Certificates, ProxyHostError> {
        let missing = || ProxyHostError::Missing("there is no certificate yet".to_owned());
        let leaf = self.vault.credentials().await.ok_or_else(missing)?;
        Ok(Certificates {
            chain_der: leaf.chain_der.clone(),
            key_der: leaf.key_der.clone(),
        })
    }
}

#[async_trait]
impl ProxyHost for CaddyHost {
    async fn apply(&self, spec: Option<&ProxySpec>) -> Result<(), ProxyHostError> {
        let Some(spec) = spec else {
            // Its container is gone, or on its way.
            return self
                .listener
                .answer_proxy(None)
                .await
                .map_err(|error| ProxyHostError::Missing(error.to_string()));
        };
        self.wait().await?;
        self.answer(&spec.cell).await?;
        let certificates = self.certificates().await?;
        let applied = self.caddy.apply(spec, &certificates).await;
        applied.map_err(|error| proxy(&error))?;
        let verified = self.caddy.verify(spec, &certificates).await;
        verified.map_err(|error| proxy(&error))
    }

    async fn verify(&self, spec: Option<&ProxySpec>) -> Result<(), ProxyHostError> {
        let Some(spec) = spec else {
            return Ok(());
        };
        let certificates = self.certificates().await?;
        let verified = self.caddy.verify(spec, &certificates).await;
        verified.map_err(|error| proxy(&error))
    }
}

/// The folder is the box's own and only to be read in the container: nothing but these sockets is ever there.
pub(super) fn bind(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    // Whoever the proxy is in its container. Nobody else gets to the folder.
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

fn proxy(error: &ProxyError) -> ProxyHostError {
    ProxyHostError::Proxy(chain(error))
}
