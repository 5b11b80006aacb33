//! Images: where they are of what runs, and which are needed next.

use std::collections::{BTreeMap, BTreeSet};

use cell_catalogue::Manifest;
use cell_model::config::{Config, OriginConfig};
use cell_model::container::{ImageDigest, ImageRef};
use cell_model::name::ServiceId;
use cell_model::spec::{ContainersSpec, NextSpec, OriginSpec};

/// Where the images are of those that run.
pub(super) fn origins(
    config: &Config,
    containers: &ContainersSpec,
) -> BTreeMap<ServiceId, OriginSpec> {
    let running = containers.services.iter().map(|service| &service.id);
    let origins = running.filter_map(|id| {
        let service = config.services.installed.get(id)?;
        Some((id.clone(), origin(config, service.origin.as_ref())?))
    });
    origins.collect()
}

/// What services become once their images are here. One that cannot be read is none: what runs goes on.
pub(super) fn next(config: &Config) -> BTreeMap<ServiceId, NextSpec> {
    let installed = config.services.installed.iter();
    let next = installed.filter_map(|(id, service)| {
        let next = service.next.as_ref()?;
        let manifest = Manifest::parse(next.manifest.as_bytes()).ok()?;
        let spec = NextSpec {
            images: manifest.images(),
            origin: origin(config, next.origin.as_ref()),
            needs: manifest.requires,
        };
        Some((id.clone(), spec))
    });
    next.collect()
}

/// The images that are needed, or may be needed again without somebody installing something. `None`: a manifest is not one
/// that this version of the box takes, and which images are its is not known.
pub(super) fn kept(config: &Config, proxy: Option<&ImageRef>) -> Option<BTreeSet<ImageDigest>> {
    let mut kept: BTreeSet<ImageDigest> = proxy.iter().map(|image| image.digest).collect();
    for service in config.services.installed.values() {
        let next = service.next.iter().map(|next| &next.manifest);
        let former = service.former.iter().map(|former| &former.manifest);
        for text in next.chain(former).chain([&service.manifest]) {
            kept.extend(Manifest::parse(text.as_bytes()).ok()?.images());
        }
    }
    Some(kept)
}

/// The source may be none of the settings any more: then nobody is asked.
fn origin(config: &Config, origin: Option<&OriginConfig>) -> Option<OriginSpec> {
    let origin = origin?;
    let source = config.services.sources.get(&origin.source)?;
    Some(OriginSpec {
        url: source.url.clone(),
        registry: origin.registry.clone(),
        authorities: source.authorities.clone(),
        size: origin.size,
    })
}
