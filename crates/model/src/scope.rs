//! What a token of the interface is good for.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A part of what the box does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Area {
    /// How everything is, and the built-in parts.
    Status,
    /// Settings and their revisions.
    Config,
    /// Devices, and what people have of the box.
    Peers,
    /// Links to other cells.
    Cells,
    /// Ways out to the internet.
    Connectivity,
    /// Services, and where they come from.
    Services,
    /// Mail: addresses, and how it leaves the box.
    Mail,
    /// Versions of the system.
    Firmware,
    /// Logs.
    Logs,
    /// The audit.
    Audit,
    /// Accounts, and what lets people in.
    People,
}

/// How far into an area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reach {
    /// Looking only.
    Read,
    /// Changing too.
    Write,
}

/// One thing a token is good for: `peers:read`. Writing takes in reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// Where.
    pub area: Area,
    /// How far.
    pub reach: Reach,
}

/// The text is no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an area and how far into it, such as peers:read or peers:write")]
pub struct ScopeError;

impl Area {
    /// Every area, in the order shown.
    pub const ALL: [Self; 11] = [
        Self::Status,
        Self::Config,
        Self::Peers,
        Self::Cells,
        Self::Connectivity,
        Self::Services,
        Self::Mail,
        Self::Firmware,
        Self::Logs,
        Self::Audit,
        Self::People,
    ];

    /// The word in scopes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Config => "config",
            Self::Peers => "peers",
            Self::Cells => "cells",
            Self::Connectivity => "connectivity",
            Self::Services => "services",
            Self::Mail => "mail",
            Self::Firmware => "firmware",
            Self::Logs => "logs",
            Self::Audit => "audit",
            Self::People => "people",
        }
    }

    /// Looking at it.
    pub const fn read(self) -> Scope {
        Scope {
            area: self,
            reach: Reach::Read,
        }
    }

    /// Changing it.
    pub const fn write(self) -> Scope {
        Scope {
            area: self,
            reach: Reach::Write,
        }
    }
}

impl Reach {
    /// The word in scopes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

impl Scope {
    /// Every scope, in the order shown.
    pub fn all() -> impl Iterator<Item = Self> {
        Area::ALL
            .into_iter()
            .flat_map(|area| [area.read(), area.write()])
    }

    /// Whether a set of scopes is enough for this one.
    pub fn is_in(self, scopes: &BTreeSet<Self>) -> bool {
        scopes
            .iter()
            .any(|scope| scope.area == self.area && scope.reach >= self.reach)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.area.as_str(), self.reach.as_str())
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let mut known = Self::all();
        known
            .find(|scope| scope.to_string() == text)
            .ok_or(ScopeError)
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Scope {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scope".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let words: Vec<String> = Self::all().map(|scope| scope.to_string()).collect();
        schemars::json_schema!({ "type": "string", "enum": words })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_reads_back_as_it_is_written() {
        for scope in Scope::all() {
            assert_eq!(scope.to_string().parse(), Ok(scope));
            let json = serde_json::to_string(&scope).unwrap();
            assert_eq!(serde_json::from_str::<Scope>(&json).unwrap(), scope);
        }
        for bad in [
            "",
            "peers",
            "peers:",
            "peers:all",
            "Peers:read",
            "peers:read ",
        ] {
            assert_eq!(bad.parse::<Scope>(), Err(ScopeError), "{bad:?}");
        }
    }

    #[test]
    fn writing_takes_in_reading_and_no_other_area() {
        let scopes = BTreeSet::from([Area::Peers.write(), Area::Logs.read()]);
        for (scope, allowed) in [
            (Area::Peers.read(), true),
            (Area::Peers.write(), true),
            (Area::Logs.read(), true),
            (Area::Logs.write(), false),
            (Area::Audit.read(), false),
        ] {
            assert_eq!(scope.is_in(&scopes), allowed, "{scope}");
        }
    }
}
