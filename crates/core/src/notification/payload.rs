//! What is sent: the platform's notification, version 1. Pure.
//!
//! It tells which run, of which workspace, what became of it and who did it; and which policy sets
//! said what, in a word each. Of a state that a read found altered there is no run, and what is told of runs is null. No value of a variable, nothing of a plan and nothing of a state is in
//! it, and so none of the words in which policies tell of them.

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use statehouse_model::{DeliveryId, HouseId, NotificationId, instant};

use super::Trigger;
use crate::policy::judge::{Verdict, Verdicts};
use crate::run::machine::Status;
use crate::run::sql::RunEvent;
use crate::workspace::freeze::sql::Freeze;

/// What is told.
pub(super) struct Told<'a> {
    pub(super) notification: &'a NotificationId,
    pub(super) delivery: &'a DeliveryId,
    /// When this try of it is sent.
    pub(super) sent_at: i64,
    /// `https://…` of this server, where it is known.
    pub(super) address: Option<&'a str>,
    pub(super) organization: &'a str,
    pub(super) workspace: &'a str,
    pub(super) workspace_name: &'a str,
    pub(super) triggers: &'a [Trigger],
    pub(super) at: i64,
    /// To which run it happened, if to one.
    pub(super) run: Option<OfRun<'a>>,
}

/// The run to which something happened.
pub(super) struct OfRun<'a> {
    pub(super) id: &'a str,
    pub(super) message: &'a str,
    pub(super) policies: &'a Policies,
    pub(super) created_at: i64,
    pub(super) created_by: &'a str,
    pub(super) status: Status,
    /// Who did what happened.
    pub(super) by: &'a str,
}

/// What policies said of a run's plan, and of the state that it left; nothing where they were not asked.
#[derive(Default)]
pub(super) struct Policies {
    pub(super) plan: Option<Verdicts>,
    pub(super) state: Option<Verdicts>,
}

impl Policies {
    fn json(&self) -> Value {
        let each = |set: &Verdict| {
            json!({
                "policy_set_id": set.set,
                "policy_set_name": set.name,
                "bundle_digest": set.bundle_digest,
                "repository": set.repository,
                "outcome": set.outcome.as_str(),
            })
        };
        let of = |said: &Option<Verdicts>| {
            said.as_ref().map(|said| {
                json!({
                    "outcome": said.outcome().as_str(),
                    "policy_sets": said.sets.iter().map(each).collect::<Vec<Value>>(),
                })
            })
        };
        json!({ "plan": of(&self.plan), "state": of(&self.state) })
    }
}

impl Told<'_> {
    pub(super) fn text(&self) -> String {
        let Told {
            organization,
            workspace_name,
            ..
        } = self;
        let run = self.run.as_ref();
        let url = self.address.zip(run).map(|(address, run)| {
            format!(
                "{address}/app/{organization}/{workspace_name}/runs/{}",
                run.id
            )
        });
        let status = run.map(|run| run.status);
        let each = |trigger: &Trigger| {
            json!({
                "message": trigger.words(status),
                "trigger": trigger.as_str(),
                "run_status": status.map(Status::platform_word),
                "run_updated_at": instant::format(self.at),
                "run_updated_by": run.map(|run| run.by),
            })
        };
        let notifications: Vec<Value> = self.triggers.iter().map(each).collect();
        json!({
            "payload_version": 1,
            "notification_configuration_id": self.notification.as_str(),
            "delivery_id": self.delivery.as_str(),
            "sent_at": instant::format(self.sent_at),
            "run_url": url,
            "run_id": run.map(|run| run.id),
            "run_message": run.map(|run| run.message),
            "run_created_at": run.and_then(|run| instant::format(run.created_at)),
            "run_created_by": run.map(|run| run.created_by),
            "workspace_id": self.workspace,
            "workspace_name": workspace_name,
            "organization_name": organization,
            "policies": run.map(|run| run.policies.json()),
            "notifications": notifications,
        })
        .to_string()
    }
}

/// What is sent to see whether somebody answers.
pub(super) fn verification(
    notification: &NotificationId,
    name: &str,
    delivery: &DeliveryId,
    sent_at: i64,
) -> String {
    let only = json!({
        "message": format!("Verification of {name}"),
        "trigger": "verification",
        "run_status": null,
        "run_updated_at": null,
        "run_updated_by": null,
    });
    json!({
        "payload_version": 1,
        "notification_configuration_id": notification.as_str(),
        "delivery_id": delivery.as_str(),
        "sent_at": instant::format(sent_at),
        "run_url": null,
        "run_id": null,
        "run_message": null,
        "run_created_at": null,
        "run_created_by": null,
        "workspace_id": null,
        "workspace_name": null,
        "organization_name": null,
        "policies": null,
        "notifications": [only],
    })
    .to_string()
}

/// HMAC-SHA512 of a body under a token, in hex.
pub(super) fn signature(token: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA512, token.as_bytes());
    hex::encode(hmac::sign(&key, body))
}

