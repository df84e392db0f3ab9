//! The rules, as Cedar policies made from the permission table.
//!
//! Decisions are pure: the same rights, permission and place give the same
//! answer. So they are kept, keyed by all of their inputs.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::str::FromStr;
use std::sync::{Mutex, OnceLock, PoisonError};

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicyId,
    PolicySet, Request, SlotId,
};
use statehouse_model::{Actor, Permission, Role};

use super::{Held, ORGANIZATION, Place};
use crate::error::{Error, Result};

/// Tells receivers elsewhere what happened to runs.
pub(crate) const NOTIFICATIONS: &str = "notifications";
/// Looks for drift when it is time.
pub(crate) const DRIFT: &str = "drift";
/// Writes the counts of repeated reads.
pub(crate) const READS: &str = "reads";
/// Removes content that no policy keeps any longer.
pub(crate) const RETENTION: &str = "retention";
/// Re-wraps sealed objects under the newest keys.
pub(crate) const REWRAP: &str = "rewrap";
/// Starts runs when their turn has come, and ends those whose runner was lost.
pub(crate) const RUNS: &str = "runs";
/// Looks into states so that their resources are found.
pub(crate) const SEARCH: &str = "search";
/// Freezes workspaces whose states were found altered when they were read.
pub(crate) const STATES: &str = "states";
/// Writes houses' checkpoints into the site's log.
pub(crate) const WITNESS: &str = "witness";

/// What each background task may do; the rest is denied to it too.
const TASKS: &[(&str, &[Permission])] = &[
    (DRIFT, &[Permission::RunPlan]),
    (
        NOTIFICATIONS,
        &[Permission::NotificationRead, Permission::NotificationWrite],
    ),
    (
        READS,
        &[
            Permission::StateRead,
            Permission::OutputRead,
            Permission::OutputReadSensitive,
            Permission::RunRead,
            Permission::LedgerRead,
            Permission::LedgerVerify,
            Permission::SiteLedgerRead,
        ],
    ),
    (REWRAP, &[Permission::KeyRotate, Permission::SiteKeyRotate]),
    (RETENTION, &[Permission::StateRemove]),
    (
        RUNS,
        &[
            Permission::RunPlan,
            Permission::RunApply,
            Permission::StateLock,
        ],
    ),
    (SEARCH, &[Permission::StateRead]),
    (STATES, &[Permission::WorkspaceFreeze]),
    (WITNESS, &[Permission::SiteLedgerRead]),
];
/// What the organization's own token may do: what makes an organization, its
/// people and its teams, and nothing inside a state. Owners it can neither make
/// nor unmake: that needs `grant.manage`.
pub(crate) const ORGANIZATION_TOKEN: &[Permission] = &[
    Permission::OrganizationRead,
    Permission::ProjectRead,
    Permission::ProjectCreate,
    Permission::WorkspaceRead,
    Permission::WorkspaceCreate,
    Permission::GrantRead,
    Permission::MemberRead,
    Permission::MemberManage,
    Permission::TeamRead,
    Permission::TeamManage,
    Permission::TeamAccess,
    Permission::ProjectUpdate,
    Permission::ProjectDelete,
    Permission::WorkspaceUpdate,
    Permission::WorkspaceDelete,
];
/// What a pool of agents may do: the work of its own. What comes of a job, the run of
/// the job does.
const AGENT_POOL: &[Permission] = &[Permission::OrganizationRead, Permission::AgentWork];
/// What a run may do in its own workspace while it is planned: it writes no state.
const RUN_PLAN: &[Permission] = &[Permission::StateRead, Permission::RunPlan];
/// The same while it is applied.
const RUN_APPLY: &[Permission] = &[
    Permission::StateRead,
    Permission::StateWrite,
    Permission::RunPlan,
    Permission::RunApply,
];
/// Decisions kept; beyond it all are forgotten and made again.
const KEPT_MAX: usize = 8192;

type Question = (String, Vec<Held>, Permission, Option<Place>);

/// The policies and the decisions made so far.
pub(crate) struct Engine {
    policies: PolicySet,
    authorizer: Authorizer,
    kept: Mutex<HashMap<Question, bool>>,
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("the access policies are broken: {error}"))
}

