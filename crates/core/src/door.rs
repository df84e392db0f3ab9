//! The one door: every use of stored data passes here.
//!
//! [`change`] authorizes, transacts, records and announces; [`read`]
//! authorizes and, where the action is sensitive, records before the bytes
//! leave. A [`Tx`] can be had nowhere else, its type says which action was
//! allowed, and a body can only end with an [`Outcome`] that carries the
//! ledger entry, so a change without a permission check or without an entry
//! does not compile.
//!
//! Bodies are re-runnable jobs without outside effects and with two seconds.
//! Encryption, parsing and digests happen before the door; everything that
//! other systems see happens after it. Deliberately absent: a way to skip the
//! check. Background tasks pass the same door under names of their own.

mod ahead;
mod batch;
mod reads;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use batch::{Batch, RowChange, detail_context};
pub(crate) use reads::{Reads, object_of};
pub(crate) use writer::{Work, Writer};

use std::future::Future;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use statehouse_model::{Name, Permission, ProjectId};
use statehouse_seal::Keyring;
use tokio::sync::oneshot;

use crate::access::{self, Reach};
use crate::ctx::Ctx;
use crate::db::{DbError, Trouble, Value};
use crate::error::{Error, Result};
use crate::house::House;
use crate::record::{self, Ask, Record, Rows, Table};
use crate::workspace::Workspace;

/// How long a body may take.
const BODY_MAX: Duration = Duration::from_secs(2);

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Something that can be done: its name in the ledger and the permission it needs.
pub(crate) trait Action: Send + Sync + Copy + 'static {
    const ACTION: Self;
    const NAME: &'static str;
    const PERMISSION: Permission;
}

/// Declares actions: `Name = "ledger.name" needs Permission;`
macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal needs $permission:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy)]
            pub(crate) struct $name;

            impl $crate::door::Action for $name {
                const ACTION: Self = Self;
                const NAME: &'static str = $text;
                const PERMISSION: statehouse_model::Permission = statehouse_model::Permission::$permission;
            }
        )*
    };
}
pub(crate) use actions;

/// What an action is done to; permissions are asked along its parents.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// The house itself: the organization, or the site.
    House,
    /// A project of the house.
    Project(ProjectId),
    /// The same, by its name.
    ProjectNamed(Name),
    /// A workspace of the house.
    Workspace(Workspace),
}

/// The ledger entry of a change, as its body states it.
pub(crate) struct Entry {
    pub(crate) object: String,
    pub(crate) facts: serde_json::Map<String, serde_json::Value>,
    pub(crate) detail: Option<(&'static str, String)>,
}

impl Entry {
    pub(crate) fn new(object: impl ToString) -> Self {
        Self {
            object: object.to_string(),
            facts: serde_json::Map::new(),
            detail: None,
        }
    }

    /// States a fact: an id, an integer, a digest or an enumerated word.
    #[must_use]
    pub(crate) fn fact(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    /// Adds free text (a reason). It is sealed; the leaf commits to it.
    #[must_use]
    pub(crate) fn detail(self, text: Option<&str>) -> Self {
        self.detail_as("detail", text)
    }

    /// The same, with the commitment under another name.
    #[must_use]
    pub(crate) fn detail_as(mut self, name: &'static str, text: Option<&str>) -> Self {
        self.detail = text.map(|text| (name, text.to_owned()));
        self
    }
}

/// How a body ended well.
pub(crate) enum Outcome<T> {
    /// Something changed, or happened that must leave a trace.
    Recorded(T, Entry),
    /// Nothing was written; a body that wrote may not end so.
    Unchanged(T),
}

/// The writing side of a transaction, after `A` was allowed.
pub(crate) struct Tx<A> {
    batch: Batch,
    actor: String,
    action: PhantomData<A>,
}

impl<A> Deref for Tx<A> {
    type Target = Rows;

    fn deref(&self) -> &Rows {
        &self.batch.rows
    }
}

impl<A> DerefMut for Tx<A> {
    fn deref_mut(&mut self) -> &mut Rows {
        &mut self.batch.rows
    }
}

impl<A: Action> Tx<A> {
    /// The instant of the change, in microseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.batch.now
    }

    /// Who makes the change.
    pub(crate) fn actor(&self) -> &str {
        &self.actor
    }

