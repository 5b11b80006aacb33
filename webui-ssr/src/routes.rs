//! Every page: its path, its title, its place in the menu, who may use it, and what answers. Menu, crumbs, what a
//! role may do and the gate's routes are all made from this table, and nothing else.

use std::sync::LazyLock;

use cell_gate::{Access, Body, Handler, Route};
use cell_model::account::Role;
use http::Method;

use crate::assets;
use crate::forms::{self, Field};
use crate::handlers::{
    account, api_tokens, app_passwords, audit, cells, dns, exits, groups, invites, mail, network,
    overview, own_mail, own_peers, own_services, parts, passkeys, peers, people, revisions,
    second_factor, service_data, service_internet, service_profile, service_settings, services,
    settings, setup, sign_in, sources, system,
};

/// One page and the forms that are sent from it.
pub struct Page {
    /// Its path; `{name}` stands for one segment.
    pub path: &'static str,
    /// Its title; a placeholder of the path stands for what the path has there.
    pub title: &'static str,
    /// Where in the menu it is, if it is.
    pub group: Option<Group>,
    /// Who may see it.
    pub access: Access,
    /// Whether only somebody may whose password was proven a short time ago.
    pub dangerous: bool,
    /// What answers.
    pub get: Handler,
    /// The forms.
    pub posts: &'static [Post],
}

/// A form that is sent.
pub struct Post {
    /// Where to; `{name}` stands for one segment.
    pub path: &'static str,
    /// Who may send it.
    pub access: Access,
    /// Whether only somebody may whose password was proven a short time ago.
    pub dangerous: bool,
    /// Its fields, beside the token.
    pub fields: &'static [Field<'static>],
    /// How it is sent.
    pub body: Body,
    /// The most bytes of it.
    pub limit: usize,
    /// What answers.
    pub handler: Handler,
}

/// A part of the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// What the cell does.
    Cell,
    /// How it is looked after.
    Care,
    /// Who uses it.
    People,
}

impl Group {
    /// In the order shown.
    pub const ALL: [Self; 3] = [Self::Cell, Self::Care, Self::People];

    /// What it is called.
    pub fn title(self) -> &'static str {
        match self {
            Self::Cell => "Cell",
            Self::Care => "Care",
            Self::People => "People",
        }
    }
}

const HELPER: Access = Access::AtLeast(Role::Helper);
const ADMIN: Access = Access::AtLeast(Role::Admin);
const OWNER: Access = Access::AtLeast(Role::Owner);

macro_rules! handler {
    ($handler:path) => {
        |visit| Box::pin($handler(visit))
    };
}

/// Whether the word is there.
macro_rules! is_dangerous {
    () => {
        false
    };
    (dangerous) => {
        true
    };
}

/// `page!(path, title, group, access, handler, [forms])`; `dangerous` before it asks for the password first.
macro_rules! page {
    ($($word:ident)? $path:literal, $title:literal, $group:expr, $access:expr, $get:path, [$($post:expr),*]) => {
        Page {
            path: $path,
            title: $title,
            group: $group,
            access: $access,
            dangerous: is_dangerous!($($word)?),
            get: handler!($get),
            posts: &[$($post),*],
        }
    };
}

/// `post!(path, access, fields, handler)`; `dangerous` before it refuses whose password was not proven a short time ago.
macro_rules! post {
    ($($word:ident)? $path:literal, $access:expr, $fields:expr, $handler:path) => {
        Post {
            path: $path,
            access: $access,
            dangerous: is_dangerous!($($word)?),
            fields: $fields,
            body: Body::Form,
            limit: Route::LIMIT,
            handler: handler!($handler),
        }
    };
}

/// `upload!(path, access, handler)`: a file.
macro_rules! upload {
    ($($word:ident)? $path:literal, $access:expr, $handler:path) => {
        Post {
            body: Body::Upload,
            limit: UPLOAD_LIMIT,
            ..post!($($word)? $path, $access, &[], $handler)
        }
    };
}

