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
    /// Who runs it, within its own users; the group has the same number. Never root.
    pub(super) user: u32,
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
    /// The recipes of a service's image, the lowest first, its own last.
    pub(super) fn read(services: &Path, id: &str) -> Result<Vec<Self>, OsError> {
        let top = Self::read_one(services, id, IMAGE)?;
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
        match &placed.recipe.image {
            Some(image) if image.user == 0 => Err(placed.wrong(file, "image.user must not be 0")),
            _ => Ok(placed),
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

/// The services that have an image, in the order of their names.
pub(super) fn ids(services: &Path) -> Result<Vec<String>, OsError> {
    let found = files::below(services)?;
    let folders = found
        .iter()
        .filter(|path| path.ends_with(IMAGE) && path.components().count() == 2);
    Ok(folders
        .filter_map(|path| Some(path.parent()?.display().to_string()))
        .collect())
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
    fn wrong_recipe_is_named() {
        let root = IMAGE_TABLE.replace("1000", "0");
        let unknown = format!("hooks = []\n{IMAGE_TABLE}");
        let circle = format!("on = \"a\"\n{IMAGE_TABLE}");
        let runs = format!("on = \"b\"\n{IMAGE_TABLE}");
        for (text, told) in [
            ("", "needs a table [image]"),
            (&root, "must not be 0"),
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
