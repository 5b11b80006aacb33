//! The page for a request that was refused.

use cell_gate::Reply;
use cell_model::account::Identity;
use cell_model::problem::Problem;
use http::StatusCode;

use crate::clock::Clock;
use crate::frame::Frame;
use crate::pages;

/// The page for a problem: what happened, what it means, what to do next.
pub fn error_page(problem: &Problem, identity: Option<&Identity>, path: &str) -> Reply {
    let frame = Frame {
        services: Vec::new(),
        connection: None,
        cell_name: None,
        identity: identity.cloned(),
        csrf_token: None,
        path: path.to_owned(),
        clock: Clock::now(None),
        done: None,
    };
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let reply = Reply::html(
        status,
        pages::refusal::render(&frame, problem).into_string(),
    );
    // The way out is a new connection, which a browser only makes when this one ends.
    if problem.code == "confirmation_same_connection" {
        reply.closing_connection()
    } else {
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_page_with_a_way_on() {
        for status in [
            400, 401, 403, 404, 405, 409, 410, 413, 415, 421, 422, 428, 429, 500, 503,
        ] {
            let problem = Problem::new(status, "some_code", "It <went> wrong", "Do & so.");
            let reply = error_page(&problem, None, "/peers");
            let page = String::from_utf8(reply.body.to_vec()).unwrap();
            assert_eq!(reply.status.as_u16(), status);
            assert!(page.contains("It &lt;went&gt; wrong") && page.contains("Do &amp; so."));
            assert!(page.contains("<main") && page.contains(&format!("Error {status}")));
            assert!(page.matches("<a ").count() >= 3, "{status}");
        }
    }
}
