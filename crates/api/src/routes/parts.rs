//! Built-in parts, status and logs.

use cell_control::action::{Action, LogLevel, Outcome, Verbosity};
use cell_control::view::PartView;
use cell_control::{ask, query};
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;
use cell_model::status::Part;

use crate::answer::{ok, part_of};
use crate::parameter::{self, LIMIT, Parameter};
use crate::{body, path};

/// The ancestor's word for a limit.
pub(crate) const LINES: Parameter = Parameter::number("lines", "Another word for `limit`.");
/// Of this part.
pub(crate) const PART: Parameter = Parameter::text("part", "Only of this part.");
/// The same in the ancestor's word.
pub(crate) const SERVICE: Parameter = Parameter::text("service", "Another word for `part`.");
/// This important.
pub(crate) const LEVEL: Parameter = Parameter::text(
    "level",
    "Only this important or more: error, warn, info or debug.",
);
/// With this text.
pub(crate) const TEXT: Parameter =
    Parameter::text("q", "Only lines that contain this text, either case.").required();

/// Parameters of the log.
pub(crate) const LOGS: &[Parameter] = &[LIMIT, LINES, PART, SERVICE, LEVEL];
/// Parameters of a search in it.
pub(crate) const SEARCH: &[Parameter] = &[TEXT, LIMIT, LINES, PART, SERVICE, LEVEL];

/// Characters of a text to look for.
const TEXT_CHARACTERS: usize = 200;

pub(crate) async fn status(visit: Visit) -> Result<Reply, Problem> {
    ok(&ask(visit.control.as_ref(), &visit.caller, query::Status).await?)
}

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let mut items: Vec<PartView> = Vec::new();
    for part in Part::ALL {
        items.push(
            ask(
                visit.control.as_ref(),
                &visit.caller,
                query::PartDetail { part },
            )
            .await?,
        );
    }
    part_of(&visit, items, |part| part.part.as_str().to_owned())
}

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let part = path::part(&visit)?;
    ok(&ask(
        visit.control.as_ref(),
        &visit.caller,
        query::PartDetail { part },
    )
    .await?)
}

pub(crate) async fn test(visit: Visit) -> Result<Reply, Problem> {
    let part = path::part(&visit)?;
    match visit
        .control
        .act(&visit.caller, Action::TestPart { part })
        .await?
    {
        Outcome::Tested(result) => ok(&result),
        _ => Err(Problem::internal()),
    }
}

pub(crate) async fn restart(visit: Visit) -> Result<Reply, Problem> {
    let part = path::part(&visit)?;
    visit
        .control
        .act(&visit.caller, Action::RestartPart { part })
        .await?;
    Ok(Reply::no_content())
}

pub(crate) async fn part_logs(visit: Visit) -> Result<Reply, Problem> {
    let part = path::part(&visit)?;
    lines(&visit, Some(part), None).await
}

pub(crate) async fn logs(visit: Visit) -> Result<Reply, Problem> {
    let part = part(&visit)?;
    lines(&visit, part, None).await
}

pub(crate) async fn search(visit: Visit) -> Result<Reply, Problem> {
    let part = part(&visit)?;
    let text = parameter::text(&visit.query, TEXT.name, TEXT_CHARACTERS)?;
    lines(&visit, part, text).await
}

async fn lines(visit: &Visit, part: Option<Part>, text: Option<String>) -> Result<Reply, Problem> {
    let limit = one_of(visit, LIMIT, LINES)?;
    let question = query::Logs {
        limit: parameter::limit(&visit.query, limit)?.unwrap_or(query::Range::DEFAULT_LIMIT),
        part,
        level: level(visit)?,
        text,
    };
    ok(&ask(visit.control.as_ref(), &visit.caller, question).await?)
}

pub(crate) async fn verbosity(visit: Visit) -> Result<Reply, Problem> {
    ok(&ask(
        visit.control.as_ref(),
        &visit.caller,
        query::VerbosityLevels,
    )
    .await?)
}

pub(crate) async fn set_verbosity(visit: Visit) -> Result<Reply, Problem> {
    let verbosity: Verbosity = body::read(&visit)?;
    visit
        .control
        .act(&visit.caller, Action::SetVerbosity(verbosity))
        .await?;
    ok(&ask(
        visit.control.as_ref(),
        &visit.caller,
        query::VerbosityLevels,
    )
    .await?)
}

fn part(visit: &Visit) -> Result<Option<Part>, Problem> {
    let name = one_of(visit, PART, SERVICE)?;
    let words = Part::ALL.map(Part::as_str).join(", ");
    visit
        .query
        .get(name)
        .map(|word| {
            Part::from_word(word)
                .ok_or_else(|| Problem::field(name, format!("must be one of {words}")))
        })
        .transpose()
}

/// The name that is used, of two that mean the same.
fn one_of(visit: &Visit, name: Parameter, other: Parameter) -> Result<&'static str, Problem> {
    match (visit.query.get(name.name), visit.query.get(other.name)) {
        (Some(_), Some(_)) => {
            let message = format!("must not be given together with {}", name.name);
            Err(Problem::field(other.name, message))
        }
        (None, Some(_)) => Ok(other.name),
        _ => Ok(name.name),
    }
}

fn level(visit: &Visit) -> Result<Option<LogLevel>, Problem> {
    let Some(word) = visit.query.get(LEVEL.name) else {
        return Ok(None);
    };
    match word {
        "error" => Ok(Some(LogLevel::Error)),
        "warn" => Ok(Some(LogLevel::Warn)),
        "info" => Ok(Some(LogLevel::Info)),
        "debug" => Ok(Some(LogLevel::Debug)),
        _ => Err(Problem::field(
            LEVEL.name,
            "must be one of error, warn, info, debug",
        )),
    }
}
