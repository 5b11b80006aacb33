//! App passwords, for the devices that use services.

use cell_control::action::{Action, Outcome};
use cell_control::app_password::{AppPasswordForm, AppPasswordView};
use cell_control::query::AppPasswords;
use cell_model::name::{DeviceLabel, ServiceId, Username};
use cell_model::problem::Problem;
use clap::Subcommand;

use crate::core::Core;
use crate::error::CellctlError;
use crate::output::Output;
use crate::table::Table;
use crate::text::{NOTHING, time};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List app passwords, of everybody or of one account
    List {
        /// The account
        username: Option<Username>,
    },
    /// Make an app password for a device and print it; it is shown this once
    Add {
        /// Whose device it is
        username: Username,
        /// What the device is called in the list
        device: DeviceLabel,
        /// Services it opens; all of them when not said
        #[arg(long, value_name = "A,B", value_delimiter = ',')]
        services: Vec<ServiceId>,
    },
    /// Remove an app password; it opens nothing from then on
    Remove {
        /// Its id, as listed
        id: String,
    },
}

impl Command {
    pub(crate) async fn perform(self, core: &Core, output: &Output) -> Result<(), CellctlError> {
        match self {
            Self::List { username } => {
                let page = core.ask(AppPasswords { username }).await?;
                output.show_page(&page, table)?;
            }
            Self::Add {
                username,
                device,
                services,
            } => {
                let services = (!services.is_empty()).then(|| services.into_iter().collect());
                let form = AppPasswordForm {
                    username: Some(username),
                    device,
                    services,
                };
                let made = core.act(Action::AddAppPassword(form)).await?;
                let Outcome::AppPasswordAdded(made) = made else {
                    return Err(Problem::internal().into());
                };
                // Alone on standard output, so that it can be redirected; everything about it beside it.
                output.show(&made, |made| format!("{}\n", made.password.expose()))?;
                if !output.is_json() {
                    let password = &made.app_password;
                    output.note(&format!(
                        "{} signs in to services as {} with it. The box does not keep it.",
                        password.device, password.username
                    ));
                }
            }
            Self::Remove { id } => {
                let sentence = format!("The app password {id} is removed.");
                core.act(Action::RemoveAppPassword { id }).await?;
                output.done(&sentence)?;
            }
        }
        Ok(())
    }
}

fn table(passwords: &[AppPasswordView]) -> String {
    let rows = passwords.iter().map(|password| {
        let services = password.services.as_ref();
        let services = services.map_or_else(
            || "all".to_owned(),
            |services| {
                let names: Vec<&str> = services.iter().map(ServiceId::as_str).collect();
                names.join(",")
            },
        );
        let last_used = password.last_used.map(|day| day.to_string());
        [
            password.id.clone(),
            password.username.to_string(),
            password.device.to_string(),
            services,
            time(password.created_at),
            last_used.unwrap_or_else(|| NOTHING.to_owned()),
        ]
    });
    let headings = [
        "ID",
        "USERNAME",
        "DEVICE",
        "SERVICES",
        "CREATED",
        "LAST USED",
    ];
    Table::new(headings).with_rows(rows).to_string()
}
