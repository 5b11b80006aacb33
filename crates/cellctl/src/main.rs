//! cellctl.
fn main() {}
