//! A scripted core that listens on a socket of its own, and `cellctl` run against it.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use cell_control::channel::Channel;
use cell_control::fake::{Call, FakeControl, Stage};
use cell_control::remote::{Responder, Trust};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::runtime::Runtime;

/// What stands in for `celld`; gone on drop.
pub(crate) struct Daemon {
    pub(crate) control: Arc<FakeControl>,
    pub(crate) folder: TempDir,
    _runtime: Runtime,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Daemon {
    /// A box that is set up.
    pub(crate) fn ready() -> Self {
        Self::at(Stage::Ready)
    }

    /// A box at this stage.
    pub(crate) fn at(stage: Stage) -> Self {
        let control = Arc::new(FakeControl::new(stage));
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = {
            let _inside = runtime.enter();
            UnixListener::bind(folder.path().join("control.sock")).unwrap()
        };
        runtime.spawn(serve(listener, Arc::clone(&control)));
        Self {
            control,
            folder,
            _runtime: runtime,
        }
    }

    /// `cellctl` with these arguments, split at spaces, ready to be started.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = cellctl(arguments);
        command.env("CELL_SOCKET", self.socket());
        command
    }

    /// Runs it with nothing on standard input.
    pub(crate) fn run(&self, arguments: &str) -> Ran {
        self.run_with(arguments, "")
    }

    /// Runs it with this on standard input.
    pub(crate) fn run_with(&self, arguments: &str, input: &str) -> Ran {
        run(&mut self.command(arguments), input)
    }

    /// Runs it, and answers its output when it succeeded.
    pub(crate) fn succeed(&self, arguments: &str) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.status, Some(0), "{arguments}: {ran:?}");
        ran.stdout
    }

    /// The one call that came through.
    pub(crate) fn only_call(&self) -> Call {
        let mut calls = self.control.take_calls();
        assert_eq!(calls.len(), 1, "{calls:?}");
        calls.remove(0).1
    }

    /// Writes a file beside the socket.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }
}

async fn serve(listener: UnixListener, control: Arc<FakeControl>) {
    while let Ok((stream, _)) = listener.accept().await {
        let responder = Responder::new(Arc::clone(&control) as Arc<_>, Trust::Root);
        let channel = Channel::start(stream, Arc::new(responder));
        // The connection lives as long as its channel is held.
        tokio::spawn(async move { channel.closed().await });
    }
}

/// The program with arguments split at spaces, and no socket named.
pub(crate) fn cellctl(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cellctl"));
    command
        .args(arguments.split_whitespace())
        .env_remove("CELL_SOCKET");
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command, input: &str) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that asks for nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    finish(child)
}

/// Waits for the end.
pub(crate) fn finish(child: Child) -> Ran {
    let ended = child.wait_with_output().unwrap();
    Ran {
        status: ended.status.code(),
        stdout: String::from_utf8(ended.stdout).unwrap(),
        stderr: String::from_utf8(ended.stderr).unwrap(),
    }
}
