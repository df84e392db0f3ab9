//! What those are called who did something: the names of accounts, which the site knows, for the ids that houses know.

use std::collections::BTreeMap;

use statehouse_core::Core;
use statehouse_model::{Name, UserId};

use crate::problem::Problem;

/// Names of some accounts.
#[derive(Default)]
pub(crate) struct People(BTreeMap<UserId, Name>);

/// Those of these actors that are accounts, each once.
pub(crate) fn accounts<'a>(actors: impl IntoIterator<Item = &'a str>) -> Vec<UserId> {
    let actors = actors.into_iter();
    let mut accounts: Vec<UserId> = actors.filter_map(|actor| actor.parse().ok()).collect();
    accounts.sort_unstable();
    accounts.dedup();
    accounts
}

impl People {
    /// The names of these accounts, asked for at once.
    pub(crate) async fn of(core: &Core, accounts: Vec<UserId>) -> Result<Self, Problem> {
        if accounts.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self(core.names_of(accounts).await?))
    }

    /// The name of an account; `None` of whatever is none, or was never one here.
    pub(crate) fn name(&self, actor: &str) -> Option<String> {
        let user: UserId = actor.parse().ok()?;
        self.0.get(&user).map(ToString::to_string)
    }

    /// What an actor is called in a sentence: by name where there is one, else by what it is, or by its id.
    pub(crate) fn called(&self, actor: &str) -> String {
        if let Some(name) = self.name(actor) {
            return name;
        }
        match actor {
            "operator" => "whoever operates the machine".to_owned(),
            "drift" => "the server, looking for drift".to_owned(),
            task if !task.contains('-') && task.chars().all(|each| each.is_ascii_lowercase()) => {
                "the server".to_owned()
            }
            of if of.starts_with("run-") => "its runner".to_owned(),
            of if of.starts_with("team-") => format!("the token of {of}"),
            of if of.contains('-') => of.to_owned(),
            _ => "the organization's own token".to_owned(),
        }
    }
}