impl Engine {
    /// The one engine of the process.
    pub(crate) fn shared() -> Result<&'static Self> {
        static ENGINE: OnceLock<Option<Engine>> = OnceLock::new();
        let engine = ENGINE.get_or_init(|| {
            Self::new()
                .inspect_err(|error| tracing::error!(%error))
                .ok()
        });
        engine.as_ref().ok_or_else(|| broken("see the log"))
    }

    fn new() -> Result<Self> {
        Ok(Self {
            policies: named(&policies())?,
            authorizer: Authorizer::new(),
            kept: Mutex::default(),
        })
    }

    /// Whether `actor`, holding `held`, may use `permission` in `place`.
    pub(crate) fn allows(
        &self,
        actor: &Actor,
        held: &[Held],
        permission: Permission,
        place: Option<&Place>,
    ) -> Result<bool> {
        let question = (
            format!("{}:{}", actor.kind(), actor.id()),
            held.to_vec(),
            permission,
            place.cloned(),
        );
        if let Some(answer) = self
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&question)
        {
            return Ok(*answer);
        }
        let answer = self.judge(actor, held, permission, place)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(question, answer);
        Ok(answer)
    }

    fn judge(
        &self,
        actor: &Actor,
        held: &[Held],
        permission: Permission,
        place: Option<&Place>,
    ) -> Result<bool> {
        let principal = uid(kind_of(actor), actor.id())?;
        let mut policies = self.policies.clone();
        for (index, right) in held.iter().enumerate() {
            let (template, scope) = match right {
                Held::Operator => ("operator", uid("Organization", ORGANIZATION)?),
                Held::Plans(workspace) => ("run plan", scope_uid(workspace.as_str())?),
                Held::Applies(workspace) => ("run apply", scope_uid(workspace.as_str())?),
                Held::Role(role, scope) => (role.as_str(), scope_uid(scope)?),
            };
            let slots = HashMap::from([
                (SlotId::principal(), principal.clone()),
                (SlotId::resource(), scope),
            ]);
            policies
                .link(
                    PolicyId::new(template),
                    PolicyId::new(format!("link-{index}")),
                    slots,
                )
                .map_err(broken)?;
        }
        let (resource, entities) = resource(place)?;
        let action = uid("Action", permission.as_str())?;
        let request =
            Request::new(principal, action, resource, Context::empty(), None).map_err(broken)?;
        let response = self
            .authorizer
            .is_authorized(&request, &policies, &entities);
        // A policy that could not be evaluated counts as a refusal.
        let clean = response.diagnostics().errors().next().is_none();
        Ok(clean && response.decision() == Decision::Allow)
    }
}

/// Parses policies and gives each the name that its `@id` states: the parser
/// itself only numbers them.
fn named(text: &str) -> Result<PolicySet> {
    let parsed = PolicySet::from_str(text).map_err(broken)?;
    let name = |id: Option<&str>| {
        id.map(PolicyId::new)
            .ok_or_else(|| broken("one has no @id"))
    };
    let mut policies = PolicySet::new();
    for template in parsed.templates() {
        let id = name(template.annotation("id"))?;
        policies.add_template(template.new_id(id)).map_err(broken)?;
    }
    for policy in parsed.policies() {
        let id = name(policy.annotation("id"))?;
        policies.add(policy.new_id(id)).map_err(broken)?;
    }
    Ok(policies)
}

