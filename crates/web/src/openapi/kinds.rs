//! Every type of resource: its name, what it is, what is told of it and what it relates to.

use schemars::JsonSchema;

use crate::agent;
use crate::routes::operation::SchemaOf;
use crate::tfe::{
    agent_pools, authentication_tokens, comments, configurations, cost_estimates, costs, drift,
    executions, grants, keys, ledgers, locks, looks, memberships, notifications, organizations,
    outputs, permissions, plans, policy_replays, policy_sets, policy_versions, projects, reach,
    resources, retention, runs, service, state_verdicts, tags, task_stages, teams, tokens, users,
    variable_sets, variables, versions, workspaces,
};

/// A type of resource.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) attributes: SchemaOf,
    pub(crate) relations: &'static [&'static str],
    /// Where else it leads, beside to itself.
    pub(crate) links: &'static [&'static str],
}

impl Kind {
    const fn leads(self, links: &'static [&'static str]) -> Self {
        Self { links, ..self }
    }
}

const fn kind<T: JsonSchema>(
    name: &'static str,
    summary: &'static str,
    relations: &'static [&'static str],
) -> Kind {
    Kind {
        name,
        summary,
        attributes: T::json_schema,
        relations,
        links: &[],
    }
}

/// All of them, by name.
pub(crate) const ALL: &[Kind] = &[
    kind::<agent::Told>("agent-jobs", "A job that an agent was given.", &[]),
    kind::<agent_pools::Told>(
        "agent-pools",
        "Agents that take the runs of the same workspaces.",
        &["organization"],
    ),
    kind::<agent_pools::Agent>(
        "agents",
        "A runner elsewhere that was heard of lately. Its id is its name.",
        &[],
    ),
    kind::<plans::Told>("applies", "The apply of a run.", &[]),
    kind::<drift::Told>(
        "assessment-results",
        "What a run found that looked for drift.",
        &["workspace", "run"],
    )
    .leads(&["json-output", "json-output-redacted"]),
    kind::<authentication_tokens::Told>(
        "authentication-tokens",
        "A token as the clients of other platforms know it.",
        &["team", "agent-pool", "created-by"],
    ),
    kind::<comments::Told>(
        "comments",
        "What somebody said about a run and nothing else.",
        &["run-event"],
    ),
    kind::<configurations::Told>(
        "configuration-versions",
        "A configuration, uploaded to be planned.",
        &["workspace"],
    ),
    kind::<workspaces::Deleted>(
        "deleted-workspaces",
        "A workspace that can be brought back.",
        &[],
    ),
    kind::<drift::Often>(
        "drift-schedules",
        "How often drift is looked for. Its id is its scope.",
        &[],
    ),
    kind::<tags::Bound>(
        "effective-tag-bindings",
        "A tag that counts for a workspace.",
        &[],
    ),
    kind::<service::Entitled>(
        "entitlement-sets",
        "What an organization may do, in the words of clients.",
        &[],
    ),
    kind::<cost_estimates::Told>("cost-estimates", "What the plan of a run costs.", &["run"])
        .leads(&["json-output"]),
    kind::<costs::HistoryTold>(
        "cost-histories",
        "What plans came to over time. Its id is its scope.",
        &[],
    ),
    kind::<costs::InputTold>(
        "cost-inputs",
        "A price book, prices of the organization, or a usage file.",
        &[],
    ),
    kind::<cost_estimates::Again>(
        "cost-recomputations",
        "What came of making an estimate again.",
        &["cost-estimate"],
    ),
    kind::<costs::ReplayTold>(
        "cost-replays",
        "What stored plans would cost otherwise. Its id is its scope.",
        &[],
    ),
    kind::<costs::Told>(
        "cost-settings",
        "By what plans are estimated. Its id is its scope.",
        &[],
    ),
    kind::<costs::VersionTold>(
        "cost-versions",
        "What a scope said at one time of what its plans are estimated by.",
        &[],
    ),
    kind::<executions::Told>(
        "executions",
        "Where runs happen, with which tool, and who must agree to what they apply.",
        &[],
    ),
    kind::<grants::Told>("grants", "Who holds which role over what.", &[]),
    kind::<keys::Epoch>(
        "key-epochs",
        "An epoch of the keys of an organization.",
        &[],
    ),
    kind::<keys::Renewed>("key-rewraps", "What a renewal of keys did.", &[]),
    kind::<ledgers::Report>(
        "ledger-reports",
        "What a comparison of the database with the ledger found.",
        &[],
    ),
    kind::<locks::Held>(
        "locks",
        "Who holds the lock of a workspace, and what for.",
        &[],
    ),
    kind::<notifications::Told>(
        "notification-configurations",
        "Where notifications of a workspace's runs are sent.",
        &["subscribable"],
    ),
    kind::<runs::Capacity>(
        "organization-capacity",
        "How many runs of an organization wait, and how many work.",
        &[],
    ),
    kind::<memberships::Told>(
        "organization-memberships",
        "That an account belongs to an organization.",
        &["user", "teams"],
    ),
    kind::<organizations::Told>(
        "organizations",
        "A house of its own. Its id is its name.",
        &[],
    ),
    kind::<permissions::Told>("permissions", "Something that may be allowed.", &[]),
    kind::<plans::Told>("plans", "The plan of a run.", &[]),
    kind::<task_stages::Evaluated>(
        "policy-evaluations",
        "What policies came to, of the plan of a run.",
        &["policy-attachable"],
    ),
    kind::<task_stages::SetTold>(
        "policy-set-outcomes",
        "What one policy set said of the plan of a run.",
        &["policy-evaluation", "policy-set"],
    ),
    kind::<policy_replays::Told>(
        "policy-replays",
        "What a bundle of policies would have said of stored plans.",
        &["policy-set"],
    ),
    kind::<policy_versions::Told>(
        "policy-set-versions",
        "A bundle of policies, published for a set or on its way.",
        &["policy-set"],
    )
    .leads(&["upload", "download"]),
    kind::<policy_sets::Told>(
        "policy-sets",
        "A set of policies, by which the runs of many workspaces are judged.",
        &[
            "organization",
            "projects",
            "workspaces",
            "workspace-exclusions",
            "policies",
            "current-version",
            "newest-version",
        ],
    ),
    kind::<projects::Told>("projects", "A folder of workspaces.", &["organization"]),
    kind::<resources::Blamed>(
        "resource-blames",
        "Who last changed what of a resource.",
        &[],
    ),
    kind::<resources::History>("resource-histories", "What became of a resource.", &[]),
    kind::<resources::Told>(
        "resources",
        "An instance of a resource in a state. Its id is its address.",
        &["state-version", "workspace", "project"],
    ),
    kind::<retention::Told>(
        "retention-policies",
        "For how long the content of old versions is kept. Its id is its scope.",
        &[],
    ),
    kind::<looks::Preview>(
        "rollback-previews",
        "What going back to a version would mean.",
        &[],
    ),
    kind::<runs::Happened>("run-events", "What happened to a run.", &["run"]),
    kind::<runs::Told>(
        "runs",
        "A plan of a workspace, and what became of it.",
        &[
            "workspace",
            "configuration-version",
            "created-by",
            "plan",
            "apply",
            "cost-estimate",
            "policy-checks",
            "task-stages",
            "run-events",
        ],
    ),
    kind::<state_verdicts::Told>(
        "state-verdicts",
        "What policies say of the state that an apply left. Its id is the run's.",
        &["run"],
    ),
    kind::<looks::Difference>(
        "state-version-diffs",
        "What differs between two states.",
        &["from", "to"],
    ),
    kind::<outputs::Told<'static>>("state-version-outputs", "An output of a state.", &[]),
    kind::<versions::told::Told>(
        "state-versions",
        "A version of a state.",
        &["workspace", "run", "created-by", "outputs"],
    ),
    kind::<tags::Bound>("tag-bindings", "A tag that is a key with a value.", &[]),
    kind::<tags::Plain>("tags", "A plain tag.", &[]),
    kind::<task_stages::Told>(
        "task-stages",
        "The stage of a run in which policies judge its plan.",
        &["run", "task-results", "policy-evaluations"],
    ),
    kind::<reach::Told>(
        "team-projects",
        "What a team may do in a project.",
        &["team", "project"],
    ),
    kind::<reach::Told>(
        "team-workspaces",
        "What a team may do in a workspace.",
        &["team", "workspace"],
    ),
    kind::<teams::Told>(
        "teams",
        "People who may do the same.",
        &["users", "organization-memberships"],
    ),
    kind::<tokens::Told>("tokens", "A token of an account.", &[]),
    kind::<users::Told>("users", "An account.", &[]),
    kind::<variables::Told>(
        "vars",
        "A variable of a workspace, or of a set.",
        &["configurable", "varset"],
    ),
    kind::<variable_sets::Told>(
        "varsets",
        "A set of variables, for the runs of many workspaces.",
        &["organization", "parent", "projects", "workspaces", "vars"],
    ),
    kind::<workspaces::told::Told>(
        "workspaces",
        "A state, its lock and its settings.",
        &[
            "organization",
            "project",
            "current-run",
            "latest-run",
            "current-state-version",
            "current-assessment-result",
            "locked-by",
            "agent-pool",
        ],
    ),
];
