//! What a path offers, to whom, and what it takes. One row a route; nothing else decides access.

use std::pin::Pin;

use cell_model::account::{Identity, Role};
use cell_model::problem::Problem;
use cell_model::scope::Scope;
use http::Method;

use crate::reply::Reply;
use crate::visit::Visit;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody, before setup too: health, style sheet.
    Open,
    /// Everybody before setup, nobody afterwards (410). No token; Origin and Host are checked.
    Setup,
    /// Everybody after setup: signing in. No token; Origin and Host are checked.
    SignIn,
    /// Whoever is signed in.
    SignedIn,
    /// This role or a later one; never a member.
    AtLeast(Role),
    /// Exactly this role.
    Only(Role),
}

/// What a route takes as its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// Nothing. An empty JSON object passes, as some programs always send one.
    None,
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/octet-stream`.
    Octets,
    /// `multipart/form-data`: the token, then one file, which is handed over as it comes.
    Upload,
    /// `application/octet-stream`, handed over as it comes: what no memory shall hold.
    Stream,
}

/// What a handler returns, later.
pub type Answering = Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send>>;

/// Answers a request that has passed the gate: `|visit| Box::pin(list_peers(visit))`.
pub type Handler = fn(Visit) -> Answering;

/// One route.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its method. `GET` answers `HEAD` too.
    pub method: Method,
    /// Its path; `{name}` stands for one segment.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
    /// Whether only somebody may whose password was proven a short time ago.
    pub dangerous: bool,
    /// What a token must be good for to use it; `None`: no token is.
    pub scope: Option<Scope>,
    /// What it takes.
    pub body: Body,
    /// The most bytes of it: [`Route::LIMIT`] unless there is a reason.
    pub limit: usize,
    /// What answers.
    pub handler: Handler,
}

impl Body {
    /// Whether the handler gets it piece by piece.
    pub(crate) fn is_handed_over(self) -> bool {
        matches!(self, Self::Stream | Self::Upload)
    }
}

impl Route {
    /// The most bytes of a body where nothing else is said: no form of ours comes near it.
    pub const LIMIT: usize = 64 * 1024;
}

/// The two faces behind the gate: programs and browsers.
#[derive(Clone, Copy)]
pub struct Faces {
    /// Routes that answer problem documents; every path under `/api/` does, known or not.
    pub api: &'static [Route],
    /// Routes that answer pages.
    pub pages: &'static [Route],
    /// The page for a problem: the problem, who is signed in, and the path that was asked for.
    pub page_error: fn(&Problem, Option<&Identity>, &str) -> Reply,
}

impl Access {
    /// Whether somebody who is signed in with this role may use the route.
    pub fn admits(self, role: Role) -> bool {
        match self {
            Self::Open | Self::SignIn | Self::SignedIn => true,
            Self::Setup => false,
            Self::AtLeast(least) => role != Role::Member && role >= least,
            Self::Only(only) => role == only,
        }
    }

    /// Whether the route needs somebody who is signed in.
    pub fn needs_identity(self) -> bool {
        matches!(self, Self::SignedIn | Self::AtLeast(_) | Self::Only(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_roles_may_what_earlier_ones_may() {
        let least = Access::AtLeast(Role::Admin);
        let admitted =
            [Role::Member, Role::Helper, Role::Admin, Role::Owner].map(|r| least.admits(r));
        assert_eq!(admitted, [false, false, true, true]);
    }

    #[test]
    fn member_never_passes_on_the_admin_side() {
        assert!(!Access::AtLeast(Role::Member).admits(Role::Member));
        assert!(Access::Only(Role::Member).admits(Role::Member));
        assert!(!Access::Only(Role::Member).admits(Role::Owner));
        assert!(Access::SignedIn.admits(Role::Member));
    }
}
