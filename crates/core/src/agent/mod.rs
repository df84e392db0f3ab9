//! Agents: runners on other machines, in pools, for what this server cannot reach or must not touch.
//!
//! A workspace whose execution mode is `agent` names a pool, and jobs of its runs are
//! taken by agents of that pool alone. An agent has a token of its pool and nothing
//! else; with it, it takes jobs, asks for what belongs to them, and hands over a state
//! that a lost runner left. Each ask is held against the row of the job: the pool, the
//! holder, the lease. What comes of a job is then done as its run, like that of the
//! server's own runners ([`crate::run::work`]).
//!
//! Absent on purpose: rows for agents. Whoever shows a token of a pool is one of its
//! agents; who was heard of lately is known in memory ([`Present`]).

mod present;
pub(crate) mod sql;

use std::time::Duration;

use statehouse_model::{Actor, AgentPoolId, HouseTokenId, JobId, Name, RunId, TokenOwner};

pub use present::AgentView;
pub(crate) use present::Present;

use crate::access::RUNS;
use crate::ctx::Ctx;
use crate::door::{self, Action, Entry, Outcome, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::execution;
use crate::job::{self, Holder, Sandbox, Step};
use crate::run::{self, work};
use crate::token;
use sql::AgentPool;

actions! {
    /// Make a pool.
    CreatePool = "agent-pool.create" needs AgentManage;
    /// See pools, and which agents there are.
    ListPools = "agent-pool.list" needs AgentRead;
    /// End one, and its tokens.
    DeletePool = "agent-pool.delete" needs AgentManage;
    /// Look for a job of one's own pool.
    TakeJob = "agent.take" needs AgentWork;
    /// Ask something for a job that one holds.
    AskForJob = "agent.ask" needs AgentWork;
    /// Hand over a state that a lost runner left.
    HandOver = "agent.hand-over" needs AgentWork;
}

/// How long an agent waits for a job in one question, at most.
pub const WAIT_MAX: Duration = Duration::from_secs(30);
/// Pools of one organization: more networks than one has.
const POOLS_MAX: usize = 100;
/// Longest name of a place of an agent, in bytes: a host's, and a number.
const HOLDER_LEN_MAX: usize = 128;

/// A pool, for people and programs to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPoolView {
    /// Its id.
    pub id: String,
    /// Its name, unique in the organization.
    pub name: String,
    /// When it was made, in microseconds since 1970.
    pub created_at: i64,
}

impl From<AgentPool> for AgentPoolView {
    fn from(pool: AgentPool) -> Self {
        Self {
            id: pool.id.to_string(),
            name: pool.name.to_string(),
            created_at: pool.created_at,
        }
    }
}

/// Makes a pool; its name must be free.
pub async fn create(ctx: &Ctx, name: Name) -> Result<AgentPoolView> {
    let id = AgentPoolId::from_entropy(ctx.house().code(), crate::entropy());
    door::change(ctx, CreatePool, Target::House, move |tx| {
        let pool = AgentPool {
            id: id.clone(),
            name: name.clone(),
            created_at: tx.now(),
        };
        Box::pin(async move {
            if sql::by_name(tx, &pool.name).await?.is_some() {
                let words = format!("a pool of agents named `{}` exists", pool.name);
                return Err(Error::new(Kind::Conflict, words));
            }
            if sql::all(tx).await?.len() >= POOLS_MAX {
                let words = format!("there are {POOLS_MAX} pools of agents already");
                return Err(Error::new(Kind::Conflict, words).hint("delete some"));
            }
            tx.put(&pool).await?;
            let entry = Entry::new(&pool.id);
            Ok(Outcome::Recorded(pool.into(), entry))
        })
    })
    .await
}

/// Every pool, by name.
pub async fn list(ctx: &Ctx) -> Result<Vec<AgentPoolView>> {
    door::read(ctx, ListPools, &Target::House, |rows| {
        Box::pin(async move {
            let found = sql::all(rows).await?;
            Ok(found.into_iter().map(AgentPoolView::from).collect())
        })
    })
    .await
}

/// One pool.
pub async fn show(ctx: &Ctx, id: AgentPoolId) -> Result<AgentPoolView> {
    door::read(ctx, ListPools, &Target::House, move |rows| {
        Box::pin(async move { sql::needed(rows, &id).await.map(AgentPoolView::from) })
    })
    .await
}

