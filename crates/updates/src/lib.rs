//! The two systems of the box: which one boots, and how a new one gets its chance.
//!
//! # What it is for
//! The box holds its system twice, in slot `a` and slot `b`. One runs; the other takes the next version, is tried, and
//! becomes the one that counts only when it has proven itself.
//!
//! # What it promises
//! - Whatever is torn, zeroed or missing among the loader's files, something boots; see [`boot_state`].
//! - A trial that fails costs at most three starts, and it is known afterwards that it failed.
//!
//! # What it must never do
//! - Depend on the store or the config: the console uses it when the daemon is dead.
//!
//! # Where to start reading
//! [`boot_state::BootState`], then `board/common/grub.cfg`, which is the other half of it.

pub mod boot_state;
pub mod bundle;
pub mod install;
pub mod kept_state;
