//! The last lines of the log, in memory: SD cards are spared.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use cell_control::action::{LogLevel, Verbosity};
use cell_control::query::Logs;
use cell_control::view::{LogLine, VerbosityView};
use cell_model::Timestamp;
use cell_model::status::Part;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, Filter};

/// Lines kept: some hours of an ordinary day.
const MAX_LINES: usize = 2_000;
/// Bytes of one line kept.
const MAX_LINE: usize = 1_000;

/// The last lines, and how much each part says.
#[derive(Debug)]
pub struct LogBuffer {
    lines: Mutex<VecDeque<LogLine>>,
    levels: RwLock<Levels>,
    clock: fn() -> Timestamp,
}

#[derive(Debug)]
struct Levels {
    default: LogLevel,
    parts: BTreeMap<Part, LogLevel>,
}

impl LogBuffer {
    /// Empty, keeping what is `info` or more important.
    pub fn new(clock: fn() -> Timestamp) -> Arc<Self> {
        Arc::new(Self {
            lines: Mutex::default(),
            levels: RwLock::new(Levels {
                default: LogLevel::Info,
                parts: BTreeMap::new(),
            }),
            clock,
        })
    }

    /// Keeps a line another process wrote.
    pub fn push(&self, part: Option<Part>, level: LogLevel, mut message: String) {
        if message.len() > MAX_LINE {
            let end = (0..=MAX_LINE)
                .rev()
                .find(|&end| message.is_char_boundary(end));
            message.truncate(end.unwrap_or(0));
        }
        let line = LogLine {
            time: (self.clock)(),
            level,
            part,
            message,
        };
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    pub(crate) fn search(&self, query: &Logs) -> Vec<LogLine> {
        let text = query.text.as_ref().map(|text| text.to_lowercase());
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<LogLine> = lines
            .iter()
            .rev()
            .filter(|line| query.part.is_none() || line.part == query.part)
            .filter(|line| query.level.is_none_or(|level| line.level <= level))
            .filter(|line| {
                text.as_ref()
                    .is_none_or(|text| line.message.to_lowercase().contains(text))
            })
            .take(query.limit)
            .cloned()
            .collect();
        found.reverse();
        found
    }

    pub(crate) fn set_verbosity(&self, verbosity: &Verbosity) {
        let mut levels = self.levels.write().unwrap_or_else(PoisonError::into_inner);
        match verbosity.part {
            Some(part) => {
                levels.parts.insert(part, verbosity.level);
            }
            None => {
                levels.default = verbosity.level;
                levels.parts.clear();
            }
        }
    }

    pub(crate) fn verbosity(&self) -> VerbosityView {
        let levels = self.levels.read().unwrap_or_else(PoisonError::into_inner);
        VerbosityView {
            default: levels.default,
            parts: levels
                .parts
                .iter()
                .map(|(part, level)| (*part, *level))
                .collect(),
        }
    }

    /// How much a part says: what is less important is not kept.
    pub fn level(&self, part: Part) -> LogLevel {
        self.limit(Some(part))
    }

    fn limit(&self, part: Option<Part>) -> LogLevel {
        let levels = self.levels.read().unwrap_or_else(PoisonError::into_inner);
        *part
            .and_then(|part| levels.parts.get(&part))
            .unwrap_or(&levels.default)
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let limit = self.limit(part_of(metadata.target()));
        level_of(*metadata.level()).is_some_and(|level| level <= limit)
    }
}

/// Writes events into a [`LogBuffer`].
#[derive(Debug, Clone)]
pub struct LogLayer(Arc<LogBuffer>);

impl LogLayer {
    /// Into this buffer.
    pub fn new(buffer: Arc<LogBuffer>) -> Self {
        Self(buffer)
    }
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let (Some(level), true) = (level_of(*metadata.level()), self.0.enabled(metadata)) else {
            return;
        };
        let mut text = Text::default();
        event.record(&mut text);
        let part = text.part.or_else(|| part_of(metadata.target()));
        self.0.push(part, level, text.message + &text.fields);
    }
}