    /// The index of the leaf that the change will be.
    pub(crate) fn leaf(&self) -> u64 {
        self.batch.chain.size()
    }

    /// Writes a record, new or in place of the one with its key.
    pub(crate) async fn put<R: Record>(&mut self, record: &R) -> Result<()> {
        let values = record.values();
        let salt: [u8; 16] = crate::entropy().to_be_bytes();
        let digest = record::digest(R::TABLE, R::COLUMNS, &values, &salt);
        let leaf = self.leaf();
        let mac = self
            .keyring
            .row_mac(&record::mac_message(R::TABLE, leaf, &digest));
        let key = record::key_of(&values, R::KEY_LEN);
        let mut cells = values;
        cells.extend([salt.to_vec().into(), Value::from(leaf), mac.to_vec().into()]);
        self.batch.touched = true;
        self.wrote(R::TABLE, cells.get(..R::KEY_LEN).unwrap_or_default());
        self.transaction
            .execute_one(&record::upsert::<R>(), cells, R::TABLE)
            .await?;
        self.batch.changes.push(RowChange {
            table: R::TABLE,
            key,
            put: true,
            digest,
        });
        Ok(())
    }

    /// Removes the record with this key, which must exist.
    pub(crate) async fn remove<R: Record>(&mut self, key: &[Value]) -> Result<()> {
        let table = Table::of::<R>();
        let sql = format!("{} WHERE {}", table.select(), table.by_key());
        let found = self
            .transaction
            .query(&sql, key)
            .await?
            .pop()
            .ok_or_else(|| Error::not_found(R::TABLE))?;
        let stored = table.stored(found)?;
        self.batch.touched = true;
        self.wrote(R::TABLE, key);
        self.transaction
            .execute_one(&record::delete::<R>(), key.to_vec(), R::TABLE)
            .await?;
        self.batch.changes.push(RowChange {
            table: R::TABLE,
            key: stored.key,
            put: false,
            digest: stored.digest,
        });
        Ok(())
    }

    /// Writes a row that no MAC covers, exactly one.
    pub(crate) async fn put_one_outside(
        &mut self,
        sql: &str,
        values: Vec<Value>,
        table: &'static str,
    ) -> Result<()> {
        self.batch.touched = true;
        Ok(self.transaction.execute_one(sql, values, table).await?)
    }

    /// Writes columns that no MAC covers ([`record::OUTSIDE`]).
    pub(crate) async fn put_outside(&mut self, sql: &str, values: &[Value]) -> Result<u64> {
        self.batch.touched = true;
        Ok(self.transaction.execute(sql, values).await?)
    }

    /// Makes later leaves, rows and checkpoints use `keyring`, from the
    /// commit of this change on.
    ///
    /// A batch switches once: its one checkpoint is signed with the keys
    /// before and after, and there may not be three.
    pub(crate) fn use_keyring(&mut self, keyring: Arc<Keyring>) -> Result<()> {
        if self.batch.new_keyring.is_some() {
            return Err(
                Error::unavailable("the keys are being changed at this moment").hint("try again"),
            );
        }
        self.batch.new_keyring = Some(keyring);
        Ok(())
    }

    /// The origin line of the checkpoints so far.
    pub(crate) fn origin(&self) -> &str {
        self.batch.chain.origin()
    }

    /// Gives checkpoints from this change on another origin line.
    pub(crate) fn use_origin(&mut self, origin: String) {
        self.batch.chain.set_origin(origin);
    }
}

/// Runs `body` as one change: allowed, atomic, recorded, announced.
///
/// The body may run more than once. A caller that goes away does not stop it.
pub(crate) async fn change<A, T, F>(ctx: &Ctx, action: A, target: Target, body: F) -> Result<T>
where
    A: Action,
    T: Send + 'static,
    F: for<'t> Fn(&'t mut Tx<A>) -> BoxFuture<'t, Result<Outcome<T>>> + Send + Sync + 'static,
{
    planned(ctx, action, target, Plan::default(), body).await
}

/// What is known of a body before it runs.
#[derive(Default)]
pub(crate) struct Plan {
    /// About how many bytes it writes, so that a batch stays within its limit.
    pub(crate) weight: usize,
    /// What it will ask, beside its target and the actor's rights.
    pub(crate) asks: Vec<Ask>,
}