/// Bytes of the longest file: a firmware bundle with the form around it.
const UPLOAD_LIMIT: usize = 700 << 20;

/// Every page, in the order of the menu.
#[rustfmt::skip]
pub static PAGES: &[Page] = &[
    page!("/", "Overview", Some(Group::Cell), HELPER, overview::show, [
        post!("/confirm", ADMIN, &[], overview::confirm),
        post!("/revert", ADMIN, &[], overview::revert)
    ]),
    page!("/peers", "Devices", Some(Group::Cell), HELPER, peers::list, []),
    page!("/peers/new", "Add a device", None, ADMIN, peers::new, [
        post!("/peers/new", ADMIN, forms::peer::NEW, peers::add)
    ]),
    page!("/peers/{name}", "{name}", None, HELPER, peers::show, [
        post!("/peers/{name}", ADMIN, forms::peer::ACCESS, peers::change),
        post!("/peers/{name}/file", ADMIN, &[], peers::file)
    ]),
    page!("/peers/{name}/key", "New key for {name}", None, ADMIN, peers::ask_rekey, [
        post!("/peers/{name}/key", ADMIN, &[], peers::rekey)
    ]),
    page!("/peers/{name}/remove", "Remove {name}", None, ADMIN, peers::ask_remove, [
        post!("/peers/{name}/remove", ADMIN, &[], peers::remove)
    ]),
    page!("/cells", "Other cells", Some(Group::Cell), HELPER, cells::list, [
        post!("/cells/take-back", ADMIN, forms::link::REVOKE, cells::revoke)
    ]),
    page!(dangerous "/cells/invite", "Invite a cell", None, ADMIN, cells::ask_invite, [
        post!(dangerous "/cells/invite", ADMIN, forms::link::INVITE, cells::invite)
    ]),
    page!(dangerous "/cells/new", "Import an invite", None, ADMIN, cells::new, [
        post!(dangerous "/cells/new", ADMIN, forms::link::IMPORT, cells::add)
    ]),
    page!("/cells/{cell}", "{cell}", None, HELPER, cells::show, [
        post!("/cells/{cell}", ADMIN, forms::link::TERMS, cells::change),
        post!("/cells/{cell}/pause", ADMIN, &[], cells::pause),
        post!("/cells/{cell}/resume", ADMIN, &[], cells::resume)
    ]),
    page!(dangerous "/cells/{cell}/confirm", "Link with {cell}", None, ADMIN, cells::ask_confirm, [
        post!(dangerous "/cells/{cell}/confirm", ADMIN, forms::link::CODE, cells::confirm)
    ]),
    page!(dangerous "/cells/{cell}/accept", "Take over what {cell} is", None, ADMIN, cells::ask_accept, [
        post!(dangerous "/cells/{cell}/accept", ADMIN, &[], cells::accept)
    ]),
    page!("/cells/{cell}/remove", "End the link with {cell}", None, ADMIN, cells::ask_remove, [
        post!("/cells/{cell}/remove", ADMIN, &[], cells::remove)
    ]),
    page!("/exits", "Ways out", Some(Group::Cell), HELPER, exits::list, []),
    page!("/exits/new/proxy", "Add a proxy", None, ADMIN, exits::new_proxy, [
        post!("/exits/new/proxy", ADMIN, forms::exit::NEW_PROXY, exits::add_proxy)
    ]),
    page!("/exits/new/wireguard", "Add a WireGuard tunnel", None, ADMIN, exits::new_tunnel, [
        post!("/exits/new/wireguard", ADMIN, forms::exit::NEW_TUNNEL, exits::add_tunnel)
    ]),
    page!("/exits/{connection}", "{connection}", None, HELPER, exits::show, [
        post!("/exits/{connection}", ADMIN, forms::exit::PROXY, exits::change),
        post!("/exits/{connection}/on", ADMIN, &[], exits::switch_on),
        post!("/exits/{connection}/off", ADMIN, &[], exits::switch_off)
    ]),
    page!("/exits/{connection}/remove", "Remove {connection}", None, ADMIN, exits::ask_remove, [
        post!("/exits/{connection}/remove", ADMIN, &[], exits::remove)
    ]),
    page!("/services", "Services", Some(Group::Cell), HELPER, services::list, []),
    page!("/services/{service}", "{service}", None, HELPER, services::show, [
        post!("/services/{service}/stop", ADMIN, &[], services::stop),
        post!("/services/{service}/start", ADMIN, &[], services::start),
        post!("/services/{service}/restart", ADMIN, &[], services::restart)
    ]),
    page!("/services/{service}/install", "Install {service}", None, ADMIN, services::ask_install, [
        post!("/services/{service}/install", ADMIN, &[], services::install)
    ]),
    page!("/services/{service}/settings", "Settings of {service}", None, ADMIN, service_settings::ask, [
        post!("/services/{service}/settings", ADMIN, &[], service_settings::change),
        post!("/services/{service}/settings/reset", ADMIN, &[], service_settings::reset)
    ]),
    page!("/services/{service}/internet", "Internet and {service}", None, ADMIN, service_internet::ask, [
        post!("/services/{service}/internet", ADMIN, forms::service::OPEN, service_internet::open),
        post!("/services/{service}/internet/close", ADMIN, &[], service_internet::close)
    ]),
    page!("/services/{service}/people", "Who may use {service}", None, ADMIN, groups::ask_users, [
        post!("/services/{service}/people", ADMIN, forms::group::USERS, groups::set_users)
    ]),
    page!("/services/{service}/update", "Update {service}", None, ADMIN, services::ask_update, [
        post!("/services/{service}/update", ADMIN, &[], services::update)
    ]),
    page!("/services/{service}/remove", "Remove {service}", None, ADMIN, services::ask_remove, [
        post!("/services/{service}/remove", ADMIN, &[], services::remove),
        post!(dangerous "/services/{service}/delete", ADMIN, &[], services::delete)
    ]),
    page!("/services/{service}/data", "Delete the data of {service}", None, ADMIN, service_data::ask_delete, [
        post!(dangerous "/services/{service}/data", ADMIN, &[], service_data::delete)
    ]),
    page!("/mail", "Mail", Some(Group::Cell), HELPER, mail::show, []),
    page!("/mail/aliases/new", "Add an address", None, ADMIN, mail::new_alias, [
        post!("/mail/aliases/new", ADMIN, forms::mail::NEW_ALIAS, mail::add_alias)
    ]),
    page!("/mail/aliases/{alias}", "Address {alias}", None, ADMIN, mail::show_alias, [
        post!("/mail/aliases/{alias}", ADMIN, forms::mail::ALIAS, mail::change_alias),
        post!("/mail/aliases/{alias}/remove", ADMIN, &[], mail::remove_alias)
    ]),
    page!("/mail/rest", "Mail for nobody", None, ADMIN, mail::ask_rest, [
        post!("/mail/rest", ADMIN, forms::mail::REST, mail::set_rest)
    ]),
    page!("/mail/room", "Room for mail", None, ADMIN, mail::ask_room, [
        post!("/mail/room", ADMIN, forms::mail::ROOM, mail::set_room)
    ]),
    page!(dangerous "/mail/delivery", "How mail leaves the box", None, ADMIN, mail::ask_delivery, [
        post!(dangerous "/mail/delivery", ADMIN, forms::mail::DELIVERY, mail::set_delivery)
    ]),
    page!("/mail/records", "DNS records", None, HELPER, mail::records, []),
    page!("/mail/check", "How mail looks from outside", None, HELPER, mail::show_check, [
        post!("/mail/check", HELPER, forms::mail::CHECK, mail::check)
    ]),
    page!("/mail/keys", "Signing keys", None, HELPER, mail::list_keys, [
        post!("/mail/keys", ADMIN, &[], mail::add_key)
    ]),
    page!("/mail/keys/{selector}/sign", "Sign with {selector}", None, ADMIN, mail::ask_sign, [
        post!("/mail/keys/{selector}/sign", ADMIN, &[], mail::sign)
    ]),
    page!("/sources", "Sources", Some(Group::Cell), HELPER, sources::list, [
        post!("/sources/refresh", ADMIN, &[], sources::refresh)
    ]),
    page!("/sources/new", "Add a source", None, ADMIN, sources::new, [
        post!("/sources/new", ADMIN, forms::source::NEW, sources::add)
    ]),
    page!("/sources/{source}", "{source}", None, HELPER, sources::show, []),
    page!("/sources/{source}/change", "Change {source}", None, ADMIN, sources::ask_change, [
        post!("/sources/{source}/change", ADMIN, forms::source::CHANGE, sources::change)
    ]),
    page!("/sources/{source}/remove", "Remove {source}", None, ADMIN, sources::ask_remove, [
        post!("/sources/{source}/remove", ADMIN, &[], sources::remove)
    ]),
    page!("/dns", "Names", Some(Group::Cell), HELPER, dns::show, [
        post!("/dns/records/remove", ADMIN, forms::dns::REMOVE, dns::remove_record)
    ]),
    page!("/dns/records/new", "Add a record", None, ADMIN, dns::new_record, [
        post!("/dns/records/new", ADMIN, forms::dns::RECORD, dns::add_record)
    ]),
    page!("/dns/upstreams", "Upstream servers", None, ADMIN, dns::upstreams, [
        post!("/dns/upstreams", ADMIN, forms::dns::UPSTREAMS, dns::set_upstreams)
    ]),
    page!("/network", "Network", Some(Group::Cell), HELPER, network::show, []),
    page!("/network/addresses", "Addresses", None, ADMIN, network::addresses, [
        post!("/network/addresses", ADMIN, forms::network::FIELDS, network::set_addresses)
    ]),
    page!("/settings", "Settings", Some(Group::Care), HELPER, settings::show, [
        post!("/settings", ADMIN, forms::settings::FIELDS, settings::change)
    ]),
    page!("/parts", "Parts", Some(Group::Care), HELPER, parts::list, []),
    page!("/parts/{part}", "{part}", None, HELPER, parts::show, [
        post!("/parts/{part}/test", HELPER, &[], parts::test),
        post!("/parts/{part}/restart", ADMIN, &[], parts::restart)
    ]),
    page!("/system", "System", Some(Group::Care), HELPER, system::show, [
        upload!(dangerous "/system", ADMIN, system::receive),
        post!(dangerous "/system/drop", ADMIN, &[], system::drop_version),
        post!("/system/check", ADMIN, &[], system::check),
        post!(dangerous "/system/fetch", ADMIN, forms::updates::FETCH, system::fetch)
    ]),
    page!("/system/updates", "New versions", None, ADMIN, system::ask_updates, [
        post!(dangerous "/system/updates", ADMIN, forms::updates::FIELDS, system::set_updates)
    ]),
    page!("/system/restart", "Restart the box", None, ADMIN, system::ask_restart, [
        post!("/system/restart", ADMIN, &[], system::restart)
    ]),
    page!("/system/trial-log", "Log of the last trial", None, ADMIN, system::trial_log, []),
    page!(dangerous "/system/other", "Go to the other version", None, ADMIN, system::ask_other, [
        post!(dangerous "/system/other", ADMIN, &[], system::other)
    ]),
    page!("/revisions", "Revisions", Some(Group::Care), HELPER, revisions::list, []),
    page!("/revisions/{number}", "Revision {number}", None, HELPER, revisions::show, []),
    page!("/revisions/{number}/restore", "Restore revision {number}", None, ADMIN, revisions::ask_restore, [
        post!("/revisions/{number}/restore", ADMIN, &[], revisions::restore)
    ]),
    page!("/audit", "Audit", Some(Group::Care), HELPER, audit::list, []),
    page!("/audit/verify", "Check of the audit", None, HELPER, audit::verify, []),
    page!("/me", "My page", Some(Group::People), Access::Only(Role::Member), account::me, []),
    page!("/people", "People", Some(Group::People), ADMIN, people::list, [
        post!("/people/take-back", ADMIN, forms::account::REVOKE, invites::revoke)
    ]),
    page!(dangerous "/people/invite", "Invite a person", None, ADMIN, invites::new, [
        post!(dangerous "/people/invite", ADMIN, forms::account::INVITE, invites::add)
    ]),
    page!(dangerous "/people/{username}/access", "Access of {username}", None, OWNER, people::ask_access, [
        post!(dangerous "/people/{username}/access", OWNER, forms::account::ACCESS, people::set_access),
        post!(dangerous "/people/{username}/access/passkey", OWNER, forms::account::REVOKE, people::end_passkey),
        post!(dangerous "/people/{username}/access/token", OWNER, forms::account::REVOKE, people::end_token)
    ]),
    page!(dangerous "/people/new", "Add a person", None, OWNER, people::new, [
        post!(dangerous "/people/new", OWNER, forms::account::NEW, people::add)
    ]),
    page!(dangerous "/people/{username}/password", "Password of {username}", None, ADMIN, people::ask_password, [
        post!(dangerous "/people/{username}/password", ADMIN, forms::account::RESET, people::set_password)
    ]),
    page!(dangerous "/people/{username}/remove", "Remove {username}", None, OWNER, people::ask_remove, [
        post!(dangerous "/people/{username}/remove", OWNER, &[], people::remove)
    ]),
    page!("/people/{username}/app-passwords", "App passwords of {username}", None, ADMIN, app_passwords::list, []),
    page!(dangerous "/people/{username}/app-passwords/new", "Add an app password", None, ADMIN, app_passwords::new, [
        post!(dangerous "/people/{username}/app-passwords/new", ADMIN, forms::app_password::NEW, app_passwords::add)
    ]),
    page!("/people/{username}/app-passwords/{id}/remove", "Remove an app password", None, ADMIN, app_passwords::ask_remove, [
        post!("/people/{username}/app-passwords/{id}/remove", ADMIN, &[], app_passwords::remove)
    ]),
    page!("/groups", "Groups", Some(Group::People), ADMIN, groups::list, []),
    page!("/groups/new", "Add a group", None, ADMIN, groups::new, [
        post!("/groups/new", ADMIN, forms::group::NEW, groups::add)
    ]),
    page!("/groups/{group}", "{group}", None, ADMIN, groups::show, [
        post!("/groups/{group}", ADMIN, forms::group::CHANGE, groups::change),
        post!("/groups/{group}/remove", ADMIN, &[], groups::remove)
    ]),
    page!("/account", "My account", Some(Group::People), Access::SignedIn, account::show, [
        post!("/account/sessions/end", Access::SignedIn, forms::session::REVOKE, account::revoke),
        post!("/sign-out", Access::SignedIn, &[], sign_in::sign_out)
    ]),
    page!("/account/password", "New password", None, Access::SignedIn, account::ask_password, [
        post!("/account/password", Access::SignedIn, forms::session::PASSWORD, account::set_password)
    ]),
    page!(dangerous "/account/second-factor", "Second factor", None, Access::SignedIn, second_factor::show, [
        post!(dangerous "/account/second-factor", Access::SignedIn, &[], second_factor::offer),
        post!(dangerous "/account/second-factor/codes", Access::SignedIn, &[], second_factor::renew),
        post!(dangerous "/account/second-factor/remove", Access::SignedIn, &[], second_factor::remove)
    ]),
    page!(dangerous "/account/second-factor/code", "Set up a second factor", None, Access::SignedIn, second_factor::ask_code, [
        post!(dangerous "/account/second-factor/code", Access::SignedIn, forms::session::CODE, second_factor::add)
    ]),
    page!("/account/welcome", "Welcome", None, Access::SignedIn, account::welcome, []),
    page!("/account/passkeys", "Passkeys", None, Access::SignedIn, passkeys::list, []),
    page!(dangerous "/account/passkeys/new", "Add a passkey", None, Access::SignedIn, passkeys::new, [
        post!(dangerous "/account/passkeys/new", Access::SignedIn, forms::passkey::NEW, passkeys::add)
    ]),
    page!(dangerous "/account/passkeys/{id}/remove", "Remove a passkey", None, Access::SignedIn, passkeys::ask_remove, [
        post!(dangerous "/account/passkeys/{id}/remove", Access::SignedIn, &[], passkeys::remove)
    ]),
    page!("/account/tokens", "Tokens", None, Access::SignedIn, api_tokens::list, []),
    page!(dangerous "/account/tokens/new", "Add a token", None, Access::SignedIn, api_tokens::new, [
        post!(dangerous "/account/tokens/new", Access::SignedIn, forms::api_token::NEW, api_tokens::add)
    ]),
    page!("/account/tokens/{id}/remove", "Remove a token", None, Access::SignedIn, api_tokens::ask_remove, [
        post!("/account/tokens/{id}/remove", Access::SignedIn, &[], api_tokens::remove)
    ]),
    page!("/account/devices", "My devices", None, Access::SignedIn, own_peers::list, []),
    page!(dangerous "/account/devices/new", "Add a device", None, Access::SignedIn, own_peers::new, [
        post!(dangerous "/account/devices/new", Access::SignedIn, forms::peer::OWN, own_peers::add)
    ]),
    page!("/account/devices/{name}", "{name}", None, Access::SignedIn, own_peers::show, [
        post!("/account/devices/{name}/file", Access::SignedIn, &[], own_peers::file)
    ]),
    page!(dangerous "/account/devices/{name}/key", "New key for {name}", None, Access::SignedIn, own_peers::ask_rekey, [
        post!(dangerous "/account/devices/{name}/key", Access::SignedIn, &[], own_peers::rekey)
    ]),
    page!("/account/devices/{name}/remove", "Remove {name}", None, Access::SignedIn, own_peers::ask_remove, [
        post!("/account/devices/{name}/remove", Access::SignedIn, &[], own_peers::remove)
    ]),
    page!("/account/services", "My services", None, Access::SignedIn, own_services::list, []),
    page!("/account/mail", "My mail", None, Access::SignedIn, own_mail::show, []),
    page!("/account/app-passwords", "App passwords", None, Access::SignedIn, app_passwords::list, []),
    page!(dangerous "/account/app-passwords/new", "Add an app password", None, Access::SignedIn, app_passwords::new, [
        post!(dangerous "/account/app-passwords/new", Access::SignedIn, forms::app_password::NEW, app_passwords::add)
    ]),
    page!("/account/app-passwords/{id}/remove", "Remove an app password", None, Access::SignedIn, app_passwords::ask_remove, [
        post!("/account/app-passwords/{id}/remove", Access::SignedIn, &[], app_passwords::remove)
    ]),
    page!("/reauthenticate", "Enter your password again", None, Access::SignedIn, sign_in::ask_again, [
        post!("/reauthenticate", Access::SignedIn, forms::session::REAUTHENTICATE, sign_in::reauthenticate)
    ]),
    page!("/reauthenticate/passkey", "Prove that it is you", None, Access::SignedIn, sign_in::ask_again, [
        post!("/reauthenticate/passkey", Access::SignedIn, forms::passkey::USED, passkeys::reauthenticate)
    ]),
    page!("/sign-in", "Sign in", None, Access::SignIn, sign_in::show, [
        post!("/sign-in", Access::SignIn, forms::session::SIGN_IN, sign_in::sign_in)
    ]),
    page!("/sign-in/passkey", "Sign in with a passkey", None, Access::SignIn, sign_in::show, [
        post!("/sign-in/passkey", Access::SignIn, forms::passkey::USED, passkeys::sign_in)
    ]),
    page!("/sign-in/code", "Enter the code", None, Access::SignIn, sign_in::ask_code, [
        post!("/sign-in/code", Access::SignIn, forms::session::SIGN_IN_CODE, sign_in::sign_in_with_code)
    ]),
    page!("/invite", "You are invited", None, Access::SignIn, invites::show, [
        post!("/invite", Access::SignIn, forms::account::ACCEPT, invites::accept)
    ]),
    page!("/setup", "Set up the cell", None, Access::Setup, setup::show, [
        post!("/setup", Access::Setup, forms::setup::FIELDS, setup::complete)
    ]),
    page!("/setup/done", "Trust the cell", None, Access::SignIn, setup::finished, []),
];

