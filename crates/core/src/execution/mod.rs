//! Where the runs of a workspace happen, with which tool, and who must agree to what
//! they apply.
//!
//! Each is said of the organization, of a project or of a workspace, and a scope
//! keeps only what was said of it. Where runs happen, and with which tool, the
//! narrowest scope that says so decides. What an apply needs can only be tightened
//! on the way in: the most approvals that any scope asks for count, and the author
//! may be one of them where a scope allows it and none forbids it; and where one
//! wants a plan's JSON derived again before each apply, it is. Where nothing is
//! said, terraform runs where its client is, and nobody is asked. What an approval
//! needs is looked at when it is needed, beside what was bound when the run was
//! judged: who tightens it tightens it for what waits, who loosens it does not.

pub(crate) mod sql;
mod tool;

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use statehouse_model::{AgentPoolId, Permission};

use crate::access::{self, ORGANIZATION, Scope};
use crate::agent;
use crate::ctx::Ctx;
use crate::door::{self, Action, Entry, Outcome, Target, Tx, actions};
use crate::error::{Error, Result};
use crate::policy::saved::{self, Trial};
use crate::record::{Record, Rows};
use crate::workspace::Workspace;
use crate::workspace::sql::Workspace as Row;
use sql::{Execution, ExecutionTool, Said};
pub use tool::{Tool, tool};

actions! {
    /// Say where runs happen, with which tool, and who must agree.
    SetExecution = "execution.set" needs RunConfigure;
    /// See it.
    ShowExecution = "execution.show" needs WorkspaceRead;
}

/// Most approvals that can be asked for: more people do not agree on a change.
const APPROVALS_MAX: u64 = 100;
/// What is told of a word that somebody sent, in letters.
const SHOWN_MAX: usize = 64;

/// Where a run happens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Mode {
    /// Where terraform was started.
    #[default]
    Local,
    /// With a runner of the server.
    Remote,
    /// With an agent of a pool.
    Agent(AgentPoolId),
}

/// Stands between the word and the pool in a row.
const OF: char = ':';

impl Mode {
    /// The word on the wire.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Agent(_) => "agent",
        }
    }

    /// What a word on the wire means, with the pool that is named beside it.
    pub fn of(word: &str, pool: Option<AgentPoolId>) -> Result<Self> {
        match (word, pool) {
            ("agent", Some(pool)) => Ok(Self::Agent(pool)),
            ("agent", None) => Err(Error::invalid("the execution mode `agent` needs a pool")
                .hint("name one of those that `statehouse agent-pool list` shows")),
            ("local", None) => Ok(Self::Local),
            ("remote", None) => Ok(Self::Remote),
            ("local" | "remote", Some(_)) => Err(Error::invalid(
                "a pool of agents goes with the execution mode `agent` alone",
            )),
            (word, _) => {
                let word: String = word.chars().take(SHOWN_MAX).collect();
                Err(Error::invalid(format!(
                    "`{word}` is no execution mode; known are `local`, `remote` and `agent`"
                )))
            }
        }
    }

    /// The pool whose agents do it.
    pub fn pool(&self) -> Option<&AgentPoolId> {
        match self {
            Self::Agent(pool) => Some(pool),
            Self::Local | Self::Remote => None,
        }
    }

    /// As a row holds it.
    fn said(&self) -> String {
        match self.pool() {
            Some(pool) => format!("{}{OF}{pool}", self.as_str()),
            None => self.as_str().to_owned(),
        }
    }

    /// What a row means.
    fn read(said: &str) -> Option<Self> {
        match said.split_once(OF) {
            Some((word, pool)) => Self::of(word, Some(pool.parse().ok()?)).ok(),
            None => Self::of(said, None).ok(),
        }
    }

    /// What a leaf says of it.
    pub(crate) fn told(&self, entry: Entry) -> Entry {
        let entry = entry.fact("mode", self.as_str());
        match self.pool() {
            Some(pool) => entry.fact("pool", pool.as_str()),
            None => entry,
        }
    }

    /// Refuses a pool that is not there, and one that the caller may not see: whoever has runs happen with it has
    /// their configuration run in its network.
    async fn require<A: Action>(&self, tx: &mut Tx<A>, ctx: &Ctx) -> Result<()> {
        let Some(pool) = self.pool() else {
            return Ok(());
        };
        let now = tx.now();
        access::decide(tx, ctx, Permission::AgentRead, &Target::House, now).await?;
        agent::sql::needed(tx, pool).await.map(drop)
    }
}

