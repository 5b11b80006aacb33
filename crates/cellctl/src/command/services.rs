//! Services that are installed: how they are, what they use, what they say, what they have left.

use std::collections::BTreeSet;

use cell_control::action::Action;
use cell_control::change::{Change, ServiceUpdate};
use cell_control::query::{KeptData, Range, Service, ServiceLogs, Services};
use cell_control::view::{KeptDataView, Page, ServiceLogLine, ServiceView};
use cell_model::name::{GroupName, ServiceId};
use clap::Subcommand;

use crate::command::Limit;
use crate::core::Core;
use crate::error::CellctlError;
use crate::output::Output;
use crate::setting::Setting;
use crate::table::{Table, facts};
use crate::text::{NOTHING, bytes, joined, optional, receipt, time};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List services that are installed
    List(Limit),
    /// Show one service
    Show {
        /// Its id
        service: ServiceId,
    },
    /// Update a service to what the store has; it becomes what it was if that does not get well
    Update {
        /// Its id
        service: ServiceId,
    },
    /// Start the containers of a service anew
    Restart {
        /// Its id
        service: ServiceId,
    },
    /// Let a service run that was stopped
    Start {
        /// Its id
        service: ServiceId,
    },
    /// Stop a service
    Stop {
        /// Its id
        service: ServiceId,
    },
    /// Answer questions of a service otherwise; what is not named stays
    Set {
        /// Its id
        service: ServiceId,
        /// Answers; KEY= for what its manifest says
        #[arg(required = true, value_name = "KEY=VALUE")]
        settings: Vec<Setting>,
    },
    /// Let the internet reach a service
    Publish {
        /// Its id
        service: ServiceId,
    },
    /// Let the internet reach a service no more
    Unpublish {
        /// Its id
        service: ServiceId,
    },
    /// Say which groups' people may use a service
    Allow {
        /// Its id
        service: ServiceId,
        /// Names of groups; everybody when not said
        #[arg(value_name = "A,B", value_delimiter = ',')]
        groups: Vec<GroupName>,
    },
    /// Remove a service; what it has kept stays unless it is to be deleted
    Remove {
        /// Its id
        service: ServiceId,
        /// Delete what it has kept, for good
        #[arg(long)]
        delete_data: bool,
    },
    /// Show what the containers of a service said last
    Logs {
        /// Its id
        service: ServiceId,
        /// At most so many lines
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=Range::MAX_LIMIT as i64))]
        limit: u16,
    },
    /// Show what containers use of what they may, and how much services keep
    Usage {
        /// Of this service; of all of them when not said
        service: Option<ServiceId>,
    },
    /// List what services have kept that were removed
    Kept,
}

impl Command {
    pub(crate) async fn perform(self, core: &Core, output: &Output) -> Result<(), CellctlError> {
        match self {
            Self::List(Limit { limit }) => {
                let page = core.list(limit, |range| Services { range }).await?;
                output.show_page(&page, table)?;
            }
            Self::Show { service } => {
                let view = core.ask(Service { id: service }).await?;
                output.show(&*view, details)?;
            }
            Self::Update { service } => {
                submit(core, output, Change::UpdateService { id: service }).await?;
            }
            Self::Restart { service } => {
                let sentence = format!("{service} starts anew.");
                core.act(Action::RestartService { id: service }).await?;
                output.done(&sentence)?;
            }
            Self::Start { service } => submit(core, output, run(service, true)).await?,
            Self::Stop { service } => submit(core, output, run(service, false)).await?,
            Self::Set { service, settings } => {
                let answers = settings
                    .into_iter()
                    .map(|setting| (setting.key, setting.value));
                let update = ServiceUpdate {
                    answers: answers.collect(),
                    ..ServiceUpdate::default()
                };
                let change = Change::ChangeService {
                    id: service,
                    update,
                };
                submit(core, output, change).await?;
            }
            Self::Publish { service } => submit(core, output, publish(service, true)).await?,
            Self::Allow { service, groups } => {
                let groups = Some(groups.into_iter().collect());
                let update = ServiceUpdate {
                    groups: Some(groups.filter(|groups: &BTreeSet<GroupName>| !groups.is_empty())),
                    ..ServiceUpdate::default()
                };
                let change = Change::ChangeService {
                    id: service,
                    update,
                };
                submit(core, output, change).await?;
            }
            Self::Unpublish { service } => submit(core, output, publish(service, false)).await?,
            Self::Remove {
                service,
                delete_data,
            } => {
                let change = Change::RemoveService {
                    id: service,
                    delete_data,
                };
                submit(core, output, change).await?;
            }
            Self::Logs { service, limit } => {
                let question = ServiceLogs {
                    id: service,
                    limit: limit.into(),
                };
                output.show_page(&core.ask(question).await?, lines)?;
            }
            Self::Usage { service } => {
                let items = in_use(core, service).await?;
                output.show_page(&Page { items, next: None }, usage)?;
            }
            Self::Kept => output.show_page(&core.ask(KeptData).await?, kept)?,
        }
        Ok(())
    }
}

