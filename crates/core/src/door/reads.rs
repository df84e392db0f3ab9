//! Sensitive reads: on disk before the bytes leave.
//!
//! The first read of an object by a token is a leaf, and waited for. Repeats
//! within a minute are counted in memory and closed by one leaf with the
//! count, so that a busy pipeline does not drown the ledger.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use statehouse_model::Actor;
use tokio::sync::OnceCell;

use super::{Action, BoxFuture, Entry, Outcome, Target, actions, change};
use crate::access;
use crate::ctx::Ctx;
use crate::error::Result;
use crate::house::House;
use crate::workspace::Workspace;

/// How long repeats of a read are counted rather than written.
const WINDOW: Duration = Duration::from_mins(1);

actions! {
    /// A refused read, recorded under the permission to see the organization
    /// at all: whoever may not even that leaves a log line instead.
    Refused = "access.refused" needs OrganizationRead;
}

/// Writes the leaf that closes a window.
type Close = fn(Arc<House>, Window, String) -> BoxFuture<'static, Result<()>>;

/// One object being read by one token. It does not hold the house, whose part
/// it is: a house with open windows can still be closed.
struct Window {
    close: Close,
    opened: Instant,
    recorded: Arc<OnceCell<()>>,
    repeats: u64,
    reader: String,
    target: Target,
}

/// The reads of a house that are counted at the moment.
#[derive(Default)]
pub(crate) struct Reads(Mutex<HashMap<Key, Window>>);

/// Who reads what, by which action.
type Key = (String, String, &'static str);

impl Reads {
    /// Returns once a read of `object` is in the ledger.
    pub(crate) async fn record<A: Action>(
        &self,
        ctx: &Ctx,
        action: A,
        target: &Target,
        object: &str,
    ) -> Result<()> {
        let reader = ctx
            .actor()
            .credential()
            .unwrap_or_else(|| ctx.actor().id())
            .to_owned();
        let key = (reader, object.to_owned(), A::NAME);
        loop {
            let (recorded, closed) = self.enter::<A>(&key, ctx, target);
            if let Some(closed) = closed {
                (closed.close)(ctx.house().clone(), closed, key.1.clone()).await?;
            }
            let mut first = false;
            let written = recorded.get_or_try_init(|| {
                first = true;
                write(ctx, action, target, &key.1)
            });
            written.await?;
            // A repeat whose window was closed meanwhile opens the next one.
            if first || self.count(&key, &recorded) {
                return Ok(());
            }
        }
    }

    /// Counts a repeat, if the window that it joined is still open.
    fn count(&self, key: &Key, joined: &Arc<OnceCell<()>>) -> bool {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows
            .get_mut(key)
            .filter(|window| Arc::ptr_eq(&window.recorded, joined));
        window.map(|window| window.repeats += 1).is_some()
    }

    /// Joins the open window, or opens one and returns the one it replaces.
    fn enter<A: Action>(
        &self,
        key: &Key,
        ctx: &Ctx,
        target: &Target,
    ) -> (Arc<OnceCell<()>>, Option<Window>) {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(window) = windows.get(key)
            && window.opened.elapsed() < WINDOW
        {
            return (window.recorded.clone(), None);
        }
        let recorded = Arc::new(OnceCell::new());
        let window = Window {
            close: close::<A>,
            opened: Instant::now(),
            recorded: recorded.clone(),
            repeats: 0,
            reader: ctx.actor().credential().unwrap_or_default().to_owned(),
            target: target.clone(),
        };
        let replaced = windows
            .insert(key.clone(), window)
            .filter(|window| window.repeats > 0);
        (recorded, replaced)
    }

    /// Closes every window that is over (all of them when `all`).
    pub(crate) async fn flush(&self, house: &Arc<House>, all: bool) {
        let over: Vec<_> = {
            let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let keys: Vec<_> = windows
                .iter()
                .filter(|(_, window)| all || window.opened.elapsed() >= WINDOW)
                .map(|(key, _)| key.clone())
                .collect();
            keys.into_iter()
                .filter_map(|key| windows.remove(&key).map(|window| (key, window)))
                .collect()
        };
        for (key, window) in over.into_iter().filter(|(_, window)| window.repeats > 0) {
            if let Err(error) = (window.close)(house.clone(), window, key.1).await {
                tracing::warn!(%error, "the count of repeated reads was not recorded");
            }
        }
    }

    /// Records that a read was refused.
    pub(crate) async fn refusal(&self, ctx: &Ctx, action: &'static str, target: &Target) {
        let house = ctx.house();
        if house.read_only().is_some()
            || !house.base().refusals.due(ctx, action, target, house.now())
        {
            return;
        }
        let object = object_of(ctx, target);
        let recorded = change(ctx, Refused, Target::House, move |_| {
            let entry = Entry::new(&object).fact("refused", action);
            Box::pin(async move { Ok(Outcome::Recorded((), entry)) })
        });
        match recorded.await {
            Ok(()) => {}
            Err(error) if error.refused() => {
                tracing::warn!(actor = %ctx.actor(), action, "refused a caller without any role in the organization");
            }
            Err(error) => {
                house.base().refusals.forget(ctx, action, target);
                tracing::warn!(actor = %ctx.actor(), action, %error, "a refusal was not recorded");
            }
        }
    }
}

/// The id of a target, as leaves name it.
pub(crate) fn object_of(ctx: &Ctx, target: &Target) -> String {
    match target {
        Target::Project(id) => id.to_string(),
        Target::Workspace(Workspace::Id(id) | Workspace::Deleted(id)) => id.to_string(),
        Target::Workspace(Workspace::Of(version)) => version.to_string(),
        Target::Workspace(Workspace::OfRun(run)) => run.to_string(),
        Target::Workspace(Workspace::OfConfiguration(id)) => id.to_string(),
        Target::Workspace(Workspace::OfNotification(id)) => id.to_string(),
        // A name is content, and may be a guess; leaves hold ids.
        Target::House | Target::ProjectNamed(_) | Target::Workspace(Workspace::Name(_)) => {
            ctx.house().code().to_string()
        }
    }
}

/// The leaf of a first read.
async fn write<A: Action>(ctx: &Ctx, action: A, target: &Target, object: &str) -> Result<()> {
    let object = object.to_owned();
    change(ctx, action, target.clone(), move |_| {
        let entry = Entry::new(&object);
        Box::pin(async move { Ok(Outcome::Recorded((), entry)) })
    })
    .await
}

/// The count is written by a task of the server: the reader may be gone, or
/// may not read any more, and was allowed when it read.
fn close<A: Action>(
    house: Arc<House>,
    window: Window,
    object: String,
) -> BoxFuture<'static, Result<()>> {
    Box::pin(async move {
        let task = Ctx::new(house, Actor::Task(access::READS), None, None);
        let Window {
            reader,
            repeats,
            target,
            ..
        } = window;
        change(&task, A::ACTION, target, move |_| {
            let entry = Entry::new(&object)
                .fact("repeats", repeats)
                .fact("reader", reader.as_str());
            Box::pin(async move { Ok(Outcome::Recorded((), entry)) })
        })
        .await
    })
}
