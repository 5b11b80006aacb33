//! A service on Apple's devices.

use cell_control::ask;
use cell_control::query::OwnServices;
use cell_gate::{Reply, Visit};
use cell_model::name::ServiceId;
use cell_model::problem::Problem;

use super::named;
use crate::profile::{self, CONTENT_TYPE};

/// The profile for whoever asks. 404 where the service has nothing that one could hold.
pub(crate) async fn download(visit: Visit) -> Result<Reply, Problem> {
    let id: ServiceId = named(&visit, "service")?;
    let services = ask(visit.control.as_ref(), &visit.caller, OwnServices).await?;
    let mut services = services.items.into_iter();
    let service = services.find(|service| service.id == id);
    let service = service.ok_or_else(|| Problem::not_found(format!("service {id}")))?;
    let identity = visit.identity.as_ref().ok_or_else(Problem::internal)?;
    let profile = profile::of(&service, &identity.username);
    let profile =
        profile.ok_or_else(|| Problem::not_found(format!("profile of {}", service.id)))?;
    let name = format!("{}.mobileconfig", service.id);
    Ok(Reply::attachment(&name, CONTENT_TYPE, profile))
}
