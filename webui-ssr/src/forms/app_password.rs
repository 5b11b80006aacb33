//! A new app password.

use cell_control::action::Action;
use cell_control::app_password::AppPasswordForm;
use cell_model::name::Username;

use super::Draft;
use super::field::Field;

/// Fields of a new app password.
pub(crate) const NEW: &[Field] = &[Field::text("device", "Device")
    .hint("So that you know it again in the list, such as \"Anna's phone\".")];

/// Reads a new app password; `whose` is who it is for, if not oneself.
pub(crate) fn parse(draft: &mut Draft, whose: Option<Username>) -> Option<Action> {
    let form = AppPasswordForm {
        username: whose,
        device: draft.require("device")?,
        services: None,
    };
    draft.accept(Some(Action::AddAppPassword(form)))
}
