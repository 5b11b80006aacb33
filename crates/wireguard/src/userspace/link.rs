//! How the daemon reaches the process that carries the packets.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use cell_model::Timestamp;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::command::{Command, Reply};
use super::descriptors::Descriptors;
use super::engine::Engine;
use super::runner::{Request, run};

/// Commands that may wait. They are answered one by one, so one place for each asking task is plenty.
const WAITING_COMMANDS: usize = 16;

/// The engine could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum EngineLinkError {
    /// No engine was started, or it has ended.
    #[error("the WireGuard process is not running")]
    Gone,
    /// The engine could not be started.
    #[error("cannot start the WireGuard process")]
    Start(#[source] io::Error),
    /// Command or answer were lost on the way.
    #[error("cannot talk to the WireGuard process")]
    Talk(#[source] io::Error),
}

/// The way to an engine. Commands are carried out in the order of the calls.
#[async_trait]
pub trait EngineLink: Send + Sync {
    /// Starts an engine on these descriptors, in place of any earlier one. It drops all packets until told otherwise.
    async fn start(&self, descriptors: Descriptors) -> Result<(), EngineLinkError>;

    /// Gives a command and waits for the answer.
    async fn call(&self, command: Command) -> Result<Reply, EngineLinkError>;

    /// Ends the engine, which closes its descriptors. Does nothing when there is none.
    async fn stop(&self) -> Result<(), EngineLinkError>;
}

#[async_trait]
impl<L: EngineLink + ?Sized> EngineLink for Arc<L> {
    async fn start(&self, descriptors: Descriptors) -> Result<(), EngineLinkError> {
        L::start(self, descriptors).await
    }

    async fn call(&self, command: Command) -> Result<Reply, EngineLinkError> {
        L::call(self, command).await
    }

    async fn stop(&self) -> Result<(), EngineLinkError> {
        L::stop(self).await
    }
}

/// An engine in a task of this process: for tests and for benches.
#[derive(Default)]
pub struct LocalLink {
    engine: Mutex<Option<Running>>,
}

struct Running {
    commands: mpsc::Sender<Request>,
    task: JoinHandle<()>,
}

#[async_trait]
impl EngineLink for LocalLink {
    async fn start(&self, descriptors: Descriptors) -> Result<(), EngineLinkError> {
        self.stop().await?;
        let (commands, receiver) = mpsc::channel(WAITING_COMMANDS);
        let engine = Engine::new(Instant::now(), Timestamp::now());
        let task = tokio::spawn(async move {
            if let Err(error) = run(engine, descriptors, receiver).await {
                tracing::error!(%error, "wireguard engine ended");
            }
        });
        *self.engine.lock().await = Some(Running { commands, task });
        Ok(())
    }

    async fn call(&self, command: Command) -> Result<Reply, EngineLinkError> {
        let commands = match &*self.engine.lock().await {
            Some(running) => running.commands.clone(),
            None => return Err(EngineLinkError::Gone),
        };
        let (answer, reply) = oneshot::channel();
        commands
            .send((command, answer))
            .await
            .map_err(|_| EngineLinkError::Gone)?;
        reply.await.map_err(|_| EngineLinkError::Gone)
    }

    async fn stop(&self) -> Result<(), EngineLinkError> {
        if let Some(Running { commands, task }) = self.engine.lock().await.take() {
            drop(commands);
            // A panic of the task was reported where it happened.
            let _ = task.await;
        }
        Ok(())
    }
}
