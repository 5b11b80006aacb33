//! Licences, banned crates and sources of everything that goes into our programs, against `deny.toml`.
//!
//! `cargo deny` does it where it is installed; elsewhere the same rules are read here, so that no machine skips them.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use thiserror::Error;

use super::{Outcome, quietly, spdx};
use crate::cargo;
use crate::error::XtaskError;

/// Why nothing could be judged.
#[derive(Debug, Error)]
enum LicencesError {
    #[error("cannot read deny.toml")]
    Read(#[source] std::io::Error),
    #[error("deny.toml is not TOML")]
    Parse(#[source] toml::de::Error),
    #[error("cannot list the dependencies")]
    Metadata(#[from] XtaskError),
}

pub(super) fn check() -> Outcome {
    if is_cargo_deny_installed() {
        let arguments = ["deny", "--offline", "check", "licenses", "bans", "sources"];
        return quietly(cargo::cargo().args(arguments));
    }
    match judge_workspace() {
        Ok(outcome) => outcome,
        Err(error) => error.into(),
    }
}

fn is_cargo_deny_installed() -> bool {
    let version = Command::new("cargo-deny")
        .arg("--version")
        .env("PATH", cargo::search_path())
        .output();
    version.is_ok_and(|output| output.status.success())
}

fn judge_workspace() -> Result<Outcome, LicencesError> {
    let text =
        std::fs::read_to_string(cargo::root().join("deny.toml")).map_err(LicencesError::Read)?;
    let policy = Policy::read(&text).map_err(LicencesError::Parse)?;
    let platforms: Vec<&str> = policy
        .targets
        .iter()
        .flat_map(|target| ["--filter-platform", target.as_str()])
        .collect();
    let metadata = cargo::metadata(&platforms)?;
    let (count, findings) = policy.judge(&metadata);
    Ok(Outcome::from_findings(
        &findings,
        format!("{count} dependencies, judged without cargo-deny"),
    ))
}

/// The parts of `deny.toml` that are judged here; names as cargo-deny has them.
#[derive(Debug, Default)]
struct Policy {
    targets: Vec<String>,
    allowed: BTreeSet<String>,
    banned: BTreeSet<String>,
    registries: Vec<String>,
}

impl Policy {
    fn read(text: &str) -> Result<Self, toml::de::Error> {
        let file: toml::Table = toml::from_str(text)?;
        let list = |table: &str, key: &str| -> Vec<toml::Value> {
            let found = file
                .get(table)
                .and_then(|table| table.get(key))
                .and_then(toml::Value::as_array);
            found.cloned().unwrap_or_default()
        };
        let word = |value: &toml::Value| value.as_str().map(str::to_owned);
        let banned = |value: &toml::Value| {
            value
                .get("crate")
                .unwrap_or(value)
                .as_str()
                .map(str::to_owned)
        };
        Ok(Self {
            targets: list("graph", "targets").iter().filter_map(word).collect(),
            allowed: list("licenses", "allow").iter().filter_map(word).collect(),
            banned: list("bans", "deny").iter().filter_map(banned).collect(),
            registries: list("sources", "allow-registry")
                .iter()
                .filter_map(word)
                .collect(),
        })
    }

    /// Counts the foreign packages that our crates use outside tests and lists what is wrong with them.
    fn judge(&self, metadata: &Value) -> (usize, Vec<String>) {
        let used = used_packages(metadata);
        let foreign = array(&metadata["packages"])
            .filter(|package| package["id"].as_str().is_some_and(|id| used.contains(id)))
            .filter(|package| !package["source"].is_null());
        let mut count = 0;
        let mut findings = Vec::new();
        for package in foreign {
            count += 1;
            let name = package["name"].as_str().unwrap_or_default();
            let shown = format!("{name} {}", package["version"].as_str().unwrap_or_default());
            if self.banned.contains(name) {
                findings.push(format!("{shown}: banned, see deny.toml"));
            }
            let source = package["source"].as_str().unwrap_or_default();
            if !self
                .registries
                .iter()
                .any(|registry| source == format!("registry+{registry}"))
            {
                findings.push(format!(
                    "{shown}: from {source}, which deny.toml does not allow"
                ));
            }
            match package["license"].as_str() {
                None => findings.push(format!("{shown}: says no licence")),
                Some(licence) => match spdx::is_allowed(licence, &|one| self.allowed.contains(one))
                {
                    Ok(true) => {}
                    Ok(false) => {
                        findings.push(format!("{shown}: licence {licence} is not allowed"))
                    }
                    Err(error) => findings.push(format!("{shown}: licence {licence}: {error}")),
                },
            }
        }
        (count, findings)
    }
}

/// The ids of everything our crates reach by normal and build dependencies.
fn used_packages(metadata: &Value) -> BTreeSet<&str> {
    let mut waiting: Vec<&str> = array(&metadata["workspace_members"])
        .filter_map(Value::as_str)
        .collect();
    let mut used = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if !used.insert(id) {
            continue;
        }
        let node = array(&metadata["resolve"]["nodes"]).find(|node| node["id"] == id);
        let reached = node.into_iter().flat_map(|node| array(&node["deps"]));
        let counted = reached
            .filter(|reached| array(&reached["dep_kinds"]).any(|kind| kind["kind"] != "dev"));
        waiting.extend(counted.filter_map(|reached| reached["pkg"].as_str()));
    }
    used
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const REGISTRY: &str = "https://github.com/rust-lang/crates.io-index";

    fn policy() -> Policy {
        let text = format!(
            "[licenses]\nallow = ['MIT']\n[bans]\ndeny = ['bad', {{ crate = 'worse', reason = 'x' }}]\n\
             [sources]\nallow-registry = ['{REGISTRY}']\n"
        );
        Policy::read(&text).unwrap()
    }

    /// Our crate `root`, which uses `name` in the given kind of dependency.
    fn forged(name: &str, licence: &Value, source: &str, kind: &Value) -> Value {
        json!({
            "workspace_members": ["root"],
            "packages": [
                { "id": "root", "name": "root", "version": "1.0.0", "license": "GPL-3.0-only", "source": null },
                { "id": "used", "name": name, "version": "2.0.0", "license": licence, "source": source },
            ],
            "resolve": { "nodes": [
                { "id": "root", "deps": [{ "pkg": "used", "dep_kinds": [{ "kind": kind }] }] },
                { "id": "used", "deps": [] },
            ] },
        })
    }

    fn judged(name: &str, licence: Value, source: &str) -> Vec<String> {
        policy()
            .judge(&forged(name, &licence, source, &Value::Null))
            .1
    }

    #[test]
    fn an_allowed_licence_from_the_registry_passes() {
        assert!(
            judged(
                "good",
                json!("MIT OR GPL-3.0-only"),
                &format!("registry+{REGISTRY}")
            )
            .is_empty()
        );
    }

    #[test]
    fn licence_ban_and_source_are_each_found() {
        let registry = format!("registry+{REGISTRY}");
        assert_eq!(
            judged("good", json!("GPL-3.0-only"), &registry),
            ["good 2.0.0: licence GPL-3.0-only is not allowed"]
        );
        assert_eq!(
            judged("good", Value::Null, &registry),
            ["good 2.0.0: says no licence"]
        );
        for banned in ["bad", "worse"] {
            assert_eq!(
                judged(banned, json!("MIT"), &registry),
                [format!("{banned} 2.0.0: banned, see deny.toml")]
            );
        }
        assert_eq!(
            judged("good", json!("MIT"), "git+https://host.test/x").len(),
            1
        );
    }

    #[test]
    fn what_only_tests_use_is_not_judged() {
        let metadata = forged("bad", &json!("GPL-3.0-only"), "git+x", &json!("dev"));
        assert_eq!(policy().judge(&metadata), (0, Vec::new()));
    }
}
