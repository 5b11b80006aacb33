//! Runs nft: the only code here that changes the kernel.
//!
//! The nftables crate could run it too, but throws nft's error text away.

use std::ffi::OsString;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use cell_model::spec::FirewallSpec;
use cell_model::step::FirewallStep;
use nftables::schema::Nftables;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::render::{
    TABLE, TABLE_FAMILY, render_anew, render_patch, render_patch_check, render_replace,
};
use crate::{Firewall, FirewallError, FirewallStatus, Generation, observe};

/// A replacement with 10,000 devices takes a second or two on the slowest board; beyond this nft hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of nft's complaint kept: it repeats a long batch in full.
const COMPLAINT_LIMIT: usize = 2_000;

/// The packet filter of this system.
#[derive(Debug, Clone)]
pub struct Nft {
    program: OsString,
    leading: Vec<OsString>,
    patience: Duration,
}

impl Nft {
    /// With the `nft` found in `PATH`.
    pub fn new() -> Self {
        Self {
            program: "nft".into(),
            leading: Vec::new(),
            patience: PATIENCE,
        }
    }

    /// The packet filter of a named network namespace, reached through `ip netns exec`.
    pub fn in_namespace(namespace: &str) -> Self {
        Self {
            program: "ip".into(),
            leading: ["netns", "exec", namespace, "nft"].map(Into::into).into(),
            patience: PATIENCE,
        }
    }

    /// Feeds a batch to nft. `options` go before the file.
    async fn submit(&self, options: &[&str], batch: &Nftables<'_>) -> Result<(), FirewallError> {
        if batch.objects.is_empty() {
            return Ok(());
        }
        let input = serde_json::to_vec(batch).map_err(FirewallError::Encode)?;
        let arguments = [options, &["-j", "-f", "-"]].concat();
        self.run(&arguments, &input).await.map(drop)
    }

    /// Runs nft to its end and returns what it printed.
    async fn run(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, FirewallError> {
        let mut child = Command::new(&self.program)
            .args(&self.leading)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(FirewallError::Start)?;
        let stdin = child.stdin.take();
        let feed = async move {
            match stdin {
                Some(mut stdin) => stdin.write_all(input).await,
                None => Ok(()),
            }
        };
        let talk = async { tokio::join!(feed, child.wait_with_output()) };
        let (fed, output) = timeout(self.patience, talk)
            .await
            .map_err(|_| FirewallError::Timeout(self.patience))?;
        let output = output.map_err(FirewallError::Talk)?;
        if !output.status.success() {
            return Err(FirewallError::Refused(complaint(&output.stderr)));
        }
        match fed {
            // It has what it wants and said yes.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(FirewallError::Talk(error))
            }
            _ => Ok(output.stdout),
        }
    }

    async fn is_loaded(&self, spec: &FirewallSpec) -> Result<(), FirewallError> {
        let wanted = Generation::of(spec);
        // Terse: without the elements, which came in the same transaction.
        let listing = self
            .run(&["-j", "-t", "list", "table", TABLE_FAMILY, TABLE], &[])
            .await?;
        match observe::generation(&listing)? {
            Some((found, true)) if found == wanted => Ok(()),
            Some((found, true)) => Err(FirewallError::NotInEffect(format!(
                "generation {found} instead of {wanted}"
            ))),
            Some((found, false)) => Err(FirewallError::NotInEffect(format!(
                "generation {found} was changed by somebody else"
            ))),
            None => Err(FirewallError::NotInEffect("no generation".to_owned())),
        }
    }
}

impl Default for Nft {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Firewall for Nft {
    async fn observe(&self) -> Result<FirewallStatus, FirewallError> {
        let tables = self
            .run(&["-j", "list", "tables", TABLE_FAMILY], &[])
            .await?;
        if !observe::has_table(&tables)? {
            return Ok(FirewallStatus::Absent);
        }
        let listing = self
            .run(&["-j", "list", "table", TABLE_FAMILY, TABLE], &[])
            .await?;
        observe::status(&listing)
    }

