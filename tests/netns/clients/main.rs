//! Programs that people have, set up with nothing but what the page of a service says: vdirsyncer, the library caldav,
//! rclone, litmus, Chromium, and curl as a phone does it. From the laptop, by name, trusting the cell's authority alone.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

mod browser;
mod caldav;
mod litmus;
mod others;
mod phone;
mod rclone;
mod serving;
mod vdirsyncer;
