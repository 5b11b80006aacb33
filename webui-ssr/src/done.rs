//! What a page says after something was done. It travels in the address (`?done=saved`), so the words are a closed
//! set: an address made by somebody else can say nothing of its own.

/// Something that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    Saved,
    Added,
    Removed,
    Restored,
    Confirmed,
    TakenBack,
    Restarted,
    PasswordChanged,
    SessionEnded,
    SignedOut,
    Proven,
    Received,
    Dropped,
    Chosen,
    Restarting,
    Looked,
    Fetching,
    Installing,
    ServiceRestarted,
    Updating,
    Asked,
    KeyMade,
}

impl Done {
    const ALL: [Self; 22] = [
        Self::Saved,
        Self::Added,
        Self::Removed,
        Self::Restored,
        Self::Confirmed,
        Self::TakenBack,
        Self::Restarted,
        Self::PasswordChanged,
        Self::SessionEnded,
        Self::SignedOut,
        Self::Proven,
        Self::Received,
        Self::Dropped,
        Self::Chosen,
        Self::Restarting,
        Self::Looked,
        Self::Fetching,
        Self::Installing,
        Self::ServiceRestarted,
        Self::Updating,
        Self::Asked,
        Self::KeyMade,
    ];

    /// The word in the address.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Saved => "saved",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Restored => "restored",
            Self::Confirmed => "confirmed",
            Self::TakenBack => "taken-back",
            Self::Restarted => "restarted",
            Self::PasswordChanged => "password-changed",
            Self::SessionEnded => "session-ended",
            Self::SignedOut => "signed-out",
            Self::Proven => "proven",
            Self::Received => "received",
            Self::Dropped => "dropped",
            Self::Chosen => "chosen",
            Self::Restarting => "restarting",
            Self::Looked => "looked",
            Self::Fetching => "fetching",
            Self::Installing => "installing",
            Self::ServiceRestarted => "service-restarted",
            Self::Updating => "updating",
            Self::Asked => "asked",
            Self::KeyMade => "key-made",
        }
    }

    /// What the word stands for.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|done| done.word() == word)
    }

    /// The sentence shown.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::Saved => "Saved.",
            Self::Added => "Added.",
            Self::Removed => "Removed.",
            Self::Restored => "The earlier settings are back.",
            Self::Confirmed => "The change is kept.",
            Self::TakenBack => "The change was taken back.",
            Self::Restarted => "The part was started anew.",
            Self::PasswordChanged => {
                "The password is changed. Other sessions of the account have ended."
            }
            Self::SessionEnded => "The session has ended.",
            Self::SignedOut => "You are signed out.",
            Self::Proven => "That was your password. Nothing was done yet: go on now.",
            Self::Received => {
                "The new version is here and is being written beside the running one."
            }
            Self::Dropped => "The version is dropped.",
            Self::Chosen => "The other version is tried at the next start.",
            Self::Restarting => "The box restarts. It is back in a minute or two.",
            Self::Looked => "The box has looked for a new version.",
            Self::Fetching => "The new version is on its way.",
            Self::Installing => "The service is being installed. That takes a minute or two.",
            Self::ServiceRestarted => "The service was started anew.",
            Self::Updating => "The service is being updated. That takes a minute or two.",
            Self::Asked => "The sources were asked. What they answered is below.",
            Self::KeyMade => "The key is made. Its record goes into public DNS now.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_of_ours_say_something() {
        for done in Done::ALL {
            assert_eq!(Done::from_word(done.word()), Some(done));
        }
        assert_eq!(Done::from_word("call-this-number"), None);
        assert_eq!(Done::from_word(""), None);
    }
}
