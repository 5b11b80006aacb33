//! The wizard.

use cell_control::action::Action;
use cell_control::ask;
use cell_control::change::{Change, SetupForm};
use cell_control::query;
use cell_gate::{Reply, Visit};
use cell_model::config::DomainMode;
use cell_model::endpoint::Endpoint;
use cell_model::name::{CellName, Domain, TimeZoneName, Username};
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use cell_model::subnet::parse_vpn_subnet;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::answer::{HealthAnswer, SetupAnswer, SetupStep, StepAnswer, WizardAnswer, ok};
use crate::body;

/// Fewest characters of a password, as the core wants them.
const PASSWORD_CHARACTERS: usize = 10;
/// Most bytes of a password, likewise.
const PASSWORD_BYTES: usize = 1024;

/// Answers of one step. Nothing is stored: the page that asks keeps them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "fields are read to be checked, and only the code is used"
)]
pub(crate) struct StepForm {
    /// Which step.
    step: SetupStep,
    /// The code shown on console and screen.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("writeOnly" = true))]
    setup_code: Option<Secret<String>>,
    /// The name of the box.
    #[serde(default)]
    cell_name: Option<CellName>,
    /// How names and certificates are obtained.
    #[serde(default)]
    domain_mode: Option<DomainMode>,
    /// The cell's domain.
    #[serde(default)]
    domain: Option<Domain>,
    /// IPv4 network of the VPN: RFC 1918 with a prefix length.
    #[serde(default, deserialize_with = "vpn_subnet")]
    vpn_subnet: Option<String>,
    /// The owner's account.
    #[serde(default)]
    admin_username: Option<Username>,
    /// Its password: 10 characters to 1,024 bytes.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("writeOnly" = true))]
    admin_password: Option<Secret<String>>,
    /// The time zone pages show times in.
    #[serde(default)]
    timezone: Option<TimeZoneName>,
    /// Where devices outside find the box.
    #[serde(default)]
    endpoint: Option<Endpoint>,
}

fn vpn_subnet<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    if let Some(text) = &text {
        parse_vpn_subnet(text).map_err(serde::de::Error::custom)?;
    }
    Ok(text)
}

pub(crate) async fn health(_: Visit) -> Result<Reply, Problem> {
    ok(&HealthAnswer { status: "ok" })
}

pub(crate) async fn status(visit: Visit) -> Result<Reply, Problem> {
    ok(&ask(visit.control.as_ref(), &visit.caller, query::Setup).await?)
}

pub(crate) async fn wizard(visit: Visit) -> Result<Reply, Problem> {
    ok(&WizardAnswer {
        steps: SetupStep::ALL.into(),
        proposal: ask(visit.control.as_ref(), &visit.caller, query::Setup).await?,
    })
}

pub(crate) async fn step(visit: Visit) -> Result<Reply, Problem> {
    let form: StepForm = body::read(&visit)?;
    if let Some(password) = &form.admin_password {
        check_length(password)?;
    }
    match form.setup_code {
        Some(setup_code) => {
            visit
                .control
                .act(&visit.caller, Action::CheckSetupCode { setup_code })
                .await?;
        }
        None if form.step == SetupStep::Code => {
            return Err(Problem::field("setup_code", "is required"));
        }
        None => {}
    }
    ok(&StepAnswer {
        step: form.step.next(),
    })
}

/// The rest of the rules needs the whole form; this much can be said at the step.
fn check_length(password: &Secret<String>) -> Result<(), Problem> {
    let password = password.expose();
    let message = if password.chars().count() < PASSWORD_CHARACTERS {
        format!("must have at least {PASSWORD_CHARACTERS} characters")
    } else if password.len() > PASSWORD_BYTES {
        format!("must have at most {PASSWORD_BYTES} bytes")
    } else {
        return Ok(());
    };
    Err(Problem::field("admin_password", message))
}

pub(crate) async fn complete(visit: Visit) -> Result<Reply, Problem> {
    let form: SetupForm = body::read(&visit)?;
    let receipt = visit
        .control
        .submit(&visit.caller, Change::SetUp(Box::new(form)))
        .await?;
    ok(&SetupAnswer {
        status: "complete",
        revision: receipt.revision,
    })
}