/// [`change`] for a body of which something is known.
pub(crate) async fn planned<A, T, F>(
    ctx: &Ctx,
    action: A,
    target: Target,
    plan: Plan,
    body: F,
) -> Result<T>
where
    A: Action,
    T: Send + 'static,
    F: for<'t> Fn(&'t mut Tx<A>) -> BoxFuture<'t, Result<Outcome<T>>> + Send + Sync + 'static,
{
    if let Err(error) = ctx.house().writable() {
        // Whoever may not do this learns nothing of the house's state.
        Box::pin(may(ctx, action, &target)).await?;
        return Err(error);
    }
    enqueue(ctx, action, target, plan, body).await
}

/// [`change`] in a house that is read-only: only a declared restore may.
pub(crate) async fn unguarded<A, T, F>(ctx: &Ctx, action: A, target: Target, body: F) -> Result<T>
where
    A: Action,
    T: Send + 'static,
    F: for<'t> Fn(&'t mut Tx<A>) -> BoxFuture<'t, Result<Outcome<T>>> + Send + Sync + 'static,
{
    enqueue(ctx, action, target, Plan::default(), body).await
}

async fn enqueue<A, T, F>(ctx: &Ctx, _: A, target: Target, plan: Plan, body: F) -> Result<T>
where
    A: Action,
    T: Send + 'static,
    F: for<'t> Fn(&'t mut Tx<A>) -> BoxFuture<'t, Result<Outcome<T>>> + Send + Sync + 'static,
{
    let (answer, answered) = oneshot::channel();
    let change = Change {
        ctx: ctx.clone(),
        target,
        plan,
        body,
        result: None,
        answer,
        action: PhantomData::<A>,
    };
    ctx.house().submit(Box::new(change)).await?;
    answered.await.unwrap_or_else(|_| {
        Err(
            Error::unavailable("the writer of this organization stopped before it answered")
                .hint("whether the change was made is not known; read before you repeat it"),
        )
    })
}

/// A change on its way through the writer.
struct Change<A, T, F> {
    ctx: Ctx,
    target: Target,
    plan: Plan,
    body: F,
    result: Option<Result<T>>,
    answer: oneshot::Sender<Result<T>>,
    action: PhantomData<A>,
}

impl<A, T, F> Work for Change<A, T, F>
where
    A: Action,
    T: Send + 'static,
    F: for<'t> Fn(&'t mut Tx<A>) -> BoxFuture<'t, Result<Outcome<T>>> + Send + Sync + 'static,
{
    fn weight(&self) -> usize {
        self.plan.weight
    }

    fn asks(&self) -> Vec<Ask> {
        let mut asks = access::asks(&self.ctx, &self.target);
        asks.extend_from_slice(&self.plan.asks);
        asks
    }

    fn ctx(&self) -> &Ctx {
        &self.ctx
    }

    fn action(&self) -> (&'static str, Permission) {
        (A::NAME, A::PERMISSION)
    }

    fn run(&mut self, batch: Batch) -> BoxFuture<'_, (Batch, Option<Entry>)> {
        Box::pin(async move {
            let mut tx = Tx::<A> {
                batch,
                actor: self.ctx.actor().id().to_owned(),
                action: PhantomData,
            };
            let decided = tokio::time::timeout(
                BODY_MAX,
                decide_and_run(&mut tx, &self.ctx, &self.target, &self.body),
            )
            .await;
            let outcome = decided.unwrap_or_else(|_| Err(too_slow()));
            let mut batch = tx.batch;
            let (result, entry) = match outcome {
                Ok(Outcome::Recorded(value, entry)) => (Ok(value), Some(entry)),
                Ok(Outcome::Unchanged(_)) if batch.touched => (
                    Err(Error::internal(format!(
                        "`{}` wrote and recorded nothing",
                        A::NAME
                    ))),
                    None,
                ),
                Ok(Outcome::Unchanged(value)) => (Ok(value), None),
                Err(error) => (Err(error), None),
            };
            batch.failed = result.is_err();
            self.result = Some(result);
            (batch, entry)
        })
    }

    fn refused(&self) -> Option<&Target> {
        match &self.result {
            Some(Err(error)) if error.refused() => Some(&self.target),
            _ => None,
        }
    }

    fn lost(&self) -> Option<DbError> {
        match &self.result {
            Some(Err(error)) if ended(error) => Some(DbError::new(Trouble::Lost, error)),
            _ => None,
        }
    }

    fn settled(&self) -> bool {
        matches!(&self.result, Some(Err(error)) if slow(error))
    }

    fn fail(&mut self, error: Error) {
        self.result = Some(Err(error));
    }

    fn answer(self: Box<Self>) {
        if let Some(result) = self.result {
            self.answer.send(result).ok();
        }
    }
}

