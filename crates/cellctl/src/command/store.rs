//! Services that can be installed, and where they come from.

use cell_control::action::{Action, Outcome};
use cell_control::change::{Change, ServiceForm};
use cell_control::query::{Offers, Sources};
use cell_control::view::{OfferView, RefreshState, SourceView};
use cell_model::name::ServiceId;
use cell_model::problem::Problem;
use clap::Subcommand;

use crate::command::{Limit, services};
use crate::core::Core;
use crate::error::CellctlError;
use crate::output::Output;
use crate::setting::Setting;
use crate::table::Table;
use crate::text::{optional, time, word};

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// List services that can be installed
    List(Limit),
    /// Install a service, as its manifest says where nothing is set, and those that it needs
    Install {
        /// Its id
        service: ServiceId,
        /// An answer to one of its questions; once for each
        #[arg(long = "set", value_name = "KEY=VALUE")]
        settings: Vec<Setting>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SourcesCommand {
    /// List sources of services, and what is known of them; nobody is asked
    List,
    /// Ask all sources what they offer; exit status 1 when one was not taken
    Refresh,
}

impl StoreCommand {
    pub(crate) async fn perform(self, core: &Core, output: &Output) -> Result<(), CellctlError> {
        match self {
            Self::List(Limit { limit }) => {
                let page = core.list(limit, |range| Offers { range }).await?;
                output.show_page(&page, offers)?;
            }
            Self::Install { service, settings } => {
                let answers = settings
                    .into_iter()
                    .filter_map(|setting| Some((setting.key, setting.value?)));
                let form = ServiceForm {
                    id: service,
                    answers: answers.collect(),
                };
                services::submit(core, output, Change::InstallService(form)).await?;
            }
        }
        Ok(())
    }
}

impl SourcesCommand {
    pub(crate) async fn perform(self, core: &Core, output: &Output) -> Result<(), CellctlError> {
        match self {
            Self::List => output.show_page(&core.ask(Sources).await?, sources)?,
            Self::Refresh => {
                let Outcome::Refreshed(refreshed) = core.act(Action::RefreshStore).await? else {
                    return Err(Problem::internal().into());
                };
                output.show(&refreshed, |refreshed| sources(&refreshed.items))?;
                let mut items = refreshed.items.iter();
                if items.any(|source| source.state == RefreshState::Failed) {
                    return Err(CellctlError::Negative);
                }
            }
        }
        Ok(())
    }
}

fn offers(offers: &[OfferView]) -> String {
    let rows = offers.iter().map(|offer| {
        let source = offer.source.as_ref();
        [
            offer.id.to_string(),
            offer.version.clone(),
            offer.release.to_string(),
            optional(offer.installed),
            source.map_or_else(|| "the box".to_owned(), ToString::to_string),
            offer.summary.clone(),
        ]
    });
    let headings = [
        "SERVICE",
        "VERSION",
        "RELEASE",
        "INSTALLED",
        "FROM",
        "WHAT IT IS",
    ];
    Table::new(headings)
        .numbers(&["RELEASE", "INSTALLED"])
        .with_rows(rows)
        .to_string()
}

fn sources(sources: &[SourceView]) -> String {
    let rows = sources.iter().map(|source| {
        [
            source.source.to_string(),
            word(&source.state),
            optional(source.asked.map(time)),
            optional(source.version),
            optional(source.expires.map(time)),
            optional(source.services),
            source.detail.clone(),
        ]
    });
    let headings = [
        "SOURCE", "STATE", "ASKED", "VERSION", "ENDS", "SERVICES", "DETAIL",
    ];
    Table::new(headings)
        .numbers(&["VERSION", "SERVICES"])
        .with_rows(rows)
        .to_string()
}