    async fn apply(&self, step: &FirewallStep) -> Result<(), FirewallError> {
        match step {
            FirewallStep::Replace(spec) => {
                match self.submit(&[], &render_replace(spec)).await {
                    Err(FirewallError::Refused(reason)) => {
                        tracing::warn!(%reason, "the firewall table is not as this version makes it; it is made anew");
                        self.submit(&[], &render_anew(spec)).await?;
                    }
                    other => other?,
                }
                tracing::info!(phase = ?spec.phase, peers = spec.peers.len(), "firewall replaced");
            }
            FirewallStep::PatchPeers { remove, add } => {
                self.submit(&[], &render_patch(remove, add)).await?;
                tracing::info!(
                    removed = remove.len(),
                    added = add.len(),
                    "firewall patched"
                );
            }
        }
        Ok(())
    }

    async fn verify(&self, step: &FirewallStep) -> Result<(), FirewallError> {
        match step {
            FirewallStep::Replace(spec) => self.is_loaded(spec).await,
            FirewallStep::PatchPeers { remove, add } => {
                // nft 1.0.6 cannot ask for elements in JSON, nor for one that is absent without failing. The kernel
                // checks a batch against the very elements and throws it away: one process, whatever the size.
                let check = render_patch_check(remove, add);
                match self.submit(&["-c"], &check).await {
                    Err(FirewallError::Refused(reason)) => Err(FirewallError::NotInEffect(reason)),
                    other => other,
                }
            }
        }
    }
}

fn complaint(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(&stderr[..stderr.len().min(COMPLAINT_LIMIT)]);
    match text.trim() {
        "" => "it did not say why".to_owned(),
        text => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cell_model::spec::Phase;

    use super::*;

    /// A shell script in nft's place.
    fn script(text: &str) -> Nft {
        Nft {
            program: "sh".into(),
            leading: ["-c", text].map(Into::into).into(),
            patience: PATIENCE,
        }
    }

    fn step() -> FirewallStep {
        let spec = crate::closed_boot_spec("eth0".parse().unwrap(), None);
        assert_eq!(spec.phase, Phase::Closed);
        FirewallStep::Replace(Arc::new(spec))
    }

    #[tokio::test]
    async fn missing_program_is_told() {
        let mut nft = script("");
        nft.program = "nft-that-is-not-there".into();
        let answer = nft.apply(&step()).await;
        assert!(matches!(answer, Err(FirewallError::Start(_))), "{answer:?}");
    }

    #[tokio::test]
    async fn refusal_carries_the_words_of_nft_but_not_all_of_them() {
        let nft = script("echo 'Error: no such thing' >&2; yes x | head -c 9000 >&2; exit 1");
        match nft.apply(&step()).await {
            Err(FirewallError::Refused(text)) => {
                assert!(text.starts_with("Error: no such thing"), "{text}");
                assert!(text.len() <= COMPLAINT_LIMIT);
            }
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn silent_refusal_is_still_a_refusal() {
        let answer = script("exit 1").apply(&step()).await;
        assert!(
            matches!(answer, Err(FirewallError::Refused(_))),
            "{answer:?}"
        );
    }

    #[tokio::test]
    async fn hanging_program_is_given_up() {
        let mut nft = script("exec sleep 600");
        nft.patience = Duration::from_millis(50);
        let answer = nft.observe().await;
        assert!(
            matches!(answer, Err(FirewallError::Timeout(_))),
            "{answer:?}"
        );
    }

    #[tokio::test]
    async fn answer_that_is_no_listing_is_told() {
        let answer = script("echo table inet cell").observe().await;
        assert!(
            matches!(answer, Err(FirewallError::Answer(_))),
            "{answer:?}"
        );
    }

    #[tokio::test]
    async fn empty_patch_starts_nothing() {
        let nothing = FirewallStep::PatchPeers {
            remove: Default::default(),
            add: Default::default(),
        };
        script("exit 1").apply(&nothing).await.unwrap();
    }
}
