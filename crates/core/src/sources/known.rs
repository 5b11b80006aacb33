//! What is known of sources without asking them.

use std::collections::{BTreeMap, BTreeSet};

use cell_control::view::{Page, RefreshState, SourceView};
use cell_model::Timestamp;
use cell_model::config::{ServicesConfig, SourceConfig};
use cell_model::name::{ServiceId, SourceName};
use cell_model::problem::Problem;
use cell_packages::{Catalogue, Library};

use super::problem;
use crate::Core;

/// What sources answered last, until the box is started again.
pub(crate) type Asked = BTreeMap<SourceName, Answered>;

/// What a source answered.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    /// What it was then: another address or other keys are another source.
    pub(super) source: SourceConfig,
    pub(super) at: Timestamp,
    pub(super) state: RefreshState,
    pub(super) code: Option<String>,
    pub(super) detail: String,
}

impl Core {
    /// Sources and what is known of them. Nobody is asked.
    pub(crate) fn sources(&self) -> Result<Page<SourceView>, Problem> {
        let library = self.library()?;
        let config = self.config()?;
        let services = &config.services;
        let names = services.sources.keys();
        let items = names.map(|name| self.source_view(&library, services, name));
        Ok(Page {
            items: items.collect(),
            next: None,
        })
    }

    pub(super) fn source_view(
        &self,
        library: &Library,
        services: &ServicesConfig,
        name: &SourceName,
    ) -> SourceView {
        let asked = self.asked();
        let answered = asked.get(name);
        let is_same = |answered: &&Answered| services.sources.get(name) == Some(&answered.source);
        let answered = answered.filter(is_same);
        let known = library.catalogue(name);
        let (state, code, detail) = standing(answered, known.as_ref());
        SourceView {
            source: name.clone(),
            state,
            asked: answered.map(|answered| answered.at),
            code,
            detail,
            version: known.map(|known| known.version),
            expires: known.map(|known| known.expires),
            services: known.map(|known| known.services),
            installed: installed_from(services, name),
            kept_data: kept_from(services, name),
        }
    }

    pub(super) fn asked(&self) -> std::sync::MutexGuard<'_, Asked> {
        let asked = self.asked.lock();
        asked.unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// How a source is, as a state, a code and sentences: what it answered, unless that counts no more.
fn standing(
    answered: Option<&Answered>,
    known: Option<&Catalogue>,
) -> (RefreshState, Option<String>, String) {
    match answered {
        None => (
            RefreshState::Unasked,
            None,
            problem::unasked(known.is_some()).to_owned(),
        ),
        Some(answered) if answered.state == RefreshState::Ok && known.is_none() => {
            let (code, detail) = problem::over();
            (
                RefreshState::Failed,
                Some(code.to_owned()),
                detail.to_owned(),
            )
        }
        Some(answered) => (
            answered.state,
            answered.code.clone(),
            answered.detail.clone(),
        ),
    }
}

fn installed_from(services: &ServicesConfig, source: &SourceName) -> BTreeSet<ServiceId> {
    let installed = services.installed.iter();
    let of = installed.filter(|(_, service)| service.source() == Some(source));
    of.map(|(id, _)| id.clone()).collect()
}

fn kept_from(services: &ServicesConfig, source: &SourceName) -> BTreeSet<ServiceId> {
    let kept = services.kept_from.iter();
    let of = kept.filter(|(id, from)| *from == source && services.kept.contains_key(id));
    of.map(|(id, _)| id.clone()).collect()
}
