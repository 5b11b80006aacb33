//! What an idle box costs: memory of all the daemon's processes together, size of the binary it ships.

use std::path::Path;
use std::time::Duration;

use cell_testkit::{Celld, CelldOptions, Namespace, World};

use super::figure::{Aim, Figure};
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

    let world = World::new()?;
    let celld = Celld::start_with(
        &world,
        CelldOptions {
            binary: Some(binary),
            ..CelldOptions::default()
        },
    )?;
    std::thread::sleep(SETTLE);
    let mut memory = Vec::new();
    for _ in 0..LOOKS {
        memory.push(memory_of_all(&world.cell)? / MEGABYTE);
        std::thread::sleep(Duration::from_secs(1));
    }
    drop(celld);
    Ok(vec![
        Figure::absolute("footprint.idle_memory", "MB", &memory, Aim::AtMost(40.0)),
        Figure::absolute(
            "footprint.binary_size",
            "MB",
            &[size as f64 / MEGABYTE],
            Aim::AtMost(25.0),
        ),
    ])
}

/// The bytes that all processes in the namespace hold, shared pages divided among their holders (PSS).
fn memory_of_all(namespace: &Namespace) -> Result<f64, XtaskError> {
    let mut bytes = 0.0;
    for process in namespace.process_ids()? {
        let path = Path::new("/proc")
            .join(process.to_string())
            .join("smaps_rollup");
        // A process that just ended holds nothing.
        let text = std::fs::read_to_string(path).unwrap_or_default();
        bytes += proportional_set(&text);
    }
    Ok(bytes)
}

/// The `Pss:` line of proc_pid_smaps(5), in bytes.
fn proportional_set(smaps: &str) -> f64 {
    let line = smaps.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kibibytes = line
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|number| number.parse().ok());
    kibibytes.unwrap_or(0.0) * 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pss_line_counts_and_its_relatives_do_not() {
        let smaps = "Rss:    9000 kB\nPss:     120 kB\nPss_Anon:   80 kB\n";
        assert_eq!(proportional_set(smaps), 120.0 * 1024.0);
        assert_eq!(proportional_set(""), 0.0);
    }

    #[test]
    fn processes_of_a_namespace_hold_memory() {
        let namespace = Namespace::create("memory").unwrap();
        assert_eq!(memory_of_all(&namespace).unwrap(), 0.0);
        let mut sleeper = namespace.command("sleep").arg("600").spawn().unwrap();
        let held = cell_testkit::wait_for(Duration::from_secs(30), || {
            let held = memory_of_all(&namespace).unwrap();
            (held > 0.0).then_some(held)
        });
        drop(namespace);
        sleeper.wait().unwrap();
        assert!(held.is_some_and(|held| held < 100.0 * MEGABYTE), "{held:?}");
    }
}
