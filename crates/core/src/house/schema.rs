//! The tables of a house, and the schema changes that make them.

use statehouse_model::HouseCode;

use crate::db::Migration;
use crate::record::Table;
use crate::{
    access, agent, configuration, cost, drift, execution, job, key, ledger, notification, oauth,
    org, policy, project, retention, run, session, state, team, token, url, user, variable,
    workspace,
};

const COMMON: &str = include_str!("../../migrations/common/0001_ledger.sql");
const SITE: &str = include_str!("../../migrations/site/0001_site.sql");
const SITE_SESSIONS: &str = include_str!("../../migrations/site/0002_session.sql");
const HOUSE: &str = include_str!("../../migrations/house/0001_state.sql");
const CLOUD: &str = include_str!("../../migrations/house/0002_cloud.sql");
const PEOPLE: &str = include_str!("../../migrations/house/0003_people.sql");
const FREEZE: &str = include_str!("../../migrations/house/0004_freeze.sql");
const REMOVAL: &str = include_str!("../../migrations/house/0005_removal.sql");
const RETENTION: &str = include_str!("../../migrations/house/0006_retention.sql");
const RUN: &str = include_str!("../../migrations/house/0007_run.sql");
const VARIABLE: &str = include_str!("../../migrations/house/0008_variable.sql");
const AGENT: &str = include_str!("../../migrations/house/0009_agent.sql");
const VARIABLE_SET: &str = include_str!("../../migrations/house/0010_variable_set.sql");
const NOTIFICATION: &str = include_str!("../../migrations/house/0011_notification.sql");
const DRIFT: &str = include_str!("../../migrations/house/0012_drift.sql");
const JOB_REASON: &str = include_str!("../../migrations/house/0013_job_reason.sql");
const BOUNDS: &str = include_str!("../../migrations/house/0014_bounds.sql");
const EXECUTION_TOOL: &str = include_str!("../../migrations/house/0015_execution_tool.sql");
const POLICY: &str = include_str!("../../migrations/house/0016_policy.sql");
const RUN_WRITTEN: &str = include_str!("../../migrations/house/0017_run_written.sql");
const POLICY_GATE: &str = include_str!("../../migrations/house/0018_policy_gate.sql");
const CONFIGURATION_POLICIES: &str =
    include_str!("../../migrations/house/0019_configuration_policies.sql");
const COST: &str = include_str!("../../migrations/house/0020_cost.sql");

/// The evidential tables that the site and every organization have.
const SHARED_TABLES: [Table; 2] = [
    Table::of::<key::sql::Epoch>(),
    Table::of::<ledger::sql::Setting>(),
];

/// The evidential tables of the site.
static SITE_TABLES: [Table; 9] = [
    SHARED_TABLES[0],
    SHARED_TABLES[1],
    Table::of::<org::sql::Organization>(),
    Table::of::<org::sql::Witness>(),
    Table::of::<user::sql::Account>(),
    Table::of::<user::sql::Password>(),
    Table::of::<token::sql::ApiToken>(),
    Table::of::<session::sql::Session>(),
    Table::of::<oauth::sql::Code>(),
];

/// The evidential tables of an organization.
static HOUSE_TABLES: [Table; 48] = [
    SHARED_TABLES[0],
    SHARED_TABLES[1],
    Table::of::<access::sql::Grant>(),
    Table::of::<project::sql::Project>(),
    Table::of::<workspace::sql::Workspace>(),
    Table::of::<state::sql::Version>(),
    Table::of::<state::removal::sql::Removal>(),
    Table::of::<retention::sql::Policy>(),
    Table::of::<workspace::sql::Setting>(),
    Table::of::<workspace::sql::Tag>(),
    Table::of::<workspace::sql::Deletion>(),
    Table::of::<workspace::freeze::sql::Freeze>(),
    Table::of::<state::announce::sql::Announcement>(),
    Table::of::<state::json::sql::VersionJson>(),
    Table::of::<url::sql::SignedUrl>(),
    Table::of::<team::sql::Team>(),
    Table::of::<team::sql::TeamMember>(),
    Table::of::<token::sql::HouseToken>(),
    Table::of::<execution::sql::Execution>(),
    Table::of::<configuration::sql::Configuration>(),
    Table::of::<run::sql::Run>(),
    Table::of::<run::sql::RunEvent>(),
    Table::of::<run::sql::RunFile>(),
    Table::of::<run::sql::CapsuleRow>(),
    Table::of::<run::sql::ApprovalRow>(),
    Table::of::<job::sql::Job>(),
    Table::of::<variable::sql::Variable>(),
    Table::of::<agent::sql::AgentPool>(),
    Table::of::<variable::sql::VariableSet>(),
    Table::of::<notification::sql::Notification>(),
    Table::of::<notification::sql::Cursor>(),
    Table::of::<notification::sql::Delivery>(),
    Table::of::<drift::sql::Schedule>(),
    Table::of::<drift::sql::Check>(),
    Table::of::<job::sql::JobReason>(),
    Table::of::<job::sql::Term>(),
    Table::of::<run::removal::sql::Removal>(),
    Table::of::<execution::sql::ExecutionTool>(),
    Table::of::<policy::sql::PolicySet>(),
    Table::of::<policy::sql::PolicyBundle>(),
    Table::of::<policy::sql::PolicyOverride>(),
    Table::of::<run::written::sql::Written>(),
    Table::of::<configuration::sql::Brought>(),
    Table::of::<policy::sql::PolicyGate>(),
    Table::of::<policy::sql::PolicyReplay>(),
    Table::of::<cost::sql::CostInput>(),
    Table::of::<cost::sql::CostSetting>(),
    Table::of::<cost::sql::CostEstimate>(),
];

/// Every evidential table of a house, in the order they are verified in.
pub(crate) fn tables(site: bool) -> &'static [Table] {
    if site { &SITE_TABLES } else { &HOUSE_TABLES }
}

/// The schema changes of a house, in order. The first is everybody's.
pub(crate) fn migrations(code: HouseCode) -> Vec<Migration> {
    let own: &[(&str, &str)] = if code.is_site() {
        &[("site", SITE), ("session", SITE_SESSIONS)]
    } else {
        &[
            ("state", HOUSE),
            ("cloud", CLOUD),
            ("people", PEOPLE),
            ("freeze", FREEZE),
            ("removal", REMOVAL),
            ("retention", RETENTION),
            ("run", RUN),
            ("variable", VARIABLE),
            ("agent", AGENT),
            ("variable_set", VARIABLE_SET),
            ("notification", NOTIFICATION),
            ("drift", DRIFT),
            ("job_reason", JOB_REASON),
            ("bounds", BOUNDS),
            ("execution_tool", EXECUTION_TOOL),
            ("policy", POLICY),
            ("run_written", RUN_WRITTEN),
            ("policy_gate", POLICY_GATE),
            ("configuration_policies", CONFIGURATION_POLICIES),
            ("cost", COST),
        ]
    };
    [("ledger", COMMON)]
        .iter()
        .chain(own)
        .zip(1..)
        .map(|((name, sql), number)| Migration { number, name, sql })
        .collect()
}
