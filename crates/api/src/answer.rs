//! Shapes of answers that are no view of the core, and the ways to give them.

use cell_control::change::{Pending, Receipt};
use cell_control::connection::ConnectionView;
use cell_control::invite::InviteView;
use cell_control::link::LinkView;
use cell_control::mail::MailAliasView;
use cell_control::passkey::PasskeyView;
use cell_control::query::Range;
use cell_control::second_factor::SecondFactorView;
use cell_control::view::{GroupView, OwnServiceView, Page, PeerView, ServiceView, SetupView};
use cell_gate::{Reply, Visit};
use cell_model::account::Role;
use cell_model::name::Username;
use cell_model::problem::Problem;
use cell_model::secret::{Secret, exposed, exposed_option};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::parameter::{self, CURSOR};

/// 200 and JSON.
pub(crate) fn ok<T: Serialize>(value: &T) -> Result<Reply, Problem> {
    Reply::json(StatusCode::OK, value)
}

/// As much as was asked for of a list that the core has told whole. `key` is what an item is known by.
pub(crate) fn part_of<T: Serialize>(
    visit: &Visit,
    all: Vec<T>,
    key: impl Fn(&T) -> String,
) -> Result<Reply, Problem> {
    ok(&cut(all, &parameter::range(&visit.query)?, key)?)
}

fn cut<T>(
    mut items: Vec<T>,
    range: &Range,
    key: impl Fn(&T) -> String,
) -> Result<Page<T>, Problem> {
    if let Some(cursor) = &range.cursor {
        let last = items.iter().position(|item| key(item) == *cursor);
        let last = last.ok_or_else(|| {
            let problem = "names nothing that is there any more: start again without it";
            Problem::field(CURSOR.name, problem)
        })?;
        items.drain(..=last);
    }
    let is_all = items.len() <= range.limit;
    items.truncate(range.limit);
    let next = items.last().filter(|_| !is_all).map(key);
    Ok(Page { items, next })
}

/// A change that was made: `value`, or, when it returns by itself unless confirmed, 202. The connection ends then,
/// since a confirmation counts only on one that is newer than the change.
pub(crate) fn changed(receipt: Receipt, made: Result<Reply, Problem>) -> Result<Reply, Problem> {
    if receipt.confirm.is_none() {
        return made;
    }
    let answer = ChangeAnswer::from(receipt);
    Ok(Reply::json(StatusCode::ACCEPTED, &answer)?.closing_connection())
}

/// A change that was made.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChangeAnswer {
    /// The revision that holds it.
    revision: u64,
    /// Set when the change returns by itself unless confirmed, on a new connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm: Option<Pending>,
}

impl From<Receipt> for ChangeAnswer {
    fn from(receipt: Receipt) -> Self {
        Self {
            revision: receipt.revision,
            confirm: receipt.confirm,
        }
    }
}

/// The box is up.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HealthAnswer {
    /// `ok`.
    pub(crate) status: &'static str,
}

/// Where the wizard stands: nothing is stored between its steps.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WizardAnswer {
    /// Its steps, in order.
    pub(crate) steps: Vec<SetupStep>,
    /// What it proposes.
    pub(crate) proposal: SetupView,
}

/// A step of the wizard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SetupStep {
    /// The setup code.
    Code,
    /// Name, domain and time zone.
    Cell,
    /// The VPN's network and where devices find the box.
    Vpn,
    /// The owner's account.
    Owner,
    /// All of it, to be sent to `/api/setup/complete`.
    Review,
}

impl SetupStep {
    /// All of them, in order.
    pub(crate) const ALL: [Self; 5] =
        [Self::Code, Self::Cell, Self::Vpn, Self::Owner, Self::Review];

    /// The one after this.
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Code => Self::Cell,
            Self::Cell => Self::Vpn,
            Self::Vpn => Self::Owner,
            Self::Owner | Self::Review => Self::Review,
        }
    }
}

/// The step that comes next.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct StepAnswer {
    /// Which.
    pub(crate) step: SetupStep,
}

/// Setup is done.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SetupAnswer {
    /// `complete`.
    pub(crate) status: &'static str,
    /// The first revision.
    pub(crate) revision: u64,
}

/// Who is signed in.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct IdentityAnswer {
    /// The account.
    pub(crate) username: Username,
    /// What it may do.
    pub(crate) role: Role,
    /// The password was set by somebody else and should be changed.
    pub(crate) must_change_password: bool,
}

