//! Recipes: what goes into a layer, and how an image is run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cell_model::container::{ContainerPath, ImageName};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::wheel::Wheel;
use crate::debian::SUITE;
use crate::error::OsError;
use crate::files;

/// What a recipe brings along itself.
pub(super) const FILES: &str = "files";
/// The folder of layers that several images stand on.
const LAYERS: &str = "layers";
/// A shared layer's recipe, and a service's.
const LAYER: &str = "layer.toml";
const IMAGE: &str = "image.toml";
/// The most layers that may stand on each other: a circle ends here.
const MAX_LAYERS: usize = 8;

/// A recipe, as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recipe {
    /// The shared layer that it stands on; the lowest stands on none.
    pub(super) on: Option<String>,
    /// The suite of Debian that its packages come from. Of another one than the system's they are taken alone: what they
    /// depend on is that of the layers below.
    #[serde(default = "suite")]
    pub(super) suite: String,
    /// Packages of Debian; what they depend on is unpacked too.
    #[serde(default)]
    pub(super) packages: Vec<String>,
    /// Packages of Python, without what they depend on.
    #[serde(default)]
    pub(super) wheels: Vec<Wheel>,
    /// What of all that goes in: lines of [`crate::debian::pick()`]; `{triplet}` is the folder of libraries, such as
    /// `x86_64-linux-gnu`.
    #[serde(default)]
    pub(super) take: Vec<String>,
    /// Whether the authorities that programs trust go in, of the package `ca-certificates`.
    #[serde(default)]
    pub(super) certificates: bool,
    /// How it is run; shared layers are not.
    pub(super) image: Option<ImageRecipe>,
}

/// What makes an image of layers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImageRecipe {
    /// What manifests call it.
    #[serde(deserialize_with = "image_name")]
    pub(super) name: ImageName,
    /// Who runs it, within its own users; the group has the same number. Root only with a reason.
    pub(super) user: u32,
    /// Why it cannot be run by somebody else than root.
    pub(super) root: Option<String>,
    /// What runs where the manifest says nothing.
    pub(super) command: Vec<String>,
    /// Variables of its environment.
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
    /// Folders of the user's: a volume that is mounted there becomes theirs.
    #[serde(default)]
    pub(super) folders: Vec<ContainerPath>,
}

fn image_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ImageName, D::Error> {
    let name = String::deserialize(deserializer)?;
    name.parse()
        .map_err(|error| D::Error::custom(format!("image.name {error}")))
}

impl ImageRecipe {
    /// What is wrong with who runs it.
    fn wrong_user(&self) -> Option<&'static str> {
        match (self.user, self.root.as_deref().map(str::trim)) {
            (0, None | Some("")) => Some("image.user must not be 0, unless image.root says why"),
            (1.., Some(_)) => Some("image.root is for images whose user is 0"),
            _ => None,
        }
    }
}

fn suite() -> String {
    SUITE.to_owned()
}

/// A recipe and where it is.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) folder: PathBuf,
    pub(super) recipe: Recipe,
}

impl Placed {
    /// The recipes of the image in this folder, as [`images`] names it: the lowest first, its own last.
    pub(super) fn read(services: &Path, image: &str) -> Result<Vec<Self>, OsError> {
        let top = Self::read_one(services, image, IMAGE)?;
        if top.recipe.image.is_none() {
            return Err(top.wrong(IMAGE, "needs a table [image]"));
        }
        let mut stack = vec![top];
        while let Some(below) = stack[0].recipe.on.clone() {
            if stack.len() == MAX_LAYERS {
                return Err(stack[0].wrong(LAYER, "stands on itself, or on too many layers"));
            }
            let below = Self::read_one(&services.join(LAYERS), &below, LAYER)?;
            if below.recipe.image.is_some() {
                return Err(below.wrong(LAYER, "must have no table [image]"));
            }
            stack.insert(0, below);
        }
        Ok(stack)
    }

    fn read_one(folder: &Path, name: &str, file: &str) -> Result<Self, OsError> {
        let folder = folder.join(name);
        let path = folder.join(file);
        let text = files::read_text(&path)?;
        let recipe: Recipe = toml::from_str(&text).map_err(|error| OsError::Data {
            path,
            problem: error.to_string(),
        })?;
        let placed = Self { folder, recipe };
        let image = placed.recipe.image.as_ref();
        match image.and_then(ImageRecipe::wrong_user) {
            Some(problem) => Err(placed.wrong(file, problem)),
            None => Ok(placed),
        }
    }

    fn wrong(&self, file: &str, problem: &str) -> OsError {
        OsError::Data {
            path: self.folder.join(file),
            problem: problem.to_owned(),
        }
    }

    /// The lock file for an architecture.
    pub(super) fn lock_file(&self, architecture: &str) -> PathBuf {
        self.folder.join(format!("{architecture}.lock"))
    }
}

