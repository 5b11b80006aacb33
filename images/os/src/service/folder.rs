//! The package folder: what `cell-packages` reads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cell_model::container::{ImageDigest, ImageName};
use serde_json::{Value, json};

use super::image::{Blob, Blobs};
use super::layer::Layer;
use super::pin::pin;
use super::recipe::{self, FILES, ImageRecipe, Placed};
use super::stack::{Source, Stack, licences};
use crate::debian::{Lock, Locked, choose};
use crate::error::OsError;
use crate::root::{CERTIFICATES, authorities};
use crate::{digest, files, sbom};

/// A service's manifest.
const MANIFEST: &str = "service.toml";
/// The list of images.
const IMAGES: &str = "images.json";
/// What is in an image, beside its other things.
const CONTENTS: &str = "sbom.spdx.json";
/// The time of everything: none, so that the same packages give the same bytes.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// The services of the source tree, for boards of one architecture.
#[derive(Debug, Clone)]
pub struct Services {
    folder: PathBuf,
    source: Source,
}

/// A layer that was made.
#[derive(Debug)]
struct Made {
    blob: Blob,
    places: BTreeSet<PathBuf>,
    /// Whose files are in it.
    packages: Vec<Locked>,
}

impl Services {
    /// Those of the source tree `tree`; `cache` outlives builds, `architecture` is in Debian's words.
    pub fn new(tree: &Path, cache: &Path, architecture: &str) -> Self {
        Self {
            folder: tree.join("images/services"),
            source: Source {
                cache: cache.to_owned(),
                architecture: architecture.to_owned(),
            },
        }
    }

    /// The services there are.
    ///
    /// # Errors
    /// That their folder cannot be read.
    pub fn ids(&self) -> Result<Vec<String>, OsError> {
        recipe::ids(&self.folder)
    }

    /// Everything that these services are made from, as one text: names and digests.
    ///
    /// # Errors
    /// What could not be read.
    pub fn inputs(&self) -> Result<String, OsError> {
        let files = digest::below(&self.folder)?;
        Ok(format!("{}\n{files}", self.source.architecture))
    }

    /// Writes the lock files anew of these services, and of the layers that they stand on.
    ///
    /// # Errors
    /// What apt says, or that a file cannot be written.
    pub fn refresh(&self, ids: &[String]) -> Result<(), OsError> {
        let mut written: BTreeMap<PathBuf, Lock> = BTreeMap::new();
        for image in self.images(ids)? {
            let stack = Placed::read(&self.folder, &image)?;
            let mut locks = Vec::new();
            for (number, layer) in stack.iter().enumerate() {
                let lock = match written.get(&layer.folder) {
                    Some(lock) => lock.clone(),
                    None => self.source.refresh(&locks, &stack[..number], layer)?,
                };
                written.insert(layer.folder.clone(), lock.clone());
                locks.push(lock);
            }
        }
        Ok(())
    }

    /// Makes the images of these services, and puts all there is of them into the folder `out`, in the
    /// place of what was made there before.
    ///
    /// # Errors
    /// The step that failed.
    pub fn make(
        &self,
        ids: &[String],
        out: &Path,
        mut progress: impl FnMut(&str),
    ) -> Result<(), OsError> {
        if out.exists() && !out.join(IMAGES).exists() && !files::below(out)?.is_empty() {
            return Err(OsError::Data {
                path: out.to_owned(),
                problem: "has other files, which would be lost; name a folder that is not there"
                    .to_owned(),
            });
        }
        files::empty_folder(out)?;
        let blobs = Blobs::new(out)?;
        let mut made = BTreeMap::new();
        let mut images = BTreeMap::new();
        for folder in self.images(ids)? {
            progress(&format!("making the image of {folder}"));
            let (name, digest) = self.image(&folder, &blobs, &mut made, out, &mut progress)?;
            if images.insert(name, digest).is_some() {
                return Err(OsError::Data {
                    path: self.folder.join(folder),
                    problem: "its image has the name of another one".to_owned(),
                });
            }
        }
        for id in ids {
            let path = self.folder.join(id).join(MANIFEST);
            // Some of what is launched is the box's own, and no service.
            if path.exists() {
                let pinned = pin(&files::read_text(&path)?, &path, &images)?;
                files::write(&out.join(id).join(MANIFEST), pinned, 0o644)?;
            }
        }
        let images: BTreeMap<String, ImageDigest> = images
            .into_iter()
            .map(|(name, digest)| (name.to_string(), digest))
            .collect();
        write_json(&out.join(IMAGES), &json!({ "images": images }))
    }

