//! The hook alone, for the tests of this crate; the daemon has it built in.

use std::process::ExitCode;

fn main() -> ExitCode {
    cell_network::dhcp::hook::run()
}
