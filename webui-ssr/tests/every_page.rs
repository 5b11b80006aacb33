//! Every page, for every role that may open it: what holds for all of them.

mod support;

use std::collections::BTreeSet;

use cell_control::fake::Stage;
use cell_webui::routes::{PAGES, Page};

use support::hostile::HOSTILE;
use support::{Answer, Site, TOKEN, audience, concrete};

/// The most bytes of a page, its style sheet and its script together.
const FIRST_LOAD: usize = 60 * 1024;

/// A page as one person sees it.
struct Seen {
    /// For messages: path and role.
    name: String,
    path: String,
    html: String,
}

async fn see(page: &Page, site: fn(Stage) -> Site) -> Vec<Seen> {
    let (stage, people) = audience(page.access);
    let path = concrete(page.path);
    let mut seen = Vec::new();
    for role in people {
        let Answer { status, body, .. } = site(stage).get(role, &path).await;
        let role = role.map_or("nobody", cell_model::account::Role::as_str);
        let name = format!("{} as {role}", page.path);
        assert_eq!(status, 200, "{name}: {body}");
        seen.push(Seen {
            name,
            path: path.clone(),
            html: body,
        });
    }
    seen
}

#[tokio::test]
async fn headers_alone_are_those_of_the_page() {
    for page in PAGES {
        let (stage, people) = audience(page.access);
        let path = concrete(page.path);
        for role in people {
            // A page that changed something by being looked at would be refused here.
            let answer = Site::new(stage).head(role, &path).await;
            assert_eq!((answer.status, &*answer.body), (200, ""), "{path}");
        }
    }
}

/// What a form sends.
type Pairs = &'static [(&'static str, &'static str)];

/// Pages that answer a form: name, path, and what is sent.
const ANSWERS: &[(&str, &str, Pairs)] = &[
    (
        "File of a new device",
        "/peers/new",
        &[("name", "anna-phone"), ("tunnel", "full")],
    ),
    (
        "Password of a device",
        "/account/app-passwords/new",
        &[("device", "Anna's phone")],
    ),
    (
        "Refused app password",
        "/people/helper/app-passwords/new",
        &[("device", "<phone>")],
    ),
    ("File without its key", "/peers/anna-phone/file", &[]),
    ("File with a new key", "/peers/anna-phone/key", &[]),
    (
        "Refused device",
        "/peers/new",
        &[("name", "a b"), ("public_key", "x")],
    ),
    (
        "Refused record",
        "/dns/records/new",
        &[("name", "printer"), ("type", "A"), ("revision", "7")],
    ),
    (
        "Refused servers",
        "/dns/upstreams",
        &[("upstreams", "router"), ("revision", "7")],
    ),
    ("Test of a part", "/parts/dns/test", &[]),
    ("Review", "/settings", SETTINGS),
    ("Refused settings", "/settings", &[("cell.name", "my cell")]),
    ("Review of opening", "/services/files/internet", &[]),
    (
        "Refused answers",
        "/services/files/settings",
        &[("answers.max_upload", "0"), ("answers.order", "by size")],
    ),
    (
        "Refused installation",
        "/services/files/install",
        &[("answers.greeting", "as long as nobody would greet anybody")],
    ),
    (
        "Review of a source",
        "/sources/friends/change",
        &[
            ("url", "https://store.example.org/other"),
            ("keys", OTHER_KEYS),
            ("revision", "7"),
        ],
    ),
    (
        "Refused source",
        "/sources/new",
        &[("name", "friends"), ("url", "store"), ("keys", "1f1f")],
    ),
    (
        "Refused way out",
        "/exits/new/proxy",
        &[("name", "work/home"), ("config.port", "0")],
    ),
    (
        "Refused tunnel",
        "/exits/new/wireguard",
        &[("name", "work/home")],
    ),
    (
        "Refused addresses",
        "/network/addresses",
        &[("revision", "7")],
    ),
    ("No such page", "/peers/new/or/not", &[]),
];

const OTHER_KEYS: &str = r#"{"purpose":"development","threshold":2,"keys":[
    "1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f",
    "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0"]}"#;

const SETTINGS: Pairs = &[
    ("cell.name", "home"),
    ("domain.name", "home.cell"),
    ("vpn.subnet", "10.31.7.0/24"),
    ("cell.timezone", "Europe/Vienna"),
    ("revision", "7"),
];

/// Every page, and every answer that is a page.
async fn all(site: fn(Stage) -> Site) -> Vec<Seen> {
    let mut seen = Vec::new();
    for page in PAGES {
        seen.append(&mut see(page, site).await);
    }
    for (name, path, pairs) in ANSWERS {
        let pairs: Vec<(&str, &str)> = pairs.iter().copied().chain([TOKEN]).collect();
        let role = Some(cell_model::account::Role::Owner);
        let answer = site(Stage::Ready).post(role, path, &pairs).await;
        let expected = if name.starts_with("Refused") {
            422
        } else {
            200
        };
        let missing = answer.status == 404 && *name == "No such page";
        assert!(missing || answer.status == expected, "{name}: {answer:?}");
        seen.push(Seen {
            name: format!("{name} as owner"),
            path: (*path).to_owned(),
            html: answer.body,
        });
    }
    seen
}