    /// The folders of these services' images.
    fn images(&self, ids: &[String]) -> Result<Vec<String>, OsError> {
        let mut images = Vec::new();
        for id in ids {
            images.extend(recipe::images(&self.folder, id)?);
        }
        Ok(images)
    }

    /// A folder with all packages of an image and of the layers that it stands on, unpacked. `image` is its folder:
    /// `proxy`, `mail/postfix`.
    ///
    /// # Errors
    /// What could not be fetched, verified or unpacked.
    pub fn packages(
        &self,
        image: &str,
        mut progress: impl FnMut(&str),
    ) -> Result<PathBuf, OsError> {
        let placed = Placed::read(&self.folder, image)?;
        let mut stack = Stack::default();
        for (number, layer) in placed.iter().enumerate() {
            self.source
                .put_on(&mut stack, &placed[..number], layer, &mut progress)?;
        }
        self.source.unpacked(&stack)
    }

    /// Makes the image of this folder, and the list of what is in it.
    fn image(
        &self,
        folder: &str,
        blobs: &Blobs,
        made: &mut BTreeMap<PathBuf, Made>,
        out: &Path,
        mut progress: impl FnMut(&str),
    ) -> Result<(ImageName, ImageDigest), OsError> {
        let layers = Placed::read(&self.folder, folder)?;
        let mut stack = Stack::default();
        for (number, layer) in layers.iter().enumerate() {
            self.source
                .put_on(&mut stack, &layers[..number], layer, &mut progress)?;
            if !made.contains_key(&layer.folder) {
                let below: Vec<&Made> = layers[..number]
                    .iter()
                    .filter_map(|below| made.get(&below.folder))
                    .collect();
                let new = self.layer(layer, &stack, &below, blobs)?;
                made.insert(layer.folder.clone(), new);
            }
        }
        let made: Vec<&Made> = layers
            .iter()
            .filter_map(|layer| made.get(&layer.folder))
            .collect();
        let recipe = layers.last().and_then(|top| top.recipe.image.as_ref());
        // `Placed::read` answers none without it.
        let recipe = recipe.ok_or_else(|| OsError::Absent {
            path: "image".to_owned(),
            asked: folder.to_owned(),
        })?;
        let parts: Vec<Blob> = made.iter().map(|layer| layer.blob).collect();
        let image = blobs.put_image(recipe, &self.source.architecture, &parts)?;
        let packages = made.iter().flat_map(|layer| &layer.packages);
        let list = contents(recipe, &image.digest, packages, &stack);
        write_json(&out.join(folder).join(CONTENTS), &list)?;
        Ok((recipe.name.clone(), image.digest))
    }

    /// A line of a recipe, for the architecture that this is about.
    fn filled(&self, line: &str) -> String {
        let triplet = match self.source.architecture.as_str() {
            "arm64" => "aarch64-linux-gnu",
            _ => "x86_64-linux-gnu",
        };
        line.replace("{triplet}", triplet)
    }

