//! Sizes of source files: none over the limit; the figures that STYLE.md aims at.

use std::io;
use std::path::Path;

use super::{Outcome, files};
use crate::cargo;

/// A longer file has more than one subject.
const LIMIT: usize = 1_000;

pub(super) fn check() -> Outcome {
    match measure(&cargo::root()) {
        Ok(outcome) => outcome,
        Err(error) => error.into(),
    }
}

fn measure(root: &Path) -> io::Result<Outcome> {
    let mut sizes = Vec::new();
    let mut findings = Vec::new();
    for path in files::with_extension(root, "rs")? {
        let lines = std::fs::read_to_string(&path)?.lines().count();
        sizes.push(lines);
        if lines > LIMIT {
            let shown = path.strip_prefix(root).unwrap_or(&path).display();
            findings.push(format!("{shown}: {lines} lines, at most {LIMIT}"));
        }
    }
    sizes.sort_unstable();
    let figure = format!(
        "{} files, median {} lines, 90th percentile {}, longest {}",
        sizes.len(),
        share(&sizes, 50),
        share(&sizes, 90),
        share(&sizes, 100)
    );
    Ok(Outcome::from_findings(&findings, figure))
}

/// The value that `percent` of the sorted values do not exceed (nearest rank); 0 for none.
fn share(sorted: &[usize], percent: usize) -> usize {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_over_the_limit_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("fits.rs"), "\n".repeat(LIMIT)).unwrap();
        assert!(matches!(
            measure(folder.path()).unwrap(),
            Outcome::Passed(_)
        ));
        std::fs::write(folder.path().join("long.rs"), "\n".repeat(LIMIT + 1)).unwrap();
        let failed = Outcome::Failed("long.rs: 1001 lines, at most 1000".to_owned());
        assert_eq!(measure(folder.path()).unwrap(), failed);
    }

    #[test]
    fn percentiles_are_values_of_the_list() {
        let sizes: Vec<usize> = (1..=10).collect();
        assert_eq!(
            [50, 90, 100].map(|percent| share(&sizes, percent)),
            [5, 9, 10]
        );
        assert_eq!(share(&[], 50), 0);
        assert_eq!(share(&[7], 50), 7);
    }
}
