//! What came of a target.

use std::fmt;
use std::process::ExitStatus;
use std::time::Duration;

use super::report::{Report, grouped};

/// What came of a session.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) name: &'static str,
    pub(super) report: Report,
    pub(super) time: Duration,
    pub(super) status: ExitStatus,
}

impl Outcome {
    /// Whether it came to its end and every promise held.
    pub(super) fn is_clean(&self) -> bool {
        self.status.success() && self.report.findings.is_empty()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let crashes = self.report.findings.len();
        let line = summary(self.name, &self.report, self.time);
        write!(f, "{line}  crashes {crashes}")?;
        for path in &self.report.findings {
            write!(
                f,
                "\n  cargo xtask fuzz {} --input {}",
                self.name,
                path.display()
            )?;
        }
        if crashes == 0 && !self.status.success() {
            write!(f, "  ended early: {}", self.status)?;
        }
        Ok(())
    }
}

/// How far it has come, in one line.
pub(super) fn summary(name: &str, report: &Report, time: Duration) -> String {
    format!(
        "{name:<12}{:>12} runs  {:>5} s  coverage {:>6}  corpus {:>5}",
        grouped(report.runs),
        time.as_secs(),
        grouped(report.coverage),
        report.corpus_size(),
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn outcome(status: i32, findings: &[&str]) -> Outcome {
        Outcome {
            name: "plan",
            report: Report {
                runs: 1_234_567,
                coverage: 321,
                corpus: "45/6kb".to_owned(),
                findings: findings.iter().map(Into::into).collect(),
            },
            time: Duration::from_secs(600),
            status: ExitStatus::from_raw(status),
        }
    }

    #[test]
    fn a_clean_one_is_a_line() {
        let outcome = outcome(0, &[]);
        assert!(outcome.is_clean());
        assert_eq!(
            outcome.to_string(),
            "plan           1,234,567 runs    600 s  coverage    321  corpus    45  crashes 0"
        );
    }

    #[test]
    fn a_finding_comes_with_the_command_that_repeats_it() {
        let outcome = outcome(77 << 8, &["/x/crash-1"]);
        assert!(!outcome.is_clean());
        let text = outcome.to_string();
        assert!(text.ends_with("crashes 1\n  cargo xtask fuzz plan --input /x/crash-1"));
    }

    #[test]
    fn one_that_ended_without_a_finding_is_not_clean() {
        let killed = outcome(9, &[]);
        assert!(!killed.is_clean());
        let text = killed.to_string();
        assert!(text.contains("ended early: signal: 9"), "{text}");
    }
}
