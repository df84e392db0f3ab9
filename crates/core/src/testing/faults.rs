//! Faults as a test writes them: what happens at which point, once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use crate::door::BoxFuture;
use crate::fault::{Fault, Inject, Point};

type Act = Box<dyn FnOnce() -> BoxFuture<'static, Fault> + Send>;
type Sql = Box<dyn Fn(Point) -> Option<String> + Send + Sync>;

/// What a test wants to happen, point by point.
pub(crate) struct Script {
    acts: Mutex<Vec<(Point, Act)>>,
    sql: Mutex<Option<Sql>>,
    quiet: bool,
    commits: AtomicUsize,
}

/// A place where the writer waits for the test.
pub(crate) struct Gate {
    reached: oneshot::Receiver<()>,
    release: oneshot::Sender<()>,
}

impl Gate {
    /// Waits for the writer; sending lets it go on.
    pub(crate) async fn reached(self) -> oneshot::Sender<()> {
        self.reached.await.unwrap();
        self.release
    }
}

impl Script {
    /// Nothing happens, and the site's log never hears of a commit: whatever
    /// reaches a point is of the organization.
    pub(crate) fn quiet() -> Arc<Self> {
        Arc::new(Self {
            acts: Mutex::default(),
            sql: Mutex::default(),
            quiet: true,
            commits: AtomicUsize::new(0),
        })
    }

    /// Nothing happens, as in production.
    pub(crate) fn loud() -> Arc<Self> {
        Arc::new(Self {
            acts: Mutex::default(),
            sql: Mutex::default(),
            quiet: false,
            commits: AtomicUsize::new(0),
        })
    }

    /// The next time that `point` is reached (and no earlier wish is open),
    /// `act` decides what happens.
    pub(crate) fn once<F>(&self, point: Point, act: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = Fault> + Send + 'static,
    {
        self.acts
            .lock()
            .unwrap()
            .push((point, Box::new(move || Box::pin(act()))));
    }

    /// The same fault at the next `times` arrivals.
    pub(crate) fn fail(&self, point: Point, fault: Fault, times: usize) {
        for _ in 0..times {
            self.once(point, move || async move { fault });
        }
    }

    /// Holds whatever reaches `point` next, before any other wish.
    pub(crate) fn hold(&self, point: Point) -> Gate {
        let (reach, reached) = oneshot::channel();
        let (release, released) = oneshot::channel();
        let act: Act = Box::new(move || {
            Box::pin(async move {
                reach.send(()).ok();
                released.await.ok();
                Fault::None
            })
        });
        self.acts.lock().unwrap().insert(0, (point, act));
        Gate { reached, release }
    }

    /// SQL on the writing connection; asked at every body and commit.
    pub(crate) fn sql(&self, sql: impl Fn(Point) -> Option<String> + Send + Sync + 'static) {
        *self.sql.lock().unwrap() = Some(Box::new(sql));
    }

    /// SQL at the next arrival at `point` only.
    pub(crate) fn sql_once(&self, point: Point, text: &str) {
        let left = Mutex::new(Some(text.to_owned()));
        self.sql(move |at| {
            if at == point {
                left.lock().unwrap().take()
            } else {
                None
            }
        });
    }

    /// How many commits there were.
    pub(crate) fn commits(&self) -> usize {
        self.commits.load(Ordering::Relaxed)
    }

    /// Whether every wish came true.
    pub(crate) fn done(&self) -> bool {
        self.acts.lock().unwrap().is_empty()
    }
}

impl Inject for Script {
    fn at(&self, point: Point) -> BoxFuture<'_, Fault> {
        if point == Point::Committed {
            self.commits.fetch_add(1, Ordering::Relaxed);
        }
        let act = {
            let mut acts = self.acts.lock().unwrap();
            let next = acts.iter().position(|(wanted, _)| *wanted == point);
            next.map(|index| acts.remove(index).1)
        };
        match act {
            Some(act) => act(),
            None if self.quiet && point == Point::Anchored => Box::pin(std::future::pending()),
            None => Box::pin(async { Fault::None }),
        }
    }

    fn script(&self, point: Point) -> Option<String> {
        self.sql.lock().unwrap().as_ref().and_then(|sql| sql(point))
    }
}