/// Ends a pool and its tokens. One that somebody relies on stays: runs would wait for it for ever.
pub async fn delete(ctx: &Ctx, id: AgentPoolId) -> Result<()> {
    door::change(ctx, DeletePool, Target::House, move |tx| {
        let (id, now) = (id.clone(), tx.now());
        Box::pin(async move {
            let pool = sql::needed(tx, &id).await?;
            if let Some(scope) = execution::names(tx, &id).await? {
                let words = format!(
                    "runs happen with the pool `{}`, as is said of {scope}",
                    pool.name
                );
                return Err(Error::new(Kind::Conflict, words)
                    .hint("say another execution mode there first: `statehouse execution set`"));
            }
            if job::sql::open_count(tx, Some(&id)).await? > 0 {
                let words = format!("jobs wait for the pool `{}`, or are done there", pool.name);
                return Err(Error::new(Kind::Conflict, words).hint("cancel their runs first"));
            }
            if let Some(run) = run::sql::planned_with(tx, &id).await? {
                let words = format!(
                    "what {run} planned is applied by the pool `{}` alone",
                    pool.name
                );
                return Err(Error::new(Kind::Conflict, words).hint(
                    "apply or discard it first, and where its apply was lost unlock its workspace",
                ));
            }
            let owner = TokenOwner::Pool(id.clone());
            for live in token::sql::of_bearer(tx, Some(&owner)).await? {
                token::house::end(tx, live, now).await?;
            }
            tx.remove::<AgentPool>(&[id.as_str().into()]).await?;
            Ok(Outcome::Recorded((), Entry::new(&id)))
        })
    })
    .await
}

/// How an agent describes a place of its own.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What the place is called: the agent's name, and a number.
    pub holder: String,
    /// The level of its sandboxes.
    pub sandbox: String,
    /// Why that is not `strict`.
    pub sandbox_reason: Option<String>,
}

/// Asks inside the door whether the caller is an agent, and which pool it is of. Whoever
/// else may come this far has no jobs: for them there is none.
async fn as_agent<A: Action>(ctx: &Ctx, action: A) -> Result<(AgentPoolId, HouseTokenId)> {
    let actor = ctx.actor().clone();
    door::read(ctx, action, &Target::House, move |rows| {
        Box::pin(async move {
            let Actor::Pool { pool, token } = actor else {
                return Err(Error::not_found("job"));
            };
            sql::needed(rows, &pool).await?;
            Ok((pool, token))
        })
    })
    .await
}

/// Who would take a job for the caller.
pub(crate) async fn holder(ctx: &Ctx, wish: &Wish) -> Result<Holder> {
    let (pool, token) = as_agent(ctx, TakeJob).await?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    let length = wish.holder.len();
    if !(1..=HOLDER_LEN_MAX).contains(&length) || !wish.holder.bytes().all(plain) {
        let words = format!(
            "a place of an agent has a name of 1 to {HOLDER_LEN_MAX} letters, digits and `-_./`"
        );
        return Err(Error::invalid(words));
    }
    Ok(Holder {
        name: wish.holder.clone(),
        pool: Some(pool),
        sandbox: Sandbox::told(&wish.sandbox, wish.sandbox_reason.as_deref())?,
        token: Some(token),
    })
}

/// The line of a job that the caller holds, as its row says now, and the caller's pool.
pub(crate) async fn line(ctx: &Ctx, id: JobId, holder: &str) -> Result<(work::Line, AgentPoolId)> {
    let (pool, token) = as_agent(ctx, AskForJob).await?;
    let (holder, now, task) = (holder.to_owned(), ctx.house().now(), ctx.as_task(RUNS));
    let asked = task.clone();
    door::read(&task, work::ReadJob, &Target::House, move |rows| {
        Box::pin(async move {
            let job = job::held(rows, &id).await?;
            if job.pool.as_ref() != Some(&pool) {
                return Err(Error::not_found("job"));
            }
            // What an agent is called it says itself; whose token it has it does not.
            let held = job.holder.as_deref() == Some(holder.as_str())
                && job.token.as_ref() == Some(&token);
            if !held || job.lease_until.is_none_or(|until| until < now) {
                let words =
                    "the job is not in the hands of who asks: its lease is over, or another's";
                return Err(
                    Error::new(Kind::Conflict, words).hint("stop; another has it, or nobody")
                );
            }
            let workspace = run::needed(rows, &job.run).await?.workspace;
            Ok((work::Line::of(&asked, job, workspace), pool))
        })
    })
    .await
}

/// What a run left with an agent of the caller's pool, which applied it.
pub async fn left(ctx: &Ctx, run: RunId) -> Result<work::Left> {
    let (pool, _) = as_agent(ctx, HandOver).await?;
    let (task, wanted, now) = (ctx.as_task(RUNS), run.clone(), ctx.house().now());
    door::read(&task, work::ReadJob, &Target::House, move |rows| {
        Box::pin(async move {
            let applied = job::sql::last_of(rows, &wanted, Step::Apply.as_str()).await?;
            let own = applied.is_some_and(|job| job.pool == Some(pool));
            own.then_some(()).ok_or_else(|| Error::not_found("run"))?;
            // Whoever holds the job writes the states, and nobody beside it.
            let held = job::sql::open_of(rows, &wanted).await?;
            if held.is_some_and(|job| job.lease_until.is_some_and(|until| until >= now)) {
                let words = format!("{wanted} is being applied: its runner is not lost yet");
                return Err(Error::new(Kind::Unavailable, words));
            }
            Ok(())
        })
    })
    .await?;
    work::Left::of(&task, run).await
}
