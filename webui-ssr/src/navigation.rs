//! Where a person is and where they may go, all out of the route table.

use cell_control::view::ServiceView;
use cell_model::account::Role;
use cell_model::name::{CellName, DnsLabel, GroupName, LocalPart, ServiceId, SourceName, Username};
use cell_model::status::Part;
use http::Method;
use uuid::Uuid;

use crate::parts::state::part_name;
use crate::routes::{Group, PAGES, Page};

/// A link with its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// Where to.
    pub(crate) path: String,
    /// What it says.
    pub(crate) title: String,
}

/// What things are called whose paths do not say it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Names<'a> {
    /// The services that are installed.
    pub(crate) services: &'a [ServiceView],
    /// The way out that the page is about.
    pub(crate) connection: Option<&'a str>,
}

/// The page at a path, without its query: the one with the fewest placeholders that fits.
pub(crate) fn page_at(path: &str) -> Option<&'static Page> {
    PAGES
        .iter()
        .filter(|page| fits(page.path, path))
        .min_by_key(|page| page.path.matches('{').count())
}

/// Whether somebody of this role may use a route, by its path as the table has it.
pub(crate) fn admits(role: Role, method: &Method, path: &str) -> bool {
    let posts = PAGES.iter().flat_map(|page| page.posts);
    let access = if method == Method::POST {
        posts
            .clone()
            .find(|post| post.path == path)
            .map(|post| post.access)
    } else {
        PAGES
            .iter()
            .find(|page| page.path == path)
            .map(|page| page.access)
    };
    access.is_some_and(|access| access.admits(role))
}

/// Whether somebody of this role may open what is at a path.
pub(crate) fn opens(role: Role, path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    page_at(path).is_some_and(|page| page.access.needs_identity() && page.access.admits(role))
}

/// The page that the form of a path is sent from.
pub(crate) fn page_of_form(path: &str) -> Option<String> {
    let sends = |page: &&Page| page.posts.iter().any(|post| fits(post.path, path));
    let page = PAGES.iter().find(sends)?;
    // A form's path goes on from its page's, or is beside it: placeholders are at the same places.
    let segments = page.path.split('/').zip(path.split('/'));
    let segments = segments.map(|(part, given)| if part.starts_with('{') { given } else { part });
    Some(segments.collect::<Vec<_>>().join("/"))
}

/// Where somebody of this role starts.
pub(crate) fn home(role: Role) -> &'static str {
    match role {
        Role::Member => "/me",
        Role::Helper | Role::Admin | Role::Owner => "/",
    }
}

/// The menu of a role.
pub(crate) fn menu(role: Role) -> Vec<(Group, Vec<&'static Page>)> {
    let of = |group| {
        PAGES
            .iter()
            .filter(|page| page.group == Some(group) && page.access.admits(role))
            .collect::<Vec<_>>()
    };
    Group::ALL
        .into_iter()
        .map(|group| (group, of(group)))
        .filter(|(_, pages)| !pages.is_empty())
        .collect()
}

/// The pages above a path, the farthest first, with what the path has in place of a placeholder in their titles.
pub(crate) fn crumbs(role: Role, path: &str, names: Names<'_>) -> Vec<Link> {
    let above = path.match_indices('/').skip(1).map(|(at, _)| &path[..at]);
    above
        .filter(|above| opens(role, above) && is_there(above, names))
        .filter_map(|above| {
            Some(Link {
                path: above.to_owned(),
                title: title(page_at(above)?, above, names),
            })
        })
        .collect()
}

/// A service that is not installed has no page of its own; those that install it, or delete what it has left, are there
/// without. So are those on which a way out is added.
fn is_there(path: &str, names: Names<'_>) -> bool {
    match page_at(path).map(|page| page.path) {
        Some("/services/{service}") => path
            .rsplit('/')
            .next()
            .is_some_and(|id| named(names.services, id).is_some()),
        Some("/exits/{connection}") => names.connection.is_some(),
        _ => true,
    }
}

