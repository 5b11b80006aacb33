//! Which crate may use which: DESIGN section 3 as two tables, checked against `cargo metadata`.
//!
//! Only normal and build dependencies count; tests may use anything.

use serde_json::Value;

use super::Outcome;
use crate::cargo;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Words,
    Think,
    Do,
    Keep,
    Run,
    Face,
    Root,
    Dev,
}

use Layer::{Dev, Do, Face, Keep, Root, Run, Think, Words};

/// Every crate has its layer; names are the packages' without `cell-`.
const CRATES: &[(Layer, &[&str])] = &[
    (Words, &["model", "catalogue", "signed"]),
    (Think, &["plan"]),
    (
        Do,
        &[
            "durable",
            "netlink",
            "unix-http",
            "lookup",
            "network",
            "fetch",
            "mail-check",
            "firewall",
            "wireguard",
            "dns",
            "mdns",
            "dhcp",
            "clock",
            "vault",
            "ddns",
            "exits",
            "containers",
            "proxy",
            "packages",
            "cells",
            "updates",
            "disks",
            "backup",
        ],
    ),
    (Keep, &["store", "audit", "auth"]),
    (Run, &["control", "core", "reconcile"]),
    (Face, &["gate", "webui", "api", "cellctl", "console"]),
    (Root, &["firmware"]),
    (Dev, &["testkit", "xtask", "os", "tests", "fuzz"]),
];

