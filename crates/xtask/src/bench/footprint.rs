//! What an idle box costs: memory of all the daemon's processes together, size of the binary it ships; and what a page
//! costs it.
//!
//! `footprint.page_render` is the CPU of the role `web` alone for one overview over TLS, so rendering and what is around
//! it; `footprint.page_total` has what the core spends on the same page, too.

use std::time::Duration;

use super::cell::Cell;
use super::devices;
use super::figure::{Aim, Figure};
use super::pages;
use crate::cargo::{self, Profile};
use crate::error::XtaskError;

/// After this, caches of the start are written and freed.
const SETTLE: Duration = Duration::from_secs(10);
/// Looks at the memory, a second apart.
const LOOKS: usize = 5;
const MEGABYTE: f64 = 1_000_000.0;

pub(super) fn measure() -> Result<Vec<Figure>, XtaskError> {
    let binary = cargo::build_celld(Profile::Release)?;
    let size = std::fs::metadata(&binary)
        .map_err(|source| XtaskError::Read {
            path: binary.clone(),
            source,
        })?
        .len();

    let cell = Cell::set_up(binary)?;
    cell.add(&devices::name(0), devices::key(0))?;
    std::thread::sleep(SETTLE);
    let mut memory = Vec::new();
    for _ in 0..LOOKS {
        memory.push(cell.memory_bytes()? / MEGABYTE);
        std::thread::sleep(Duration::from_secs(1));
    }
    let page = pages::measure(&cell)?;
    Ok(vec![
        Figure::absolute("footprint.idle_memory", "MB", &memory, Aim::AtMost(40.0)),
        Figure::absolute(
            "footprint.binary_size",
            "MB",
            &[size as f64 / MEGABYTE],
            Aim::AtMost(25.0),
        ),
        Figure::absolute("footprint.page_render", "ms", &page.web, Aim::AtMost(1.0)),
        // The core may take no longer to say what is shown than the web to show it.
        Figure::absolute("footprint.page_total", "ms", &page.all, Aim::AtMost(2.0)),
    ])
}