/// A page's title at a path. A service that is installed is called by its name, and so is a way out.
pub(crate) fn title(page: &Page, path: &str, names: Names<'_>) -> String {
    let mut title = page.title.to_owned();
    for (pattern, segment) in page.path.split('/').zip(path.split('/')) {
        if pattern.starts_with('{') {
            let segment = decoded(segment);
            let name = match pattern {
                "{part}" => Part::from_word(&segment).map(part_name),
                "{service}" => named(names.services, &segment),
                "{connection}" => names.connection,
                _ => None,
            };
            title = title.replace(pattern, name.unwrap_or(&segment));
        }
    }
    title
}

fn named<'a>(services: &'a [ServiceView], id: &str) -> Option<&'a str> {
    let service = services.iter().find(|service| service.id.as_str() == id);
    service.map(|service| service.name.as_str())
}

/// The part of the menu a path belongs to: its first segment.
pub(crate) fn is_under(path: &str, entry: &str) -> bool {
    path == entry
        || (entry != "/"
            && path
                .strip_prefix(entry)
                .is_some_and(|rest| rest.starts_with('/')))
}

/// The page of a device. A device may be called like a page beside it (`new`): an escape keeps the two apart.
pub(crate) fn peer_path(name: &str) -> String {
    format!("/peers/{}", escaped_first(name))
}

/// The page of a device of one's own; see [`peer_path`].
pub(crate) fn own_peer_path(name: &str) -> String {
    format!("/account/devices/{}", escaped_first(name))
}

/// The pages of a service.
pub(crate) fn service_path(id: &ServiceId) -> String {
    format!("/services/{id}")
}

/// The page of a group; see [`peer_path`].
pub(crate) fn group_path(name: &GroupName) -> String {
    format!("/groups/{}", escaped_first(name.as_str()))
}

/// The pages of another cell; see [`peer_path`].
pub(crate) fn cell_path(name: &CellName) -> String {
    format!("/cells/{}", escaped_first(name.as_str()))
}

/// The pages of a way out.
pub(crate) fn exit_path(id: Uuid) -> String {
    format!("/exits/{id}")
}

/// The page of a further address for mail; see [`peer_path`].
pub(crate) fn mail_alias_path(name: &LocalPart) -> String {
    format!("/mail/aliases/{}", escaped_first(name.as_str()))
}

/// The page on which a key is made the one that signs.
pub(crate) fn mail_key_path(selector: &DnsLabel) -> String {
    format!("/mail/keys/{selector}/sign")
}

/// The pages of a source; see [`peer_path`].
pub(crate) fn source_path(name: &SourceName) -> String {
    format!("/sources/{}", escaped_first(name.as_str()))
}

/// The pages of an account; see [`peer_path`].
pub(crate) fn person_path(name: &str) -> String {
    format!("/people/{}", escaped_first(name))
}

/// The page of an account's app passwords; of one's own without a name.
pub(crate) fn app_passwords_path(of: Option<&Username>) -> String {
    let person = of.map_or_else(|| "/account".to_owned(), |name| person_path(name.as_str()));
    format!("{person}/app-passwords")
}

fn escaped_first(name: &str) -> String {
    match name.as_bytes().split_first() {
        Some((first, rest)) if ["new", "invite", "take-back"].contains(&name) => {
            format!("%{first:02X}{}", String::from_utf8_lossy(rest))
        }
        _ => cell_gate::form::encode(name),
    }
}

fn decoded(segment: &str) -> String {
    // Reading it as the value of a form takes its escapes away; `+` does not occur in names.
    cell_gate::form::Form::parse(format!("s={segment}").as_bytes())
        .and_then(|form| form.get("s").map(str::to_owned))
        .unwrap_or_else(|| segment.to_owned())
}

