//! The first config of a box.

use cell_control::change::{Change, SetupForm};
use cell_control::query::Setup;
use cell_model::config::DomainMode;
use cell_model::endpoint::Endpoint;
use cell_model::name::{CellName, Domain, TimeZoneName, Username};
use cell_model::problem::Problem;
use cell_model::subnet::parse_vpn_subnet;
use clap::Args;
use ipnet::Ipv4Net;

use crate::choice;
use crate::core::Core;
use crate::error::CellctlError;
use crate::output::Output;
use crate::prompt;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The name of the box
    #[arg(long, value_name = "NAME")]
    cell_name: CellName,
    /// The cell's domain; NAME.cell when not said
    #[arg(long)]
    domain: Option<Domain>,
    /// How names and certificates are obtained
    #[arg(long, value_parser = choice::domain_mode(), default_value = "lan")]
    domain_mode: DomainMode,
    /// IPv4 network of the VPN; what the box proposes when not said
    #[arg(long, value_name = "NETWORK", value_parser = parse_vpn_subnet)]
    vpn_subnet: Option<Ipv4Net>,
    /// The owner's account
    #[arg(long, value_name = "USER")]
    admin: Username,
    /// The time zone pages show times in
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    timezone: TimeZoneName,
    /// Where devices outside find the box: a name or address, perhaps with a port
    #[arg(long, value_name = "HOST[:PORT]")]
    endpoint: Option<Endpoint>,
}

impl Options {
    pub(crate) async fn perform(self, core: &Core, output: &Output) -> Result<(), CellctlError> {
        let setup = core.ask(Setup).await?;
        if setup.complete {
            return Err(already_set_up().into());
        }
        let domain = match self.domain {
            Some(domain) => domain,
            None => proposed_domain(&self.cell_name)?,
        };
        let vpn_subnet = match self.vpn_subnet {
            Some(subnet) => subnet,
            None => proposed_subnet(setup.vpn_subnet.as_deref())?,
        };
        let setup_code = prompt::visible("the setup code").await?;
        let admin_password = prompt::new_password().await?;
        let form = SetupForm {
            setup_code,
            cell_name: self.cell_name,
            domain_mode: self.domain_mode,
            domain,
            vpn_subnet,
            admin_username: self.admin,
            admin_password,
            timezone: self.timezone,
            endpoint: self.endpoint,
        };
        let stored = core.submit(Change::SetUp(Box::new(form))).await?;
        Ok(output.show(&stored, |stored| {
            format!("The box is set up: revision {}.\n", stored.revision)
        })?)
    }
}

fn proposed_domain(name: &CellName) -> Result<Domain, Problem> {
    let proposed = format!("{}.cell", name.label());
    proposed
        .parse()
        .map_err(|error| Problem::field("domain", error))
}

fn proposed_subnet(proposed: Option<&str>) -> Result<Ipv4Net, Problem> {
    proposed
        .and_then(|text| parse_vpn_subnet(text).ok())
        .ok_or_else(|| {
            Problem::field(
                "vpn_subnet",
                "must be named: the box has nothing to propose",
            )
        })
}

fn already_set_up() -> Problem {
    Problem::new(
        410,
        "already_set_up",
        "The box is set up already",
        "Change it with cellctl config.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_is_made_from_the_name() {
        let name = "Hut".parse().unwrap();
        assert_eq!(proposed_domain(&name).unwrap().as_str(), "hut.cell");
    }

    #[test]
    fn missing_proposal_is_a_field_to_fill_in() {
        assert!(proposed_subnet(Some("10.31.7.0/24")).is_ok());
        let missing = proposed_subnet(None).unwrap_err();
        assert_eq!(missing.errors[0].field, "vpn_subnet");
    }
}