/// Services with what they use: lists tell nothing of that.
async fn in_use(core: &Core, only: Option<ServiceId>) -> Result<Vec<ServiceView>, CellctlError> {
    let ids = match only {
        Some(id) => vec![id],
        None => {
            let page = core.list(crate::pages::MOST, |range| Services { range });
            page.await?.items.into_iter().map(|view| view.id).collect()
        }
    };
    let mut views = Vec::new();
    for id in ids {
        views.push(*core.ask(Service { id }).await?);
    }
    Ok(views)
}

fn run(id: ServiceId, enabled: bool) -> Change {
    let update = ServiceUpdate {
        enabled: Some(enabled),
        ..ServiceUpdate::default()
    };
    Change::ChangeService { id, update }
}

fn publish(id: ServiceId, published: bool) -> Change {
    let update = ServiceUpdate {
        published: Some(published),
        ..ServiceUpdate::default()
    };
    Change::ChangeService { id, update }
}

/// Makes a change and shows what came of it.
pub(super) async fn submit(
    core: &Core,
    output: &Output,
    change: Change,
) -> Result<(), CellctlError> {
    Ok(output.show(&core.submit(change).await?, receipt)?)
}

fn table(services: &[ServiceView]) -> String {
    let rows = services.iter().map(|view| {
        [
            view.id.to_string(),
            view.version.clone(),
            optional(view.update.as_ref().map(|update| &update.version)),
            view.state.as_str().to_owned(),
            optional(view.since.map(time)),
            joined(&view.urls),
            view.detail.clone(),
        ]
    });
    let headings = [
        "SERVICE", "VERSION", "NEWER", "STATE", "SINCE", "ADDRESS", "DETAIL",
    ];
    Table::new(headings).with_rows(rows).to_string()
}

fn details(view: &ServiceView) -> String {
    let mut pairs = vec![
        ("service", view.id.to_string()),
        ("name", view.name.clone()),
        ("version", format!("{} ({})", view.version, view.release)),
        ("state", view.state.as_str().to_owned()),
        ("since", optional(view.since.map(time))),
        ("detail", view.detail.clone()),
        ("address", joined(&view.urls)),
        ("needs", joined(&view.requires)),
        ("needed by", joined(&view.needed_by)),
        ("keeps", optional(view.data_bytes.map(bytes))),
    ];
    if let Some(update) = &view.update {
        pairs.push(("newer", format!("{} ({})", update.version, update.release)));
    }
    if let Some(failed) = &view.failed_update {
        let failed = format!("{}: {}", failed.version, failed.reason);
        pairs.push(("failed update", failed));
    }
    facts(pairs)
}

fn usage(services: &[ServiceView]) -> String {
    let containers = services.iter().flat_map(|view| {
        let containers = view.containers.iter();
        containers.map(move |container| (view, container))
    });
    let rows = containers.map(|(view, container)| {
        let used = container.usage.as_ref();
        [
            view.id.to_string(),
            container.name.clone(),
            optional(used.map(|used| bytes(used.memory_bytes))),
            bytes(u64::from(container.memory_mib) << 20),
            optional(used.map(|used| format!("{} %", used.cpu_percent))),
            format!("{} %", container.cpu_percent),
            optional(used.map(|used| used.processes)),
            container.processes.to_string(),
            optional(view.data_bytes.map(bytes)),
        ]
    });
    let headings = [
        "SERVICE",
        "CONTAINER",
        "MEMORY",
        "MOST",
        "PROCESSOR",
        "MOST",
        "PROCESSES",
        "MOST",
        "DATA",
    ];
    Table::new(headings)
        .numbers(&headings[2..])
        .with_rows(rows)
        .to_string()
}

fn lines(lines: &[ServiceLogLine]) -> String {
    let rows = lines.iter().map(|line| {
        [
            time(line.time),
            line.container.clone(),
            line.message.clone(),
        ]
    });
    Table::without_headings().with_rows(rows).to_string()
}

fn kept(kept: &[KeptDataView]) -> String {
    let rows = kept.iter().map(|data| {
        let size = data.data_bytes.map_or_else(|| NOTHING.to_owned(), bytes);
        [data.id.to_string(), data.name.clone(), size]
    });
    Table::new(["SERVICE", "NAME", "DATA"])
        .numbers(&["DATA"])
        .with_rows(rows)
        .to_string()
}
