//! What every page has around it: who is there, where they are, what time it is.

use cell_control::view::ServiceView;
use cell_model::account::{Identity, Role};

use crate::clock::Clock;
use crate::done::Done;
use crate::navigation::{self, Names};

/// What a page needs beside its own view.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// The box's name, once the person may know it.
    pub(crate) cell_name: Option<String>,
    /// Who is signed in.
    pub(crate) identity: Option<Identity>,
    /// What forms carry; there for whoever is signed in.
    pub(crate) csrf_token: Option<String>,
    /// The services that are installed, for whoever may open their pages.
    pub(crate) services: Vec<ServiceView>,
    /// What the way out is called that the page is about: its path has the id.
    pub(crate) connection: Option<String>,
    /// The path that was asked for.
    pub(crate) path: String,
    /// The time.
    pub(crate) clock: Clock,
    /// What was just done.
    pub(crate) done: Option<Done>,
}

impl Frame {
    /// Whether the person may open the page or use the form of this route: its path as the table has it.
    pub(crate) fn may(&self, method: &http::Method, path: &str) -> bool {
        self.role()
            .is_some_and(|role| navigation::admits(role, method, path))
    }

    /// Whether the person may send the form of this route.
    pub(crate) fn may_post(&self, path: &str) -> bool {
        self.may(&http::Method::POST, path)
    }

    /// The title of the page at this path.
    pub(crate) fn title(&self) -> String {
        navigation::page_at(&self.path)
            .map(|page| navigation::title(page, &self.path, self.names()))
            .unwrap_or_default()
    }

    /// What things are called whose paths do not say it.
    pub(crate) fn names(&self) -> Names<'_> {
        Names {
            services: &self.services,
            connection: self.connection.as_deref(),
        }
    }

    /// As what the person is signed in.
    pub(crate) fn role(&self) -> Option<Role> {
        self.identity.as_ref().map(|identity| identity.role)
    }
}
