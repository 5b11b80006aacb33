//! Where versions come from when nobody sends them: the channel's server, and USB sticks.

use std::io;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use cell_control::action::{BundleSource, IncomingBundle};
use cell_control::view::{AvailableView, CheckView};
use cell_fetch::Command;
use cell_model::problem::{Problem, chain};
use cell_updates::bundle::BundleError;
use cell_updates::install::{InstallError, Source};
use tokio::runtime::Handle;

use super::fetched::FetchedFile;
use super::job::{Origin, Work};
use super::{Appliance, problem};
use crate::Core;

/// How long a look at the channel may take in all.
const LONGEST_LOOK: Duration = Duration::from_secs(3 * 60);

/// What was found when the channel was looked at last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Offered {
    pub(super) available: Option<AvailableView>,
    pub(super) checked: Option<CheckView>,
}

/// A bundle that somebody chose and nobody has looked at yet.
pub(super) enum Chosen {
    Server(Box<FetchedFile>),
    Stick(Arc<Appliance>),
}

impl Chosen {
    /// Blocks.
    pub(super) fn open(self) -> Result<Box<dyn Source>, InstallError> {
        match self {
            Self::Server(file) => Ok(file),
            Self::Stick(appliance) => {
                let opened = (appliance.stick)(&file_name(&appliance));
                let file = opened.map_err(|error| InstallError::Source(io::Error::other(error)))?;
                tracing::info!(file = file.name, "a bundle is read from a stick");
                Ok(Box::new(file))
            }
        }
    }
}

impl Core {
    /// Where to read it.
    pub(super) fn source(
        &self,
        from: BundleSource,
        work: Arc<Work>,
    ) -> Result<(Chosen, Origin), Problem> {
        let appliance = self.appliance()?;
        match from {
            BundleSource::Stick => Ok((Chosen::Stick(Arc::clone(appliance)), Origin::Stick)),
            BundleSource::Channel => {
                let desired = self.desired.borrow().clone();
                let updates = desired.config.as_ref().map(|config| &config.updates);
                let (updates, source) = updates
                    .and_then(|updates| Some((updates, updates.source.as_ref()?)))
                    .ok_or_else(problem::no_source)?;
                let channel = updates.channel;
                let name = format!("{}/{}", channel.as_str(), file_name(appliance));
                let command = Command {
                    url: source.join(&name).into(),
                    authorities: updates.authorities.as_ref().map(ToString::to_string),
                    name_servers: self.name_servers(),
                    parts: Vec::new(),
                    same_as: None,
                };
                let link = Arc::clone(&appliance.fetch);
                let file = FetchedFile::new(link, Handle::current(), work, command);
                Ok((Chosen::Server(Box::new(file)), Origin::Channel(channel)))
            }
        }
    }

    /// Looks whether the channel has a newer version. What came of it is shown until it is looked again.
    pub(crate) async fn check_firmware(&self) -> Result<(), Problem> {
        let _one_at_a_time = self.looking.try_lock().map_err(|_| problem::looking())?;
        let work = Arc::new(Work::default());
        let (chosen, origin) = self.source(BundleSource::Channel, Arc::clone(&work))?;
        let mut job = self.job(IncomingBundle::default(), origin)?;
        job.work = Arc::clone(&work);
        let at = job.now;
        let looked = tokio::task::spawn_blocking(move || {
            let mut source = chosen.open()?;
            job.look(&mut *source)
        });
        let mut looked = looked;
        let in_time = tokio::time::timeout(LONGEST_LOOK, &mut looked).await;
        let looked = match in_time {
            Ok(looked) => looked,
            Err(_) => {
                work.give_up();
                // It hears of that within a second or two.
                let late = Err(InstallError::Source(io::ErrorKind::TimedOut.into()));
                looked.await.map(|_| late)
            }
        };
        let (available, refused) = match looked.map_err(|_| Problem::internal())? {
            Ok(offer) => {
                let manifest = &offer.manifest;
                let available = AvailableView {
                    version: manifest.release.version.clone(),
                    sequence: manifest.release.sequence,
                    notes: manifest.notes.clone(),
                    size: offer.size(),
                };
                (Some(available), None)
            }
            Err(InstallError::Bundle(BundleError::NotNewer { .. })) => (None, None),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the channel has no version for this box");
                (None, Some(problem::from(origin, &error)))
            }
        };
        if let Some(available) = &available {
            tracing::info!(
                version = available.version,
                "the channel has a newer version"
            );
        }
        *self.offered() = Offered {
            available,
            checked: Some(CheckView {
                at,
                problem: refused.clone(),
            }),
        };
        refused.map_or(Ok(()), Err)
    }

    pub(super) fn offered(&self) -> MutexGuard<'_, Offered> {
        self.offered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The box's own name server: it asks whom the owner has chosen.
    pub(crate) fn name_servers(&self) -> Vec<std::net::SocketAddr> {
        let published = self
            .system
            .get()
            .map(|system| system.published.borrow().clone());
        let spec = published
            .as_ref()
            .and_then(|published| published.spec.as_ref());
        spec.iter()
            .flat_map(|spec| spec.dns.listen.iter().copied())
            .collect()
    }
}

/// As it is called wherever bundles lie.
fn file_name(appliance: &Appliance) -> String {
    format!("cell-{}.bundle", appliance.release.board)
}
