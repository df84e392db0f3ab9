//! Whoever sends notifications in tests: nothing leaves, and answers are as the test says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use serde_json::Value;

use crate::notification::{Answer, Deliver, Message, Sending};

/// What was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) url: String,
    pub(crate) delivery: String,
    pub(crate) signature: Option<String>,
    pub(crate) body: Value,
}

impl Sent {
    /// The triggers that it tells of.
    pub(crate) fn triggers(&self) -> Vec<&str> {
        let all = self.body["notifications"].as_array().unwrap();
        all.iter()
            .map(|each| each["trigger"].as_str().unwrap())
            .collect()
    }
}

/// Answers 200, unless a test says otherwise.
#[derive(Default)]
pub(crate) struct Post {
    /// By address; `None` never comes.
    answers: Mutex<HashMap<String, VecDeque<Option<Answer>>>>,
    sent: Mutex<Vec<Sent>>,
}

impl Post {
    /// What an address answers next, one after the other.
    pub(crate) fn answers(&self, url: &str, next: impl IntoIterator<Item = Option<Answer>>) {
        let mut answers = self.answers.lock().unwrap();
        answers.entry(url.to_owned()).or_default().extend(next);
    }

    /// Everything that was sent since it was asked last.
    pub(crate) fn take(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }

    pub(crate) fn has_sent_to(&self, url: &str) -> bool {
        self.sent.lock().unwrap().iter().any(|sent| sent.url == url)
    }
}

impl Deliver for Post {
    fn refuses(&self, url: &str) -> Option<String> {
        (!url.starts_with("https://")).then(|| "it is no https".to_owned())
    }

    fn address(&self) -> Option<&str> {
        Some("https://state.example.com")
    }

    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a> {
        Box::pin(async move {
            self.sent.lock().unwrap().push(Sent {
                url: message.url.clone(),
                delivery: message.delivery.clone(),
                signature: message.signature.clone(),
                body: serde_json::from_slice(&message.body).unwrap(),
            });
            let next = {
                let mut answers = self.answers.lock().unwrap();
                answers.get_mut(&message.url).and_then(VecDeque::pop_front)
            };
            match next {
                Some(Some(answer)) => answer,
                Some(None) => std::future::pending().await,
                None => Ok(200),
            }
        })
    }
}
