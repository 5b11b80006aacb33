//! A browser: at the box's pages about services, and at a service itself.

use cell_testkit::world::HOME_GATEWAY;
use cell_tests::browser::{self, page, sent};
use cell_tests::{DOMAIN, OWNER, PASSWORD};
use cell_webui::routes::PAGES;
use serde_json::json;

use crate::serving::serving;

/// The pages about a service that is installed, and that has not got an update.
fn pages_about(service: &str) -> Vec<serde_json::Value> {
    let pages = PAGES.iter().filter(|page| page.path.contains("{service}"));
    pages
        .map(|shown| {
            let path = shown.path.replace("{service}", service);
            let status = match path.rsplit('/').next() {
                Some("install" | "update" | "data") => 409,
                _ => 200,
            };
            page(&path, status)
        })
        .collect()
}

#[test]
fn no_page_about_a_service_has_a_barrier() {
    let host = serving(&["calendar", "files"]);
    let base = format!("https://{HOME_GATEWAY}:8443");
    let mut pages = pages_about("calendar");
    pages.extend([page("/", 200), page("/services", 200), page("/me", 403)]);
    pages.push(sent("/services/calendar/internet", &json!({}), 422));
    let owner = Some((OWNER, PASSWORD));
    browser::hold(&host.cell.world.laptop, &base, owner, &pages);
}

#[test]
fn service_is_used_over_http3() {
    let host = serving(&["calendar"]);
    let password = host.app_password("laptop");
    let authority = std::fs::read_to_string(host.cell.celld.ca_pem()).unwrap();
    let given = json!({
        "authority": authority, "username": OWNER, "password": password.text,
        "paths": ["/.web/", "/.web/", "/nobody/"],
    });
    let base = format!("https://calendar.{DOMAIN}");
    let answers = browser::run(&host.cell.world.laptop, &base, "protocol.mjs", given);
    assert_eq!(answers, json!([[200, "h3"], [200, "h3"], [403, "h3"]]));
}