/// The folders of all images, by the service that they are of, in the order of names: the service's own, or those in it.
fn folders(services: &Path) -> Result<BTreeMap<String, Vec<String>>, OsError> {
    let mut folders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in files::below(services)? {
        let Some(folder) = path.parent().filter(|_| path.ends_with(IMAGE)) else {
            continue;
        };
        let names: Vec<&str> = folder.iter().filter_map(|name| name.to_str()).collect();
        let (service, image) = match names[..] {
            [service] => (service, service.to_owned()),
            [service, name] if name != FILES => (service, format!("{service}/{name}")),
            _ => continue,
        };
        folders.entry(service.to_owned()).or_default().push(image);
    }
    Ok(folders)
}

/// The services that have an image, in the order of their names.
pub(super) fn ids(services: &Path) -> Result<Vec<String>, OsError> {
    Ok(folders(services)?.into_keys().collect())
}

/// The folders of a service's images, as seen from `services`.
///
/// # Errors
/// It has none, or one of its own and others in it.
pub(super) fn images(services: &Path, id: &str) -> Result<Vec<String>, OsError> {
    let wrong = |problem: String| OsError::Data {
        path: services.join(id),
        problem,
    };
    let images = folders(services)?.remove(id).unwrap_or_default();
    match images.len() {
        0 => Err(wrong(format!("has no {IMAGE}, and no folder that has one"))),
        2.. if images.iter().any(|image| image == id) => {
            Err(wrong(format!("has an {IMAGE}, and folders that have one")))
        }
        _ => Ok(images),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(recipes: &[(&str, &str)]) -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        for (path, text) in recipes {
            files::write(&tree.path().join(path), text, 0o644).unwrap();
        }
        tree
    }

    const IMAGE_TABLE: &str = "[image]\nname = \"web\"\nuser = 1000\ncommand = [\"web\"]\n";

    #[test]
    fn layers_are_read_from_the_lowest_on() {
        let tree = tree(&[
            ("layers/base/layer.toml", "packages = [\"libc6\"]"),
            ("layers/python/layer.toml", "on = \"base\""),
            ("web/image.toml", &format!("on = \"python\"\n{IMAGE_TABLE}")),
            ("web/files/etc/image.toml", ""),
        ]);
        let stack = Placed::read(tree.path(), "web").unwrap();
        let names = stack
            .iter()
            .map(|placed| placed.folder.file_name().unwrap());
        assert!(names.eq(["base", "python", "web"]), "{stack:?}");
        assert_eq!(stack[0].recipe.suite, SUITE);
        assert_eq!(ids(tree.path()).unwrap(), ["web"]);
    }

    #[test]
    fn service_has_one_image_or_a_folder_for_each() {
        let tree = tree(&[
            ("both/image.toml", IMAGE_TABLE),
            ("both/one/image.toml", IMAGE_TABLE),
            ("mail/in/image.toml", IMAGE_TABLE),
            ("mail/in/files/image.toml", ""),
            ("mail/out/image.toml", IMAGE_TABLE),
            ("mail/service.toml", ""),
            ("web/files/image.toml", ""),
            ("web/image.toml", IMAGE_TABLE),
        ]);
        let folders = |id| images(tree.path(), id);
        assert_eq!(ids(tree.path()).unwrap(), ["both", "mail", "web"]);
        assert_eq!(folders("web").unwrap(), ["web"]);
        assert_eq!(folders("mail").unwrap(), ["mail/in", "mail/out"]);
        let stack = Placed::read(tree.path(), "mail/out").unwrap();
        assert_eq!(stack[0].folder, tree.path().join("mail/out"));
        for (id, told) in [
            ("both", "and folders that have one"),
            ("none", "has no image.toml"),
        ] {
            let error = folders(id).unwrap_err().to_string();
            assert!(error.contains(told), "{told}: {error}");
        }
    }

    #[test]
    fn root_has_a_reason() {
        let root = IMAGE_TABLE.replace("1000", "0") + "root = \"its master ends otherwise\"\n";
        let tree = tree(&[("web/image.toml", &root)]);
        let stack = Placed::read(tree.path(), "web").unwrap();
        let image = stack[0].recipe.image.as_ref().unwrap();
        assert_eq!(image.root.as_deref(), Some("its master ends otherwise"));
    }

    #[test]
    fn wrong_recipe_is_named() {
        let root = IMAGE_TABLE.replace("1000", "0");
        let no_reason = format!("{root}root = \" \"\n");
        let not_root = format!("{IMAGE_TABLE}root = \"it likes to be\"\n");
        let unknown = format!("hooks = []\n{IMAGE_TABLE}");
        let circle = format!("on = \"a\"\n{IMAGE_TABLE}");
        let runs = format!("on = \"b\"\n{IMAGE_TABLE}");
        for (text, told) in [
            ("", "needs a table [image]"),
            (&root, "must not be 0"),
            (&no_reason, "must not be 0"),
            (&not_root, "is for images whose user is 0"),
            (&unknown, "unknown field"),
            (&circle, "stands on itself"),
            (&runs, "must have no table"),
        ] {
            let tree = tree(&[
                ("web/image.toml", text),
                ("layers/a/layer.toml", "on = \"a\""),
                ("layers/b/layer.toml", IMAGE_TABLE),
            ]);
            let error = Placed::read(tree.path(), "web").unwrap_err().to_string();
            assert!(error.contains(told), "{told}: {error}");
        }
    }
}
