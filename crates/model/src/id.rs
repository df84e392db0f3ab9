//! Ids: `<kind>-<house code><random>` inside a house, `<kind>-<random>` in the site.

use std::fmt;
use std::str::FromStr;

/// Base58 without the characters that people confuse (`0`, `O`, `I`, `l`).
const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// 58^16 is about 2^93: two ids never meet by chance.
const RANDOM_LEN: usize = 16;
/// 58^6 is about 3.8 × 10^10 houses per site.
const CODE_LEN: usize = 6;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct IdError {
    text: String,
    expected: &'static str,
}

impl IdError {
    pub(crate) fn new(text: &str, expected: &'static str) -> Self {
        Self {
            text: text.chars().take(64).collect(),
            expected,
        }
    }
}

fn base58(mut entropy: u128, len: usize) -> String {
    let mut text = String::with_capacity(len);
    for _ in 0..len {
        let digit = usize::try_from(entropy % 58).unwrap_or(0);
        text.push(char::from(ALPHABET.get(digit).copied().unwrap_or(b'1')));
        entropy /= 58;
    }
    text
}

fn is_base58(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|byte| ALPHABET.contains(&byte))
}

/// The six characters that name a house in every id and token, or `site`.
///
/// The site (organizations, users, their tokens) is a house too: the same
/// database form, keys and ledger, under the code `site`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HouseCode([u8; CODE_LEN]);

impl HouseCode {
    /// The site's own code.
    pub const SITE: Self = Self(*b"site\0\0");

    /// A code for a new house from fresh entropy.
    pub fn from_entropy(entropy: u128) -> Self {
        let mut code = [b'1'; CODE_LEN];
        for (slot, byte) in code.iter_mut().zip(base58(entropy, CODE_LEN).bytes()) {
            *slot = byte;
        }
        Self(code)
    }

    /// Whether this is the site and not an organization.
    pub fn is_site(self) -> bool {
        self == Self::SITE
    }

    /// The code as it stands in ids, paths and ledger origins.
    pub fn as_str(&self) -> &str {
        let text = std::str::from_utf8(&self.0).unwrap_or_default();
        text.trim_end_matches('\0')
    }
}

impl FromStr for HouseCode {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text == "site" {
            return Ok(Self::SITE);
        }
        let bytes = text
            .as_bytes()
            .try_into()
            .ok()
            .filter(|_| is_base58(text, CODE_LEN));
        bytes.map(Self).ok_or_else(|| IdError {
            text: text.chars().take(64).collect(),
            expected: "a house code (six base58 characters, or `site`)",
        })
    }
}

