//! Carrying out one step: apply, then verify. Nothing else here changes the system.

use std::error::Error;
use std::time::Duration;

use cell_model::Timestamp;
use cell_model::step::Step;

use crate::Parts;

/// What does not end by then is given up, so that it can be tried again.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Why a step failed, with all causes in one line.
pub(crate) type StepError = Box<dyn Error + Send + Sync>;

/// Carries a step out and reads back whether it worked.
pub(crate) async fn execute(parts: &Parts, step: &Step, now: Timestamp) -> Result<(), StepError> {
    match step {
        Step::Firewall(step) => {
            limited(LIMIT, parts.firewall.apply(step)).await?;
            limited(LIMIT, parts.firewall.verify(step)).await
        }
        Step::Network(step) => {
            limited(LIMIT, parts.network.apply(step)).await?;
            let left = limited(LIMIT, parts.network.verify(&step.spec)).await?;
            if left.is_empty() {
                Ok(())
            } else {
                Err("the kernel does not show what was asked for".into())
            }
        }
        Step::WireGuard(step) => {
            limited(LIMIT, parts.wireguard.apply(step)).await?;
            limited(LIMIT, parts.wireguard.verify(step)).await
        }
        Step::Leaf(spec) => {
            limited(LIMIT, parts.vault.ensure_leaf(spec, now)).await?;
            Ok(())
        }
        Step::Dns(step) => {
            limited(LIMIT, parts.dns.apply(step)).await?;
            limited(LIMIT, parts.dns.verify(step)).await
        }
        Step::Web(spec) => limited(LIMIT, parts.listener.apply(spec)).await,
        Step::Mdns(spec) => {
            limited(LIMIT, parts.mdns.apply(spec.as_ref())).await?;
            limited(LIMIT, parts.mdns.verify(spec.as_ref())).await
        }
    }
}

/// Runs one act of a part, but not for longer, and keeps why it failed with all its causes.
pub(crate) async fn limited<T, E: Error + Send + Sync + 'static>(
    limit: Duration,
    act: impl Future<Output = Result<T, E>>,
) -> Result<T, StepError> {
    match tokio::time::timeout(limit, act).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(chain(&error).into()),
        Err(_) => Err(format!("no end within {} s", limit.as_secs()).into()),
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
