//! What a service uses of what it may, and what it says.

use cell_control::view::{ServiceContainerView, ServiceLogLine, ServiceView, ServiceVolumeView};
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::list::table;
use crate::parts::text::{bytes, empty, time};

/// Characters of a line that are shown: the page shall be light.
const LINE: usize = 300;

/// The part of the page.
pub(super) fn details(frame: &Frame, service: &ServiceView, lines: &[ServiceLogLine]) -> Markup {
    html! {
        section {
            h2 { "Details" }
            p { "What its containers use, and the most that they may." }
            (table("Containers", &["Container", "Memory", "Processor, of one", "Processes"], &containers(&service.containers)))
            @if !service.volumes.is_empty() {
                (table("What it keeps", &["Folder", "Room on the disk"], &volumes(&service.volumes)))
            }
        }
        section {
            h2 { "Recent log" }
            (log(frame, lines))
        }
    }
}

/// An amount of data, if it is known.
pub(super) fn size(count: Option<u64>) -> String {
    count.map_or_else(|| "not known yet".to_owned(), bytes)
}

fn containers(containers: &[ServiceContainerView]) -> Vec<Vec<Markup>> {
    let row = |container: &ServiceContainerView| {
        let usage = container.usage.as_ref();
        let of = |used: Option<String>, most: String| match used {
            Some(used) => html! { (used) " of " (most) },
            None => html! { "at most " (most) },
        };
        vec![
            html! { (container.name) },
            of(
                usage.map(|usage| bytes(usage.memory_bytes)),
                format!("{} MiB", container.memory_mib),
            ),
            of(
                usage.map(|usage| format!("{} %", usage.cpu_percent)),
                format!("{} %", container.cpu_percent),
            ),
            of(
                usage.map(|usage| usage.processes.to_string()),
                container.processes.to_string(),
            ),
        ]
    };
    containers.iter().map(row).collect()
}

fn volumes(volumes: &[ServiceVolumeView]) -> Vec<Vec<Markup>> {
    let room = |volume: &ServiceVolumeView| match (volume.free_bytes, volume.max_bytes) {
        (Some(free), Some(most)) => {
            let full = if volume.full { "full: " } else { "" };
            format!("{full}{} free of {}", bytes(free), bytes(most))
        }
        _ => "not known: it is stopped, or this disk limits nothing".to_owned(),
    };
    let row = |volume: &ServiceVolumeView| vec![html! { (volume.name) }, html! { (room(volume)) }];
    volumes.iter().map(row).collect()
}

fn log(frame: &Frame, lines: &[ServiceLogLine]) -> Markup {
    if lines.is_empty() {
        let next =
            html! { p.quiet { "What it says is in memory, and gone when the box restarts." } };
        return empty("It has said nothing yet.", &next);
    }
    let row = |line: &ServiceLogLine| {
        vec![
            time(&frame.clock, line.time),
            html! { (line.container) },
            html! { (shortened(&line.message)) },
        ]
    };
    let rows: Vec<Vec<Markup>> = lines.iter().rev().map(row).collect();
    table("Recent log", &["When", "Container", "Message"], &rows)
}

fn shortened(message: &str) -> String {
    match message.char_indices().nth(LINE) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_between_characters() {
        assert_eq!(shortened("short"), "short");
        let cut = shortened(&"ö".repeat(LINE + 1));
        assert_eq!(cut.chars().count(), LINE + 1);
        assert!(cut.ends_with("ö…"));
    }

    #[test]
    fn what_is_used_stands_beside_what_may_be_used() {
        let container = ServiceContainerView {
            name: "web".to_owned(),
            image: String::new(),
            memory_mib: 64,
            cpu_percent: 50,
            processes: 8,
            usage: None,
        };
        let cells = |container: ServiceContainerView| {
            let rows = containers(&[container]);
            let cells = rows[0].iter().map(|cell| cell.0.clone());
            cells.collect::<Vec<_>>()
        };
        assert_eq!(cells(container.clone())[1], "at most 64 MiB");
        let usage = Some(cell_control::view::ServiceUsageView {
            memory_bytes: 1_572_864,
            cpu_percent: 7,
            processes: 2,
        });
        let used = cells(ServiceContainerView { usage, ..container });
        assert_eq!(used[1..], ["1.5 MiB of 64 MiB", "7 % of 50 %", "2 of 8"]);
    }

    #[test]
    fn folder_that_is_full_is_told_in_a_word() {
        let cell = |max_bytes: Option<u64>, full| {
            let volume = ServiceVolumeView {
                name: "data".to_owned(),
                free_bytes: max_bytes.map(|_| 0),
                max_bytes,
                full,
            };
            volumes(&[volume])[0][1].0.clone()
        };
        assert_eq!(cell(Some(1 << 30), true), "full: 0 B free of 1.0 GiB");
        assert!(cell(None, false).starts_with("not known"));
    }
}
