//! The loop with parts that live in memory.

mod changes;
mod cold_start;
mod exits;
mod failures;
mod images;
mod properties;
mod running;
mod services;
mod world;
