//! Looks at servers on loopback, which say what a test has them say.

mod outside;
mod provider;
mod world;
mod zone;
