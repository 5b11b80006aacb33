//! One measured figure, with what it is compared to and what is aimed at.

use std::fmt;

use serde_json::{Value, json};

/// The bound that a figure must keep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Aim {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

impl Aim {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(f, "<= {limit}"),
            Self::AtLeast(limit) => write!(f, ">= {limit}"),
        }
    }
}

/// A figure as DESIGN section 6 prints it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    /// What was measured, unique among all benches.
    pub(crate) name: &'static str,
    /// The median of the runs.
    pub(crate) value: f64,
    /// The unit of `value`, `peer` and, without a peer, of `aim`.
    pub(crate) unit: &'static str,
    /// The median of what it is compared to; none for an absolute figure.
    pub(crate) peer: Option<f64>,
    /// `value` divided by `peer`.
    pub(crate) ratio: Option<f64>,
    /// The bound on `ratio`, or on `value` when there is no peer.
    pub(crate) aim: Aim,
    /// Whether the bound is kept.
    pub(crate) met: bool,
    /// The spread of the runs: (largest − smallest) / median.
    pub(crate) noise: f64,
}

impl Figure {
    /// The median of `runs` against a bound in its own unit. `runs` holds at least one value.
    pub(crate) fn absolute(name: &'static str, unit: &'static str, runs: &[f64], aim: Aim) -> Self {
        let value = median(runs);
        Self {
            name,
            value,
            unit,
            peer: None,
            ratio: None,
            aim,
            met: aim.is_met_by(value),
            noise: noise(runs),
        }
    }

    /// The median of `runs` against that of `peer`, with a bound on their ratio. Each holds at least one value.
    pub(crate) fn relative(
        name: &'static str,
        unit: &'static str,
        runs: &[f64],
        peer: &[f64],
        aim: Aim,
    ) -> Self {
        let (value, peer) = (median(runs), median(peer));
        let ratio = value / peer;
        Self {
            name,
            value,
            unit,
            peer: Some(peer),
            ratio: Some(ratio),
            aim,
            met: aim.is_met_by(ratio),
            noise: noise(runs),
        }
    }

    /// One JSON object without line breaks.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "peer": self.peer,
            "ratio": self.ratio,
            "aim": self.aim.to_string(),
            "met": self.met,
            "noise": self.noise,
        })
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            value,
            unit,
            aim,
            noise,
            ..
        } = self;
        write!(f, "{name:<32} {value:>10.3} {unit:<6}")?;
        if let (Some(peer), Some(ratio)) = (self.peer, self.ratio) {
            write!(f, " {ratio:.2}x of {peer:.3}")?;
        }
        let word = if self.met { "met" } else { "MISSED" };
        write!(f, "  aim {aim} {word}, noise {:.0} %", noise * 100.0)
    }
}

fn median(runs: &[f64]) -> f64 {
    let mut sorted = runs.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.as_slice() {
        [] => f64::NAN,
        all if all.len() % 2 == 1 => all[middle],
        all => f64::midpoint(all[middle - 1], all[middle]),
    }
}

fn noise(runs: &[f64]) -> f64 {
    let largest = runs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let smallest = runs.iter().copied().fold(f64::INFINITY, f64::min);
    (largest - smallest) / median(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absolute_figure_is_judged_by_its_median() {
        let figure = Figure::absolute("memory", "MB", &[39.0, 38.0, 90.0], Aim::AtMost(40.0));
        assert_eq!((figure.value, figure.met, figure.ratio), (39.0, true, None));
        assert!(figure.noise > 1.0);
    }

    #[test]
    fn a_relative_figure_is_judged_by_its_ratio() {
        let figure = Figure::relative("many", "ms", &[9.0, 11.0], &[2.5], Aim::AtMost(3.0));
        assert_eq!(
            (figure.value, figure.ratio, figure.met),
            (10.0, Some(4.0), false)
        );
    }

    #[test]
    fn no_runs_meet_no_aim() {
        assert!(!Figure::absolute("nothing", "ms", &[], Aim::AtMost(1.0)).met);
        assert!(!Figure::absolute("nothing", "ms", &[], Aim::AtLeast(1.0)).met);
    }

    #[test]
    fn the_json_line_has_the_fields_of_the_design() {
        let figure = Figure::absolute("size", "MB", &[20.0], Aim::AtMost(25.0));
        let expected = json!({
            "name": "size", "value": 20.0, "unit": "MB", "peer": null, "ratio": null,
            "aim": "<= 25", "met": true, "noise": 0.0,
        });
        assert_eq!(figure.to_json(), expected);
        assert!(!figure.to_json().to_string().contains('\n'));
    }
}