/// What is fetched and is no page: path, access, handler.
static FILES: [(&str, Access, Handler); 5] = [
    ("/assets/{file}", Access::Open, handler!(assets::serve)),
    ("/fragments/status", HELPER, handler!(overview::fragment)),
    ("/fragments/system", HELPER, handler!(system::fragment)),
    (
        "/services/{service}/profile",
        Access::SignedIn,
        handler!(service_profile::download),
    ),
    ("/ca.pem", Access::SignIn, handler!(setup::root_certificate)),
];

static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    let pages = PAGES.iter().map(|page| Route {
        dangerous: page.dangerous,
        ..get(page.path, page.access, page.get)
    });
    let files = FILES
        .iter()
        .map(|(path, access, handler)| get(path, *access, *handler));
    let posts = PAGES.iter().flat_map(|page| page.posts).map(|post| Route {
        method: Method::POST,
        path: post.path,
        access: post.access,
        dangerous: post.dangerous,
        scope: None,
        body: post.body,
        limit: post.limit,
        handler: post.handler,
    });
    pages.chain(files).chain(posts).collect()
});

/// The gate's routes of the pages.
pub fn routes() -> &'static [Route] {
    &ROUTES
}

fn get(path: &'static str, access: Access, handler: Handler) -> Route {
    Route {
        method: Method::GET,
        path,
        access,
        dangerous: false,
        scope: None,
        body: Body::None,
        limit: Route::LIMIT,
        handler,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_form_with_fields_is_sent_to_the_page_it_is_on() {
        for page in PAGES {
            for post in page.posts {
                let typed = post
                    .fields
                    .iter()
                    .any(|field| !matches!(field.kind, forms::field::Kind::Hidden));
                // A refused form comes back filled in, at an address that can be opened again.
                assert!(!typed || post.path == page.path, "{}", post.path);
            }
        }
    }

    #[test]
    fn whoever_may_send_a_form_may_see_its_page() {
        for page in PAGES {
            for post in page.posts {
                for role in [Role::Member, Role::Helper, Role::Admin, Role::Owner] {
                    assert!(
                        !post.access.admits(role) || page.access.admits(role),
                        "{}",
                        post.path
                    );
                }
            }
        }
    }

    #[test]
    fn no_cell_is_called_as_a_page_of_its_list_is() {
        let posts = PAGES
            .iter()
            .flat_map(|page| page.posts)
            .map(|post| post.path);
        let paths = PAGES.iter().map(|page| page.path).chain(posts);
        let words = paths.filter_map(|path| path.strip_prefix("/cells/"));
        for word in words.filter(|word| !word.contains(['/', '{'])) {
            let name: cell_model::name::CellName = word.parse().unwrap();
            assert!(name.is_a_page(), "{word}");
        }
    }

    #[test]
    fn form_of_a_dangerous_page_is_dangerous_too() {
        let dangerous = PAGES.iter().filter(|page| page.dangerous);
        for post in dangerous.flat_map(|page| page.posts) {
            assert!(post.dangerous, "{}", post.path);
        }
    }

    #[test]
    fn fields_have_names_of_their_own() {
        for post in PAGES.iter().flat_map(|page| page.posts) {
            let names: BTreeSet<&str> = post.fields.iter().map(|field| field.name).collect();
            assert_eq!(names.len(), post.fields.len(), "{}", post.path);
        }
    }
}
