//! A service on Apple's devices.

use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;

use super::services::service;
use crate::profile::{self, CONTENT_TYPE};

/// The profile for whoever asks. 404 where the service has nothing that one could hold.
pub(crate) async fn download(visit: Visit) -> Result<Reply, Problem> {
    let service = service(&visit).await?;
    let identity = visit.identity.as_ref().ok_or_else(Problem::internal)?;
    let profile = profile::of(&service, &identity.username);
    let profile =
        profile.ok_or_else(|| Problem::not_found(format!("profile of {}", service.id)))?;
    let name = format!("{}.mobileconfig", service.id);
    Ok(Reply::attachment(&name, CONTENT_TYPE, profile))
}
