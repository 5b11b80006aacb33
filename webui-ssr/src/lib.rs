//! The admin pages: server-rendered HTML that works without a script, offline and on a phone.
//!
//! Promises: one URL is one page; a form that is refused comes back filled in, with every wrong field named; whatever
//! a person typed or a device is called is escaped; nothing inline that a content security policy would have to allow.
//! Must never: decide who may do what (a route's access and the core do), keep state between requests, or show a
//! secret a second time.
//! Start reading at [`routes::PAGES`]: every page is a row there. A row's handler (`handlers/`) asks the core and
//! passes a view to a page (`pages/`), which is put together from components (`parts/`); what a person types is read
//! in `forms/`.

mod assets;
mod clock;
mod done;
mod forms;
mod frame;
mod handlers;
mod navigation;
mod pages;
mod parts;
mod profile;
pub mod routes;

pub use forms::field::{Choice, Field, Kind};
pub use handlers::refusal::error_page;
pub use routes::routes;
