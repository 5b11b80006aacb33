//! QEMU's own words about a machine, over its monitor protocol (QMP).

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::MachineError;
use crate::wait_for;

/// How long the state of a machine may take to or from a file.
const PATIENCE: Duration = Duration::from_secs(120);

/// One who speaks to QEMU; QEMU hears one at a time.
#[derive(Debug)]
pub(super) struct Monitor {
    reader: BufReader<UnixStream>,
}

impl Monitor {
    /// Connects to the socket of a QEMU that runs.
    pub(super) fn connect(socket: &Path) -> Result<Self, MachineError> {
        let stream = wait_for(PATIENCE, || UnixStream::connect(socket).ok());
        let stream = stream.ok_or_else(|| refused("no monitor"))?;
        stream
            .set_read_timeout(Some(PATIENCE))
            .map_err(MachineError::Wait)?;
        let mut monitor = Self {
            reader: BufReader::new(stream),
        };
        // It greets first.
        monitor.line().map_err(MachineError::Wait)?;
        monitor.ask("qmp_capabilities", &json!({}))?;
        Ok(monitor)
    }

    /// Stops the machine and writes what is in its memory and devices to a file; its disks are complete then.
    pub(super) fn save(&mut self, to: &Path) -> Result<(), MachineError> {
        self.ask("stop", &json!({}))?;
        let uri = format!("file:{}", to.display());
        // As fast as it goes: the usual limit is for networks.
        self.ask("migrate-set-parameters", &json!({"max-bandwidth": 0}))?;
        self.ask("migrate", &json!({ "uri": uri }))?;
        self.wait_until("query-migrate", |status| match status {
            "completed" => Some(Ok(())),
            "failed" | "cancelled" => Some(Err(refused(status))),
            _ => None,
        })
    }

    /// Has a machine go on that was begun from such a file.
    pub(super) fn go_on(&mut self) -> Result<(), MachineError> {
        self.wait_until("query-status", |status| {
            (status != "inmigrate").then_some(Ok(()))
        })?;
        self.ask("cont", &json!({})).map(drop)
    }

    fn wait_until(
        &mut self,
        command: &str,
        is_done: impl Fn(&str) -> Option<Result<(), MachineError>>,
    ) -> Result<(), MachineError> {
        let done = wait_for(PATIENCE, || {
            let answer = self.ask(command, &json!({}));
            answer.map_or_else(
                |error| Some(Err(error)),
                |answer| is_done(answer["status"].as_str().unwrap_or_default()),
            )
        });
        done.unwrap_or_else(|| Err(refused("it takes too long")))
    }

    fn ask(&mut self, command: &str, arguments: &Value) -> Result<Value, MachineError> {
        let line = json!({"execute": command, "arguments": arguments}).to_string();
        let stream = self.reader.get_mut();
        stream
            .write_all(line.as_bytes())
            .map_err(MachineError::Wait)?;
        loop {
            let mut answer = self.line().map_err(MachineError::Wait)?;
            if answer.get("error").is_some() {
                return Err(refused(&format!("{command}: {answer}")));
            }
            // Events come in between.
            if let Some(answer) = answer.get_mut("return") {
                return Ok(answer.take());
            }
        }
    }

    fn line(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        match self.reader.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(serde_json::from_str(&line)?),
        }
    }
}

fn refused(message: &str) -> MachineError {
    MachineError::Refused {
        message: message.to_owned(),
    }
}