/// The second factor of one's own account.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SecondFactorAnswer {
    /// It; `null`: none.
    pub(crate) second_factor: Option<SecondFactorView>,
}

/// What an app has to know, once.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct OfferedSecondFactorAnswer {
    /// As people type it into the app (base 32).
    #[serde(serialize_with = "exposed")]
    #[schemars(with = "String")]
    pub(crate) secret: Secret<String>,
    /// The same as an address that apps open (`otpauth:`).
    #[serde(serialize_with = "exposed")]
    #[schemars(with = "String")]
    pub(crate) uri: Secret<String>,
    /// That as a QR code, an inline SVG.
    #[serde(serialize_with = "exposed_option")]
    #[schemars(with = "Option<String>")]
    pub(crate) qr_svg: Option<Secret<String>>,
}

/// The token that changes must carry as `X-CSRF-Token`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CsrfAnswer {
    /// The token; good for as long as the session.
    pub(crate) csrf_token: String,
}

/// A new account.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AccountAnswer {
    /// Its name.
    pub(crate) username: Username,
    /// What it may do.
    pub(crate) role: Role,
}

/// A group of people.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct GroupAnswer {
    /// It.
    pub(crate) group: GroupView,
}

/// A further address for mail.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MailAliasAnswer {
    /// It.
    pub(crate) alias: MailAliasView,
}

/// A passkey.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PasskeyAnswer {
    /// It.
    pub(crate) passkey: Box<PasskeyView>,
}

/// Another cell.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LinkAnswer {
    /// It.
    pub(crate) cell: LinkView,
}

/// A way out.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ConnectionAnswer {
    /// It.
    pub(crate) connection: ConnectionView,
}

/// An invite that was just made.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct NewInviteAnswer {
    /// It.
    pub(crate) invite: InviteView,
    /// What opens it, this once: 26 letters and digits.
    #[serde(serialize_with = "exposed")]
    #[schemars(with = "String")]
    pub(crate) code: Secret<String>,
    /// Where it is accepted in a browser, for whoever reaches the box by the name that this was asked for under.
    #[serde(serialize_with = "exposed")]
    #[schemars(with = "String")]
    pub(crate) url: Secret<String>,
}

/// A device.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PeerAnswer {
    /// The device.
    pub(crate) peer: PeerView,
}

/// A device and its file.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PeerFileAnswer {
    /// The device.
    pub(crate) peer: PeerView,
    /// The file for its WireGuard app; with the private line only when the box has just made the key, and never again.
    #[serde(serialize_with = "exposed_option")]
    #[schemars(with = "Option<String>")]
    pub(crate) config: Option<Secret<String>>,
    /// The same as a QR code, an inline SVG; `null` without the private line, since no app takes such a code.
    #[serde(serialize_with = "exposed_option")]
    #[schemars(with = "Option<String>")]
    pub(crate) qr_svg: Option<Secret<String>>,
    /// What to know about the file.
    pub(crate) notes: Vec<String>,
    /// Set when the change returns by itself unless confirmed, on a new connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) confirm: Option<Pending>,
}

/// What a member has of the box.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DashboardAnswer {
    /// Who.
    pub(crate) username: Username,
    /// Their devices.
    pub(crate) devices: Vec<PeerView>,
    /// Services that they may use.
    pub(crate) services: Vec<OwnServiceView>,
}

/// A service that is installed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ServiceAnswer {
    /// The service.
    pub(crate) service: Box<ServiceView>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(limit: usize, cursor: Option<&str>) -> Result<(String, Option<String>), Problem> {
        let range = Range {
            limit,
            cursor: cursor.map(str::to_owned),
        };
        let page = cut("dbac".chars().collect(), &range, char::to_string)?;
        Ok((page.items.into_iter().collect(), page.next))
    }

    #[test]
    fn list_that_is_told_whole_is_answered_page_by_page() {
        for (limit, cursor, items, next) in [
            (100, None, "dbac", None),
            (4, None, "dbac", None),
            (3, None, "dba", Some("a")),
            (3, Some("a"), "c", None),
            (1, Some("b"), "a", Some("a")),
            (1, Some("c"), "", None),
        ] {
            let expected = (items.to_owned(), next.map(str::to_owned));
            assert_eq!(asked(limit, cursor).unwrap(), expected);
        }
        let gone = asked(3, Some("x")).unwrap_err();
        assert_eq!((gone.status, &*gone.code), (400, "invalid_field"));
    }
}
