//! Notification configurations of a workspace, as the platform's clients know them: of the destination type `generic`.
//!
//! A token is taken and never told. Of what a receiver answered its status is told, and neither headers nor a body: they are empty
//! because clients look for them.

use axum::http::StatusCode;
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use statehouse_core::Ctx;
use statehouse_core::notification::{self, DeliveryView, NotificationView, Outcome, Trigger, Wish};
use statehouse_model::NotificationId;

use super::document::{Document, to_one};
use super::instant::{self, Instant};
use super::query::{PAGE, Query};
use super::sent::{Attributes, Secret, only};
use super::workspaces::of_id;
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

const KIND: &str = "notification-configurations";
/// The one type of destination.
const GENERIC: &str = "generic";

/// What is told of a configuration.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    name: String,
    /// Always `generic`.
    destination_type: &'static str,
    url: String,
    /// Always null: it is shown to nobody.
    token: Option<String>,
    /// Whether there is a token that messages are signed with.
    signed: bool,
    triggers: Vec<&'static str>,
    enabled: bool,
    /// What came of the last deliveries, the last first.
    delivery_responses: Vec<Response>,
    created_at: Option<Instant>,
    updated_at: Option<Instant>,
}

/// What came of a delivery.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Response {
    /// The status that was answered; empty where there was no answer.
    code: String,
    /// `true` or `false`, as a text.
    successful: &'static str,
    sent_at: Option<Instant>,
    url: String,
    /// Always empty: what was answered is not kept.
    body: &'static str,
    /// Always empty, for the same reason.
    headers: Map<String, Value>,
    /// What the receiver is sent as `X-Statehouse-Delivery`, each time the same.
    delivery_id: String,
    /// The run that it told of; null where it was a verification.
    run_id: Option<String>,
    triggers: Vec<&'static str>,
    /// `delivered`, `retrying` or `failed`.
    outcome: String,
    /// Why there was no answer: `refused`, `unresolved`, `unreachable`, `untrusted`, `slow` or `lost`; `unreadable` where nothing was sent
    /// because what happened was altered.
    trouble: Option<String>,
    attempts: u64,
}

fn words(triggers: &[Trigger]) -> Vec<&'static str> {
    triggers.iter().map(|trigger| trigger.as_str()).collect()
}

fn response(view: &DeliveryView, url: &str) -> Response {
    let delivered = view.outcome == Outcome::Delivered.as_str();
    Response {
        code: view.code.map_or_else(String::new, |code| code.to_string()),
        successful: if delivered { "true" } else { "false" },
        sent_at: instant::at(view.sent_at),
        url: url.to_owned(),
        body: "",
        headers: Map::new(),
        delivery_id: view.id.clone(),
        run_id: view.run.clone(),
        triggers: words(&view.triggers),
        outcome: view.outcome.clone(),
        trouble: view.trouble.clone(),
        attempts: view.attempts,
    }
}

fn resource(view: &NotificationView) -> Value {
    let responses = view.deliveries.iter();
    let attributes = Told {
        name: view.name.clone(),
        destination_type: GENERIC,
        url: view.url.clone(),
        token: None,
        signed: view.signed,
        triggers: words(&view.triggers),
        enabled: view.enabled,
        delivery_responses: responses.map(|each| response(each, &view.url)).collect(),
        created_at: instant::at(view.created_at),
        updated_at: instant::at(view.updated_at),
    };
    json!({
        "type": KIND,
        "id": view.id,
        "attributes": attributes,
        "relationships": { "subscribable": to_one(super::workspaces::KIND, &view.workspace) },
        "links": { "self": format!("/api/v2/notification-configurations/{}", view.id) },
    })
}

/// A configuration to make, or what is to be changed of one; what is left out stays as it is.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Set {
    name: Option<String>,
    /// `generic`. Needed for a new one.
    destination_type: Option<String>,
    url: Option<String>,
    /// What messages are signed with; an empty one takes it away. Where there is one, another `url` needs it again.
    token: Option<Secret>,
    /// `run:created`, `run:planning`, `run:needs_attention`, `run:applying`, `run:completed`, `run:errored`, `state:tampered`, `state:policies_failed`.
    triggers: Option<Vec<String>>,
    /// Whether anything is sent.
    enabled: Option<bool>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Set {
    fn wish(self, new: bool) -> Result<Wish, Problem> {
        only(
            &self.rest,
            &json!({ "email-addresses": [], "email-user-ids": [] }),
        )?;
        match self.destination_type.as_deref() {
            Some(GENERIC) => {}
            None if !new => {}
            None => {
                return Err(Problem::unprocessable(
                    "a notification configuration needs its `destination-type`: `generic`",
                ));
            }
            Some(other) => {
                let shown: String = other.chars().take(64).collect();
                return Err(Problem::unprocessable(format!(
                    "notifications are not sent as `{shown}`: the only destination type is `generic`, an address that takes JSON"
                )));
            }
        }
        let triggers = self
            .triggers
            .map(|words| words.iter().map(|word| word.parse()).collect());
        Ok(Wish {
            name: self.name,
            url: self.url,
            token: self
                .token
                .map(|Secret(token)| token.expose_secret().to_owned().into()),
            triggers: triggers.transpose().map_err(Problem::unprocessable)?,
            enabled: self.enabled,
        })
    }
}

/// The house of a configuration's id, and the id.
async fn found(asker: &Asker, text: &str) -> Result<(Ctx, NotificationId), Problem> {
    let id: NotificationId = auth::id(text)?;
    Ok((asker.house_of(&id).await?, id))
}

/// The configurations of a workspace, the oldest first.
pub(crate) async fn list(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let found = notification::list(&ctx, &workspace).await?;
    let path = format!("/api/v2/workspaces/{id}/notification-configurations");
    let (page, pages) = query.page(&path, found, PAGE)?;
    Ok(Document::page(page.iter().map(resource).collect(), &pages))
}

/// Makes a configuration.
pub(crate) async fn create(
    asker: Asker,
    At(id): At<String>,
    Attributes(set): Attributes<Set>,
) -> Result<Document, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let wish = set.wish(true)?;
    let made = asker
        .core()
        .create_notification(&ctx, &workspace, wish)
        .await?;
    Ok(Document::made(resource(&made)))
}

/// One configuration.
pub(crate) async fn show(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, id) = found(&asker, &id).await?;
    Ok(Document::one(resource(
        &notification::show(&ctx, &id).await?,
    )))
}

/// Changes a configuration.
pub(crate) async fn update(
    asker: Asker,
    At(id): At<String>,
    Attributes(set): Attributes<Set>,
) -> Result<Document, Problem> {
    let (ctx, id) = found(&asker, &id).await?;
    let wish = set.wish(false)?;
    let changed = asker.core().update_notification(&ctx, &id, wish).await?;
    Ok(Document::one(resource(&changed)))
}

/// Ends a configuration.
pub(crate) async fn delete(asker: Asker, At(id): At<String>) -> Result<StatusCode, Problem> {
    let (ctx, id) = found(&asker, &id).await?;
    notification::remove(&ctx, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends what shows whether somebody answers.
pub(crate) async fn verify(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, id) = found(&asker, &id).await?;
    let verified = asker.core().verify_notification(&ctx, &id).await?;
    Ok(Document::one(resource(&verified)))
}
