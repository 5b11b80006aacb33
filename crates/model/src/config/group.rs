//! A group of people, as asked for.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::name::Username;

/// People who may the same. Its name is the key it is stored under.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupConfig {
    /// Who is in it.
    pub members: BTreeSet<Username>,
}

impl GroupConfig {
    /// Groups that a box has at most.
    pub const MAX: usize = 64;
}
