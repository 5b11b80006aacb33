//! What showing a page costs.

use std::io::Write;
use std::process::Stdio;

use super::cell::Cell;
use super::error::BenchError;
use super::process;
use crate::error::XtaskError;

/// Pages of one run: enough for the kernel's ticks of 10 ms to be a fiftieth of a millisecond a page.
const PAGES: usize = 500;
/// Runs, after one that warms up.
const RUNS: usize = 5;
/// Seconds for one run.
const PATIENCE: &str = "60";

/// CPU milliseconds a page, run by run.
#[derive(Debug, Default)]
pub(super) struct Costs {
    /// Of the role `web`: TLS, the gate, and the page itself.
    pub(super) web: Vec<f64>,
    /// Of the core with it: who asks, and what the page shows.
    pub(super) all: Vec<f64>,
}

/// Shows the owner the overview, again and again on one connection.
pub(super) fn measure(cell: &Cell) -> Result<Costs, XtaskError> {
    let session = cell.sign_in()?;
    let processes =
        [cell.web_process()?, cell.celld.process_id()].map(|id| id.map_or(0, u32::cast_signed));
    let used = || processes.map(|process| process::cpu_seconds(&[process]));
    show(cell, session.expose())?;
    let mut costs = Costs::default();
    for _ in 0..RUNS {
        let before = used();
        show(cell, session.expose())?;
        let after = used();
        let [web, core] = [0, 1].map(|at| (after[at] - before[at]) * 1_000.0 / PAGES as f64);
        costs.web.push(web);
        costs.all.push(web + core);
    }
    Ok(costs)
}

/// Fetches the overview [`PAGES`] times; every time it must be there, and the connection the same.
fn show(cell: &Cell, session: &str) -> Result<(), BenchError> {
    let mut curl = cell.world.laptop.command("curl");
    curl.args(["--silent", "--show-error", "--noproxy", "*"])
        .args(["--max-time", PATIENCE, "--config", "-"])
        .args(["--write-out", "%{http_code} %{num_connects}\n"])
        .arg("--cacert")
        .arg(cell.celld.ca_pem())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = curl.spawn().map_err(BenchError::Curl)?;
    if let Some(mut stdin) = child.stdin.take() {
        let asked = requests(&format!("https://{}/", cell.celld.admin()), session);
        // What keeps curl from reading is on its standard error.
        let _ = stdin.write_all(asked.as_bytes());
    }
    let output = child.wait_with_output().map_err(BenchError::Curl)?;
    let said = String::from_utf8_lossy(&output.stdout);
    if is_as_asked(&said) {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(BenchError::Pages {
        asked: PAGES,
        said: format!("{said}{errors}"),
    })
}

/// A file of curl's options: `-K` of curl(1).
fn requests(url: &str, session: &str) -> String {
    // Kept off the command line, which everybody on this machine can read.
    let mut lines = format!("cookie = \"__Host-cell={session}\"\n");
    for _ in 0..PAGES {
        lines.push_str(&format!("url = \"{url}\"\noutput = \"/dev/null\"\n"));
    }
    lines
}

/// Whether `said` has a line of success for every page and only the first opened a connection.
fn is_as_asked(said: &str) -> bool {
    let mut lines = said.lines();
    lines.next() == Some("200 1")
        && said.lines().count() == PAGES
        && lines.all(|line| line == "200 0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_asked_for_with_the_session() {
        let lines = requests("https://192.168.77.1:8443/", "abc");
        assert!(
            lines.starts_with("cookie = \"__Host-cell=abc\"\n"),
            "{lines}"
        );
        assert_eq!(lines.matches("url = ").count(), PAGES);
        assert_eq!(lines.matches("output = ").count(), PAGES);
    }

    #[test]
    fn pages_of_one_connection_count_and_nothing_else() {
        let good = format!("200 1\n{}", "200 0\n".repeat(PAGES - 1));
        assert!(is_as_asked(&good));
        assert!(!is_as_asked(&good.replacen("200 0", "303 0", 1)));
        assert!(!is_as_asked(&good.replacen("200 0", "200 1", 1)));
        assert!(!is_as_asked("200 1\n"));
        assert!(!is_as_asked(""));
    }
}
