//! What has to be done on a device to use a service.

use cell_control::view::{GuideView, OwnServiceView, ServiceView, WellKnownView};
use cell_model::name::ServiceId;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::navigation::service_path;
use crate::parts::text::qr_figure;

/// The page of one's own mail, which has all of this too.
const OWN_MAIL: &str = "/account/mail";

/// What of a service is used.
pub(super) struct Use<'a> {
    id: &'a ServiceId,
    urls: &'a [String],
    well_known: &'a [WellKnownView],
    has_mail: bool,
    guides: &'a [GuideView],
    /// What does not run has no profile.
    runs: bool,
}

impl<'a> From<&'a ServiceView> for Use<'a> {
    fn from(service: &'a ServiceView) -> Self {
        Self {
            id: &service.id,
            urls: &service.urls,
            well_known: &service.well_known,
            has_mail: service.mail.is_some(),
            guides: &service.guides,
            runs: service.enabled,
        }
    }
}

impl<'a> From<&'a OwnServiceView> for Use<'a> {
    fn from(service: &'a OwnServiceView) -> Self {
        Self {
            id: &service.id,
            urls: &service.urls,
            well_known: &service.well_known,
            has_mail: service.mail.is_some(),
            guides: &service.guides,
            runs: true,
        }
    }
}

/// What whoever reads this has to do on their devices.
pub(super) fn how_to_use(frame: &Frame, service: &Use) -> Markup {
    html! {
        @if service.has_mail && frame.path != OWN_MAIL {
            p { "Your addresses, and what a mail program asks for: " a href=(OWN_MAIL) { "my mail" } "." }
        }
        @if !service.guides.is_empty() {
            p {
                "Your name here is " strong { (frame.identity.as_ref().map_or("", |identity| identity.username.as_str())) }
                ". Each device has a password of its own, which opens services and nothing else: "
                a href="/account/app-passwords" { "app passwords" } "."
            }
            @for guide in service.guides { (guide_of(guide)) }
        }
        @if let Some(url) = service.urls.first() {
            details {
                summary { "Its address as a code for a phone" }
                (qr_figure(url, "Its address: scan it with the camera of a device that trusts the box"))
            }
        }
        @if service.runs && (service.has_mail || !service.well_known.is_empty()) {
            p {
                "iPhone, iPad and Mac can be set up by a file that has all but the password: "
                a href={ (service_path(service.id)) "/profile" } { "profile for Apple devices" }
                ". Open it there, and install it in the settings."
            }
        }
    }
}

/// What to do on a kind of device.
fn guide_of(guide: &GuideView) -> Markup {
    html! {
        details {
            summary { (platform(&guide.platform)) }
            ol { @for step in &guide.steps { li { (step) } } }
        }
    }
}

/// What a kind of device is called.
fn platform(word: &str) -> &str {
    match word {
        "android" => "Android",
        "ios" => "iPhone and iPad",
        "linux" => "Linux",
        "macos" => "Mac",
        "thunderbird" => "Thunderbird",
        "web" => "In a browser",
        "windows" => "Windows",
        other => other,
    }
}