/// Before which applies what people and policies judged, a plan's JSON and the same for the screen, is derived from the
/// plan file again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Reverify {
    /// Before those of a runner that need not trust the one that planned: each of an agent. The places of a server trust
    /// one another.
    #[default]
    AnotherRunner,
    /// Before each.
    Always,
}

impl Reverify {
    /// The word on the wire, and in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AnotherRunner => "another-runner",
            Self::Always => "always",
        }
    }
}

impl FromStr for Reverify {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "another-runner" => Ok(Self::AnotherRunner),
            "always" => Ok(Self::Always),
            word => {
                let word: String = word.chars().take(SHOWN_MAX).collect();
                Err(Error::invalid(format!(
                    "`{word}` does not say when to derive a plan's JSON again; known are `another-runner` and `always`"
                )))
            }
        }
    }
}

/// Where runs happen, and who must agree: what is in force somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Where runs happen.
    pub mode: Mode,
    /// The tool that they use; `None` where a row names none that is known, and then no run begins.
    pub tool: Option<Tool>,
    /// How many people must approve what is to be applied.
    pub approvals: u64,
    /// Whether who started a run may be one of them.
    pub author_approves: bool,
    /// Before which applies the JSON of a plan is derived again.
    pub reverify: Reverify,
    /// The narrowest scope that says any of it; `None` where nothing is said.
    pub scope: Option<String>,
}

impl InForce {
    /// Whether the same is in force, whichever scope says it.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        let unsaid = |found: &Self| Self {
            scope: None,
            ..found.clone()
        };
        unsaid(self) == unsaid(other)
    }

    /// What is in force by what these scopes say, the narrowest first.
    fn of<'r>(said: impl IntoIterator<Item = &'r Said>) -> Self {
        let said: Vec<_> = said
            .into_iter()
            .filter(|said| said.says_something())
            .collect();
        let named = said.iter().find_map(|said| said.tool.as_deref());
        let said: Vec<_> = said.iter().map(|said| &said.execution).collect();
        let mode = said.iter().find_map(|row| row.mode.as_deref());
        let authors = || said.iter().filter_map(|row| row.author_approves);
        Self {
            // A word that nobody can have written counts as the strictest reading
            // of it: nothing runs here.
            mode: mode.and_then(Mode::read).unwrap_or_default(),
            tool: tool::read(named),
            approvals: said
                .iter()
                .filter_map(|row| row.approvals)
                .max()
                .unwrap_or(0),
            author_approves: authors().any(|may| may) && authors().all(|may| may),
            reverify: said
                .iter()
                .filter_map(|row| row.reverify.as_deref())
                // As above, the strictest.
                .map(|word| word.parse().unwrap_or(Reverify::Always))
                .max()
                .unwrap_or_default(),
            scope: said.first().map(|row| row.scope.clone()),
        }
    }
}

impl Said {
    fn says_something(&self) -> bool {
        let said = &self.execution;
        self.tool.is_some()
            || said.mode.is_some()
            || said.approvals.is_some()
            || said.author_approves.is_some()
            || said.reverify.is_some()
    }
}

impl Execution {
    /// A scope of which nothing is said.
    fn silent(scope: String) -> Self {
        Self {
            scope,
            mode: None,
            approvals: None,
            author_approves: None,
            reverify: None,
            set_by: String::new(),
            set_at: 0,
        }
    }
}