/// The policy text: one template per role, and what tasks and operators of
/// the machine may do.
fn policies() -> String {
    let actions = |wanted: &dyn Fn(Permission) -> bool| {
        let held = Permission::ALL
            .iter()
            .filter(|permission| wanted(**permission));
        held.map(|permission| format!("Action::\"{permission}\""))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut text = String::new();
    for role in Role::ALL {
        let held = actions(&|permission| permission.held_by(role));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "@id(\"{role}\") permit(principal == ?principal, action in [{held}], resource in ?resource);"
        );
    }
    for (template, permissions) in [("run plan", RUN_PLAN), ("run apply", RUN_APPLY)] {
        let held = actions(&|permission| permissions.contains(&permission));
        let _ = writeln!(
            text,
            "@id(\"{template}\") permit(principal == ?principal, action in [{held}], resource in ?resource);"
        );
    }
    // Whoever belongs to an organization sees that it exists, so that what it is refused leaves a trace.
    let _ = writeln!(
        text,
        "@id(\"run\") permit(principal is Run, action == Action::\"{}\", resource);",
        Permission::OrganizationRead
    );
    let site = actions(&|permission| permission.level() == statehouse_model::Level::Site);
    let _ = writeln!(
        text,
        "@id(\"operator\") permit(principal == ?principal, action in [{site}], resource in ?resource);"
    );
    let _ = writeln!(
        text,
        "@id(\"own tokens\") permit(principal is User, action == Action::\"{}\", resource);",
        Permission::TokenManage
    );
    let _ = writeln!(
        text,
        "@id(\"machine\") permit(principal is Operator, action, resource);"
    );
    let held = actions(&|permission| ORGANIZATION_TOKEN.contains(&permission));
    let _ = writeln!(
        text,
        "@id(\"organization token\") permit(principal is OrganizationToken, action in [{held}], resource);"
    );
    let held = actions(&|permission| AGENT_POOL.contains(&permission));
    let _ = writeln!(
        text,
        "@id(\"agent pool\") permit(principal is AgentPool, action in [{held}], resource);"
    );
    for (task, permissions) in TASKS {
        let held = actions(&|permission| permissions.contains(&permission));
        let _ = writeln!(
            text,
            "@id(\"task {task}\") permit(principal == Task::\"{task}\", action in [{held}], resource);"
        );
    }
    text
}

fn kind_of(actor: &Actor) -> &'static str {
    match actor {
        Actor::User { .. } | Actor::Session { .. } => "User",
        Actor::Team { .. } => "Team",
        Actor::Organization { .. } => "OrganizationToken",
        Actor::Pool { .. } => "AgentPool",
        Actor::Run(_) => "Run",
        Actor::Task(_) => "Task",
        Actor::Operator => "Operator",
    }
}

