//! Who did what.

use cell_control::ask;
use cell_control::query::AuditVerify;
use cell_gate::form::Form;
use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;

use super::{frame, ok};
use crate::forms::{self, Draft};
use crate::pages;

pub(crate) async fn list(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let mut draft = Draft::read(forms::audit::FILTER, &filter(&visit.query));
    let page = match forms::audit::parse(&mut draft) {
        Some(query) => Some(ask(visit.control.as_ref(), &visit.caller, query).await?),
        None => None,
    };
    Ok(draft.reply(pages::audit::render(&frame, &draft, page.as_ref())))
}

pub(crate) async fn verify(visit: Visit) -> Result<Reply, Problem> {
    let frame = frame(&visit).await;
    let verified = ask(visit.control.as_ref(), &visit.caller, AuditVerify).await?;
    Ok(ok(pages::audit_verify::render(&frame, &verified)))
}

/// The query as the filter's form. Links from elsewhere may carry more, which is no mistake of the person's.
fn filter(query: &Form) -> Form {
    let known = forms::audit::FILTER.iter().filter_map(|field| {
        let value = query.get(field.name)?;
        Some(format!("{}={}", field.name, cell_gate::form::encode(value)))
    });
    let text: Vec<String> = known.collect();
    Form::parse(text.join("&").as_bytes()).unwrap_or_default()
}