fn fits(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    let all = pattern.split('/').all(|part| {
        segments.next().is_some_and(|segment| {
            part == segment || (part.starts_with('{') && !segment.is_empty())
        })
    });
    all && segments.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Names<'_> = Names {
        services: &[],
        connection: None,
    };

    fn words(role: Role) -> Vec<&'static str> {
        let pages = menu(role).into_iter().flat_map(|(_, pages)| pages);
        pages.map(|page| page.path).collect()
    }

    #[test]
    fn member_sees_only_their_own_pages() {
        assert_eq!(words(Role::Member), ["/me", "/account"]);
    }

    #[test]
    fn menu_grows_with_the_role() {
        let sizes = [Role::Helper, Role::Admin, Role::Owner].map(|role| words(role).len());
        assert!(sizes[0] < sizes[1] && sizes[1] <= sizes[2], "{sizes:?}");
        assert!(!words(Role::Helper).contains(&"/people"));
        assert!(!words(Role::Owner).contains(&"/me"));
    }

    #[test]
    fn crumbs_lead_down_to_the_page() {
        let titles: Vec<String> = crumbs(Role::Admin, "/peers/anna-phone/remove", NONE)
            .into_iter()
            .map(|link| link.title)
            .collect();
        assert_eq!(titles, ["Devices", "anna-phone"]);
        assert_eq!(crumbs(Role::Admin, "/peers", NONE), []);
    }

    #[test]
    fn nothing_leads_up_to_a_service_that_is_not_installed() {
        for path in ["/services/photos/install", "/services/photos/data"] {
            let links = crumbs(Role::Admin, path, NONE).into_iter();
            let paths: Vec<String> = links.map(|link| link.path).collect();
            assert_eq!(paths, ["/services"]);
        }
    }

    #[test]
    fn way_out_is_called_by_its_name_and_not_by_its_id() {
        let names = Names {
            connection: Some("Work"),
            ..NONE
        };
        let path = exit_path(Uuid::from_u128(7));
        let titles = |path: &str, names| -> Vec<String> {
            let links = crumbs(Role::Admin, path, names).into_iter();
            links.map(|link| link.title).collect()
        };
        let remove = format!("{path}/remove");
        assert_eq!(titles(&remove, names), ["Ways out", "Work"]);
        assert_eq!(
            title(page_at(&remove).unwrap(), &remove, names),
            "Remove Work"
        );
        // What is not there yet has no page to go up to.
        assert_eq!(titles("/exits/new/proxy", NONE), ["Ways out"]);
    }

    #[test]
    fn device_called_new_has_a_page_of_its_own() {
        assert_eq!(peer_path("anna.phone"), "/peers/anna.phone");
        assert_eq!(peer_path("new"), "/peers/%6Eew");
        let page = page_at("/peers/%6Eew").unwrap();
        assert_eq!(
            (page.path, title(page, "/peers/%6Eew", NONE).as_str()),
            ("/peers/{name}", "new")
        );
        assert_eq!(page_at("/peers/new").unwrap().path, "/peers/new");
    }

    #[test]
    fn app_passwords_are_below_whose_they_are() {
        assert_eq!(app_passwords_path(None), "/account/app-passwords");
        let new = "new".parse().unwrap();
        let path = app_passwords_path(Some(&new));
        assert_eq!(path, "/people/%6Eew/app-passwords");
        let page = page_at(&path).unwrap();
        assert_eq!(title(page, &path, NONE), "App passwords of new");
        let titles: Vec<String> = crumbs(Role::Member, "/account/app-passwords/0f/remove", NONE)
            .into_iter()
            .map(|link| link.title)
            .collect();
        assert_eq!(titles, ["My account", "App passwords"]);
    }

    #[test]
    fn form_leads_back_to_its_page() {
        for (form, page) in [
            ("/system/drop", "/system"),
            ("/peers/anna.phone/file", "/peers/anna.phone"),
            ("/people/ben/remove", "/people/ben/remove"),
            ("/sign-out", "/account"),
            ("/confirm", "/"),
        ] {
            assert_eq!(page_of_form(form).as_deref(), Some(page));
        }
        assert_eq!(page_of_form("/nowhere"), None);
        for post in PAGES.iter().flat_map(|page| page.posts) {
            let page = page_of_form(post.path).unwrap();
            assert!(page_at(&page).is_some(), "{}: {page}", post.path);
        }
    }

    #[test]
    fn role_decides_what_a_path_opens() {
        assert!(opens(Role::Admin, "/peers/new?x=1"));
        assert!(!opens(Role::Helper, "/peers/new"));
        assert!(!opens(Role::Member, "/"));
        assert!(opens(Role::Member, "/account"));
        assert!(!opens(Role::Owner, "/sign-in") && !opens(Role::Owner, "/nowhere"));
    }
}