/// What becomes of something that a scope says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Word<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// The scope says nothing of it any more: what the wider ones say counts.
    Unsay,
    /// The scope says this.
    Say(T),
}

impl<T: Clone> Word<T> {
    fn over(&self, old: Option<T>) -> Option<T> {
        match self {
            Self::Keep => old,
            Self::Unsay => None,
            Self::Say(new) => Some(new.clone()),
        }
    }
}

impl Word<Reverify> {
    /// As a row holds it.
    fn said(self) -> Word<String> {
        match self {
            Self::Keep => Word::Keep,
            Self::Unsay => Word::Unsay,
            Self::Say(reverify) => Word::Say(reverify.as_str().to_owned()),
        }
    }
}

/// What to say.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Where runs happen.
    pub mode: Word<Mode>,
    /// The tool that they use.
    pub tool: Word<Tool>,
    /// How many people must approve.
    pub approvals: Word<u64>,
    /// Whether who started a run may be one of them.
    pub author_approves: Word<bool>,
    /// Before which applies the JSON of a plan is derived again.
    pub reverify: Word<Reverify>,
}

impl Wish {
    /// What a scope says when this is said over what it said.
    fn over(&self, old: &Said) -> Said {
        let before = &old.execution;
        let mode = match &self.mode {
            Word::Say(mode) => Word::Say(mode.said()),
            Word::Unsay => Word::Unsay,
            Word::Keep => Word::Keep,
        };
        Said {
            execution: Execution {
                mode: mode.over(before.mode.clone()),
                approvals: self.approvals.over(before.approvals),
                author_approves: self.author_approves.over(before.author_approves),
                reverify: self.reverify.said().over(before.reverify.clone()),
                ..before.clone()
            },
            tool: self.tool.said().over(old.tool.clone()),
        }
    }
}

/// Says where the runs of a scope happen, with which tool, and who must agree.
pub async fn set(ctx: &Ctx, scope: Scope, wish: Wish) -> Result<InForce> {
    if matches!(wish.approvals, Word::Say(count) if count > APPROVALS_MAX) {
        let words = format!("at most {APPROVALS_MAX} approvals can be asked for");
        return Err(Error::invalid(words));
    }
    let given = Arc::new((scope, wish, ctx.clone()));
    saved::judged(ctx, |trial| put(ctx, given.clone(), trial)).await
}

async fn put(ctx: &Ctx, given: Arc<(Scope, Wish, Ctx)>, trial: Trial) -> Result<InForce> {
    let target = given.0.target();
    door::change(ctx, SetExecution, target, move |tx| {
        let (given, trial) = (given.clone(), trial.clone());
        Box::pin(async move {
            let (scope, wish, ctx) = &*given;
            let old = sql::said_of(tx, &scope.text()).await?;
            if let Word::Say(mode) = &wish.mode {
                mode.require(tx, ctx).await?;
            }
            let said = wish.over(&old);
            let is_same = said.execution.values() == old.execution.values();
            if is_same && said.tool == old.tool {
                return Ok(Outcome::Unchanged(in_scope(tx, scope).await?));
            }
            let (set_by, set_at) = (ctx.actor().id().to_owned(), tx.now());
            if !is_same {
                tx.put(&Execution {
                    set_by: set_by.clone(),
                    set_at,
                    ..said.execution.clone()
                })
                .await?;
            }
            if said.tool != old.tool {
                tx.put(&ExecutionTool {
                    scope: scope.text(),
                    tool: said.tool.clone(),
                    set_by,
                    set_at,
                })
                .await?;
            }
            if let Scope::Workspace(id) = scope {
                let workspace = Workspace::Id(id.clone());
                let workspace = crate::workspace::sql::needed(tx, &workspace).await?;
                trial.require(tx, ctx, &workspace).await?;
            }
            let entry = trial.told(told(Entry::new(scope.text()), &said));
            Ok(Outcome::Recorded(in_scope(tx, scope).await?, entry))
        })
    })
    .await
}

