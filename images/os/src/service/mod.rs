//! What is launched: images of services from Debian packages and Python wheels, and the folder in which they come with
//! the box.
//!
//! A *recipe* (`images/services/SERVICE/image.toml`, `images/services/layers/LAYER/layer.toml`) names packages and which
//! of their files go into a layer. A layer stands on another one; images that stand on the same one have the same blob.
//! Packages are pinned by a lock file beside the recipe. Nothing of them is run: no scripts, no other architecture.
//!
//! Promises: the same recipes and locks give the same bytes, wherever and by whomever they are made; an image has the
//! files that its recipe names, the libraries they need, their licences, and nothing else.
//! Start reading at [`Services`], then `recipe.rs`.

mod folder;
mod image;
mod layer;
mod pin;
mod publish;
mod recipe;
mod stack;
mod wheel;

pub use folder::Services;
pub use publish::{Issue, publish};