/// One end of an arrow.
#[derive(Debug, Clone, Copy)]
enum End {
    All(Layer),
    One(&'static str),
}

use End::{All, One};

/// What may be used by whom; everything else is forbidden.
const ARROWS: &[(End, &[End])] = &[
    (All(Words), &[All(Words)]),
    (All(Think), &[All(Words)]),
    // Parts never see each other nor the store: what one needs of another comes as a Spec or a Fact. Four are tools
    // of the others: for the kernel's links, for files, for programs that are controlled over a socket, and for names.
    (
        All(Do),
        &[
            All(Words),
            One("netlink"),
            One("durable"),
            One("unix-http"),
            One("lookup"),
        ],
    ),
    (All(Keep), &[All(Words), All(Keep), One("durable")]),
    // The door is words and a wire; behind it stands the core, which plans for a preview, keeps what was submitted,
    // and asks the parts how they are.
    (One("control"), &[All(Words)]),
    (
        One("core"),
        &[All(Words), All(Think), All(Do), All(Keep), All(Run)],
    ),
    (
        One("reconcile"),
        &[All(Words), All(Think), All(Do), One("control")],
    ),
    (All(Face), &[All(Words), All(Face), One("control")]),
    // Recovery works when the daemon is dead (ADR 0012).
    (
        One("console"),
        &[
            All(Keep),
            One("plan"),
            One("netlink"),
            One("durable"),
            One("updates"),
        ],
    ),
    (
        All(Root),
        &[
            All(Words),
            All(Think),
            All(Do),
            All(Keep),
            All(Run),
            All(Face),
        ],
    ),
    (
        All(Dev),
        &[
            All(Words),
            All(Think),
            All(Do),
            All(Keep),
            All(Run),
            All(Face),
            All(Root),
            All(Dev),
        ],
    ),
];

/// Layers that only compute, and what would give them I/O or a runtime.
const PURE: &[Layer] = &[Words, Think];
const IMPURE: &[&str] = &[
    "async-trait",
    "axum",
    "hyper",
    "neli",
    "rustix",
    "sled",
    "socket2",
    "tokio",
    "tracing",
];

pub(super) fn check() -> Outcome {
    match cargo::metadata(&["--no-deps"]) {
        Ok(metadata) => {
            let (arrows, findings) = follow(&metadata);
            Outcome::from_findings(&findings, format!("{arrows} arrows"))
        }
        Err(error) => error.into(),
    }
}

/// Counts the arrows between our crates and lists the forbidden ones.
fn follow(metadata: &Value) -> (usize, Vec<String>) {
    let mut arrows = 0;
    let mut findings = Vec::new();
    for package in array(&metadata["packages"]) {
        let Some(from) = our_name(&package["name"]) else {
            findings.push(format!(
                "{}: a package of this workspace is named cell-<folder>",
                package["name"]
            ));
            continue;
        };
        let Some(layer) = layer(from) else {
            findings.push(format!(
                "{from}: no layer; add it to CRATES in crates/xtask/src/check/arrows.rs"
            ));
            continue;
        };
        let used = array(&package["dependencies"]).filter(|dependency| dependency["kind"] != "dev");
        for dependency in used {
            let name = dependency["name"].as_str().unwrap_or_default();
            if dependency["path"].is_null() {
                if PURE.contains(&layer) && IMPURE.contains(&name) {
                    findings.push(format!(
                        "{from} → {name}: the layer {layer:?} only computes"
                    ));
                }
                continue;
            }
            arrows += 1;
            // An unknown crate gets its finding as a package.
            let Some(to) = our_name(&dependency["name"]) else {
                continue;
            };
            if self::layer(to).is_some_and(|to_layer| !is_allowed((from, layer), (to, to_layer))) {
                findings.push(format!("{from} → {to}: forbidden by DESIGN section 3"));
            }
        }
    }
    (arrows, findings)
}

fn is_allowed(from: (&str, Layer), to: (&str, Layer)) -> bool {
    let matches = |end: &End, (name, layer): (&str, Layer)| match end {
        All(all) => *all == layer,
        One(one) => *one == name,
    };
    ARROWS
        .iter()
        .filter(|(user, _)| matches(user, from))
        .any(|(_, used)| used.iter().any(|end| matches(end, to)))
}

fn layer(name: &str) -> Option<Layer> {
    CRATES
        .iter()
        .find(|(_, names)| names.contains(&name))
        .map(|(layer, _)| *layer)
}

fn our_name(package: &Value) -> Option<&str> {
    package.as_str()?.strip_prefix("cell-")
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Metadata of packages that use others of the workspace.
    fn forged(arrows: &[(&str, &[&str])]) -> Value {
        let packages: Vec<Value> = arrows
            .iter()
            .map(|(name, used)| {
                let used: Vec<Value> = used
                    .iter()
                    .map(|name| json!({ "name": name, "kind": null, "path": "/somewhere" }))
                    .collect();
                json!({ "name": name, "dependencies": used })
            })
            .collect();
        json!({ "packages": packages })
    }

    fn findings(from: &str, to: &str) -> Vec<String> {
        follow(&forged(&[(from, &[to])])).1
    }

    #[test]
    fn the_arrows_of_the_design_are_allowed() {
        for (from, to) in [
            ("cell-catalogue", "cell-model"),
            ("cell-plan", "cell-model"),
            ("cell-wireguard", "cell-netlink"),
            ("cell-audit", "cell-store"),
            ("cell-core", "cell-store"),
            ("cell-core", "cell-vault"),
            ("cell-core", "cell-dns"),
            ("cell-reconcile", "cell-firewall"),
            ("cell-reconcile", "cell-plan"),
            ("cell-api", "cell-gate"),
            ("cell-webui", "cell-control"),
            ("cell-console", "cell-store"),
            ("cell-console", "cell-control"),
            ("cell-firmware", "cell-reconcile"),
            ("cell-xtask", "cell-testkit"),
        ] {
            assert!(findings(from, to).is_empty(), "{from} → {to}");
        }
    }

    #[test]
    fn every_other_arrow_is_forbidden() {
        for (from, to) in [
            ("cell-model", "cell-plan"),
            ("cell-plan", "cell-firewall"),
            ("cell-dns", "cell-firewall"),
            ("cell-netlink", "cell-network"),
            ("cell-vault", "cell-store"),
            ("cell-store", "cell-vault"),
            ("cell-control", "cell-store"),
            ("cell-core", "cell-gate"),
            ("cell-reconcile", "cell-store"),
            ("cell-webui", "cell-store"),
            ("cell-api", "cell-reconcile"),
            ("cell-cellctl", "cell-plan"),
            ("cell-api", "cell-firmware"),
            ("cell-firmware", "cell-testkit"),
        ] {
            assert_eq!(findings(from, to).len(), 1, "{from} → {to}");
        }
    }

    #[test]
    fn a_crate_without_a_layer_is_an_error() {
        let (_, findings) = follow(&forged(&[("cell-misc", &[]), ("helper", &[])]));
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].starts_with("misc: no layer"), "{findings:?}");
    }

    #[test]
    fn dev_dependencies_do_not_count_and_build_dependencies_do() {
        let mut metadata = forged(&[("cell-dns", &["cell-testkit"])]);
        metadata["packages"][0]["dependencies"][0]["kind"] = json!("dev");
        assert_eq!(follow(&metadata), (0, Vec::new()));
        metadata["packages"][0]["dependencies"][0]["kind"] = json!("build");
        assert_eq!(follow(&metadata).1.len(), 1);
    }

    #[test]
    fn a_layer_that_computes_has_no_runtime() {
        let mut metadata = forged(&[("cell-plan", &["tokio"])]);
        metadata["packages"][0]["dependencies"][0]["path"] = Value::Null;
        assert_eq!(
            follow(&metadata).1,
            ["plan → tokio: the layer Think only computes"]
        );
    }

    #[test]
    fn no_crate_has_two_layers() {
        let mut names: Vec<&str> = CRATES
            .iter()
            .flat_map(|(_, names)| names.iter().copied())
            .collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
