//! A real browser: Chromium, driven by `web/browser/*.mjs` under node. What is right is decided by the tests.
//!
//! With `CELL_PICTURES` naming a folder, a picture of every look goes there.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use cell_testkit::Namespace;
use serde_json::{Value, json};

/// When a script is given up: every page in four looks takes minutes, and many on a busy machine.
const PATIENCE_SECONDS: &str = "2400";

/// Runs a script in a namespace. It gets `given`, where the pages are and where programs are; what it saw is the last line
/// it prints.
///
/// # Panics
/// The script cannot be run, or gives up.
#[must_use]
pub fn run(place: &Namespace, base: &str, script: &str, mut given: Value) -> Value {
    given["base"] = json!(base);
    given["modules"] = json!(node_modules());
    given["chromium"] = json!(program("chromium"));
    if let Some(folder) = std::env::var_os("CELL_PICTURES") {
        given["pictures"] = json!(PathBuf::from(folder));
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("web/browser")
        .join(script);
    let output = place
        .command("timeout")
        .arg(PATIENCE_SECONDS)
        .arg(program("node"))
        .arg(script)
        .arg(given.to_string())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\n{printed}\n{errors}",
        output.status
    );
    serde_json::from_str(printed.lines().last().unwrap_or_default()).unwrap()
}

/// Looks at each page in two widths and two themes, as somebody or as nobody, and expects no barrier: see [`page`] and
/// [`sent`].
///
/// # Panics
/// A page answers as it should not, or has a barrier.
#[track_caller]
pub fn hold(place: &Namespace, base: &str, signed_in: Option<(&str, &str)>, pages: &[Value]) {
    let (username, password) = signed_in.unzip();
    let given = json!({ "pages": pages, "username": username, "password": password });
    let seen = run(place, base, "axe.mjs", given);
    assert_eq!(seen["looks"], json!(pages.len() * 4), "{seen:#}");
    assert_eq!(seen["findings"], json!([]), "{:#}", seen["findings"]);
    // What axe cannot decide a person has to look at: there is nothing of the kind, and it should stay so.
    assert_eq!(seen["undecided"], json!([]), "{:#}", seen["undecided"]);
}

/// A page, and how it is to answer.
#[must_use]
pub fn page(path: &str, status: u16) -> Value {
    json!({ "path": path, "status": status })
}

/// A page whose form is sent with those fields, and how that is to be answered.
#[must_use]
pub fn sent(path: &str, fields: &Value, status: u16) -> Value {
    json!({ "path": path, "send": fields, "status": status })
}

fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{name} is not there: `cargo xtask test` installs it"))
}

fn node_modules() -> PathBuf {
    let modules = std::env::var_os("CELL_NODE_MODULES").map(PathBuf::from);
    modules
        .filter(|modules| {
            ["axe-core", "playwright-core"]
                .iter()
                .all(|name| modules.join(name).is_dir())
        })
        .expect("CELL_NODE_MODULES does not name a folder with axe-core and playwright-core: `cargo xtask test` fetches them")
}
