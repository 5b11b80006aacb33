//! Sources of services.

use cell_control::action::Action;
use cell_control::ask;
use cell_control::query::Sources;
use cell_control::view::{ConfigView, SourceView};
use cell_gate::{Reply, Visit};
use cell_model::config::SourceConfig;
use cell_model::name::SourceName;
use cell_model::problem::Problem;
use maud::Markup;

use super::review::after_change;
use super::{done, draft, frame, named, ok, refuse, settings};
use crate::done::Done;
use crate::forms::source::{self, Typed};
use crate::forms::{Draft, REVIEWED};
use crate::frame::Frame;
use crate::pages;
use crate::pages::source_review::Review;

const PATH: &str = "/sources";

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let config = settings(&visit).await?;
    let sources = known(&visit).await?;
    Ok(ok(pages::sources::render(&frame, &config, &sources)))
}

/// Asks all of them. One that fails tells so on the page that follows.
pub(crate) async fn refresh(visit: Visit) -> Result<Reply, Problem> {
    let asked = visit.control.act(&visit.caller, Action::RefreshStore);
    asked.await?;
    Ok(done(PATH, Done::Asked))
}

pub(crate) async fn show(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let (view, source) = both(&visit, &settings(&visit).await?).await?;
    Ok(ok(pages::source::render(&frame, &view, &source)))
}

pub(crate) async fn new(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let draft = source::empty(settings(&visit).await?.revision);
    Ok(ok(pages::source_new::render(&frame, &draft)))
}

pub(crate) async fn add(visit: Visit) -> Result<Reply, Problem> {
    let services = settings(&visit).await?.services;
    let mut draft = draft(&visit, source::NEW)?;
    let typed = source::parse_new(&mut draft, services);
    let sent = Sent {
        form: pages::source_new::render,
        before: None,
        done: Done::Added,
    };
    sent.answer(&visit, draft, typed).await
}

pub(crate) async fn ask_change(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let config = settings(&visit).await?;
    let (_, source) = named_source(&visit, &config)?;
    let draft = source::of(&source, config.revision);
    Ok(ok(pages::source_change::render(&frame, &draft)))
}

pub(crate) async fn change(visit: Visit) -> Result<Reply, Problem> {
    let config = settings(&visit).await?;
    let (name, before) = named_source(&visit, &config)?;
    let mut draft = draft(&visit, source::CHANGE)?;
    let typed = source::parse_change(&mut draft, config.services, name);
    let sent = Sent {
        form: pages::source_change::render,
        before: Some(before),
        done: Done::Saved,
    };
    sent.answer(&visit, draft, typed).await
}

pub(crate) async fn ask_remove(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let (view, _) = both(&visit, &settings(&visit).await?).await?;
    Ok(ok(pages::source_remove::render(&frame, &view)))
}

pub(crate) async fn remove(visit: Visit) -> Result<Reply, Problem> {
    let config = settings(&visit).await?;
    let (name, _) = named_source(&visit, &config)?;
    let change = source::without(config.services, &name, config.revision);
    let receipt = visit.control.submit(&visit.caller, change).await?;
    Ok(after_change(&receipt, PATH, Done::Removed))
}

/// A form of a source that was sent.
struct Sent {
    /// The page it is on.
    form: fn(&Frame, &Draft) -> Markup,
    /// What the source was before, if it was there.
    before: Option<SourceConfig>,
    /// What was done in the end.
    done: Done,
}

impl Sent {
    /// First the form, then whom it would have the box trust, then the change.
    async fn answer(
        self,
        visit: &Visit,
        mut draft: Draft<'static>,
        typed: Option<Typed>,
    ) -> Result<Reply, Problem> {
        let frame = frame(visit).await;
        // The form that comes back has not been reviewed, whatever this one was.
        let word = draft.typed(REVIEWED.name).to_owned();
        draft.forget(REVIEWED.name);
        let Some(Typed {
            name,
            source,
            change,
        }) = typed
        else {
            return Ok(draft.reply((self.form)(&frame, &draft)));
        };
        let (control, caller) = (visit.control.as_ref(), &visit.caller);
        let refused = match word.as_str() {
            "yes" => match control.submit(caller, change).await {
                Ok(receipt) => return Ok(after_change(&receipt, PATH, self.done)),
                Err(problem) => problem,
            },
            "no" => return Ok(ok((self.form)(&frame, &draft))),
            _ => match control.preview(caller, change).await {
                Ok(preview) => {
                    let review = Review {
                        name: &name,
                        source: &source,
                        before: self.before.as_ref(),
                        preview: &preview,
                    };
                    return Ok(ok(pages::source_review::render(&frame, &draft, &review)));
                }
                Err(problem) => problem,
            },
        };
        refuse(visit, &mut draft, source::own_fields(refused)).await?;
        Ok(draft.reply((self.form)(&frame, &draft)))
    }
}

async fn known(visit: &Visit) -> Result<Vec<SourceView>, Problem> {
    Ok(ask(visit.control.as_ref(), &visit.caller, Sources)
        .await?
        .items)
}

/// The source of the path: what is known of it, and what the settings say.
async fn both(visit: &Visit, config: &ConfigView) -> Result<(SourceView, SourceConfig), Problem> {
    let (name, source) = named_source(visit, config)?;
    let known = known(visit).await?;
    let view = known.into_iter().find(|view| view.source == name);
    Ok((view.ok_or_else(|| none(&name))?, source))
}

fn named_source(visit: &Visit, config: &ConfigView) -> Result<(SourceName, SourceConfig), Problem> {
    let name: SourceName = named(visit, "source")?;
    let source = config.services.sources.get(&name).cloned();
    let source = source.ok_or_else(|| none(&name))?;
    Ok((name, source))
}

fn none(name: &SourceName) -> Problem {
    Problem::not_found(format!("source {name}"))
}
