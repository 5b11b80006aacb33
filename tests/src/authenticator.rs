//! The app on a person's phone that makes codes for sign-ins.

use std::time::Duration;

use cell_auth::TotpSecret;
use cell_model::Timestamp;
use cell_testkit::{Client, Reply};
use data_encoding::BASE32_NOPAD;
use serde_json::json;

use crate::expect_status;

/// How long a code counts by itself; it is taken for another such period before and after.
const PERIOD: Duration = Duration::from_secs(30);

/// The app.
#[derive(Debug)]
pub struct Authenticator(TotpSecret);

impl Authenticator {
    /// Sets it up for whoever is signed in; their recovery codes.
    ///
    /// # Panics
    /// The box does not take it.
    #[must_use]
    pub fn set_up(client: &Client) -> (Self, Vec<String>) {
        let offered = client.post("/api/auth/second-factor", &json!({})).unwrap();
        expect_status(&offered, 201);
        let secret = offered.json()["secret"].as_str().unwrap().to_owned();
        let secret = BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
        let app = Self(TotpSecret::from_bytes(&secret).unwrap());
        let code = json!({ "code": app.0.code_at(Timestamp::now()) });
        let added = client.put("/api/auth/second-factor", &code).unwrap();
        expect_status(&added, 200);
        let codes = added.json()["recovery_codes"].clone();
        (app, serde_json::from_value(codes).unwrap())
    }

    /// What it shows next, which the box takes already. So one sign-in need not wait after it was set up.
    #[must_use]
    pub fn next_code(&self) -> String {
        self.0.code_at(Timestamp::now() + PERIOD)
    }
}

/// Signs in with a code.
///
/// # Panics
/// The box does not answer.
#[must_use]
pub fn login_with_code(client: &Client, username: &str, password: &str, code: &str) -> Reply {
    let form = json!({ "username": username, "password": password, "code": code });
    client.post("/api/auth/login", &form).unwrap()
}
