//! Thinks: what follows from the config ([`resolve`]), what is left to do ([`diff`]), what is wrong or
//! risky about it ([`lint`], [`sides`]), how to say it to a person ([`explain`]), and what others should know of the
//! mail here ([`mail`]).
//!
//! Promises: pure; the same input gives the same plan; a plan that was carried out gives an empty plan.
//! Must never: look at the world, ask the time, or leave the executor a choice.
//! Start reading at [`resolve::resolve`], then [`diff::diff`].

pub mod diff;
mod exits;
pub mod explain;
mod links;
pub mod lint;
pub mod mail;
pub mod resolve;
pub mod services;
pub mod sides;

#[cfg(test)]
mod sample;
