//! Cells in houses that are on one internet ([`cell_testkit::houses`]): how their owners link them, and what people in one see of
//! another.

use std::path::Path;
use std::time::Duration;

use cell_testkit::celld::PATIENCE;
use cell_testkit::houses::House;
use cell_testkit::world::HOME_GATEWAY;
use cell_testkit::{CelldOptions, Client, Namespace, Reply, World, wait_for};
use serde_json::{Value, json};

use crate::probe::{lookup, pings};
use crate::{Cell, OWNER, PASSWORD, expect_status, setup_form, start_fresh};

/// As long as a change waits to be kept.
const CONFIRMATION: Duration = Duration::from_secs(90);
/// Sets the cell of a house up.
#[must_use]
pub fn cell_in(house: &House, world: World) -> Cell {
    let celld = start_fresh(&world, CelldOptions::default());
    let mut form = setup_form(&celld);
    form["cell_name"] = json!(house.name);
    form["domain"] = json!(house.domain);
    form["vpn_subnet"] = json!(house.vpn_subnet());
    let stranger = celld.client(&world.laptop).unwrap();
    expect_status(&stranger.post("/api/setup/complete", &form).unwrap(), 200);
    let owner = celld.client(&world.laptop).unwrap();
    let signed_in = wait_for(PATIENCE, || owner.login(OWNER, PASSWORD).ok());
    expect_status(&signed_in.unwrap(), 200);
    let mut cell = Cell {
        owner,
        celld,
        world,
    };
    cell.settle();
    cell
}

/// Waits until the cell of an owner has that of a house as linked, and people at the laptop there find it by name and reach it.
#[must_use]
pub fn is_found(house: &House, owner: &Client, laptop: &Namespace, limit: Duration) -> bool {
    let linked = (house.name.to_owned(), "linked".to_owned());
    let server = format!("@{HOME_GATEWAY}");
    let found = wait_for(limit, || {
        let is_linked = states(owner).contains(&linked);
        let is_known = lookup(laptop, &[&server, house.domain]) == house.vpn.to_string();
        (is_linked && is_known && pings(laptop, house.vpn.into())).then_some(())
    });
    found.is_some()
}

/// Makes an invite as the JSON says.
pub fn invites(owner: &Client, form: &Value) -> Value {
    let made = owner.post("/api/cells/invites", form).unwrap();
    expect_status(&made, 201);
    made.json()
}

/// Takes an invite of another cell's.
pub fn imports(owner: &Client, invite: &Value) -> Reply {
    owner
        .post("/api/cells", &json!({ "invite": invite }))
        .unwrap()
}

/// Other cells by name, with how far they are.
#[must_use]
pub fn states(owner: &Client) -> Vec<(String, String)> {
    let reply = owner.get("/api/cells").unwrap();
    expect_status(&reply, 200);
    let cells = reply.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let items = cells["items"].as_array().unwrap().iter();
    items
        .map(|item| (text(&item["name"]), text(&item["state"])))
        .collect()
}

/// Changes settings, and keeps the change where that is asked.
pub fn becomes(owner: &Client, settings: &Value) {
    let reply = owner.put("/api/config", settings).unwrap();
    assert!(reply.status < 300, "{}", reply.text());
    let kept = wait_for(CONFIRMATION, || {
        let reply = owner.post("/api/config/confirm", &json!({})).ok()?;
        (reply.status == 200 || reply.json()["code"] == "nothing_to_confirm").then_some(())
    });
    assert!(kept.is_some(), "{settings} is not kept");
}

/// Says to which services here the people of a cell come, and that to no other.
pub fn shares(owner: &Client, with: &House, services: &[&str]) {
    let form: Value = ["calendar", "files", "mail", "webdav"]
        .iter()
        .map(|service| ((*service).to_owned(), json!(services.contains(service))))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let path = format!("/api/cells/{}/permissions", with.name);
    expect_status(&owner.put(&path, &form).unwrap(), 200);
}

/// What curl is answered, whose name server is that of the namespace: the status (0: no answer), and everything after it.
#[must_use]
pub fn visit(
    from: &Namespace,
    authority: &Path,
    url: &str,
    arguments: &[&str],
    limit: Duration,
) -> (u16, String) {
    let mut curl = from.command("curl");
    curl.args(["--silent", "--show-error", "--include", "--max-time"])
        .arg(limit.as_secs().to_string())
        .arg("--cacert")
        .arg(authority)
        .args(arguments)
        .arg(url);
    let output = curl.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
    let errors = String::from_utf8_lossy(&output.stderr);
    (status.unwrap_or_default(), format!("{text}{errors}"))
}
