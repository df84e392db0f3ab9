//! What went wrong, as a page.

use axum::http::StatusCode;
use axum::response::Response;
use maud::html;

use super::page::{Page, sentence};

/// The page for a failure. `id` is what an operator finds it in the log by.
pub(crate) fn page(
    status: StatusCode,
    title: &str,
    words: &str,
    next: Option<&str>,
    id: &str,
) -> Response {
    let main = html! {
        section.card.wide {
            p.soft.small { (status.as_u16()) }
            h1 { (title) }
            p { (sentence(words)) }
            @if let Some(next) = next {
                p.soft { (sentence(next)) }
            }
            p { a href="/" { "Back to the start" } }
            p.soft.small { "Request " code { (id) } }
        }
    };
    let frame = Page {
        title,
        ..Page::default()
    };
    frame.show(status, &main)
}