/// Lets through what the buffer's levels allow, for other layers.
pub fn level_filter<S: Subscriber>(buffer: Arc<LogBuffer>) -> impl Filter<S> {
    tracing_subscriber::filter::dynamic_filter_fn(move |metadata, _| buffer.enabled(metadata))
}

/// An event in words: the message, then its fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
    part: Option<Part>,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "part" => self.part = Part::from_word(value),
            "message" => self.message.push_str(value),
            name => {
                let _ = write!(self.fields, " {name}={value}");
            }
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// The part a crate of ours stands for, by what begins with its name: the target of a line, or the line of a role.
pub fn part_of(target: &str) -> Option<Part> {
    match target.split("::").next()? {
        "cell_firewall" => Some(Part::Firewall),
        "cell_containers" | "cell_packages" => Some(Part::Containers),
        "cell_proxy" => Some(Part::Proxy),
        "cell_network" | "cell_netlink" => Some(Part::Network),
        "cell_wireguard" => Some(Part::Wireguard),
        "cell_vault" => Some(Part::Vault),
        "cell_dns" => Some(Part::Dns),
        "cell_exits" => Some(Part::Exits),
        "cell_mdns" => Some(Part::Mdns),
        "cell_gate" | "cell_api" | "cell_webui" => Some(Part::Web),
        _ => None,
    }
}

fn level_of(level: Level) -> Option<LogLevel> {
    match level {
        Level::ERROR => Some(LogLevel::Error),
        Level::WARN => Some(LogLevel::Warn),
        Level::INFO => Some(LogLevel::Info),
        Level::DEBUG => Some(LogLevel::Debug),
        Level::TRACE => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn query() -> Logs {
        Logs {
            limit: 100,
            part: None,
            level: None,
            text: None,
        }
    }

    #[test]
    fn oldest_lines_give_way() {
        let buffer = LogBuffer::new(clock);
        for number in 0..MAX_LINES + 5 {
            buffer.push(None, LogLevel::Info, number.to_string());
        }
        let lines = buffer.search(&Logs {
            limit: MAX_LINES + 5,
            ..query()
        });
        assert_eq!(lines.len(), MAX_LINES);
        assert_eq!(lines[0].message, "5");
    }

    #[test]
    fn search_is_by_part_level_and_text() {
        let buffer = LogBuffer::new(clock);
        buffer.push(Some(Part::Dns), LogLevel::Warn, "Upstream is silent".into());
        buffer.push(Some(Part::Dns), LogLevel::Debug, "asked upstream".into());
        buffer.push(None, LogLevel::Warn, "upstream".into());
        let found = |query: Logs| buffer.search(&query).len();
        assert_eq!(found(query()), 3);
        assert_eq!(
            found(Logs {
                part: Some(Part::Dns),
                ..query()
            }),
            2
        );
        assert_eq!(
            found(Logs {
                level: Some(LogLevel::Warn),
                ..query()
            }),
            2
        );
        let silent = Logs {
            part: Some(Part::Dns),
            text: Some("UPSTREAM IS".into()),
            ..query()
        };
        assert_eq!(found(silent), 1);
    }

    #[test]
    fn event_reaches_the_buffer_when_its_part_says_that_much() {
        use tracing_subscriber::layer::SubscriberExt;
        let buffer = LogBuffer::new(clock);
        let subscriber = tracing_subscriber::registry().with(LogLayer::new(Arc::clone(&buffer)));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "cell_dns::server", queries = 3, "served");
            tracing::debug!(target: "cell_dns::server", "not yet");
            let part = Some(Part::Dns);
            buffer.set_verbosity(&Verbosity {
                part,
                level: LogLevel::Debug,
            });
            tracing::debug!(target: "cell_dns::server", "now");
            tracing::debug!(target: "cell_firewall", "still not");
        });
        let lines: Vec<String> = buffer
            .search(&query())
            .into_iter()
            .map(|line| line.message)
            .collect();
        assert_eq!(lines, ["served queries=3", "now"]);
    }
}
