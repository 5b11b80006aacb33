//! Long lists, fetched page by page.

use cell_control::query::Range;
use cell_control::view::Page;
use cell_model::problem::Problem;

/// Items fetched for one list unless less is asked for: ten times the devices a box is made for.
pub(crate) const MOST: usize = 100_000;

/// Asks for one page after the other until there is none left or `most` items are there; then `next` is where the
/// rest begins.
pub(crate) async fn collect<T>(
    most: usize,
    mut page: impl AsyncFnMut(Range) -> Result<Page<T>, Problem>,
) -> Result<Page<T>, Problem> {
    let mut all = Page {
        items: Vec::new(),
        next: None,
    };
    loop {
        let cursor = all.next.take();
        let limit = (most - all.items.len()).clamp(1, Range::MAX_LIMIT);
        let answer = page(Range {
            limit,
            cursor: cursor.clone(),
        })
        .await?;
        all.items.extend(answer.items);
        all.next = answer.next;
        // A cursor that stands still would be asked for ever.
        if all.next.is_none() || all.next == cursor || all.items.len() >= most {
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of so many numbers, and the limits it was asked with.
    struct Numbers {
        count: usize,
        limits: Vec<usize>,
    }

    impl Numbers {
        fn of(count: usize) -> Self {
            Self {
                count,
                limits: Vec::new(),
            }
        }

        fn page(&mut self, range: Range) -> Page<usize> {
            self.limits.push(range.limit);
            let start = range.cursor.map_or(0, |cursor| cursor.parse().unwrap());
            let end = self.count.min(start + range.limit);
            Page {
                items: (start..end).collect(),
                next: (end < self.count).then(|| end.to_string()),
            }
        }
    }

    async fn collected(numbers: &mut Numbers, most: usize) -> Page<usize> {
        collect(most, async |range| Ok(numbers.page(range)))
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn every_page_is_fetched_in_order() {
        let mut numbers = Numbers::of(2_500);
        let page = collected(&mut numbers, MOST).await;
        assert_eq!(page.items, (0..2_500).collect::<Vec<_>>());
        assert_eq!((page.next, numbers.limits), (None, vec![1_000; 3]));
    }

    #[tokio::test]
    async fn limit_ends_the_list_and_says_where_the_rest_begins() {
        let mut numbers = Numbers::of(2_500);
        let page = collected(&mut numbers, 1_200).await;
        assert_eq!(page.items.len(), 1_200);
        assert_eq!(page.next.as_deref(), Some("1200"));
        assert_eq!(numbers.limits, [1_000, 200]);
    }

    #[tokio::test]
    async fn cursor_that_stands_still_ends_the_list() {
        let mut asked = 0;
        let page = collect(MOST, async |_| {
            asked += 1;
            Ok(Page {
                items: vec![asked],
                next: Some("same".to_owned()),
            })
        })
        .await
        .unwrap();
        assert_eq!(page.items, [1, 2]);
    }

    #[tokio::test]
    async fn refused_page_is_the_answer() {
        let refused = collect::<u8>(MOST, async |_| Err(Problem::internal())).await;
        assert_eq!(refused.unwrap_err().code, "internal");
    }
}
