//! What a server says about the part it sends.

use http::{HeaderMap, Response, StatusCode, header};

use crate::FetchError;

/// Characters of other people's words that are passed on.
const LONGEST_WORD: usize = 200;

/// The head of an answer that has bytes of the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Where its bytes begin in the file.
    pub(crate) start: u64,
    /// Where they end.
    pub(crate) end: u64,
    /// Bytes of the whole file.
    pub(crate) size: u64,
    /// The server's word for this form of it.
    pub(crate) tag: Option<String>,
}

/// What there is to be done with an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It has bytes.
    Bytes(Head),
    /// The file ends before the part.
    Behind,
}

/// Reads the head of an answer to a question for a part.
pub(crate) fn read<B>(response: &Response<B>) -> Result<Answer, FetchError> {
    let headers = response.headers();
    let tag = text(headers, header::ETAG);
    match response.status() {
        StatusCode::PARTIAL_CONTENT => {
            let range = text(headers, header::CONTENT_RANGE).ok_or(FetchError::WrongPart)?;
            let (start, end, size) = content_range(&range)?;
            Ok(Answer::Bytes(Head {
                start,
                end,
                size,
                tag,
            }))
        }
        // A server that gives whole files only: what comes before the part is passed over.
        StatusCode::OK => {
            let size = text(headers, header::CONTENT_LENGTH);
            let size = size.and_then(|size| size.parse().ok());
            let size = size.ok_or(FetchError::NoSize)?;
            Ok(Answer::Bytes(Head {
                start: 0,
                end: size,
                size,
                tag,
            }))
        }
        StatusCode::RANGE_NOT_SATISFIABLE => Ok(Answer::Behind),
        status if status.is_redirection() => {
            let to = text(headers, header::LOCATION).unwrap_or_default();
            Err(FetchError::Redirected(short(&to)))
        }
        status => Err(FetchError::Status(status.as_u16())),
    }
}

/// `bytes FIRST-LAST/SIZE` (RFC 9110, section 14.4).
fn content_range(text: &str) -> Result<(u64, u64, u64), FetchError> {
    let parts = || {
        let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        let end = last.checked_add(1)?;
        Some((first, end, size))
    };
    let (start, end, size) = parts().ok_or(FetchError::WrongPart)?;
    let size = match size {
        "*" => return Err(FetchError::NoSize),
        size => size.parse().map_err(|_| FetchError::WrongPart)?,
    };
    if start >= end || end > size {
        return Err(FetchError::WrongPart);
    }
    Ok((start, end, size))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// Words of others as far as they are passed on.
pub(crate) fn short(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(LONGEST_WORD)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)]) -> Result<Answer, FetchError> {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        read(&response.body(()).unwrap())
    }

    #[test]
    fn part_is_what_the_server_says_it_is() {
        let head = |start, end, size| {
            Ok(Answer::Bytes(Head {
                start,
                end,
                size,
                tag: None,
            }))
        };
        let part = |range| answer(206, &[("content-range", range)]);
        assert_eq!(part("bytes 5-9/20"), head(5, 10, 20));
        assert_eq!(answer(200, &[("content-length", "20")]), head(0, 20, 20));
        assert_eq!(answer(200, &[]), Err(FetchError::NoSize));
        assert_eq!(part("bytes 5-9/*"), Err(FetchError::NoSize));
        for bad in [
            "",
            "bytes",
            "bytes 9-5/20",
            "bytes 5-20/20",
            "bytes -5-9/20",
            "octets 5-9/20",
            "bytes 0-18446744073709551615/18446744073709551615",
        ] {
            assert_eq!(part(bad), Err(FetchError::WrongPart), "{bad:?}");
        }
        assert_eq!(answer(206, &[]), Err(FetchError::WrongPart));
    }

    #[test]
    fn other_answers_have_their_own_reason() {
        assert_eq!(answer(416, &[]), Ok(Answer::Behind));
        assert_eq!(answer(404, &[]), Err(FetchError::Status(404)));
        let elsewhere = answer(302, &[("location", "https://elsewhere.example/")]);
        let expected = FetchError::Redirected("https://elsewhere.example/".to_owned());
        assert_eq!(elsewhere, Err(expected));
    }
}
