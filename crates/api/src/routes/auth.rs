//! Signing in and out, passwords, accounts.

use cell_control::action::{
    AccountForm, AccountUpdate, Action, Outcome, PasswordChange, PasswordReset,
};
use cell_control::second_factor::typed_code;
use cell_control::{ask, query};
use cell_gate::{Reply, Visit, qr};
use cell_model::name::Username;
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::answer::{
    AccountAnswer, CsrfAnswer, DashboardAnswer, IdentityAnswer, OfferedSecondFactorAnswer,
    SecondFactorAnswer, ok, part_of,
};
use crate::{body, parameter, path};

/// Bytes of a password: what no account can have is not worth hashing.
const PASSWORD_BYTES: usize = 1024;

/// Name and password.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginForm {
    /// The account.
    username: Username,
    /// Its password.
    #[schemars(with = "String", length(min = 1, max = 1024), extend("writeOnly" = true))]
    password: Secret<String>,
    /// What its app shows now, or a recovery code: for accounts with a second factor.
    #[serde(default)]
    #[schemars(with = "Option<String>", length(max = 64), extend("writeOnly" = true))]
    code: Option<Secret<String>>,
}

/// A code of one's app.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeForm {
    /// What it shows now.
    #[schemars(with = "String", length(min = 6, max = 64), extend("writeOnly" = true))]
    code: Secret<String>,
}

/// The password, once more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReauthenticationForm {
    /// It.
    #[schemars(with = "String", length(min = 1, max = 1024), extend("writeOnly" = true))]
    password: Secret<String>,
}

fn check_password(password: &Secret<String>) -> Result<(), Problem> {
    let text = password.expose();
    match text.is_empty() || text.len() > PASSWORD_BYTES || text.chars().any(char::is_control) {
        true => Err(Problem::field(
            "password",
            "cannot be a password of this box",
        )),
        false => Ok(()),
    }
}

fn check_code(code: &Secret<String>) -> Result<(), Problem> {
    let typed = typed_code(code.expose());
    typed
        .map(drop)
        .map_err(|error| Problem::field("code", error))
}

pub(crate) async fn login(visit: Visit) -> Result<Reply, Problem> {
    let LoginForm {
        username,
        password,
        code,
    } = body::read(&visit)?;
    check_password(&password)?;
    let code = code.filter(|code| !code.expose().is_empty());
    code.as_ref().map_or(Ok(()), check_code)?;
    let user_agent = visit.user_agent().to_owned();
    let action = Action::SignIn {
        username: username.to_string(),
        password,
        code,
        user_agent,
    };
    let outcome = visit.control.act(&visit.caller, action).await?;
    signed_in(StatusCode::OK, outcome)
}

/// Who is signed in, with the cookie.
pub(super) fn signed_in(status: StatusCode, outcome: Outcome) -> Result<Reply, Problem> {
    let (token, identity, must_change_password) = match outcome {
        Outcome::SignedIn {
            token,
            identity,
            must_change_password,
        } => (token, identity, must_change_password),
        Outcome::CodeRequired { .. } => return Err(code_required()),
        _ => return Err(Problem::internal()),
    };
    let answer = IdentityAnswer {
        username: identity.username,
        role: identity.role,
        must_change_password,
    };
    Ok(Reply::json(status, &answer)?.with_session(&token))
}

fn code_required() -> Problem {
    Problem::new(
        401,
        "code_required",
        "A code is needed",
        "Name and password are right. Send them again with what your app shows now, or with a recovery code, as `code`.",
    )
}

pub(crate) async fn second_factor(visit: Visit) -> Result<Reply, Problem> {
    let own = ask(visit.control.as_ref(), &visit.caller, query::Sessions).await?;
    ok(&SecondFactorAnswer {
        second_factor: own.second_factor,
    })
}

pub(crate) async fn offer_second_factor(visit: Visit) -> Result<Reply, Problem> {
    let offered = visit
        .control
        .act(&visit.caller, Action::OfferSecondFactor)
        .await?;
    let Outcome::SecondFactorOffered(offered) = offered else {
        return Err(Problem::internal());
    };
    let code = qr::svg(offered.uri.expose(), "Second factor");
    Reply::json(
        StatusCode::CREATED,
        &OfferedSecondFactorAnswer {
            qr_svg: code.ok().map(Secret::new),
            secret: offered.secret,
            uri: offered.uri,
        },
    )
}

pub(crate) async fn add_second_factor(visit: Visit) -> Result<Reply, Problem> {
    let CodeForm { code } = body::read(&visit)?;
    check_code(&code)?;
    recovery_codes(&visit, Action::AddSecondFactor { code }).await
}

