//! The recovery console: the menu a person sees on the serial line, the screen and over SSH.
//!
//! For the hour when the admin page does not answer: it shows how the box is, sets the network, resets the owner's
//! password and brings the box back, with the daemon through the control protocol, without it on the store itself.
//!
//! Promises: it stays up on whatever is typed, and ends with 0 when its terminal goes, so that init starts it anew; a
//! daemon that does not answer is waited for a few seconds and no longer; nothing is destroyed without being asked for
//! twice; every failure comes with what to do about it; what it changes without the daemon is one audited transaction.
//!
//! Must never: keep the store open, since the daemon could not start then; show a password or take one from the command
//! line; decide what a config may be (`cell-plan` does).
//!
//! Start reading at [`model::Model`], which is pure: pages, and what an input makes of them. `draw` shows it, [`perform`]
//! does what it asks for, through [`cell`] (what needs the daemon or the store) and [`machine`] (what does not);
//! [`terminal`] holds it all together.

pub mod cell;
pub mod draw;
pub mod effect;
pub mod machine;
pub mod model;
pub mod options;
pub mod perform;
pub mod refusal;
pub mod situation;
pub mod terminal;
pub mod text;
