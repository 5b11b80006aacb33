//! The loop with parts that live in memory.

mod changes;
mod cold_start;
mod failures;
mod properties;
mod running;
mod services;
mod world;
