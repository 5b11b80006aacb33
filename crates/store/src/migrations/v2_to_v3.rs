//! Schema 2 knew neither services nor app passwords. Schema 3 keeps documents `service/ID` and `services`, and records
//! `app_passwords`, once there are any: versions of before cannot read them, and go on with what they left.

use crate::StoreError;
use crate::database::Database;

#[expect(clippy::unnecessary_wraps, reason = "the form that all steps have")]
pub(super) fn migrate(_: &Database) -> Result<(), StoreError> {
    Ok(())
}
