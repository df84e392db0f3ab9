//! What things are called in Statehouse, and the rules that make a name valid.
//!
//! Ids, names, actors, permissions and roles live here as types, so that a
//! function that asks for a [`WorkspaceId`] cannot be handed a project's, and
//! a string from outside is parsed once, at the edge. No I/O, no clock, no
//! randomness: whoever makes an id brings the entropy.
//!
//! An id outside the site carries the code of its house (`ws-` + six
//! characters + sixteen random ones), so that any id finds its organization
//! without a search over tenants.

mod actor;
mod id;
pub mod instant;
mod name;
mod permission;
mod token;
mod variable;

pub use actor::{Actor, ActorId, Subject, TokenOwner};
pub use id::{
    AgentPoolId, ApplyId, ApprovalId, AssessmentId, CodeId, ConfigurationId, CostEstimateId,
    CostInputId, DeliveryId, DestinationId, FileId, GrantId, HouseCode, HouseId, HouseTokenId,
    IdError, JobId, JsonStateId, MembershipId, NotificationId, OrganizationId, OutputId,
    OverrideId, PlanId, PolicyBundleId, PolicyEvaluationId, PolicyOutcomeId, PolicySetId,
    ProjectId, RequestId, RunId, SessionId, TagId, TaskStageId, TeamId, TeamProjectId,
    TeamWorkspaceId, TokenId, UrlId, UserId, ValueId, VariableId, VariableSetId, VersionId,
    WorkspaceId,
};
pub use name::{Name, NameError};
pub use permission::{Level, Permission, Role, UnknownName};
pub use token::{Token, TokenError, TokenKind};
pub use variable::VariableOwner;
