//! Links between our documents: what a relative link names must exist. Links to the web are not followed.

use std::io;
use std::path::Path;

use super::{Outcome, files};
use crate::cargo;

pub(super) fn check() -> Outcome {
    match follow(&cargo::root()) {
        Ok(outcome) => outcome,
        Err(error) => error.into(),
    }
}

fn follow(root: &Path) -> io::Result<Outcome> {
    let documents = files::with_extension(root, "md")?;
    let mut followed = 0;
    let mut findings = Vec::new();
    for document in &documents {
        let text = std::fs::read_to_string(document)?;
        for target in targets(&text)
            .into_iter()
            .filter(|target| !is_elsewhere(target))
        {
            followed += 1;
            let path = target.split(['#', '?']).next().unwrap_or_default();
            let base = if path.starts_with('/') {
                root
            } else {
                document.parent().unwrap_or(root)
            };
            if !base.join(path.trim_start_matches('/')).exists() {
                let shown = document.strip_prefix(root).unwrap_or(document).display();
                findings.push(format!("{shown}: no {target}"));
            }
        }
    }
    let figure = format!("{followed} links in {} documents", documents.len());
    Ok(Outcome::from_findings(&findings, figure))
}

/// What the links and link definitions of a document point at; code is left out.
fn targets(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        let inline = prose
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'));
        found.extend(inline.filter_map(|(target, _)| first_word(target)));
        if let Some((_, definition)) = prose
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "))
        {
            found.extend(first_word(definition));
        }
    }
    found
}

/// The address without a title behind it.
fn first_word(target: &str) -> Option<String> {
    let word = target.split_whitespace().next()?;
    Some(word.trim_matches(['<', '>']).to_owned())
}

/// Whether the link leaves the tree or stays on its own page.
fn is_elsewhere(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:") || target.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_definitions_are_found_and_code_is_not() {
        let text = "See [a](a.md \"title\") and [b](<b.md>), not `[c](c.md)`.\n\
                    ```\n[d](d.md)\n```\n[e]: e.md\n";
        assert_eq!(targets(text), ["a.md", "b.md", "e.md"]);
    }

    #[test]
    fn a_missing_target_is_named_with_its_document() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("docs")).unwrap();
        std::fs::write(
            folder.path().join("README.md"),
            "[x](docs/x.md#part) [y](https://y.test/) [z](#here)",
        )
        .unwrap();
        std::fs::write(
            folder.path().join("docs/x.md"),
            "[up](../README.md) [root](/README.md)",
        )
        .unwrap();
        let passed = Outcome::Passed("3 links in 2 documents".to_owned());
        assert_eq!(follow(folder.path()).unwrap(), passed);
        std::fs::write(folder.path().join("docs/x.md"), "[gone](gone.md)").unwrap();
        assert_eq!(
            follow(folder.path()).unwrap(),
            Outcome::Failed("docs/x.md: no gone.md".to_owned())
        );
    }
}
