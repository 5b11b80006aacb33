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

/// Every process that comes from this one, itself included.
pub(super) fn descendants(first: i32) -> Vec<i32> {
    let parents: Vec<(i32, i32)> = all()
        .into_iter()
        .map(|process| (process, parent(&read(process, "stat"))))
        .collect();
    let mut found = vec![first];
    let mut at = 0;
    while let Some(&process) = found.get(at) {
        let children = parents.iter().filter(|(_, parent)| *parent == process);
        found.extend(children.map(|(child, _)| *child));
        at += 1;
    }
    found
}

/// The words that a process was started with.
pub(super) fn words(process: i32) -> Vec<String> {
    let line = read(process, "cmdline");
    line.split('\0').map(str::to_owned).collect()
}

/// Every process of this machine.
fn all() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
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

/// `ppid` of proc_pid_stat(5), field 4; 0 for a process that has ended.
fn parent(stat: &str) -> i32 {
    let behind_name = stat.rsplit_once(')').map(|(_, rest)| rest);
    let field = behind_name.and_then(|rest| rest.split_ascii_whitespace().nth(1));
    field.and_then(|text| text.parse().ok()).unwrap_or_default()
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
    fn a_child_comes_from_its_parent_and_was_started_with_its_words() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let (own, id) = (std::process::id().cast_signed(), child.id().cast_signed());
        assert!(descendants(own).contains(&id));
        assert_eq!(descendants(id), [id]);
        let words = cell_testkit::wait_for(std::time::Duration::from_secs(10), || {
            Some(words(id)).filter(|words| words.first().is_some_and(|word| word == "sleep"))
        });
        assert_eq!(words.unwrap()[1], "60");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(parent("7 (a) b) S 31 7"), 31);
        assert_eq!(parent(""), 0);
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