/// The text between each `start` and the next `end`.
fn between<'a>(html: &'a str, start: &str, end: char) -> Vec<&'a str> {
    html.match_indices(start)
        .filter_map(|(at, _)| html[at + start.len()..].split(end).next())
        .collect()
}

/// The start tags of an element.
fn tags<'a>(html: &'a str, element: &str) -> Vec<&'a str> {
    let start = format!("<{element}");
    between(html, &start, '>')
        .into_iter()
        .filter(|rest| rest.is_empty() || rest.starts_with([' ', '\n']))
        .collect()
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    between(tag, &format!(" {name}=\""), '"').into_iter().next()
}

#[tokio::test]
async fn page_has_one_heading_landmarks_and_a_way_past_the_menu() {
    for Seen { name, html, .. } in all(Site::new).await {
        assert!(
            html.starts_with("<!DOCTYPE html><html lang=\"en\">"),
            "{name}"
        );
        assert_eq!(tags(&html, "h1").len(), 1, "{name}");
        assert_eq!(tags(&html, "main").len(), 1, "{name}");
        assert_eq!(tags(&html, "header").len(), 1, "{name}");
        assert!(html.contains("<a class=\"skip\" href=\"#main\">"), "{name}");
        let title = between(&html, "<title>", '<');
        let heading = between(&html, "<h1>", '<');
        assert!(
            title[0].contains(heading[0]),
            "{name}: {title:?} {heading:?}"
        );
    }
}

#[tokio::test]
async fn headings_skip_no_level() {
    for Seen { name, html, .. } in all(Site::new).await {
        let levels = html.match_indices("<h").filter_map(|(at, _)| {
            let rest = &html.as_bytes()[at + 2..];
            matches!(rest, [b'1'..=b'6', b'>' | b' ', ..]).then(|| rest[0] - b'0')
        });
        let mut last = 0;
        for level in levels {
            assert!(level <= last + 1, "{name}: h{level} after h{last}");
            last = level;
        }
    }
}

#[tokio::test]
async fn every_name_that_is_pointed_at_exists_once() {
    for Seen { name, html, .. } in all(Site::new).await {
        let ids = between(&html, " id=\"", '"');
        let unique: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "{name}: {ids:?}");
        for pointer in ["for", "aria-describedby", "aria-labelledby", "list"] {
            for pointed in between(&html, &format!(" {pointer}=\""), '"') {
                for id in pointed.split(' ') {
                    assert!(unique.contains(id), "{name}: {pointer}={id}");
                }
            }
        }
    }
}

#[tokio::test]
async fn every_field_has_a_label() {
    for Seen { name, html, .. } in all(Site::new).await {
        let labelled: BTreeSet<&str> = between(&html, "<label for=\"", '"').into_iter().collect();
        let controls = ["input", "textarea", "select"].map(|element| tags(&html, element));
        for tag in controls.into_iter().flatten() {
            if attribute(tag, "type") != Some("hidden") {
                let id = attribute(tag, "id").unwrap_or_default();
                assert!(labelled.contains(id), "{name}: {tag}");
            }
        }
    }
}

