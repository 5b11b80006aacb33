//! Logs: on standard error, one event a line, and the last of them in memory.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;

use cell_core::{LogBuffer, LogLayer, level_filter};
use cell_model::Timestamp;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

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

/// The log of a process without power: its parent reads it and passes it on.
pub(crate) fn role() {
    let directives = format!("info,{}", cell_dns::LOG_FILTER);
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_env_filter(tracing_subscriber::EnvFilter::new(directives))
        .init();
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
