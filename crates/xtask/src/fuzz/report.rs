//! What libFuzzer says while it runs.

use std::path::PathBuf;

/// How far it has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// Inputs tried.
    pub(super) runs: u64,
    /// Branches reached.
    pub(super) coverage: u64,
    /// Inputs worth keeping, and their size as libFuzzer writes it.
    pub(super) corpus: String,
    /// Inputs that broke a promise, took too long or too much memory.
    pub(super) findings: Vec<PathBuf>,
}

impl Report {
    /// Takes one line in.
    pub(super) fn read(&mut self, line: &str) {
        // "#4096  pulse  cov: 81 ft: 120 corp: 14/1024b lim: 4096 exec/s: 2048 rss: 40Mb"
        if let Some((runs, rest)) = line
            .strip_prefix('#')
            .and_then(|line| line.split_once('\t'))
        {
            let words: Vec<&str> = rest.split_whitespace().collect();
            let after = |name: &str| {
                let at = words.iter().position(|word| *word == name)?;
                words.get(at + 1).copied()
            };
            self.runs = runs.trim().parse().unwrap_or(self.runs);
            let coverage = after("cov:").and_then(|number| number.parse().ok());
            self.coverage = coverage.unwrap_or(self.coverage);
            if let Some(corpus) = after("corp:") {
                self.corpus = corpus.to_owned();
            }
        } else if let Some(runs) = line.strip_prefix("stat::number_of_executed_units:") {
            self.runs = runs.trim().parse().unwrap_or(self.runs);
        } else if let Some((_, path)) = line.split_once("Test unit written to ") {
            self.findings.push(path.trim().into());
        }
    }

    /// Inputs of the corpus.
    pub(super) fn corpus_size(&self) -> &str {
        match self.corpus.split_once('/') {
            Some((inputs, _)) => inputs,
            None => "0",
        }
    }
}

/// With a comma between thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_figures_count() {
        let mut report = Report::default();
        for line in [
            "INFO: Seed: 3141592653",
            "#2\tINITED cov: 70 ft: 71 corp: 1/1b exec/s: 0 rss: 38Mb",
            "#4096\tpulse  cov: 81 ft: 120 corp: 14/1024b lim: 4096 exec/s: 2048 rss: 40Mb",
            "#5000\tDONE   cov: 82 ft: 120 corp: 15/1030b lim: 4096 exec/s: 2048 rss: 40Mb",
            "stat::number_of_executed_units: 5001",
        ] {
            report.read(line);
        }
        let expected = Report {
            runs: 5_001,
            coverage: 82,
            corpus: "15/1030b".to_owned(),
            findings: Vec::new(),
        };
        assert_eq!(report, expected);
        assert_eq!(report.corpus_size(), "15");
    }

    #[test]
    fn a_finding_has_its_place() {
        let mut report = Report::default();
        report.read("artifact_prefix='/x/'; Test unit written to /x/crash-0a1b");
        assert_eq!(report.findings, [PathBuf::from("/x/crash-0a1b")]);
    }

    #[test]
    fn thousands_are_set_apart() {
        let texts = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }
}