pub(crate) async fn renew_recovery_codes(visit: Visit) -> Result<Reply, Problem> {
    recovery_codes(&visit, Action::RenewRecoveryCodes).await
}

async fn recovery_codes(visit: &Visit, action: Action) -> Result<Reply, Problem> {
    match visit.control.act(&visit.caller, action).await? {
        Outcome::RecoveryCodes(codes) => ok(&*codes),
        _ => Err(Problem::internal()),
    }
}

pub(crate) async fn remove_second_factor(visit: Visit) -> Result<Reply, Problem> {
    visit
        .control
        .act(&visit.caller, Action::RemoveSecondFactor)
        .await?;
    Ok(Reply::no_content())
}

pub(crate) async fn reauthenticate(visit: Visit) -> Result<Reply, Problem> {
    let ReauthenticationForm { password } = body::read(&visit)?;
    check_password(&password)?;
    visit
        .control
        .act(&visit.caller, Action::Reauthenticate { password })
        .await?;
    Ok(Reply::no_content())
}

pub(crate) async fn logout(visit: Visit) -> Result<Reply, Problem> {
    visit.control.act(&visit.caller, Action::SignOut).await?;
    Ok(Reply::no_content().without_session())
}

pub(crate) async fn change_password(visit: Visit) -> Result<Reply, Problem> {
    let change: PasswordChange = body::read(&visit)?;
    visit
        .control
        .act(&visit.caller, Action::ChangePassword(change))
        .await?;
    Ok(Reply::no_content())
}

pub(crate) async fn reset_password(visit: Visit) -> Result<Reply, Problem> {
    let reset: PasswordReset = body::read(&visit)?;
    visit
        .control
        .act(&visit.caller, Action::ResetPassword(reset))
        .await?;
    Ok(Reply::no_content())
}

pub(crate) async fn csrf_token(visit: Visit) -> Result<Reply, Problem> {
    let csrf_token = ask(visit.control.as_ref(), &visit.caller, query::CsrfToken).await?;
    ok(&CsrfAnswer { csrf_token })
}

pub(crate) async fn me(visit: Visit) -> Result<Reply, Problem> {
    let own = ask(visit.control.as_ref(), &visit.caller, query::Sessions).await?;
    ok(&IdentityAnswer {
        username: own.identity.username,
        role: own.identity.role,
        must_change_password: own.must_change_password,
    })
}

pub(crate) async fn sessions(visit: Visit) -> Result<Reply, Problem> {
    let own = ask(visit.control.as_ref(), &visit.caller, query::Sessions).await?;
    part_of(&visit, own.sessions, |session| session.id.clone())
}

pub(crate) async fn revoke_session(visit: Visit) -> Result<Reply, Problem> {
    let id = visit.param("id").to_owned();
    visit
        .control
        .act(&visit.caller, Action::RevokeSession { id })
        .await?;
    Ok(Reply::no_content())
}

pub(crate) async fn accounts(visit: Visit) -> Result<Reply, Problem> {
    let range = parameter::range(&visit.query)?;
    ok(&ask(
        visit.control.as_ref(),
        &visit.caller,
        query::Accounts { range },
    )
    .await?)
}

pub(crate) async fn add_account(visit: Visit) -> Result<Reply, Problem> {
    let form: AccountForm = body::read(&visit)?;
    let answer = AccountAnswer {
        username: form.username.clone(),
        role: form.role,
    };
    visit
        .control
        .act(&visit.caller, Action::AddAccount(form))
        .await?;
    Reply::json(StatusCode::CREATED, &answer)
}

pub(crate) async fn account(visit: Visit) -> Result<Reply, Problem> {
    let username = path::name(&visit, "username", "account")?;
    let question = query::Account { username };
    ok(&ask(visit.control.as_ref(), &visit.caller, question).await?)
}

pub(crate) async fn change_account(visit: Visit) -> Result<Reply, Problem> {
    let username = path::name(&visit, "username", "account")?;
    let update: AccountUpdate = body::read(&visit)?;
    let action = Action::ChangeAccount { username, update };
    visit.control.act(&visit.caller, action).await?;
    Ok(Reply::no_content())
}

pub(crate) async fn remove_account(visit: Visit) -> Result<Reply, Problem> {
    let username = path::name(&visit, "username", "account")?;
    visit
        .control
        .act(&visit.caller, Action::RemoveAccount { username })
        .await?;
    Ok(Reply::no_content())
}

pub(crate) async fn dashboard(visit: Visit) -> Result<Reply, Problem> {
    let (control, caller) = (visit.control.as_ref(), &visit.caller);
    ok(&DashboardAnswer {
        username: visit.require_identity()?.username.clone(),
        devices: ask(control, caller, query::OwnPeers).await?.items,
        services: ask(control, caller, query::OwnServices).await?.items,
    })
}
