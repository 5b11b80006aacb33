//! Logs: on standard error, one event a line, and the last of them in memory.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;

use cell_control::action::LogLevel;
use cell_core::{LogBuffer, LogLayer, level_filter};
use cell_model::Timestamp;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::reload::Handle;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry};

/// The core's log.
pub(crate) fn core(clock: fn() -> Timestamp) -> Arc<LogBuffer> {
    let buffer = LogBuffer::new(clock);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_filter(level_filter(Arc::clone(&buffer)));
    tracing_subscriber::registry()
        .with(lines)
        .with(LogLayer::new(Arc::clone(&buffer)))
        .init();
    buffer
}

/// How much a process without power says.
#[derive(Debug, Clone)]
pub(crate) struct RoleLog(Handle<EnvFilter, Registry>);

/// The log of a process without power: its parent reads it and passes it on.
pub(crate) fn role(level: LogLevel) -> RoleLog {
    let (filter, handle) = tracing_subscriber::reload::Layer::new(directives(level));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false);
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .init();
    RoleLog(handle)
}

impl RoleLog {
    /// From now on, this much.
    pub(crate) fn set(&self, level: LogLevel) {
        match self.0.reload(directives(level)) {
            Ok(()) => tracing::debug!(level = level.as_str(), "how much is logged was changed"),
            Err(error) => tracing::error!(%error, "how much is logged cannot be changed"),
        }
    }
}

/// Our own crates say as much as asked; libraries never more than usual, for nobody vouches for what they tell of
/// strangers' messages.
fn directives(level: LogLevel) -> EnvFilter {
    let libraries = level.min(LogLevel::Info).as_str();
    let ours = level.as_str();
    EnvFilter::new(format!(
        "{libraries},cell={ours},{},{}",
        cell_dns::LOG_FILTER,
        cell_wireguard::LOG_FILTER
    ))
}

/// Writes a line as it is: it was a log line of a child.
pub(crate) fn pass_on(line: &str) {
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Why the program ends, in one line.
pub(crate) fn last_words(error: &dyn Error) {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    pass_on(&format!("celld: {text}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_say_no_more_than_usual_and_hickory_and_timers_of_the_vpn_nothing() {
        for (level, expected) in [
            (LogLevel::Debug, [true, false, false, false]),
            (LogLevel::Error, [false, false, false, false]),
        ] {
            let lines = Lines::default();
            let layer = tracing_subscriber::fmt::layer().with_writer(lines.clone());
            let subscriber = tracing_subscriber::registry()
                .with(directives(level))
                .with(layer);
            tracing::subscriber::with_default(subscriber, || {
                tracing::debug!(target: "cell_gate::gate", "ours");
                tracing::debug!(target: "rustls::server", "theirs");
                tracing::info!(target: "hickory_server::server", "names");
                tracing::error!(target: "boringtun::noise::timers", "late");
            });
            let text = lines.text();
            let seen = ["ours", "theirs", "names", "late"].map(|word| text.contains(word));
            assert_eq!(seen, expected, "{level:?}: {text}");
        }
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);

    impl Lines {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }
}
