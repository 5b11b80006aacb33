//! What containers use, as podman reads it from their cgroups.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::client::{Call, Client};
use crate::ContainersError;
use crate::seen::Usage;

/// One look at a container (libpod `ContainerStats`).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Look {
    name: String,
    /// In percent of one processor, since it was started.
    #[serde(rename = "CPU")]
    cpu: f64,
    /// Nanoseconds of processor time so far.
    #[serde(rename = "CPUNano")]
    cpu_nano: u64,
    /// When that was so, in nanoseconds since 1970.
    system_nano: u64,
    mem_usage: u64,
    #[serde(rename = "PIDs")]
    pids: u64,
}

/// What there is to a look (libpod `ContainerStatsReport`).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Report {
    #[serde(default)]
    error: Value,
    #[serde(default)]
    stats: Option<Vec<Look>>,
}

/// Looks at these containers, which run. Nothing where the kernel does not count for them: podman says so by an error that
/// says nothing else.
pub(super) async fn look(client: &Client, names: &[&str]) -> Result<Vec<Look>, ContainersError> {
    let names: Vec<String> = names
        .iter()
        .map(|name| format!("containers={name}"))
        .collect();
    let path = format!("/containers/stats?stream=false&{}", names.join("&"));
    let report: Report = client
        .read(Call::get(path, "tell what containers use"))
        .await?;
    Ok(match report.error.is_null() {
        true => report.stats.unwrap_or_default(),
        false => Vec::new(),
    })
}

/// The look before at each container.
#[derive(Debug, Default)]
pub(super) struct Looks(BTreeMap<String, Look>);

impl Looks {
    /// What the container uses, by this look and the one before.
    pub(super) fn take_in(&mut self, look: Look) -> (String, Usage) {
        let name = look.name.clone();
        let before = self.0.insert(name.clone(), look.clone());
        let usage = Usage {
            memory_bytes: look.mem_usage,
            cpu_percent: before
                .and_then(|before| percent(&before, &look))
                // Less than nothing and more than a number holds are no shares of time.
                .unwrap_or_else(|| look.cpu.round() as u32),
            processes: u32::try_from(look.pids).unwrap_or(u32::MAX),
        };
        (name, usage)
    }
}

/// Processor time between two looks; `None` when it was started anew between them, or they are one.
fn percent(before: &Look, now: &Look) -> Option<u32> {
    let used = now.cpu_nano.checked_sub(before.cpu_nano)?;
    let time = now.system_nano.checked_sub(before.system_nano)?;
    let percent = u128::from(used) * 100 / u128::from(time.max(1));
    u32::try_from(percent).ok().filter(|_| time > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As podman 5.4 answers.
    const ANSWER: &str = r#"{"Error":null,"Stats":[{"AvgCPU":1.6,"ContainerID":"0f","Name":"cell.files.web","PerCPU":null,
        "CPU":1.6,"CPUNano":2000000000,"CPUSystemNano":71943,"SystemNano":1795000000000000000,"MemUsage":12582912,
        "MemLimit":134217728,"MemPerc":9.3,"NetInput":0,"NetOutput":0,"BlockInput":0,"BlockOutput":0,"PIDs":4,
        "UpTime":1,"Duration":1}]}"#;

    #[test]
    fn first_look_is_since_the_start_and_later_ones_since_the_last() {
        let report: Report = serde_json::from_str(ANSWER).unwrap();
        assert!(report.error.is_null());
        let first = report.stats.unwrap().remove(0);
        let mut looks = Looks::default();
        let (name, usage) = looks.take_in(first.clone());
        assert_eq!(name, "cell.files.web");
        assert_eq!(
            (usage.memory_bytes, usage.cpu_percent, usage.processes),
            (12_582_912, 2, 4)
        );
        let after = |seconds: u64, used: u64| Look {
            system_nano: first.system_nano + seconds * 1_000_000_000,
            cpu_nano: used,
            ..first.clone()
        };
        assert_eq!(looks.take_in(after(2, 3_000_000_000)).1.cpu_percent, 50);
        // Started anew: it has used less than before.
        assert_eq!(looks.take_in(after(4, 1_000)).1.cpu_percent, 2);
        assert_eq!(looks.take_in(after(4, 1_000)).1.cpu_percent, 2);
    }

    #[test]
    fn containers_that_nothing_is_counted_for_are_no_failure() {
        let report: Report = serde_json::from_str(r#"{"Error":{},"Stats":null}"#).unwrap();
        assert!(!report.error.is_null() && report.stats.is_none());
    }
}
