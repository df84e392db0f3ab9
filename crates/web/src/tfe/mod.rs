//! `/api/v2`: one file for each noun, in the form that terraform's own platform clients speak (JSON:API).
//!
//! A handler reads the address and the document, calls one operation of the core and writes its result down. Attributes are
//! the fields of the core's views, spelled with hyphens, instants as RFC 3339 in microseconds.

pub(crate) mod agent_pools;
mod attached;
pub(crate) mod authentication_tokens;
pub(crate) mod backups;
pub(crate) mod comments;
pub(crate) mod configurations;
pub(crate) mod cost_estimates;
pub(crate) mod costs;
pub(crate) mod document;
pub(crate) mod drift;
pub(crate) mod executions;
pub(crate) mod found;
pub(crate) mod freezes;
pub(crate) mod grants;
pub(crate) mod instant;
pub(crate) mod keys;
pub(crate) mod ledgers;
pub(crate) mod locks;
pub(crate) mod looks;
pub(crate) mod memberships;
pub(crate) mod notifications;
pub(crate) mod organizations;
pub(crate) mod outputs;
pub(crate) mod permissions;
pub(crate) mod plans;
pub(crate) mod policy_replays;
pub(crate) mod policy_sets;
pub(crate) mod policy_versions;
pub(crate) mod projects;
pub(crate) mod query;
pub(crate) mod reach;
pub(crate) mod resources;
pub(crate) mod retention;
pub(crate) mod runs;
pub(crate) mod sent;
pub(crate) mod service;
pub(crate) mod state_verdicts;
mod stream;
pub(crate) mod tags;
pub(crate) mod task_stages;
pub(crate) mod teams;
pub(crate) mod tokens;
pub(crate) mod transfers;
pub(crate) mod users;
pub(crate) mod variable_sets;
pub(crate) mod variables;
pub(crate) mod versions;
pub(crate) mod workspaces;
