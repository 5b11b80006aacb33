//! What processes cost, as the kernel counts it.

use std::path::{Path, PathBuf};

/// The CPU seconds that these processes and the children they have waited for have used, in user and kernel mode.
///
/// Whole ticks of the kernel, 10 ms as a rule. A process that has just ended counts with its parent.
pub(super) fn cpu_seconds(processes: &[i32]) -> f64 {
    let ticks: u64 = processes
        .iter()
        .map(|&process| cpu_ticks(&read(process, "stat")))
        .sum();
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

/// The bytes that these processes hold, shared pages divided among their holders (PSS).
pub(super) fn memory_bytes(processes: &[i32]) -> f64 {
    processes
        .iter()
        .map(|&process| proportional_set(&read(process, "smaps_rollup")))
        .sum()
}

/// A file of `/proc`; empty once the process has ended.
fn read(process: i32, file: &str) -> String {
    let folder: PathBuf = Path::new("/proc").join(process.to_string());
    std::fs::read_to_string(folder.join(file)).unwrap_or_default()
}

/// `utime`, `stime`, `cutime` and `cstime` of proc_pid_stat(5), fields 14 to 17.
fn cpu_ticks(stat: &str) -> u64 {
    // The second field is the program's name in parentheses, which may hold anything.
    let Some((_, behind_name)) = stat.rsplit_once(')') else {
        return 0;
    };
    let fields = behind_name.split_ascii_whitespace().skip(11).take(4);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// The `Pss:` line of proc_pid_smaps(5), in bytes.
fn proportional_set(smaps: &str) -> f64 {
    let line = smaps.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kibibytes: Option<f64> = line
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
    fn own_and_childrens_time_count_whatever_the_program_is_called() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 300 20 4 1 15 0 9 0 99";
        assert_eq!(cpu_ticks(stat), 325);
        assert_eq!(cpu_ticks(""), 0);
    }

    #[test]
    fn a_running_process_holds_memory_and_an_ended_one_nothing() {
        let own = std::process::id().cast_signed();
        assert!(memory_bytes(&[own]) > 0.0);
        assert_eq!(
            (memory_bytes(&[i32::MAX]), cpu_seconds(&[i32::MAX])),
            (0.0, 0.0)
        );
    }
}
