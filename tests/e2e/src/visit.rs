//! A person with a browser, as far as the core knows one: signed in, and asked by terraform for a token.

use secrecy::{ExposeSecret, SecretString};
use statehouse_core::oauth::{self, Asked, CLIENT};
use statehouse_core::{Core, token};

/// Signs in and approves a request of terraform's, which is left to fetch its token. What the browser shows, and the code.
///
/// # Panics
///
/// When the core refuses what it should take.
pub async fn visit(core: &Core, name: &str, password: SecretString) -> [SecretString; 2] {
    let shown = core.sign_in(name, password, None).await;
    let shown = shown.expect("a session");
    let visitor = core.visitor(shown.expose_secret(), None).await;
    let visitor = visitor.expect("an answer").expect("a visitor");
    let own = |text: &str| Some(text.to_owned());
    let asked = Asked {
        client_id: own(CLIENT),
        redirect_uri: own("http://localhost:10000/login"),
        response_type: own("code"),
        state: own("a state"),
        code_challenge: Some("c".repeat(43)),
        code_challenge_method: own("S256"),
    };
    let request = oauth::read(asked).expect("a request");
    let code = oauth::approve(&visitor, request, token::LIFE_DEFAULT_US).await;
    [shown, code.expect("a code")]
}
