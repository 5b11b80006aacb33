//! Two ways of drawing the same view: a full screen, and numbered lines.

pub mod full;
pub mod plain;
#[cfg(test)]
mod tests;
