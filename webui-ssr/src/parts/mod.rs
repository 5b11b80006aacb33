//! Components: functions from values to markup. Pages are put together from these alone.

pub(crate) mod action;
pub(crate) mod document;
pub(crate) mod form;
pub(crate) mod icon;
pub(crate) mod list;
pub(crate) mod passkey;
pub(crate) mod shell;
pub(crate) mod state;
pub(crate) mod text;
