//! An update as the owner makes it.

use std::time::{Duration, Instant};

use cell_testkit::client::ClientError;
use cell_testkit::{Client, Reply, Request};
use serde_json::{Value, json};

use crate::expect_status;
use crate::version::Version;
use crate::vm::Appliance;

/// How long a bundle of 80 MB may be on its way into an emulated machine.
pub const UPLOAD: Duration = Duration::from_secs(900);

/// Hands the bundle over; the reply comes once all of it is there.
///
/// # Errors
/// The box was gone before that.
pub fn upload(owner: &Client, version: &Version) -> Result<Reply, ClientError> {
    let token = owner.csrf_token()?.unwrap_or_default();
    let request = Request::new("POST", "/api/firmware/bundle")
        .header("content-type", "application/octet-stream")
        .header("x-csrf-token", token)
        .over_http1()
        .body(version.bundle());
    owner.send_within(&request, UPLOAD)
}

/// Takes the version in, and waits until it is to be tried.
pub fn install(appliance: &Appliance, version: &Version) -> Value {
    appliance.prove_password();
    expect_status(&upload(&appliance.owner, version).unwrap(), 202);
    wait_ready(appliance)
}

/// Waits until a version that is here is to be tried.
pub fn wait_ready(appliance: &Appliance) -> Value {
    let limit = Instant::now() + UPLOAD;
    loop {
        let firmware = appliance.get("/api/firmware");
        let state = firmware["update"]["state"].as_str().unwrap().to_owned();
        if state == "ready" {
            return firmware;
        }
        assert!(state != "failed" && Instant::now() < limit, "{firmware}");
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Has the box restart.
pub fn restart(appliance: &Appliance) {
    let reply = appliance.owner.post("/api/firmware/restart", &json!({}));
    expect_status(&reply.unwrap(), 204);
}

/// The names of the devices it knows.
#[must_use]
pub fn peers(appliance: &Appliance) -> Vec<String> {
    let peers = appliance.get("/api/peers?limit=1000");
    let items = peers["items"].as_array().unwrap().iter();
    items
        .map(|peer| peer["name"].as_str().unwrap().to_owned())
        .collect()
}