async fn decide_and_run<A, T, F>(
    tx: &mut Tx<A>,
    ctx: &Ctx,
    target: &Target,
    body: &F,
) -> Result<Outcome<T>>
where
    A: Action,
    F: for<'t> Fn(&'t mut Tx<A>) -> BoxFuture<'t, Result<Outcome<T>>> + Sync,
{
    tx.transaction.deadline(Some(BODY_MAX));
    let now = tx.now();
    access::decide(tx, ctx, A::PERMISSION, target, now).await?;
    body(tx).await
}

fn too_slow() -> Error {
    let words = format!(
        "the change took longer than {} s and was given up",
        BODY_MAX.as_secs()
    );
    let cause = DbError::new(Trouble::Slow, &words);
    Error::unavailable(words)
        .hint("nothing of it was stored; try again")
        .because(cause)
}

/// Whether the caller may do `A` to `target`; a refusal leaves its trace.
pub(crate) async fn may<A: Action>(ctx: &Ctx, action: A, target: &Target) -> Result<()> {
    read(ctx, action, target, |_| Box::pin(async { Ok(()) })).await
}

/// One snapshot of a house, with its keys as they are now, for what must be
/// known before there is a caller: whose token it is, which house is meant.
pub(crate) async fn look(house: &House) -> Result<Rows> {
    let transaction = house.database().begin_read().await?;
    ahead::reading(house.base(), transaction, Vec::new()).await
}

/// Runs `body` over one snapshot, after `A` was allowed on `target`.
pub(crate) async fn read<A, T, F>(ctx: &Ctx, _: A, target: &Target, body: F) -> Result<T>
where
    A: Action,
    F: for<'t> FnOnce(&'t mut Rows) -> BoxFuture<'t, Result<T>>,
{
    let mut rows = begin(ctx, target).await?;
    let now = ctx.house().now();
    let allowed = access::decide(&mut rows, ctx, A::PERMISSION, target, now).await;
    let result = match allowed {
        Ok(()) => body(&mut rows).await,
        Err(error) => Err(error),
    };
    end::<A, T>(ctx, target, rows, result).await
}

/// A read over everything of one kind: the body is told where the caller may.
/// Who may nowhere is refused.
pub(crate) async fn read_within<A, T, F>(ctx: &Ctx, _: A, body: F) -> Result<T>
where
    A: Action,
    F: for<'t> FnOnce(&'t mut Rows, Reach) -> BoxFuture<'t, Result<T>>,
{
    let target = Target::House;
    let mut rows = begin(ctx, &target).await?;
    let now = ctx.house().now();
    let result = match access::reach(&mut rows, ctx, A::PERMISSION, now).await {
        Ok(reach) => body(&mut rows, reach).await,
        Err(error) => Err(error),
    };
    end::<A, T>(ctx, &target, rows, result).await
}

async fn begin(ctx: &Ctx, target: &Target) -> Result<Rows> {
    let house = ctx.house();
    let transaction = house.database().begin_read().await?;
    ahead::reading(house.base(), transaction, access::asks(ctx, target)).await
}

/// Ends a read; a refusal is recorded.
async fn end<A: Action, T>(ctx: &Ctx, target: &Target, rows: Rows, result: Result<T>) -> Result<T> {
    rows.transaction.rollback().await;
    if let Err(error) = &result
        && error.refused()
    {
        ctx.house().reads().refusal(ctx, A::NAME, target).await;
    }
    result
}

fn trouble(error: &Error) -> Option<Trouble> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<DbError>().map(DbError::trouble)
}

/// Whether a failure means that the engine ended the transaction.
pub(crate) fn ended(error: &Error) -> bool {
    trouble(error) == Some(Trouble::Lost)
}

fn slow(error: &Error) -> bool {
    trouble(error) == Some(Trouble::Slow)
}
