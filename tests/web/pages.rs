//! Every form of every page against bad input, from the table the pages are made from.

use cell_testkit::{Client, Request};
use cell_webui::Kind;
use cell_webui::routes::PAGES;

use crate::cell::{Cell, PASSWORD, ROLES, role};

/// The token a form of this session carries, as a person's browser would find it.
fn token(client: &Client) -> String {
    client.csrf_token().unwrap().unwrap()
}

fn path(path: &str) -> String {
    let names = [
        ("{name}", "phone"),
        ("{username}", "nobody"),
        ("{number}", "1"),
        ("{service}", "files"),
        ("{part}", "dns"),
        ("{id}", "none"),
        ("{group}", "none"),
        ("{cell}", "none"),
        ("{alias}", "none"),
        ("{selector}", "none"),
        ("{connection}", "00000000-0000-4000-8000-000000000000"),
    ];
    names
        .iter()
        .fold(path.to_owned(), |path, (from, to)| path.replace(from, to))
}

#[test]
fn every_page_answers_its_roles_and_sends_others_away() {
    let cell = Cell::set_up();
    let clients = ROLES.map(|word| (role(word), cell.signed_in(word)));
    let nobody = cell.client();
    for page in PAGES {
        let path = path(page.path);
        if !page.access.needs_identity() {
            continue;
        }
        let reply = nobody.get(&path).unwrap();
        assert_eq!(reply.status, 303, "{path} for nobody");
        assert!(
            reply
                .header("location")
                .is_some_and(|to| to.starts_with("/sign-in")),
            "{path}"
        );
        for (role, client) in &clients {
            let admitted = page.access.admits(*role);
            let reply = client.get(&path).unwrap();
            let expected: &[u16] = if admitted { &[200, 404] } else { &[403] };
            assert!(
                expected.contains(&reply.status),
                "{path} for {role:?}: {}",
                reply.status
            );
            let text = reply.text();
            assert!(text.contains("<html lang="), "{path} for {role:?}");
            assert!(
                !text.contains(" style=") && !text.contains(" onclick="),
                "{path} for {role:?}"
            );
        }
    }
}

/// The end of the session is for everybody, and tested elsewhere.
const SIGN_OUT: &str = "/sign-out";

#[test]
fn every_form_is_open_to_its_roles_and_to_nobody_else() {
    let cell = Cell::set_up();
    let nobody = cell.client();
    let clients = ROLES.map(|word| {
        let client = cell.signed_in(word);
        (role(word), token(&client), client)
    });
    for post in PAGES.iter().flat_map(|page| page.posts) {
        if !post.access.needs_identity() || post.path == SIGN_OUT {
            continue;
        }
        let path = path(post.path);
        // A field that no form has stops what is allowed before anything is done.
        let wrong = ("no_such_field", "x");
        let reply = nobody.send(&Request::new("POST", &path).form(&[wrong]));
        let status = reply.unwrap().status;
        assert_eq!(status, 401, "{path} for nobody");
        for (role, token, client) in &clients {
            if post.access.admits(*role) && post.fields.is_empty() {
                // It has no field that could be wrong, and would be done.
                continue;
            }
            let fields = [("csrf_token", token.as_str()), wrong];
            let reply = client.send(&Request::new("POST", &path).form(&fields));
            let status = reply.unwrap().status;
            let expected: &[u16] = match post.access.admits(*role) {
                true => &[400, 404, 409, 422],
                false => &[403],
            };
            assert!(expected.contains(&status), "{path} for {role:?}: {status}");
        }
    }
}

#[test]
fn every_form_comes_back_filled_in_and_nothing_changes() {
    let cell = Cell::set_up();
    let owner = cell.signed_in("owner");
    let token = token(&owner);
    let before = cell.state(&owner);
    for post in PAGES.iter().flat_map(|page| page.posts) {
        let path = path(post.path);
        // Guesses at passwords and the end of this session are tested elsewhere.
        if !post.access.needs_identity() || path == "/sign-out" || post.fields.is_empty() {
            continue;
        }
        for wrong in ["\u{0}", "\u{430}nna <script>alert(1)</script>"] {
            let mut fields = vec![("csrf_token", token.as_str())];
            for field in post.fields {
                let choice = matches!(field.kind, Kind::Flag | Kind::Boxes(_) | Kind::One(_));
                fields.push((field.name, if choice { "no such choice" } else { wrong }));
            }
            let reply = owner
                .send(&Request::new("POST", &path).form(&fields))
                .unwrap();
            // 403: the present password is wrong, and the page says so.
            assert!(
                [400, 403, 404, 409, 422].contains(&reply.status),
                "{path} {wrong:?}: {}",
                reply.status
            );
            assert!(
                !reply.text().contains("<script>alert"),
                "{path} repeats a script"
            );
        }
        let without = owner.send(&Request::new("POST", &path).form(&[])).unwrap();
        assert_eq!(without.status, 403, "{path} without a token");
        let foreign = owner
            .send(
                &Request::new("POST", &path)
                    .header("Origin", "https://evil.example")
                    .form(&[("csrf_token", &token)]),
            )
            .unwrap();
        assert_eq!(foreign.status, 403, "{path} from elsewhere");
    }
    assert_eq!(cell.state(&owner), before);
}

#[test]
fn person_sets_the_box_up_signs_in_and_adds_a_device_without_a_script() {
    let cell = Cell::fresh();
    let browser = cell.client();
    assert_eq!(browser.get("/").unwrap().status, 303);
    let answers = cell.setup_answers();
    let text = |name: &str| answers[name].as_str().unwrap().to_owned();
    let names = [
        "setup_code",
        "cell_name",
        "domain",
        "vpn_subnet",
        "admin_username",
        "admin_password",
        "timezone",
    ];
    let values: Vec<(&str, String)> = names.iter().map(|name| (*name, text(name))).collect();
    let fields: Vec<(&str, &str)> = values
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let mut wrong = fields.clone();
    wrong[2].1 = "a..b";
    let reply = browser
        .send(&Request::new("POST", "/setup").form(&wrong))
        .unwrap();
    assert_eq!(reply.status, 422, "{}", reply.text());
    assert!(reply.text().contains("a..b") && !reply.text().contains(PASSWORD));
    let reply = browser
        .send(&Request::new("POST", "/setup").form(&fields))
        .unwrap();
    assert_eq!(reply.status, 303, "{}", reply.text());

    let sign_in = [
        ("username", "owner"),
        ("password", PASSWORD),
        ("next", "/peers"),
    ];
    let reply = browser
        .send(&Request::new("POST", "/sign-in").form(&sign_in))
        .unwrap();
    assert_eq!(
        (reply.status, reply.header("location")),
        (303, Some("/peers")),
        "{}",
        reply.text()
    );
    let token = token(&browser);
    let device = [
        ("csrf_token", token.as_str()),
        ("name", "phone"),
        ("tunnel", "full"),
    ];
    let reply = browser
        .send(&Request::new("POST", "/peers/new").form(&device))
        .unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.text().contains("PrivateKey") && reply.text().contains("<svg"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    // Once and never again.
    assert!(
        !browser
            .get("/peers/phone")
            .unwrap()
            .text()
            .contains("PrivateKey")
    );
}
