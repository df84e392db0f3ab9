//! A site in folders of its own, with copies that cost what their files weigh.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use statehouse_core::cost::estimate::{
    Estimating, Estimator, Figures, Input, Lane, Micro, Own, Place, Question as OfPlan,
    Said as CostSaid, Total,
};
use statehouse_core::notification::{Deliver, Message, Sending};
use statehouse_core::policy::PolicyView;
use statehouse_core::policy::judge::{Checked, Judge, Judging, Outcome, Question, Said, Stage};
use statehouse_core::{Clock, Core, Options, cost};
use statehouse_seal::KeyDirectory;

/// Where the clock of a new site begins: 2026-01-01, in microseconds since 1970.
pub const EPOCH_US: i64 = 1_767_225_600_000_000;
/// How far the clock moves each time it is read: 40 ms, so that a short test sees many seconds.
const TICK_US: i64 = 40_000;

/// The folders of a site. Copies share the folder of keys, which nothing here changes.
#[derive(Clone, Debug)]
pub struct Site {
    /// Databases and bodies.
    pub data: PathBuf,
    /// Anchors.
    pub anchors: PathBuf,
    /// House secrets; never searched, copied or edited.
    pub keys: PathBuf,
    /// Where its clock begins, in microseconds since 1970.
    pub starts_at: i64,
}

impl Site {
    /// A site below `root`, nothing of which need exist.
    pub fn new(root: &Path) -> Self {
        Self {
            data: root.join("data"),
            anchors: root.join("anchors"),
            keys: root.join("keys"),
            starts_at: EPOCH_US,
        }
    }

    /// How to open it.
    pub fn options(&self) -> Options {
        Options {
            data: self.data.clone(),
            anchors: self.anchors.clone(),
            postgres: None,
            roots: Arc::new(KeyDirectory::open(&self.keys).expect("a key directory")),
            clock: clock(self.starts_at),
            batch_jobs_max: 64,
            jobs_max: 10,
            places_max: 0,
            longest: statehouse_core::job::Longest::default(),
            deliver: Some(Arc::new(Taken)),
            judge: Some(Arc::new(Against)),
            estimator: Some(Arc::new(Costly)),
        }
    }

    /// Opens it.
    pub async fn open(&self) -> Arc<Core> {
        Core::open(self.options()).await.expect("the site opens")
    }

    /// A copy of its files below `root`, as they lie there now, a day later by its clock.
    #[must_use]
    pub fn copy_to(&self, root: &Path) -> Self {
        let copy = Self {
            keys: self.keys.clone(),
            starts_at: self.starts_at + 24 * 3600 * 1_000_000,
            ..Self::new(root)
        };
        copy_tree(&self.data, &copy.data);
        copy_tree(&self.anchors, &copy.anchors);
        copy
    }
}

/// Takes every archive for a bundle, and lets nothing pass that nobody overrides. One that begins with `state` has nothing against a plan, and judges states.
struct Against;

/// How an archive begins that judges states.
const OF_STATES: &[u8] = b"state";

impl Judge for Against {
    fn check<'a>(&'a self, archive: Bytes, _: &'a Map<String, Value>) -> Judging<'a, Checked> {
        Box::pin(async move {
            Ok(Checked {
                digest: Sha256::digest(&archive).into(),
                policies: archive
                    .starts_with(OF_STATES)
                    .then(|| PolicyView {
                        name: "only".to_owned(),
                        title: String::new(),
                        entity: "state".to_owned(),
                        level: "soft-mandatory".to_owned(),
                    })
                    .into_iter()
                    .collect(),
                archive,
            })
        })
    }

    fn assess(&self, question: Question) -> Judging<'_, Vec<Said>> {
        Box::pin(async move {
            let mut all = Vec::new();
            for document in question.documents.values() {
                document.pour(&mut all).map_err(|error| error.to_string())?;
            }
            let is_over = question.stage == Stage::Applied;
            let against = question.sets.iter().map(|set| Said {
                outcome: if is_over || !set.archive.starts_with(OF_STATES) {
                    Outcome::SoftFailed
                } else {
                    Outcome::Passed
                },
                input: Sha256::digest(&all).into(),
                engine: "none".to_owned(),
                results: Vec::new(),
            });
            Ok(against.collect())
        })
    }
}

/// Takes every file, and has every plan cost a dollar.
struct Costly;

fn costly(kind: cost::Kind) -> Input {
    Input {
        kind,
        name: kind.as_str().to_owned(),
        bytes: Bytes::from_static(kind.as_str().as_bytes()),
    }
}

impl Estimator for Costly {
    fn own(&self) -> Own {
        Own {
            book: costly(cost::Kind::Book),
            mapping: costly(cost::Kind::Mapping),
        }
    }

    fn place(&self, _: Lane) -> Estimating<'_, Place> {
        Box::pin(async { Ok(Box::new(()) as Place) })
    }

    fn check(&self, _: Place, input: Input) -> Estimating<'_, String> {
        Box::pin(async move { Ok(format!("{} bytes", input.bytes.len())) })
    }

    fn estimate(&self, _: Place, _: OfPlan) -> Estimating<'_, CostSaid> {
        Box::pin(async move {
            let micro = Micro {
                before: 0,
                after: 1_000_000,
                delta: 1_000_000,
            };
            let total = Total {
                micro,
                ..Total::default()
            };
            Ok(CostSaid {
                engine: "none".to_owned(),
                figures: Figures {
                    totals: [("USD".to_owned(), total)].into(),
                    ..Figures::default()
                },
                resources: Vec::new(),
                policy: "{}".to_owned(),
                document: "{}".to_owned(),
            })
        })
    }
}

/// Takes whatever is to be sent, and sends nothing.
struct Taken;

impl Deliver for Taken {
    fn refuses(&self, _: &str) -> Option<String> {
        None
    }

    fn address(&self) -> Option<&str> {
        None
    }

    fn send<'a>(&'a self, _: &'a Message) -> Sending<'a> {
        Box::pin(async { Ok(200) })
    }
}

/// A clock that moves a little each time it is read.
fn clock(start: i64) -> Clock {
    let now = AtomicI64::new(start);
    Arc::new(move || now.fetch_add(TICK_US, Ordering::Relaxed))
}

/// Copies a folder. Shared memory of SQLite is left out: it is made anew from the rest.
pub fn copy_tree(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&path, &target);
        } else if !path.to_string_lossy().ends_with("-shm") {
            fs_err::copy(&path, &target).unwrap();
        }
    }
}

/// Every file below a folder, in order.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
