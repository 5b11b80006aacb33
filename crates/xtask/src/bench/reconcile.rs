//! One more peer among 1, 1,000 and 10,000, and a cold start with 10,000.
//!
//! Aims: one peer into 10,000 within three times one into 1; a cold start of 10,000 peers in 2 s of CPU.

use super::figure::Figure;
use crate::error::XtaskError;

pub(super) fn measure() -> Result<Vec<Figure>, XtaskError> {
    Err(XtaskError::NothingToMeasure {
        name: "reconcile",
        missing: "the daemon does not apply peers",
    })
}