fn uid(kind: &str, id: &str) -> Result<EntityUid> {
    let kind = EntityTypeName::from_str(kind).map_err(broken)?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

fn scope_uid(scope: &str) -> Result<EntityUid> {
    match scope.split_once('-') {
        Some(("prj", _)) => uid("Project", scope),
        Some(("ws", _)) => uid("Workspace", scope),
        _ => uid("Organization", scope),
    }
}

/// The resource asked about, and the entities it lies in.
fn resource(place: Option<&Place>) -> Result<(EntityUid, Entities)> {
    let organization = uid("Organization", ORGANIZATION)?;
    let mut chain = vec![organization];
    if let Some(project) = place.and_then(|place| place.project.as_ref()) {
        chain.push(uid("Project", project.as_str())?);
    }
    if let Some(workspace) = place.and_then(|place| place.workspace.as_ref()) {
        chain.push(uid("Workspace", workspace.as_str())?);
    }
    let mut parent: Option<EntityUid> = None;
    let mut entities = Vec::with_capacity(chain.len());
    for uid in chain {
        let parents: HashSet<EntityUid> = parent.into_iter().collect();
        entities.push(Entity::new_no_attrs(uid.clone(), parents));
        parent = Some(uid);
    }
    let last = parent.ok_or_else(|| broken("no resource"))?;
    Ok((
        last,
        Entities::from_entities(entities, None).map_err(broken)?,
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use statehouse_model::{
        AgentPoolId, HouseCode, HouseTokenId, ProjectId, TeamId, TokenId, UserId, WorkspaceId,
    };

    fn user() -> Actor {
        Actor::User {
            user: UserId::from_entropy(1),
            token: TokenId::from_entropy(2),
        }
    }

    #[test]
    fn cedar_agrees_with_the_table_for_every_role_and_permission() {
        let engine = Engine::new().unwrap();
        let place = Place {
            project: None,
            workspace: None,
        };
        for role in Role::ALL {
            let held = [Held::Role(role, ORGANIZATION.to_owned())];
            for permission in Permission::ALL.iter().copied() {
                let expected = permission.held_by(role) || permission == Permission::TokenManage;
                let allowed = engine
                    .allows(&user(), &held, permission, Some(&place))
                    .unwrap();
                assert_eq!(allowed, expected, "{role} {permission}");
            }
        }
    }

    #[test]
    fn a_run_writes_a_state_only_while_it_applies_and_only_its_own() {
        let engine = Engine::new().unwrap();
        let code = HouseCode::from_entropy(1);
        let place = |number| Place {
            project: Some(ProjectId::from_entropy(code, 1)),
            workspace: Some(WorkspaceId::from_entropy(code, number)),
        };
        let run = Actor::Run(statehouse_model::RunId::from_entropy(code, 1));
        let workspace = WorkspaceId::from_entropy(code, 1);
        let plans = [Held::Plans(workspace.clone())];
        let applies = [Held::Applies(workspace)];
        let check = |held: &[Held], permission, number, expected| {
            let allowed = engine.allows(&run, held, permission, Some(&place(number)));
            assert_eq!(allowed.unwrap(), expected, "{permission} of {held:?}");
        };
        check(&[], Permission::StateRead, 1, false);
        check(&plans, Permission::StateRead, 1, true);
        check(&plans, Permission::StateWrite, 1, false);
        check(&applies, Permission::StateWrite, 1, true);
        check(&applies, Permission::StateWrite, 2, false);
        check(&applies, Permission::StateForceUnlock, 1, false);
        check(&applies, Permission::RunApprove, 1, false);
        check(&[], Permission::OrganizationRead, 2, true);
    }

    #[test]
    fn nobody_may_anything_without_a_grant() {
        let engine = Engine::new().unwrap();
        let place = Place {
            project: None,
            workspace: None,
        };
        for permission in Permission::ALL
            .iter()
            .copied()
            .filter(|each| *each != Permission::TokenManage)
        {
            assert!(
                !engine
                    .allows(&user(), &[], permission, Some(&place))
                    .unwrap(),
                "{permission}"
            );
            assert!(
                !engine
                    .allows(&Actor::Task("unknown"), &[], permission, Some(&place))
                    .unwrap()
            );
        }
    }

    #[test]
    fn an_organization_token_manages_people_and_a_pool_has_its_own_work_alone() {
        let engine = Engine::new().unwrap();
        let house = HouseCode::from_entropy(5);
        let token = HouseTokenId::from_entropy(house, 1);
        let organization = Actor::Organization {
            house,
            token: token.clone(),
        };
        let team = Actor::Team {
            team: TeamId::from_entropy(house, 1),
            token: token.clone(),
        };
        let pool = Actor::Pool {
            pool: AgentPoolId::from_entropy(house, 1),
            token,
        };
        let place = Place {
            project: Some(ProjectId::from_entropy(house, 1)),
            workspace: Some(WorkspaceId::from_entropy(house, 1)),
        };
        for permission in Permission::ALL.iter().copied() {
            let allows = |actor| engine.allows(actor, &[], permission, Some(&place)).unwrap();
            let expected = ORGANIZATION_TOKEN.contains(&permission);
            assert_eq!(allows(&organization), expected, "{permission}");
            assert!(!allows(&team), "{permission}");
            assert_eq!(
                allows(&pool),
                AGENT_POOL.contains(&permission),
                "{permission}"
            );
            let harmless = !permission.as_str().starts_with("state.")
                && !permission.as_str().starts_with("key.")
                && !permission.as_str().starts_with("site.");
            assert!(!expected || harmless, "{permission}");
        }
    }

    #[test]
    fn a_role_at_a_scope_never_reaches_a_sibling() {
        let engine = Engine::new().unwrap();
        let house = HouseCode::from_entropy(5);
        let projects = [
            ProjectId::from_entropy(house, 1),
            ProjectId::from_entropy(house, 2),
        ];
        let workspaces = [
            WorkspaceId::from_entropy(house, 1),
            WorkspaceId::from_entropy(house, 2),
        ];
        let at = |project: usize, workspace: usize| Place {
            project: Some(projects[project].clone()),
            workspace: Some(workspaces[workspace].clone()),
        };
        let check = |scope: &str, place: Place, expected: bool| {
            let held = [Held::Role(Role::Writer, scope.to_owned())];
            assert_eq!(
                engine
                    .allows(&user(), &held, Permission::StateWrite, Some(&place))
                    .unwrap(),
                expected,
                "{scope}"
            );
        };
        check(projects[0].as_str(), at(0, 0), true);
        check(projects[0].as_str(), at(1, 0), false);
        check(workspaces[0].as_str(), at(0, 0), true);
        check(workspaces[0].as_str(), at(0, 1), false);
        check(
            workspaces[0].as_str(),
            Place {
                project: Some(projects[0].clone()),
                workspace: None,
            },
            false,
        );
        check("organization", at(1, 1), true);
        check("nonsense", at(0, 0), false);
    }
}