    /// Makes a layer of what it takes of its packages and those below, less what the layers below have.
    fn layer(
        &self,
        placed: &Placed,
        stack: &Stack,
        below: &[&Made],
        blobs: &Blobs,
    ) -> Result<Made, OsError> {
        let tree = self.source.unpacked(stack)?;
        let name = placed.folder.display().to_string();
        let lines: Vec<String> = placed
            .recipe
            .take
            .iter()
            .map(|line| self.filled(line))
            .collect();
        let mut chosen = choose(&tree, lines.iter().map(String::as_str), &name)?;
        chosen.retain(|place, _| !below.iter().any(|below| below.places.contains(place)));

        let mut layer = Layer::default();
        if below.is_empty() {
            layer.put_skeleton();
        }
        let mut sources: BTreeSet<PathBuf> = chosen.values().cloned().collect();
        if placed.recipe.certificates {
            let (bundle, those) = authorities(&tree)?;
            layer.put_text(Path::new(CERTIFICATES), bundle);
            sources.extend(those);
        }
        let packages = stack.owners(&sources)?;
        for (place, file) in licences(&packages, &tree)? {
            layer.put(&place, &file)?;
        }
        for (place, file) in &chosen {
            layer.put(place, &tree.join(file))?;
        }
        layer.put_below(&placed.folder.join(FILES))?;
        if let Some(image) = &placed.recipe.image {
            for folder in &image.folders {
                let place = Path::new(folder.as_str().trim_start_matches('/'));
                layer.put_folder(place, image.user);
            }
        }
        Ok(Made {
            blob: blobs.put_layer(&layer)?,
            places: layer.places(),
            packages,
        })
    }
}

/// What is in an image, for people and programs that look for known weaknesses.
fn contents<'a>(
    recipe: &ImageRecipe,
    image: &ImageDigest,
    packages: impl Iterator<Item = &'a Locked>,
    stack: &Stack,
) -> Value {
    let subject = sbom::Subject {
        name: recipe.name.as_str(),
        version: &image.to_string(),
        license: "NOASSERTION",
        created: CREATED,
    };
    // A package may have files in several layers.
    let packages: BTreeSet<&Locked> = packages.collect();
    let wheels: Vec<Value> = stack.wheels().map(|wheel| sbom::python(&wheel)).collect();
    sbom::document(subject, sbom::debian(packages).chain(wheels).collect())
}

fn write_json(path: &Path, document: &Value) -> Result<(), OsError> {
    files::write(path, format!("{document:#}\n"), 0o644)
}

#[cfg(test)]
mod tests {
    use cell_catalogue::Manifest;

    use super::*;

    fn tree() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn every_service_of_the_tree_has_a_recipe_its_locks_and_a_manifest_that_is_read() {
        let services = Services::new(&tree(), Path::new("/nowhere"), "amd64");
        let ids = services.ids().unwrap();
        assert!(ids.contains(&"calendar".to_owned()), "{ids:?}");
        let mut images = BTreeMap::new();
        let folders = services.images(&ids).unwrap();
        for folder in &folders {
            for layer in Placed::read(&services.folder, folder).unwrap() {
                for architecture in ["amd64", "arm64"] {
                    let lock = Lock::read(&layer.lock_file(architecture)).unwrap();
                    let is_empty = layer.recipe.packages.is_empty();
                    let name = layer.folder.display();
                    assert_eq!(lock.packages.is_empty(), is_empty, "{name}");
                }
                if let Some(image) = layer.recipe.image {
                    images.insert(image.name, ImageDigest::new([1; 32]));
                }
            }
        }
        assert_eq!(images.len(), folders.len(), "names of images differ");
        for id in &ids {
            let path = services.folder.join(id).join(MANIFEST);
            if !path.exists() {
                continue;
            }
            let text = pin(&files::read_text(&path).unwrap(), &path, &images).unwrap();
            let manifest = match Manifest::parse(text.as_bytes()) {
                Ok(manifest) => manifest,
                Err(error) => panic!("{}: {error}", path.display()),
            };
            assert_eq!(manifest.id.as_str(), id);
        }
    }
}
