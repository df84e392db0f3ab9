//! What every page has in common: its frame, its headers, and the small parts that forms are made of.
//!
//! Pages are plain HTML that works without a script. `maud` escapes whatever is put between the brackets, so a label that
//! somebody made of tags shows as text. The policy of a page allows our own style sheet and nothing inline; a page that has a use
//! for the one script says so.

use axum::body::Body;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use maud::{DOCTYPE, Markup, html};
use statehouse_core::session::Visitor;

use super::assets;
use super::{sign_out, waiting};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// The frame of a page.
#[derive(Default)]
pub(crate) struct Page<'p> {
    /// Its title, also of the window.
    pub(crate) title: &'p str,
    /// Who is signed in.
    pub(crate) visitor: Option<&'p Visitor>,
    /// Whether it shows something that can be copied.
    pub(crate) copies: bool,
    /// Whether it shows something that goes on.
    pub(crate) follows: bool,
    /// Where its forms may lead besides this site. Browsers ask that of every redirect that follows a form.
    pub(crate) leads_to: Option<&'p str>,
}

impl Page<'_> {
    /// The page, as an answer.
    pub(crate) fn show(&self, status: StatusCode, main: &Markup) -> Response {
        let mut response = Response::new(Body::from(self.whole(main).into_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HTML);
        // Without it a form would not say which origin it comes from.
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        let opener = HeaderName::from_static("cross-origin-opener-policy");
        headers.insert(opener, HeaderValue::from_static("same-origin"));
        if let Ok(policy) = HeaderValue::from_str(&self.policy()) {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
        response
    }

    fn policy(&self) -> String {
        let script = match (self.copies, self.follows) {
            (_, true) => "script-src 'self'; connect-src 'self'; ",
            (true, false) => "script-src 'self'; ",
            (false, false) => "",
        };
        let leads_to = self.leads_to.unwrap_or_default();
        let form = format!("form-action 'self' {leads_to}");
        format!(
            "default-src 'none'; style-src 'self'; img-src 'self'; {script}{}; base-uri 'none'; frame-ancestors 'none'",
            form.trim_end()
        )
    }

    fn whole(&self, main: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · Statehouse" }
                    link rel="stylesheet" href=(assets::STYLE.path());
                    link rel="icon" type="image/svg+xml" href=(assets::MARK.path());
                    @if self.copies {
                        script src=(assets::COPY.path()) defer {}
                    }
                    @if self.follows {
                        script src=(assets::FOLLOW.path()) defer {}
                    }
                }
                body {
                    a.skip href="#main" { "Skip to the content" }
                    (self.header())
                    main id="main" { (main) }
                    footer { p { "Statehouse keeps infrastructure state sealed, versioned, locked and provable." } }
                }
            }
        }
    }

    fn header(&self) -> Markup {
        html! {
            header.top {
                a.brand href="/" { img src=(assets::MARK.path()) alt="" width="24" height="24"; span { "Statehouse" } }
                @if let Some(visitor) = self.visitor {
                    nav aria-label="Account" {
                        a href=(waiting::PATH) { "Waiting for you" }
                        a href="/app/settings/tokens" { "API tokens" }
                        form method="post" action="/sign-out" {
                            (form_token(visitor, sign_out::PURPOSE))
                            span.who { (visitor.name().as_str()) }
                            button.quiet type="submit" { "Sign out" }
                        }
                    }
                }
            }
        }
    }
}

/// Sends the browser somewhere else, with `GET`. What is no address of a header's form leads to the start.
pub(crate) fn go(to: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, to);
    response
        .headers_mut()
        .insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// A field that is not seen.
pub(crate) fn hidden(name: &str, value: &str) -> Markup {
    html! { input type="hidden" name=(name) value=(value); }
}

/// What shows that a form comes from a page of this session.
pub(crate) fn form_token(visitor: &Visitor, purpose: &str) -> Markup {
    hidden("form", &visitor.form_token(purpose))
}

/// How long a token may live, in days, as a choice.
pub(crate) fn lives(chosen: u32, days: &[u32]) -> Markup {
    html! {
        label for="life" { "It ends after" }
        select id="life" name="life" {
            @for each in days {
                option value=(each) selected[*each == chosen] {
                    (each) @if *each == 1 { " day" } @else { " days" }
                }
            }
        }
    }
}

/// What went wrong with a form; the field that it is about names it by this id.
pub(crate) fn fault(id: &str, words: Option<&str>) -> Markup {
    html! {
        @if let Some(words) = words {
            p.fault id=(id) role="alert" { (words) }
        }
    }
}

/// Words of a failure as a sentence: programs read them in the middle of a line, people do not.
pub(crate) fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters
        .next()
        .map(|letter| letter.to_uppercase().to_string());
    let end = if words.ends_with(['.', '?', '!']) {
        ""
    } else {
        "."
    };
    format!("{}{}{end}", first.unwrap_or_default(), letters.as_str())
}
