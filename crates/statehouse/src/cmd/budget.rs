//! `statehouse budget`: what may be spent in the organization, a project or a workspace. A budget is a policy set with policies of the starter library,
//! and nothing else: `policy-set` shows it, what it is against is said where policies speak, and whoever may override those may override it.

use std::fmt::Write as _;

use serde_json::json;
use statehouse_core::policy::workers::packed;
use statehouse_policy::bundle::{Bundle, Limits};
use statehouse_policy::manifest::FILE;

use super::policy_set;
use super::scope::Scope;
use super::session::{Client, Session};
use crate::client::Resource;
use crate::failure::{Failure, Result};
use crate::out::Column;

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Say what may be spent; what was said before goes
    Set {
        #[command(flatten)]
        scope: Scope,
        /// What a month may cost afterwards
        #[arg(long, value_name = "AMOUNT")]
        monthly: Option<f64>,
        /// What one change may add to a month
        #[arg(long, value_name = "AMOUNT")]
        increase: Option<f64>,
        /// By how many percent one change may make it dearer
        #[arg(long, value_name = "PERCENT")]
        percent: Option<f64>,
        /// The currency of the amounts; a plan of another one is not within them
        #[arg(long, value_name = "CODE", default_value = "USD")]
        currency: String,
        /// What becomes of a plan that is not within it
        #[arg(long, value_name = "LEVEL", default_value = "soft-mandatory", value_parser = ["advisory", "soft-mandatory", "hard-mandatory"])]
        enforcement: String,
        /// Let resources pass whose price is not known: they may cost any amount
        #[arg(long)]
        tolerate_unpriced: bool,
    },
    /// List all budgets
    List,
    /// Show what may be spent in a scope
    Show {
        #[command(flatten)]
        scope: Scope,
    },
    /// Let anything be spent
    Unset {
        #[command(flatten)]
        scope: Scope,
    },
}

/// What a budget of a scope is called among policy sets.
fn named(scope: &str) -> String {
    format!("{PREFIX}{scope}")
}

const PREFIX: &str = "budget of ";

const COLUMNS: &[Column] = &[
    ("BUDGET", "name"),
    ("ENFORCEMENT", "enforcement"),
    ("WHAT", "description"),
    ("ID", "id"),
];

/// What may be spent.
struct Amounts {
    monthly: Option<f64>,
    increase: Option<f64>,
    percent: Option<f64>,
    currency: String,
    level: String,
    tolerate_unpriced: bool,
}

impl Amounts {
    fn checked(&self) -> Result {
        let all = [self.monthly, self.increase, self.percent];
        if all.iter().all(Option::is_none) {
            return Err(Failure::usage(
                "say what may be spent: --monthly, --increase or --percent",
            ));
        }
        if all
            .iter()
            .flatten()
            .any(|each| !each.is_finite() || *each < 0.0)
        {
            return Err(Failure::usage("an amount is a number, and not below zero"));
        }
        let is_code =
            self.currency.len() == 3 && self.currency.bytes().all(|byte| byte.is_ascii_uppercase());
        if !is_code {
            return Err(Failure::usage("a currency is three letters, like USD"));
        }
        Ok(())
    }

    /// The manifest of its policy set.
    fn manifest(&self) -> Result<String> {
        let mut text = String::from("name = \"budget\"\n");
        let mut add = |policy: &str, parameters: String| {
            write!(
                text,
                "\n[[use]]\npolicy = \"{policy}\"\nlevel = \"{}\"\nparameters = {{ {parameters} }}\n",
                self.level
            )
        };
        let currency = format!("currency = \"{}\"", self.currency);
        let written = (|| {
            if let Some(most) = self.monthly {
                add("cost-limit", format!("monthly_max = {most:?}, {currency}"))?;
            }
            if let Some(most) = self.increase {
                add(
                    "cost-increase",
                    format!("increase_max = {most:?}, {currency}"),
                )?;
            }
            if let Some(most) = self.percent {
                add(
                    "cost-increase-percent",
                    format!("percent_max = {most:?}, increase_min = 0.0"),
                )?;
            }
            if !self.tolerate_unpriced {
                add("cost-unpriced", String::new())?;
            }
            Ok::<(), std::fmt::Error>(())
        })();
        written.map_err(Failure::failed)?;
        Ok(text)
    }

    /// In words.
    fn words(&self) -> String {
        let currency = &self.currency;
        let all = [
            self.monthly
                .map(|most| format!("{most} {currency} a month")),
            self.increase
                .map(|most| format!("{most} {currency} more by one change")),
            self.percent
                .map(|most| format!("{most} % more by one change")),
        ];
        let all: Vec<String> = all.into_iter().flatten().collect();
        let but = if self.tolerate_unpriced {
            "; what has no price passes"
        } else {
            "; what has no price does not pass"
        };
        format!("at most {}{but}", all.join(", "))
    }
}

