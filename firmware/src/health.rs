//! Whether the system that runs does what it is there for, as far as it can tell by itself: no carrier, no peer and no
//! internet is needed. A version on trial is committed only then.

use std::error::Error;
use std::path::Path;

use cell_control::action::{Action, Outcome};
use cell_control::caller::Caller;
use cell_control::query::Setup;
use cell_control::remote::Remote;
use cell_control::{Control, ask};
use cell_model::status::Part;

/// What every version has to do. The box's name at home is not among it: a neighbour may have taken it.
const VITAL: [Part; 7] = [
    Part::Firewall,
    Part::Network,
    Part::Wireguard,
    Part::Vault,
    Part::Dns,
    Part::Web,
    Part::Containers,
];

/// Refuses with what is not well.
pub(crate) fn prove(runtime_dir: &Path) -> Result<(), Box<dyn Error>> {
    if !is_mounted("/data")? {
        return Err("the data partition is not mounted".into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(prove_parts(&runtime_dir.join("control.sock")))
}

async fn prove_parts(socket: &Path) -> Result<(), Box<dyn Error>> {
    let control = Remote::connect(socket).await?;
    let caller = Caller::local();
    if !ask(&control, &caller, Setup).await?.complete {
        // Nobody has asked anything of the parts yet; that the core answers is all there is.
        return Ok(());
    }
    for part in VITAL {
        let outcome = control.act(&caller, Action::TestPart { part }).await?;
        if let Outcome::Tested(result) = outcome
            && !result.ok
        {
            let detail = result.detail.join(" ");
            return Err(format!("{} is not well: {detail}", part.as_str()).into());
        }
    }
    Ok(())
}

fn is_mounted(folder: &str) -> std::io::Result<bool> {
    let mounts = std::fs::read_to_string("/proc/mounts")?;
    Ok(mounts
        .lines()
        .any(|line| line.split(' ').nth(1) == Some(folder)))
}
