//! QR codes for a phone held to the terminal (ISO/IEC 18004).

use cell_model::secret::Secret;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// Black on white from the 256-colour palette: its first colours are what a theme makes of them.
const BLACK_ON_WHITE: &str = "\x1b[38;5;16;48;5;231m";
/// Back to the terminal's own colours.
const RESET: &str = "\x1b[0m";

/// The text does not fit a QR code (2,953 bytes at this correction level).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is too long for a QR code")]
pub(crate) struct QrError;

/// Whether colours can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colours {
    /// On a terminal: black on white whatever its theme, because cameras expect it.
    Fixed,
    /// In a file: dark modules as blocks.
    None,
}

/// The code in half blocks, with the quiet zone around it, a line end after each line.
pub(crate) fn render(text: &Secret<String>, colours: Colours) -> Result<Secret<String>, QrError> {
    // The lowest correction level: a screen is not scratched, and a file must fit 80 columns.
    let code =
        QrCode::with_error_correction_level(text.expose(), EcLevel::L).map_err(|_| QrError)?;
    let picture = Secret::new(code.render::<Dense1x2>().build());
    let (before, after) = match colours {
        Colours::Fixed => (BLACK_ON_WHITE, RESET),
        Colours::None => ("", ""),
    };
    let lines = picture.expose().lines();
    Ok(Secret::new(
        lines
            .map(|line| format!("{before}{line}{after}\n"))
            .collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str, colours: Colours) -> Result<String, QrError> {
        render(&Secret::new(text.to_owned()), colours).map(|code| code.expose().clone())
    }

    #[test]
    fn code_of_a_device_file_fits_a_terminal() {
        let code = rendered(&"x".repeat(400), Colours::None).unwrap();
        let width = code.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(width <= 80, "{width} columns");
        assert!(
            code.lines().next().unwrap().trim().is_empty(),
            "no quiet zone"
        );
    }

    #[test]
    fn each_line_sets_its_colours_and_takes_them_back() {
        let code = rendered("text", Colours::Fixed).unwrap();
        assert!(
            code.lines()
                .all(|line| line.starts_with(BLACK_ON_WHITE) && line.ends_with(RESET))
        );
        assert!(!rendered("text", Colours::None).unwrap().contains('\x1b'));
    }

    #[test]
    fn text_that_is_too_long_is_refused() {
        assert_eq!(rendered(&"x".repeat(2_954), Colours::None), Err(QrError));
        assert!(rendered(&"x".repeat(2_953), Colours::None).is_ok());
    }
}
