//! A device of a person that keeps a passkey.

use cell_auth::fake::FakeAuthenticator;
use cell_testkit::Client;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::expect_status;

/// Adds one for whoever is signed in; its id.
///
/// # Panics
/// The box does not take it.
#[must_use]
pub fn add(client: &Client, label: &str) -> String {
    let offered = client.post("/api/auth/passkey-offer", &json!({})).unwrap();
    expect_status(&offered, 200);
    let offered = offered.json();
    let bytes = |json: &Value| {
        let text = json.as_str().unwrap();
        BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()
    };
    let relying_party = offered["relying_party"].as_str().unwrap();
    let device = FakeAuthenticator::new(relying_party, &bytes(&offered["user_handle"]));
    let made = device.make(&bytes(&offered["challenge"]));
    let form = json!({
        "label": label,
        "credential_id": BASE64URL_NOPAD.encode(&made.credential_id),
        "client_data": BASE64URL_NOPAD.encode(&made.client_data),
        "authenticator_data": BASE64URL_NOPAD.encode(&made.authenticator_data),
        "public_key": BASE64URL_NOPAD.encode(&made.public_key),
    });
    let added = client.post("/api/auth/passkeys", &form).unwrap();
    expect_status(&added, 201);
    added.json()["passkey"]["id"].as_str().unwrap().to_owned()
}
