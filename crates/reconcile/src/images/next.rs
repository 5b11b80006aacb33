//! How far that is which services become: they go on as they are until all images of it are here.

use std::collections::BTreeMap;

use cell_model::container::ImageDigest;
use cell_model::name::ServiceId;
use cell_model::spec::{ContainersSpec, NextSpec};
use cell_model::status::{NextStatus, Obstacle, State};

use super::{Images, Stage};

impl Images {
    /// How far that is which services become. `failed` is why containers could not be brought to what is asked for.
    pub(crate) fn next(
        &self,
        spec: &ContainersSpec,
        failed: Option<&str>,
    ) -> BTreeMap<ServiceId, NextStatus> {
        let of = |(id, next): (&ServiceId, &NextSpec)| {
            let status = self.status(spec, id, next, failed);
            (id.clone(), status)
        };
        spec.next.iter().map(of).collect()
    }

    fn status(
        &self,
        spec: &ContainersSpec,
        id: &ServiceId,
        next: &NextSpec,
        failed: Option<&str>,
    ) -> NextStatus {
        let (state, detail, obstacle) = match next.images.is_subset(&self.there) {
            false => self.coming(id, next, failed),
            true => self.waiting_for(spec, next),
        };
        NextStatus {
            images: next.images.clone(),
            state,
            detail,
            obstacle,
        }
    }

    /// Its own images are not all here.
    fn coming(
        &self,
        id: &ServiceId,
        next: &NextSpec,
        failed: Option<&str>,
    ) -> (State, String, Option<Obstacle>) {
        let way = self.on_their_way.get(id).filter(|way| way.needed.is_next);
        match way.map(|way| &way.stage) {
            Some(Stage::Coming(_)) => {
                let progress = way.and_then(|way| way.progress.mib());
                let detail = match progress {
                    None => "The next version is fetched: its source is asked.".to_owned(),
                    Some((done, total)) if done >= total => {
                        "The next version is fetched, and is unpacked.".to_owned()
                    }
                    Some((done, total)) => {
                        format!("The next version is fetched: {done} of {total} MiB.")
                    }
                };
                (State::Pending, detail, None)
            }
            Some(Stage::Waiting {
                obstacle, pause, ..
            }) => failing(obstacle.clone(), &format!("after {} s", pause.as_secs())),
            None => self.not_begun(next, failed),
        }
    }

    /// Nothing of it is fetched: it comes with the box, from nobody, or later.
    fn not_begun(
        &self,
        next: &NextSpec,
        failed: Option<&str>,
    ) -> (State, String, Option<Obstacle>) {
        let missing = next.images.difference(&self.there);
        let nowhere = missing.clone().find(|image| {
            let is_known = self.library.has_image(image) || next.origin.is_some();
            !is_known
        });
        let is_with_the_box = |image: &ImageDigest| self.library.has_image(image);
        let obstacle = |why: String| Obstacle {
            why,
            is_network: false,
        };
        match (nowhere, failed) {
            (Some(image), _) => {
                let why = format!("the box knows no place any more where the image {image} is");
                failing(obstacle(why), "from time to time")
            }
            (None, Some(failed)) if missing.clone().any(is_with_the_box) => {
                let why = failed.trim_end_matches('.').to_owned();
                failing(obstacle(why), "from time to time")
            }
            (None, _) => (
                State::Pending,
                "The next version waits for its turn.".to_owned(),
                None,
            ),
        }
    }

    /// What it needs may not be here yet.
    fn waiting_for(
        &self,
        spec: &ContainersSpec,
        next: &NextSpec,
    ) -> (State, String, Option<Obstacle>) {
        let mut needs = spec.services.iter();
        let needs = needs.find(|service| {
            let is_here = service.images().all(|image| self.there.contains(&image));
            next.needs.contains(&service.id) && !is_here
        });
        let Some(needs) = needs.map(|service| &service.id) else {
            return (State::Ok, "The next version is here.".to_owned(), None);
        };
        let stage = self.on_their_way.get(needs).map(|way| &way.stage);
        match stage {
            Some(Stage::Waiting {
                obstacle, pause, ..
            }) => {
                let why = format!("{needs}, which it needs, does not come: {}", obstacle.why);
                let obstacle = Obstacle {
                    why,
                    is_network: obstacle.is_network,
                };
                failing(obstacle, &format!("after {} s", pause.as_secs()))
            }
            _ => (
                State::Pending,
                format!("The next version waits for {needs}, which it needs."),
                None,
            ),
        }
    }
}

fn failing(obstacle: Obstacle, again: &str) -> (State, String, Option<Obstacle>) {
    let why = &obstacle.why;
    let detail =
        format!("The next version could not be fetched: {why}. That is tried again {again}.");
    (State::Failed, detail, Some(obstacle))
}
