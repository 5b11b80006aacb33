//! Ctrl-C and its relatives as a question one may ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::XtaskError;

/// Whether the person, or the terminal's end, asked to stop.
#[derive(Debug)]
pub(crate) struct StopRequest {
    asked: Arc<AtomicBool>,
}

impl StopRequest {
    /// From now on, SIGINT, SIGTERM and SIGHUP end nothing but are remembered.
    pub(crate) fn listen() -> Result<Self, XtaskError> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&asked)).map_err(XtaskError::Signals)?;
        }
        Ok(Self { asked })
    }

    pub(crate) fn is_made(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_remembered_instead_of_deadly() {
        let stop = StopRequest::listen().unwrap();
        assert!(!stop.is_made());
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert!(stop.is_made());
    }
}
