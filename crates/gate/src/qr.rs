//! QR codes as inline SVG (ISO/IEC 18004).

use std::fmt::Write;

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code: the standard's least, and cameras need them.
const QUIET_ZONE: usize = 4;
/// Pixels the picture has at least: smaller ones are hard to hold a phone to.
const MIN_SIDE: usize = 240;
/// Pixels of one module at least.
const MIN_MODULE: usize = 4;

/// The text does not fit a QR code (2,331 bytes at this correction level).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is too long for a QR code")]
pub struct QrError;

/// An `<svg>` element that shows the text: black on white whatever the theme, because cameras expect it.
/// It holds no style and no script, so it passes the page's content security policy.
pub fn svg(text: &str, label: &str) -> Result<String, QrError> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).map_err(|_| QrError)?;
    let width = code.width();
    let modules = width + 2 * QUIET_ZONE;
    let side = modules * MIN_MODULE.max(MIN_SIDE.div_ceil(modules));
    let mut path = String::new();
    for (y, row) in code.to_colors().chunks(width).enumerate() {
        for (x, run) in runs(row) {
            // Writing to a string cannot fail.
            let _ = write!(
                path,
                "M{} {}h{run}v1h-{run}z",
                x + QUIET_ZONE,
                y + QUIET_ZONE
            );
        }
    }
    let label = label
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;");
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{side}\" height=\"{side}\" viewBox=\"0 0 {modules} {modules}\" \
         role=\"img\" aria-label=\"{label}\" shape-rendering=\"crispEdges\">\
         <rect width=\"{modules}\" height=\"{modules}\" fill=\"#fff\"/><path d=\"{path}\" fill=\"#000\"/></svg>"
    ))
}

/// Where each run of dark modules of a row begins, and how long it is.
fn runs(row: &[Color]) -> Vec<(usize, usize)> {
    let mut runs = Vec::new();
    let mut x = 0;
    for run in row.chunk_by(|a, b| a == b) {
        if run.first() == Some(&Color::Dark) {
            runs.push((x, run.len()));
        }
        x += run.len();
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_large_enough_and_has_its_quiet_zone() {
        let svg = svg("[Interface]", "For the phone").unwrap();
        // Version 1 has 21 modules; with the quiet zone 29, at 9 pixels each.
        assert!(svg.contains("width=\"261\" height=\"261\" viewBox=\"0 0 29 29\""));
        // The first finder pattern starts right inside the quiet zone.
        assert!(svg.contains("<path d=\"M4 4h7v1h-7z"));
        assert!(!svg.contains("style") && !svg.contains("<?xml"));
    }

    #[test]
    fn file_of_a_device_fits_and_a_book_does_not() {
        assert!(svg(&"x".repeat(600), "").is_ok());
        assert_eq!(svg(&"x".repeat(3000), ""), Err(QrError));
    }

    #[test]
    fn label_cannot_leave_its_attribute() {
        let svg = svg("a", "\"><script>").unwrap();
        assert!(svg.contains("aria-label=\"&quot;>&lt;script>\""));
    }

    #[test]
    fn runs_are_the_dark_ones() {
        use Color::{Dark, Light};
        assert_eq!(runs(&[Dark, Dark, Light, Dark]), [(0, 2), (3, 1)]);
    }
}
