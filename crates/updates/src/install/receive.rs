//! Fetches what is not here.

use std::collections::HashSet;
use std::ops::Range;

use super::index::Index;
use super::source::{self, Source};
use super::staging::Staging;
use super::{InstallError, Offer, Progress, Step};
use crate::bundle::Planned;

/// How much had to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Received {
    /// Bytes of the bundle, header included.
    pub total: u64,
    /// Bytes that were needed from it now, header included.
    pub fetched: u64,
}

/// Puts those chunks of the bundle aside that neither the running slot nor an earlier try holds. `bundle` stands at the
/// first chunk, behind what [`Offer::read`] read.
///
/// # Errors
/// No room; a bundle that is cut, damaged or too long, or cannot be read any further. What was fetched stays there.
pub fn receive(
    offer: &Offer,
    bundle: &mut dyn Source,
    staging: &Staging,
    index: &Index,
    report: &mut dyn FnMut(Progress),
) -> Result<Received, InstallError> {
    let staged = staging.open(offer)?;
    let mut known = HashSet::new();
    let mut missing = Vec::new();
    for planned in offer.manifest.plan() {
        if known.insert(planned.chunk)
            && index.find(&planned.chunk).is_none()
            && staged.chunk(&planned).is_none()
        {
            missing.push(planned);
        }
    }
    let total = missing
        .iter()
        .map(|planned| u64::from(planned.chunk.1))
        .sum();
    staged.check_room(total)?;
    let header = offer.header().len() as u64;
    bundle.expect(&parts(header, &missing));
    let mut at = 0;
    let mut done = 0;
    let mut fetch = |done: &mut u64| {
        for planned in &missing {
            report(Progress {
                step: Step::Receiving,
                done: *done,
                total,
            });
            source::skip(bundle, planned.source - at)?;
            let mut bytes = vec![0; planned.chunk.length()];
            source::read_exact(bundle, &mut bytes)?;
            if !planned.chunk.is(&bytes) {
                return Err(InstallError::Damaged(header + planned.source));
            }
            staged.write(planned, &bytes)?;
            at = planned.source + bytes.len() as u64;
            *done += bytes.len() as u64;
        }
        source::skip(bundle, offer.manifest.chunk_bytes() - at)?;
        source::end(bundle)
    };
    let fetched = fetch(&mut done);
    // What came before it broke off is kept for the next try.
    staged.sync()?;
    fetched?;
    Ok(Received {
        total: header + offer.manifest.chunk_bytes(),
        fetched: header + done,
    })
}

/// The bytes of the bundle that are needed; chunks that follow each other are one part.
fn parts(header: u64, missing: &[Planned]) -> Vec<Range<u64>> {
    let mut parts: Vec<Range<u64>> = Vec::new();
    for planned in missing {
        let start = header + planned.source;
        let end = start + u64::from(planned.chunk.1);
        match parts.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => parts.push(start..end),
        }
    }
    parts
}