#[tokio::test]
async fn wide_things_scroll_in_a_region_with_a_name() {
    for Seen { name, html, .. } in all(Site::new).await {
        assert!(
            tags(&html, "th").iter().all(|tag| tag.contains("scope=")),
            "{name}"
        );
        for region in tags(&html, "div")
            .iter()
            .filter(|tag| tag.contains("\"scroll\""))
        {
            for must in ["role=\"region\"", "tabindex=\"0\"", "aria-label=\""] {
                assert!(region.contains(must), "{name}: {region}");
            }
        }
        assert_eq!(
            tags(&html, "table").len(),
            html.matches("tabindex=\"0\"><table").count(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn nothing_is_inline_and_nothing_comes_from_elsewhere() {
    for Seen { name, html, .. } in all(Site::new).await {
        for forbidden in [
            "<style",
            " style=",
            "javascript:",
            "src=\"http",
            "<iframe",
            "<base",
        ] {
            assert!(!html.contains(forbidden), "{name}: {forbidden}");
        }
        for tag in tags(&html, "script") {
            let known = ["live.", "passkey."];
            let known = known.map(|stem| format!(" src=\"/assets/{stem}"));
            assert!(known.iter().any(|src| tag.contains(src)), "{name}: {tag}");
        }
        assert_eq!(
            html.matches("<script").count(),
            html.matches("></script>").count(),
            "{name}"
        );
        let handler = html.match_indices(" on").any(|(at, _)| {
            let rest = html[at + 3..].trim_start_matches(|c: char| c.is_ascii_lowercase());
            rest.starts_with("=\"")
        });
        assert!(!handler, "{name}");
    }
}

#[tokio::test]
async fn what_others_wrote_stays_text() {
    for Seen { name, html, .. } in all(Site::hostile).await {
        for broken in ["<img", "onerror=alert(1)>", "<!--", "<script>", HOSTILE] {
            assert!(!html.contains(broken), "{name}: {broken}");
        }
    }
}

#[tokio::test]
async fn forms_are_sent_to_where_the_person_may_send_them_with_their_token() {
    for Seen { name, html, .. } in all(Site::new).await {
        let signed_in = !name.ends_with("nobody");
        for (form, whole) in tags(&html, "form")
            .into_iter()
            .zip(html.split("<form").skip(1))
        {
            if attribute(form, "method") != Some("post") {
                continue;
            }
            let inside = whole.split("</form>").next().unwrap_or_default();
            assert_eq!(
                inside.contains("name=\"csrf_token\""),
                signed_in,
                "{name}: {form}"
            );
            let action = attribute(form, "action").expect("where it is sent");
            let role = name.rsplit(' ').next().unwrap_or_default();
            let admitted = PAGES.iter().flat_map(|page| page.posts).any(|post| {
                let here = concrete(post.path) == action;
                here && (!signed_in || role_admitted(post.access, role))
            });
            assert!(admitted, "{name}: {action}");
        }
    }
}

fn role_admitted(access: cell_gate::Access, role: &str) -> bool {
    support::ROLES
        .into_iter()
        .any(|one| one.as_str() == role && access.admits(one))
}

#[tokio::test]
async fn menu_offers_what_opens_and_marks_where_one_is() {
    for Seen { name, path, html } in all(Site::new).await {
        let Some(menu) = html.split("<nav class=\"side\"").nth(1) else {
            assert!(name.ends_with("nobody"), "{name}");
            continue;
        };
        let menu = menu.split("</nav>").next().unwrap_or_default();
        let role = name.rsplit(' ').next().unwrap_or_default();
        for link in between(menu, "<a href=\"", '"') {
            let page = PAGES.iter().find(|page| concrete(page.path) == link);
            let page = page.unwrap_or_else(|| panic!("{name}: {link}"));
            assert!(role_admitted(page.access, role), "{name}: {link}");
        }
        let in_menu = PAGES
            .iter()
            .any(|page| page.path == path && page.group.is_some());
        let marked = menu.matches("aria-current=\"page\"").count();
        assert!(marked <= 1 && (marked == 1 || !in_menu), "{name}");
    }
}

#[tokio::test]
async fn links_lead_to_pages_that_open() {
    for page in PAGES {
        let (stage, people) = audience(page.access);
        let site = Site::new(stage);
        for role in people {
            let html = site.get(role, &concrete(page.path)).await.body;
            let links: BTreeSet<&str> = between(&html, "<a href=\"", '"')
                .into_iter()
                .chain(between(&html, "\" href=\"", '"'))
                .filter(|link| link.starts_with('/') && !link.starts_with("/api/"))
                .collect();
            for link in links {
                let link = link.replace("&amp;", "&");
                let answer = site.get(role, &link).await;
                // Before and after setup the start page leads on to the page that helps.
                let leads_on = role.is_none() && answer.status == 303;
                assert!(
                    answer.status == 200 || leads_on,
                    "{}: {link}: {answer:?}",
                    page.path
                );
            }
        }
    }
}

#[tokio::test]
async fn first_load_is_light() {
    let site = Site::new(Stage::Ready);
    let mut assets = None;
    for Seen { name, html, .. } in all(Site::new).await {
        let paths = between(&html, "\"/assets/", '"');
        assert!((1..=2).contains(&paths.len()), "{name}: {paths:?}");
        if assets.is_none() && paths.len() == 2 {
            let mut bytes = 0;
            for path in paths {
                let answer = site.get(None, &format!("/assets/{path}")).await;
                assert_eq!(answer.status, 200, "{path}");
                bytes += answer.body.len();
            }
            assets = Some(bytes);
        }
        let whole = html.len() + assets.unwrap_or_default();
        assert!(whole <= FIRST_LOAD, "{name}: {whole} bytes");
    }
    assert!(assets.is_some(), "one page has a live part");
}

/// With `CELL_WEBUI_PAGES=<directory>` set, keeps every page there, to look at them and to run other checks on them.
#[tokio::test]
async fn pages_can_be_kept_to_look_at() {
    let Some(directory) = std::env::var_os("CELL_WEBUI_PAGES").map(std::path::PathBuf::from) else {
        return;
    };
    let write = |name: &str, text: &str| std::fs::write(directory.join(name), text).unwrap();
    std::fs::create_dir_all(directory.join("assets")).unwrap();
    for (kind, site) in [
        ("", Site::new as fn(Stage) -> Site),
        ("-hostile", Site::hostile),
        ("-ways", Site::with_ways),
    ] {
        for Seen { name, html, .. } in all(site).await {
            let file: String = name
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
                .collect();
            write(&format!("{}{kind}.html", file.trim_matches('-')), &html);
            for path in between(&html, "\"/assets/", '"') {
                let asset = Site::new(Stage::Ready)
                    .get(None, &format!("/assets/{path}"))
                    .await;
                write(&format!("assets/{path}"), &asset.body);
            }
        }
    }
}