/// The policy set of a scope's budget, if there is one.
fn found(client: &Client, scope: &str) -> Result<Option<Resource>> {
    let all = client.api.list(&client.organization("/policy-sets")?)?;
    let name = named(scope);
    Ok(all.into_iter().find(|each| each.text("name") == name))
}

/// The policy set of a scope, made or changed so.
fn made(client: &Client, scope: &str, amounts: &Amounts) -> Result<Resource> {
    let mut attributes = json!({
        "name": named(scope),
        "description": amounts.words(),
        "enforcement": amounts.level,
        "global": scope == "organization",
    });
    if let Some(there) = found(client, scope)? {
        let path = format!("/api/v2/policy-sets/{}", there.text("id"));
        if let Some(attributes) = attributes.as_object_mut() {
            // Where it reaches stays as it is.
            attributes.remove("global");
        }
        let document = json!({ "data": { "type": "policy-sets", "attributes": attributes } });
        return client.api.send("PATCH", &path, &document);
    }
    let kind = if scope.starts_with("prj-") {
        "projects"
    } else {
        "workspaces"
    };
    let mut data = json!({ "type": "policy-sets", "attributes": attributes });
    if scope != "organization"
        && let Some(data) = data.as_object_mut()
    {
        let to = json!({ kind: { "data": [{ "type": kind, "id": scope }] } });
        data.insert("relationships".to_owned(), to);
    }
    let path = client.organization("/policy-sets")?;
    client.api.send("POST", &path, &json!({ "data": data }))
}

fn set(client: &Client, scope: &str, amounts: &Amounts, session: &Session) -> Result {
    amounts.checked()?;
    let files = [(FILE.to_owned(), amounts.manifest()?.into_bytes())];
    let bundle = Bundle::from_files(files, &Limits::default()).map_err(Failure::failed)?;
    let archive = packed(&bundle).map_err(Failure::failed)?;
    let made = made(client, scope, amounts)?;
    policy_set::published(client, made.text("id"), archive.to_vec())?;
    session
        .out
        .say(&format!("{}: {}", named(scope), amounts.words()));
    session.out.one(&made)
}

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let (client, out) = (session.client()?, session.out);
    let needed = |scope: &Scope| -> Result<Resource> {
        let scope = scope.text(&client)?;
        let none = || Failure::failed(format!("there is no {}", named(&scope)));
        found(&client, &scope)?.ok_or_else(none)
    };
    match verb {
        Verb::Set {
            scope,
            monthly,
            increase,
            percent,
            currency,
            enforcement,
            tolerate_unpriced,
        } => {
            let amounts = Amounts {
                monthly,
                increase,
                percent,
                currency,
                level: enforcement,
                tolerate_unpriced,
            };
            set(&client, &scope.text(&client)?, &amounts, session)
        }
        Verb::List => {
            let mut all = client.api.list(&client.organization("/policy-sets")?)?;
            all.retain(|each| each.text("name").starts_with(PREFIX));
            out.list(COLUMNS, &all)
        }
        Verb::Show { scope } => out.one(&needed(&scope)?),
        Verb::Unset { scope } => {
            let there = needed(&scope)?;
            let path = format!("/api/v2/policy-sets/{}", there.text("id"));
            client.api.delete(&path)?;
            out.say(&format!("{} is no more", there.text("name")));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use statehouse_policy::library;
    use statehouse_policy::manifest::{self, Manifest};

    use super::*;

    #[test]
    fn a_budget_is_a_set_of_policies_of_the_library() {
        let amounts = |monthly, increase, percent, tolerate_unpriced| Amounts {
            monthly,
            increase,
            percent,
            currency: "USD".to_owned(),
            level: "hard-mandatory".to_owned(),
            tolerate_unpriced,
        };
        for (budget, policies) in [
            (amounts(Some(100.0), None, None, true), vec!["cost-limit"]),
            (
                amounts(Some(100.5), Some(10.0), Some(20.0), false),
                vec![
                    "cost-increase",
                    "cost-increase-percent",
                    "cost-limit",
                    "cost-unpriced",
                ],
            ),
        ] {
            budget.checked().unwrap();
            let files = [(FILE.to_owned(), budget.manifest().unwrap().into_bytes())];
            let bundle = Bundle::from_files(files, &Limits::default()).unwrap();
            let bundle = manifest::expand(bundle, library::files).unwrap();
            let read = Manifest::read(&bundle).unwrap();
            read.parameters().unwrap();
            let mut names: Vec<&str> = read
                .policies
                .iter()
                .map(|each| each.name.as_str())
                .collect();
            names.sort_unstable();
            assert_eq!(names, policies);
            let levels = read.policies.iter().map(|each| each.level.to_string());
            assert!(
                levels.clone().all(|level| level == "hard-mandatory"),
                "{levels:?}"
            );
        }
        assert!(amounts(None, None, None, false).checked().is_err());
        assert!(
            amounts(Some(f64::NAN), None, None, false)
                .checked()
                .is_err()
        );
        assert!(amounts(Some(-1.0), None, None, false).checked().is_err());
    }
}
