//! Tables and their pages.

use maud::{Markup, html};

/// A table in a region of its own that scrolls when the screen is narrow. The first cell of a row is its heading.
pub(crate) fn table(label: &str, columns: &[&str], rows: &[Vec<Markup>]) -> Markup {
    html! {
        div.scroll role="region" aria-label=(label) tabindex="0" {
            table {
                thead { tr { @for column in columns { th scope="col" { (column) } } } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (at, cell) in row.iter().enumerate() {
                                @if at == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Links to the rest of a list. `path` is where the list is, with whatever it is filtered by.
pub(crate) fn pagination(path: &str, next: Option<&str>, first: bool) -> Markup {
    let join = if path.contains('?') { '&' } else { '?' };
    html! {
        @if next.is_some() || !first {
            nav.pages aria-label="Pages of the list" {
                @if !first { a href=(path) { "First page" } }
                @if let Some(next) = next {
                    a href={ (path) (join) "cursor=" (cell_gate::form::encode(next)) } rel="next" { "Next page" }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_page_keeps_the_filter() {
        let markup = pagination("/audit?actor=anna", Some("a b"), true).into_string();
        assert!(markup.contains("/audit?actor=anna&amp;cursor=a%20b"));
        assert_eq!(pagination("/peers", None, true).into_string(), "");
    }
}