impl fmt::Display for HouseCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for HouseCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// An id that says which house it belongs to.
pub trait HouseId {
    /// The house whose database holds the row.
    fn house(&self) -> HouseCode;
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, house) => {
        id!(@common $(#[$doc])* $name, $prefix, CODE_LEN + RANDOM_LEN);

        impl $name {
            /// A new id in `house` from fresh entropy.
            pub fn from_entropy(house: HouseCode, entropy: u128) -> Self {
                Self(format!(concat!($prefix, "-{}{}"), house, base58(entropy, RANDOM_LEN)).into())
            }
        }

        impl HouseId for $name {
            fn house(&self) -> HouseCode {
                let start = $prefix.len() + 1;
                let code = self.0.get(start..start + CODE_LEN).and_then(|code| code.parse().ok());
                code.unwrap_or(HouseCode::SITE)
            }
        }
    };
    ($(#[$doc:meta])* $name:ident, $prefix:literal, site) => {
        id!(@common $(#[$doc])* $name, $prefix, RANDOM_LEN);

        impl $name {
            /// A new id from fresh entropy.
            pub fn from_entropy(entropy: u128) -> Self {
                Self(format!(concat!($prefix, "-{}"), base58(entropy, RANDOM_LEN)).into())
            }
        }
    };
    (@common $(#[$doc:meta])* $name:ident, $prefix:literal, $len:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            /// The id as it stands on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let rest = text.strip_prefix(concat!($prefix, "-"));
                match rest {
                    Some(rest) if is_base58(rest, $len) => Ok(Self(text.into())),
                    _ => Err(IdError {
                        text: text.chars().take(64).collect(),
                        expected: concat!("an id of the form `", $prefix, "-…`"),
                    }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

id!(/** A workspace: one state and its history. */ WorkspaceId, "ws", house);
id!(/** A project: a folder of workspaces. */ ProjectId, "prj", house);
id!(/** One stored version of a state. */ VersionId, "sv", house);
id!(/** The JSON form of a state version, as the client sends it beside the state. */ JsonStateId, "svj", house);
id!(/** A key and a value on a workspace; a tag is one without a value. */ TagId, "tb", house);
id!(/** A run: one plan of a workspace, and what became of it. */ RunId, "run", house);
id!(/** A configuration as it was uploaded for runs. */ ConfigurationId, "cv", house);
id!(/** A piece of work for a runner: the plan of a run, or its apply. */ JobId, "job", house);
id!(/** Something that a run made and that is kept sealed: a plan file, its JSON, a piece of a log. */ FileId, "rf", house);
id!(/** A variable of a workspace, or of a set. */ VariableId, "var", house);
id!(/** A set of variables: given to the runs of many workspaces. */ VariableSetId, "varset", house);
id!(/** A set of policies: what the runs of many workspaces are judged by. */ PolicySetId, "polset", house);
id!(/** One bundle that was published for a set of policies. */ PolicyBundleId, "polsetver", house);
id!(/** Something that costs are estimated from: a price book, an overlay, a usage file. */ CostInputId, "cin", house);
id!(/** What the plan of a run costs, as the platform's clients name it. */ CostEstimateId, "ce", house);
id!(/** Somebody's word that a plan may be applied although a policy is against it. */ OverrideId, "povr", house);
id!(/** One value that a variable had. */ ValueId, "vv", house);
id!(/** Where notifications of a workspace are sent, and of what. */ NotificationId, "nc", house);
id!(/** One address, with the token for it, that notifications were sent to. */ DestinationId, "nd", house);
id!(/** One notification on its way, the same each time that it is tried. */ DeliveryId, "ndl", house);
id!(/** Somebody's word about what a run would apply. */ ApprovalId, "apv", house);
id!(/** The plan of a run, as the platform's clients name it. */ PlanId, "plan", house);
id!(/** The apply of a run, as the platform's clients name it. */ ApplyId, "apply", house);
id!(/** What a run found that looked for drift, as the platform's clients name it. */ AssessmentId, "asmtres", house);
id!(/** What policies say of the plan of a run, as the platform's clients name it: a stage of the run. */ TaskStageId, "ts", house);
id!(/** The evaluation of policies in that stage, as the platform's clients name it. */ PolicyEvaluationId, "poleval", house);
id!(/** A signed address: who may do what to one object, and until when. */ UrlId, "url", house);
id!(/** One role given to one subject at one scope. */ GrantId, "gr", house);
id!(/** A team: people of an organization who hold roles together. */ TeamId, "team", house);
id!(/** A pool of agents: runners elsewhere that take the runs of some workspaces. */ AgentPoolId, "apool", house);
id!(/** A token that belongs to a team, to a pool of agents or to an organization; not the secret itself. */ HouseTokenId, "at", house);
id!(/** Somebody's belonging to an organization: the house, and the account's own random part. */ MembershipId, "ou", house);
id!(/** A team's grant over a workspace, as the platform's clients name it. */ TeamWorkspaceId, "tws", house);
id!(/** A team's grant over a project, as the platform's clients name it. */ TeamProjectId, "tprj", house);
id!(/** An organization, as the site knows it. */ OrganizationId, "org", site);
id!(/** A person with a local account. */ UserId, "user", site);
id!(/** An API token; not the secret itself. */ TokenId, "at", site);
id!(/** A sign-in of a person with a browser; not the secret itself. */ SessionId, "ses", site);
id!(/** A code that a client of OAuth changes for a token, once. */ CodeId, "code", site);
id!(/** One request, from the wire to the ledger. */ RequestId, "req", site);

id!(@common /** An output of one version of a state: it names the version, and the output by a digest. */ OutputId, "wsout", CODE_LEN + 2 * RANDOM_LEN);

impl OutputId {
    /// The output of `version` whose name has this digest.
    pub fn of(version: &VersionId, digest: u128) -> Self {
        let version = version.as_str().trim_start_matches("sv-");
        Self(format!("wsout-{version}{}", base58(digest, RANDOM_LEN)).into())
    }

    /// The version that it is an output of.
    pub fn version(&self) -> Option<VersionId> {
        let start = "wsout-".len();
        let version = self.0.get(start..start + CODE_LEN + RANDOM_LEN)?;
        format!("sv-{version}").parse().ok()
    }
}

impl HouseId for OutputId {
    fn house(&self) -> HouseCode {
        self.version()
            .map_or(HouseCode::SITE, |version| version.house())
    }
}

id!(@common /** What one policy set said of a run: it names the run, and the set by its random part. */ PolicyOutcomeId, "psout", CODE_LEN + 2 * RANDOM_LEN);

impl PolicyOutcomeId {
    /// What `set` said of `run`; both are of one house.
    pub fn of(run: &RunId, set: &PolicySetId) -> Self {
        let run = run.as_str().trim_start_matches("run-");
        let start = set.as_str().len().saturating_sub(RANDOM_LEN);
        let set = set.as_str().get(start..).unwrap_or_default();
        Self(format!("psout-{run}{set}").into())
    }

    /// The run that it is about.
    pub fn run(&self) -> Option<RunId> {
        let start = "psout-".len();
        let run = self.0.get(start..start + CODE_LEN + RANDOM_LEN)?;
        format!("run-{run}").parse().ok()
    }
}

impl HouseId for PolicyOutcomeId {
    fn house(&self) -> HouseCode {
        self.run().map_or(HouseCode::SITE, |run| run.house())
    }
}

/// The random part of the team that every organization has: `owners`, filled up.
const OWNERS: &str = "owners1111111111";

impl TeamId {
    /// The team of an organization's owners: no row, but whoever holds the role.
    pub fn owners(house: HouseCode) -> Self {
        Self(format!("team-{house}{OWNERS}").into())
    }

    /// Whether it is the team of the owners.
    pub fn is_owners(&self) -> bool {
        self.0.ends_with(OWNERS)
    }
}

/// An id that is another one's under the prefix of its kind.
fn renamed(text: &str, prefix: &str) -> Box<str> {
    let rest = text.split_once('-').map_or("", |(_, rest)| rest);
    format!("{prefix}-{rest}").into()
}

impl MembershipId {
    /// The membership of `user` in `house`.
    pub fn of(house: HouseCode, user: &UserId) -> Self {
        let rest = user.as_str().trim_start_matches("user-");
        Self(format!("ou-{house}{rest}").into())
    }

    /// The account that it is about.
    pub fn user(&self) -> UserId {
        let start = "ou-".len() + CODE_LEN;
        let rest = self.0.get(start..).unwrap_or_default();
        UserId(format!("user-{rest}").into())
    }
}

impl From<&RunId> for PlanId {
    fn from(run: &RunId) -> Self {
        Self(renamed(run.as_str(), "plan"))
    }
}

impl From<&RunId> for ApplyId {
    fn from(run: &RunId) -> Self {
        Self(renamed(run.as_str(), "apply"))
    }
}

impl From<&RunId> for AssessmentId {
    fn from(run: &RunId) -> Self {
        Self(renamed(run.as_str(), "asmtres"))
    }
}

impl From<&AssessmentId> for RunId {
    fn from(assessment: &AssessmentId) -> Self {
        Self(renamed(assessment.as_str(), "run"))
    }
}

impl From<&RunId> for TaskStageId {
    fn from(run: &RunId) -> Self {
        Self(renamed(run.as_str(), "ts"))
    }
}

impl From<&TaskStageId> for RunId {
    fn from(stage: &TaskStageId) -> Self {
        Self(renamed(stage.as_str(), "run"))
    }
}

impl From<&RunId> for PolicyEvaluationId {
    fn from(run: &RunId) -> Self {
        Self(renamed(run.as_str(), "poleval"))
    }
}

impl From<&RunId> for CostEstimateId {
    fn from(run: &RunId) -> Self {
        Self(renamed(run.as_str(), "ce"))
    }
}

impl From<&CostEstimateId> for RunId {
    fn from(estimate: &CostEstimateId) -> Self {
        Self(renamed(estimate.as_str(), "run"))
    }
}

impl From<&PolicyEvaluationId> for RunId {
    fn from(evaluation: &PolicyEvaluationId) -> Self {
        Self(renamed(evaluation.as_str(), "run"))
    }
}

impl From<&PlanId> for RunId {
    fn from(plan: &PlanId) -> Self {
        Self(renamed(plan.as_str(), "run"))
    }
}

impl From<&ApplyId> for RunId {
    fn from(apply: &ApplyId) -> Self {
        Self(renamed(apply.as_str(), "run"))
    }
}

impl From<&GrantId> for TeamWorkspaceId {
    fn from(grant: &GrantId) -> Self {
        Self(renamed(grant.as_str(), "tws"))
    }
}

impl From<&GrantId> for TeamProjectId {
    fn from(grant: &GrantId) -> Self {
        Self(renamed(grant.as_str(), "tprj"))
    }
}

impl From<&TeamWorkspaceId> for GrantId {
    fn from(access: &TeamWorkspaceId) -> Self {
        Self(renamed(access.as_str(), "gr"))
    }
}

impl From<&TeamProjectId> for GrantId {
    fn from(access: &TeamProjectId) -> Self {
        Self(renamed(access.as_str(), "gr"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation
    )]

    use super::*;

    #[test]
    fn an_id_carries_its_house_and_survives_the_wire() {
        let house = HouseCode::from_entropy(0x1234_5678_9abc_def0);
        let id = WorkspaceId::from_entropy(house, u128::MAX / 3);
        assert_eq!(id.house(), house);
        assert_eq!(id.as_str().parse::<WorkspaceId>().unwrap(), id);
        assert_eq!(id.as_str().len(), 3 + 6 + 16);
    }

    #[test]
    fn an_outputs_id_leads_to_its_version() {
        let house = HouseCode::from_entropy(7);
        let version = VersionId::from_entropy(house, 12_345);
        let id = OutputId::of(&version, u128::MAX / 7);
        let back: OutputId = id.as_str().parse().unwrap();
        assert_eq!((back.version(), back.house()), (Some(version), house));
        assert!("wsout-111111".parse::<OutputId>().is_err());
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        let check = |text: &str| assert!(text.parse::<WorkspaceId>().is_err(), "{text}");
        check("");
        check("ws-");
        check("prj-111111aaaaaaaaaaaaaaaa");
        check("ws-111111aaaaaaaaaaaaaaa");
        check("ws-111111aaaaaaaaaaaaaaa0");
        check("ws-111111aaaaaaaaaaaaaaa/");
        check(&"é".repeat(13));
    }

    #[test]
    fn ids_that_stand_for_others_lead_back_to_them() {
        let house = HouseCode::from_entropy(42);
        let user = UserId::from_entropy(u128::MAX / 7);
        let membership = MembershipId::of(house, &user);
        assert_eq!(membership.as_str().parse(), Ok(membership.clone()));
        assert_eq!((membership.house(), membership.user()), (house, user));
        let grant = GrantId::from_entropy(house, u128::MAX / 5);
        let (workspace, project) = (TeamWorkspaceId::from(&grant), TeamProjectId::from(&grant));
        assert_eq!(workspace.as_str().parse(), Ok(workspace.clone()));
        assert_eq!(project.as_str().parse(), Ok(project.clone()));
        assert_eq!(GrantId::from(&workspace), grant);
        assert_eq!(GrantId::from(&project), grant);
        let run = RunId::from_entropy(house, u128::MAX / 9);
        let (plan, apply) = (PlanId::from(&run), ApplyId::from(&run));
        assert_eq!(plan.as_str().parse(), Ok(plan.clone()));
        assert_eq!(RunId::from(&plan), run);
        assert_eq!(RunId::from(&apply), run);
        let (stage, evaluation) = (TaskStageId::from(&run), PolicyEvaluationId::from(&run));
        assert_eq!(stage.as_str().parse(), Ok(stage.clone()));
        assert_eq!(evaluation.as_str().parse(), Ok(evaluation.clone()));
        assert_eq!(RunId::from(&stage), run);
        assert_eq!(RunId::from(&evaluation), run);
        let set = PolicySetId::from_entropy(house, u128::MAX / 11);
        let outcome = PolicyOutcomeId::of(&run, &set);
        assert_eq!(outcome.as_str().parse(), Ok(outcome.clone()));
        assert_eq!((outcome.house(), outcome.run()), (house, Some(run.clone())));
        let assessment = AssessmentId::from(&run);
        assert_eq!(assessment.as_str().parse(), Ok(assessment.clone()));
        assert_eq!(RunId::from(&assessment), run);
        let owners = TeamId::owners(house);
        assert_eq!(owners.as_str().parse(), Ok(owners.clone()));
        assert!(owners.is_owners() && !TeamId::from_entropy(house, 1).is_owners());
    }

    #[test]
    fn the_site_is_a_house_by_name() {
        assert!("site".parse::<HouseCode>().unwrap().is_site());
        assert!("sit".parse::<HouseCode>().is_err());
        assert!(
            "site11"
                .parse::<HouseCode>()
                .is_ok_and(|code| !code.is_site())
        );
        assert_eq!(HouseCode::SITE.to_string(), "site");
    }
}
