//! The pages in a real browser: a person's way through them with JavaScript off, and every page held against the rules
//! for accessible pages, narrow and wide, light and dark.
//!
//! The browser is Chromium, driven by `browser/*.mjs` under node; what is right is decided here.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so at once"
)]

#[path = "cell.rs"]
#[expect(dead_code, reason = "the other tests of pages use the rest")]
mod cell;

use std::path::Path;
use std::process::Stdio;

use cell_webui::routes::PAGES;
use serde_json::{Value, json};

use crate::cell::{Cell, PASSWORD};

/// Runs a script in the laptop's namespace; what it was given comes as its argument, what it saw is the last line it prints.
fn run(cell: &Cell, script: &str, given: &Value) -> Value {
    let modules = std::env::var("CELL_NODE_MODULES")
        .expect("CELL_NODE_MODULES names where npm put playwright-core: run `cargo xtask test`");
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("web/browser")
        .join(script);
    let output = cell
        .world
        .laptop
        .command("timeout")
        .args(["300", "node"])
        .arg(script)
        .arg(given.to_string())
        .env("CELL_NODE_MODULES", modules)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{errors}");
    serde_json::from_str(printed.lines().last().unwrap_or_default()).unwrap()
}

fn base(cell: &Cell) -> String {
    format!("https://{}", cell.celld.admin())
}

#[test]
fn person_gets_everything_done_with_javascript_off() {
    let cell = Cell::fresh();
    let given = json!({
        "base": base(&cell),
        "setup_code": cell.celld.setup_code().unwrap(),
        "password": PASSWORD,
    });
    let seen = run(&cell, "journey.mjs", &given);
    for (step, expected) in [
        (
            "refused setup",
            json!({ "status": 422, "kept": "hut", "password": "", "summary": true }),
        ),
        ("set up", json!(200)),
        ("signed in", json!("/")),
        ("device", json!({ "key": true, "picture": true })),
        ("key again", json!(false)),
        ("split", json!(true)),
        ("record", json!(true)),
        ("upstream", json!(true)),
        ("removed", json!(false)),
        ("restored", json!(true)),
        ("audited", json!(true)),
        ("member's pages", json!(["/account", "/me"])),
        ("member at the devices", json!(403)),
    ] {
        assert_eq!(seen[step], expected, "{step}: {seen:#}");
    }
}

#[test]
fn no_page_has_a_barrier_in_any_size_or_theme() {
    let fresh = Cell::fresh();
    let setup = json!({ "base": base(&fresh), "paths": ["/setup"] });
    assert_clean(&run(&fresh, "axe.mjs", &setup), 1);
    drop(fresh);

    let cell = Cell::set_up();
    let names = [
        ("{name}", "phone"),
        ("{username}", "member"),
        ("{number}", "1"),
        ("{part}", "dns"),
        ("{id}", "none"),
    ];
    let mut paths: Vec<String> = PAGES
        .iter()
        .filter(|page| page.access.admits(cell_model::account::Role::Owner))
        .filter(|page| !page.path.starts_with("/setup") && !page.path.ends_with(".pem"))
        .map(|page| {
            names.iter().fold(page.path.to_owned(), |path, (from, to)| {
                path.replace(from, to)
            })
        })
        .collect();
    paths.extend(["/no/such/page".to_owned(), "/peers?cursor=%00".to_owned()]);
    let outside = json!({ "base": base(&cell), "paths": ["/sign-in"] });
    assert_clean(&run(&cell, "axe.mjs", &outside), 1);
    let inside =
        json!({ "base": base(&cell), "paths": paths, "username": "owner", "password": PASSWORD });
    assert_clean(&run(&cell, "axe.mjs", &inside), paths.len());
}

/// Each page was looked at in two widths and two themes, and nothing was found.
fn assert_clean(seen: &Value, pages: usize) {
    assert_eq!(seen["looks"], json!(pages * 4), "{seen:#}");
    assert_eq!(seen["findings"], json!([]), "{:#}", seen["findings"]);
}
