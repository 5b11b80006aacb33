//! Finding records.

use cell_model::Timestamp;
use cell_model::name::Username;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record::{AuditRecord, Outcome};

/// Which records are wanted; a field that is `None` asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuditQuery {
    /// Done by this account.
    pub actor: Option<Username>,
    /// With this action, or one below it: `peer` finds `peer.add`.
    pub action: Option<String>,
    /// Done to this: a device, an account, another cell, by its name.
    pub object: Option<String>,
    /// That ended so.
    pub outcome: Option<Outcome>,
    /// Not before this time.
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// Before this time.
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
    /// With numbers below this one: [`AuditPage::next`] of the page before.
    pub cursor: Option<u64>,
}

/// Some of the records that match, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditPage {
    /// The records.
    pub items: Vec<AuditRecord>,
    /// The cursor of the next page; `null` when there is none.
    pub next: Option<u64>,
}

impl AuditQuery {
    /// Whether a record is wanted. The cursor is not looked at.
    pub fn matches(&self, record: &AuditRecord) -> bool {
        self.actor
            .as_ref()
            .is_none_or(|actor| record.actor.as_ref() == Some(actor))
            && self
                .action
                .as_ref()
                .is_none_or(|action| is_below(&record.action, action))
            && self
                .object
                .as_ref()
                .is_none_or(|object| record.object.as_ref() == Some(object))
            && self.outcome.is_none_or(|outcome| record.outcome == outcome)
            && self.since.is_none_or(|since| record.time >= since)
            && self.until.is_none_or(|until| record.time < until)
    }
}

fn is_below(action: &str, wanted: &str) -> bool {
    action
        .strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn action_finds_itself_and_what_is_below() {
        assert!(is_below("peer.add", "peer.add"));
        assert!(is_below("peer.add", "peer"));
        assert!(!is_below("peering.add", "peer"));
        assert!(!is_below("peer", "peer.add"));
    }
}
