//! Requests as fast as they are answered, with wrk.

use std::fs;

use cell_testkit::Namespace;
use serde_json::Value;

use super::super::error::BenchError;

/// Tells wrk what to send, and itself as JSON. A status other than the one in its argument counts as an error of ours.
const SCRIPT: &str = r#"
local others = 0
function init(arguments)
  wanted = tonumber(arguments[1])
  wrk.headers[arguments[2]] = arguments[3]
end
function response(status)
  if status ~= wanted then others = others + 1; wrk.thread:set("others", others) end
end
local threads = {}
function setup(thread) thread:set("others", 0); table.insert(threads, thread) end
function done(summary, latency)
  local others = 0
  for _, thread in ipairs(threads) do others = others + thread:get("others") end
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"microseconds":%d,"median_microseconds":%d,"others":%d,"errors":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), others,
    errors.connect + errors.read + errors.write + errors.timeout))
end
"#;

/// How many ask for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    connections: u8,
    seconds: u8,
}

impl Load {
    /// One after the other.
    pub(super) const ONE: Self = Self {
        connections: 1,
        seconds: 4,
    };
    /// As a household with phones that all wake up.
    pub(super) const MANY: Self = Self {
        connections: 8,
        seconds: 6,
    };
}

/// A request, always the same.
pub(super) struct Request<'a> {
    pub(super) from: &'a Namespace,
    pub(super) url: String,
    /// A header's name, and what is in it.
    pub(super) header: (String, String),
    /// The status that is right.
    pub(super) status: u16,
}

/// How it was answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Answered {
    pub(super) requests: f64,
    seconds: f64,
    /// Of the median request.
    pub(super) milliseconds: f64,
}

impl Answered {
    pub(super) fn a_second(self) -> f64 {
        self.requests / self.seconds
    }
}

impl Request<'_> {
    /// Asks; every answer must be right.
    pub(super) fn ask(&self, load: Load) -> Result<Answered, BenchError> {
        let folder = tempfile::tempdir().map_err(BenchError::Folder)?;
        let script = folder.path().join("ask.lua");
        fs::write(&script, SCRIPT).map_err(BenchError::Folder)?;
        let mut wrk = self.from.command("wrk");
        wrk.args(["--threads", "1", "--timeout", "10s"])
            .args(["--connections", &load.connections.to_string()])
            .args(["--duration", &format!("{}s", load.seconds), "--script"])
            .arg(script)
            .args([&self.url, "--", &self.status.to_string()])
            .args([&self.header.0, &self.header.1]);
        let output = wrk.output().map_err(BenchError::Wrk)?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        answered(&said).ok_or_else(|| BenchError::Load {
            url: self.url.clone(),
            said: said.into_owned(),
        })
    }
}

/// What the script's line says; none when an answer was wrong or missing.
fn answered(said: &str) -> Option<Answered> {
    let line = said.lines().find(|line| line.starts_with('{'))?;
    let line: Value = serde_json::from_str(line).ok()?;
    let number = |key: &str| line[key].as_f64();
    let answered = Answered {
        requests: number("requests")?,
        seconds: number("microseconds")? / 1e6,
        milliseconds: number("median_microseconds")? / 1e3,
    };
    let wrong = number("others")? + number("errors")?;
    (answered.requests > 0.0 && wrong == 0.0).then_some(answered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_right_answers_are_figures() {
        let line = |requests: u8, others: u8, errors: u8| {
            format!(
                "Running 1s test\n{{\"requests\":{requests},\"microseconds\":2000000,\"median_microseconds\":1500,\
                 \"others\":{others},\"errors\":{errors}}}\n"
            )
        };
        let good = answered(&line(10, 0, 0)).unwrap();
        assert_eq!((good.a_second(), good.milliseconds), (5.0, 1.5));
        for bad in [line(0, 0, 0), line(10, 1, 0), line(10, 0, 1), String::new()] {
            assert_eq!(answered(&bad), None, "{bad}");
        }
    }
}