/// What a leaf says of it: what the scope says from now on.
fn told(mut entry: Entry, said: &Said) -> Entry {
    let row = &said.execution;
    if let Some(mode) = row.mode.as_deref().and_then(Mode::read) {
        entry = mode.told(entry);
    }
    if let Some(tool) = said.tool.as_deref() {
        entry = entry.fact("tool", tool);
    }
    if let Some(approvals) = row.approvals {
        entry = entry.fact("approvals", approvals);
    }
    if let Some(author_approves) = row.author_approves {
        entry = entry.fact("author-approves", author_approves);
    }
    if let Some(reverify) = row.reverify.as_deref() {
        entry = entry.fact("reverify", reverify);
    }
    entry
}

/// Lets the runs of a workspace happen somewhere, beside another change of it, and
/// says whether that is another place than before. It needs the permission for it.
pub(crate) async fn place<A: Action>(
    tx: &mut Tx<A>,
    ctx: &Ctx,
    workspace: &Row,
    mode: Option<Mode>,
) -> Result<bool> {
    let (now, in_force) = (tx.now(), of(tx, workspace).await?);
    let Some(mode) = mode.filter(|mode| *mode != in_force.mode) else {
        return Ok(false);
    };
    let target = Target::Workspace(Workspace::Id(workspace.id.clone()));
    access::decide(tx, ctx, Permission::RunConfigure, &target, now).await?;
    mode.require(tx, ctx).await?;
    let own = sql::of_scope(tx, workspace.id.as_str()).await?;
    let own = own.unwrap_or_else(|| Execution::silent(workspace.id.to_string()));
    tx.put(&Execution {
        mode: Some(mode.said()),
        set_by: ctx.actor().id().to_owned(),
        set_at: now,
        ..own
    })
    .await?;
    Ok(true)
}

/// What is in force in a scope.
async fn in_scope(rows: &mut Rows, scope: &Scope) -> Result<InForce> {
    if let Scope::Workspace(id) = scope {
        let workspace = Workspace::Id(id.clone());
        let workspace = crate::workspace::sql::needed(rows, &workspace).await?;
        return of(rows, &workspace).await;
    }
    let own = sql::said_of(rows, &scope.text()).await?;
    let all = match scope {
        Scope::Organization => None,
        _ => Some(sql::said_of(rows, ORGANIZATION).await?),
    };
    Ok(InForce::of([&own].into_iter().chain(&all)))
}

/// What is in force in a scope, for whoever may see it.
pub async fn show(ctx: &Ctx, scope: Scope) -> Result<InForce> {
    let target = scope.target();
    door::read(ctx, ShowExecution, &target, move |rows| {
        Box::pin(async move { in_scope(rows, &scope).await })
    })
    .await
}

/// Whether any scope says that runs happen with a pool.
pub(crate) async fn names(rows: &mut Rows, pool: &AgentPoolId) -> Result<Option<String>> {
    let said = Mode::Agent(pool.clone()).said();
    let found = sql::that_say(rows, &said).await?;
    Ok(found.into_iter().next().map(|row| row.scope))
}

/// What is in force for one workspace.
pub(crate) async fn of(rows: &mut Rows, workspace: &Row) -> Result<InForce> {
    let said = sql::around(rows, std::slice::from_ref(workspace)).await?;
    Ok(among(&said, workspace))
}

/// The same, from what [`sql::around`] found.
pub(crate) fn among(said: &HashMap<String, Said>, workspace: &Row) -> InForce {
    let scopes = [
        workspace.id.as_str(),
        workspace.project.as_str(),
        ORGANIZATION,
    ];
    InForce::of(scopes.into_iter().filter_map(|scope| said.get(scope)))
}
