//! The real daemon over HTTP: who gets in, in which order things are refused, and what bad input does. Cases are made
//! from the tables the product itself is made from, so a new route or field is tested without a line here.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so at once"
)]

mod bad_input;
mod cell;
mod order;
mod pages;
mod people;
mod proof;
mod roles;
mod second_factor;