/// The id of what is told of what happened to a run: the same each time that it is tried, whatever was
/// written down of the time before. After a restore a run may have another event of the same
/// number; that is another delivery.
pub(super) fn delivery(notification: &NotificationId, of: &RunEvent) -> DeliveryId {
    let RunEvent {
        run,
        number,
        status,
        created_at,
        ..
    } = of;
    let words = format!("{run} {number}: {status} at {created_at}");
    delivery_of(notification, &words)
}

/// The same of a state that a read found altered, which `leaf` says.
pub(super) fn delivery_of_state(
    notification: &NotificationId,
    leaf: u64,
    of: &Freeze,
) -> DeliveryId {
    let words = format!("{} {leaf}: altered at {}", of.workspace, of.frozen_at);
    delivery_of(notification, &words)
}

fn delivery_of(notification: &NotificationId, words: &str) -> DeliveryId {
    let text = format!("notification {notification} of {words}");
    let digest: [u8; 32] = Sha256::digest(text).into();
    let half = digest.first_chunk::<16>();
    let entropy = half.map_or(0, |half| u128::from_be_bytes(*half));
    DeliveryId::from_entropy(notification.house(), entropy)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;
    use statehouse_model::{HouseCode, RunId};

    #[test]
    fn a_signature_is_the_hmac_of_the_body_under_the_token() {
        // RFC 4231, test case 2.
        let expected = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
            9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737";
        let signed = signature("Jefe", b"what do ya want for nothing?");
        assert_eq!(signed, expected);
    }

    #[test]
    fn an_event_has_one_delivery_for_each_receiver() {
        let house = HouseCode::from_entropy(7);
        let [one, two] = [1, 2].map(|number| NotificationId::from_entropy(house, number));
        let event = |number, status: &str, created_at| RunEvent {
            run: RunId::from_entropy(house, 1),
            number,
            event: "planned".to_owned(),
            about: String::new(),
            status: status.to_owned(),
            actor: "ada".to_owned(),
            created_at,
        };
        let of_one = delivery(&one, &event(1, "planned", 5));
        assert_eq!(of_one, delivery(&one, &event(1, "planned", 5)));
        for other in [
            event(2, "planned", 5),
            event(1, "errored", 5),
            event(1, "planned", 6),
        ] {
            assert_ne!(of_one, delivery(&one, &other), "after a restore");
        }
        assert_ne!(of_one, delivery(&two, &event(1, "planned", 5)));
    }

    fn said() -> Verdicts {
        let text = json!({
            "stage": "plan",
            "sets": [{
                "set": "polset-1", "name": "baseline", "digest": "cd", "bundle": "polsetver-1",
                "bundle-digest": "ab", "input": "ef", "engine": "one 1", "outcome": "soft-failed",
                "results": [{
                    "policy": "p", "title": "", "level": "soft-mandatory", "outcome": "failed",
                    "messages": [{ "text": "the bucket of the board is public" }],
                }],
            }],
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn a_payload_is_the_platforms() {
        let house = HouseCode::from_entropy(7);
        let id = NotificationId::from_entropy(house, 1);
        let delivery = DeliveryId::from_entropy(house, 2);
        let told = Told {
            notification: &id,
            delivery: &delivery,
            sent_at: 2_500_000,
            address: Some("https://state.example.com"),
            organization: "acme",
            workspace: "ws-1",
            workspace_name: "network",
            triggers: &[Trigger::Errored],
            at: 1_000_000,
            run: Some(OfRun {
                id: "run-1",
                message: "add \"it\"",
                policies: &Policies {
                    plan: Some(said()),
                    state: None,
                },
                created_at: 0,
                created_by: "ada",
                status: Status::Canceled,
                by: "bob",
            }),
        };
        let read: Value = serde_json::from_str(&told.text()).unwrap();
        let expected = json!({
            "payload_version": 1,
            "notification_configuration_id": id.as_str(),
            "delivery_id": delivery.as_str(),
            "sent_at": "1970-01-01T00:00:02.500000Z",
            "run_url": "https://state.example.com/app/acme/network/runs/run-1",
            "run_id": "run-1",
            "run_message": "add \"it\"",
            "run_created_at": "1970-01-01T00:00:00.000000Z",
            "run_created_by": "ada",
            "workspace_id": "ws-1",
            "workspace_name": "network",
            "organization_name": "acme",
            "policies": {
                "plan": {
                    "outcome": "soft-failed",
                    "policy_sets": [{
                        "policy_set_id": "polset-1",
                        "policy_set_name": "baseline",
                        "bundle_digest": "ab",
                        "repository": false,
                        "outcome": "soft-failed",
                    }],
                },
                "state": null,
            },
            "notifications": [{
                "message": "Run canceled",
                "trigger": "run:errored",
                "run_status": "canceled",
                "run_updated_at": "1970-01-01T00:00:01.000000Z",
                "run_updated_by": "bob",
            }],
        });
        assert_eq!(read, expected);
        let text = verification(&id, "ops", &delivery, 0);
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["notifications"][0]["trigger"], "verification");
        assert_eq!(read["run_id"], Value::Null);
        assert_eq!(read["delivery_id"], delivery.as_str());
        assert_eq!(read["sent_at"], "1970-01-01T00:00:00.000000Z");
    }
}
