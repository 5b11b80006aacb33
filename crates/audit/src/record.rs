//! What a record says.

use std::net::IpAddr;

use cell_model::Timestamp;
use cell_model::account::{Identity, Role};
use cell_model::name::Username;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::chain::Hash;
use crate::redact::redact;

/// The most bytes of a record's object.
pub const MAX_OBJECT: usize = 256;
/// The most bytes of a record's detail: a sentence or two, so that the bound on records is a bound on bytes.
pub const MAX_DETAIL: usize = 512;

/// How an act ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Ok,
    /// It was not allowed.
    Refused,
    /// It was tried and did not work.
    Failed,
}

impl Outcome {
    /// The word shown and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Something worth a record, before it has a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Who; `None` for the box itself and for somebody not signed in.
    pub actor: Option<Username>,
    /// With which role.
    pub role: Option<Role>,
    /// From where; `None` for the box itself and its console.
    pub address: Option<IpAddr>,
    /// What: a stable word such as `peer.add`, never made from input.
    pub action: &'static str,
    /// To what, such as `peer/anna`.
    pub object: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// More in one line, made from values that are not secret; may be empty.
    pub detail: String,
}

impl AuditEvent {
    /// An act of the box itself that was done.
    pub fn new(action: &'static str) -> Self {
        Self {
            actor: None,
            role: None,
            address: None,
            action,
            object: None,
            outcome: Outcome::Ok,
            detail: String::new(),
        }
    }

    /// Says who did it.
    pub fn by(mut self, identity: &Identity) -> Self {
        self.actor = Some(identity.username.clone());
        self.role = Some(identity.role);
        self
    }

    /// Says from where.
    pub fn from(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// Says to what.
    pub fn on(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }

    /// Says how it ended.
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// Says more.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// The form that is kept: masked, on one line, cut to the limits.
    pub(crate) fn kept(mut self) -> Self {
        self.object = self.object.map(|object| cut(redact(&object), MAX_OBJECT));
        self.detail = cut(redact(&self.detail), MAX_DETAIL);
        self
    }
}

/// A record of the log. Its JSON form is what is stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditRecord {
    /// Rising by one from 1.
    pub number: u64,
    /// When, by the box's clock, which may have been set since.
    #[schemars(with = "String")]
    pub time: Timestamp,
    /// Who; `null` for the box itself and for somebody not signed in.
    pub actor: Option<Username>,
    /// With which role.
    pub role: Option<Role>,
    /// From where.
    pub address: Option<IpAddr>,
    /// What: a stable word such as `peer.add`.
    pub action: String,
    /// To what, such as `peer/anna`.
    pub object: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// More, for people.
    pub detail: String,
    /// Hash of the record before; zeros for the first.
    pub previous_hash: Hash,
    /// Hash of this record and of `previous_hash`, see [`crate::next`].
    pub hash: Hash,
}

/// Cuts at a character, not inside one.
fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let mark = '…';
        let mut end = limit - mark.len_utf8();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push(mark);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_detail_is_cut_between_characters() {
        for text in ["ä".repeat(400), format!("x{}", "ä".repeat(400))] {
            let kept = AuditEvent::new("test").detail(text).kept().detail;
            assert!(kept.len() <= MAX_DETAIL, "{}", kept.len());
            assert!(kept.ends_with("ä…"));
        }
    }

    #[test]
    fn event_is_kept_masked_on_one_line() {
        let event = AuditEvent::new("test")
            .on("a\nb")
            .detail("password=hunter2")
            .kept();
        assert_eq!(event.object.as_deref(), Some("a b"));
        assert!(!event.detail.contains("hunter2"));
    }
}
