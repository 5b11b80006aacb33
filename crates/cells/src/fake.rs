//! A stand-in for the process that calls: another core answers, or nobody.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::{CallLink, Command, Found, LinkError, Lookup, Reply};

type Answering = Arc<dyn Fn(Command) -> Pin<Box<dyn Future<Output = Reply> + Send>> + Send + Sync>;

/// Answers as it is told, and keeps what was said.
#[derive(Default)]
pub struct FakeCalls {
    answering: Mutex<Option<Answering>>,
    said: Mutex<Vec<Command>>,
    names: Mutex<Found>,
}

impl FakeCalls {
    /// Whoever is called answers so from now on.
    pub fn answer<F: Future<Output = Reply> + Send + 'static>(
        &self,
        answering: impl Fn(Command) -> F + Send + Sync + 'static,
    ) {
        let mut present = lock(&self.answering);
        *present = Some(Arc::new(move |command| Box::pin(answering(command))));
    }

    /// Nobody is there from now on.
    pub fn fall_silent(&self) {
        *lock(&self.answering) = None;
    }

    /// Names that can be looked up from now on.
    pub fn set_names(&self, names: Found) {
        *lock(&self.names) = names;
    }

    /// All that was said, in order.
    pub fn said(&self) -> Vec<Command> {
        lock(&self.said).clone()
    }
}

#[async_trait]
impl CallLink for FakeCalls {
    async fn call(&self, command: Command) -> Result<Reply, LinkError> {
        lock(&self.said).push(command.clone());
        let answering = lock(&self.answering).clone();
        Ok(match answering {
            Some(answering) => answering(command).await,
            None => Reply::Unreached("nobody is there".to_owned()),
        })
    }

    async fn look_up(&self, lookup: Lookup) -> Result<Found, LinkError> {
        let mut found = lock(&self.names).clone();
        found.retain(|name, _| lookup.names.contains(name));
        Ok(found)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
