//! Runs on both engines, driven by a runner that runs nothing: it reports what a
//! real one reports, byte for byte small.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

mod agents;
mod altered;
mod approvals;
mod costs;
mod ends;
mod files;
mod given;
mod judged;
mod kept;
mod left;
mod lost;
mod notified;
mod order;
mod overdue;
mod places;
mod replays;
mod repository;
mod said;
mod sandboxes;
mod tools;
mod waits;

use statehouse_ledger::sha256;
use statehouse_model::{Actor, UserId};
use tar::{Builder, Header};

use super::*;
use crate::access::{RUNS, Scope};
use crate::configuration::Wish as ConfigurationWish;
use crate::house::House;
use crate::run::capsule::{Found, OfRunner};
use crate::run::work::{Begun, Ended, Line};
use crate::testing::{World, for_each_engine, lock_info, name, put, state};

/// A workspace whose runs happen here, with a configuration.
struct Bench<'w> {
    world: &'w World,
    workspace: Workspace,
    configuration: ConfigurationId,
}

/// A small archive as clients send them.
fn archive() -> Bytes {
    archive_with(None)
}

/// The same, with a file beside it.
fn archive_with(more: Option<(&str, &[u8])>) -> Bytes {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = Builder::new(gzip);
    let text = b"resource \"terraform_data\" \"one\" {}\n";
    for (path, text) in [("main.tf", &text[..])].into_iter().chain(more) {
        let mut header = Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, text).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap().into()
}

/// The plan of a run, its JSON and what is shown of it.
fn planned_bytes(line: &Line) -> [Bytes; 3] {
    let run = line.run();
    let json = serde_json::json!({ "format_version": "1.2", "of": run.as_str() });
    [
        Bytes::from(format!("plan of {run}")),
        Bytes::from(json.to_string()),
        Bytes::from(format!("shown of {run}")),
    ]
}

/// What a runner finds, and says.
fn found(line: &Line) -> Found {
    let [plan, plan_json, plan_shown] = planned_bytes(line);
    let digest = |text: &[u8]| hex::encode(sha256(text));
    Found {
        plan: digest(&plan),
        plan_json: digest(&plan_json),
        plan_shown: digest(&plan_shown),
        lock_file: None,
        tool: "terraform".to_owned(),
        tool_version: "1.11.4".to_owned(),
        tool_digest: digest(b"terraform"),
        providers: BTreeMap::new(),
        sandbox: "strict".to_owned(),
        backend: None,
    }
}

/// Uploads a configuration, as the client of the owner does.
async fn uploaded(world: &World, workspace: &Workspace) -> ConfigurationId {
    uploaded_as(world, workspace, archive()).await
}

async fn uploaded_as(world: &World, workspace: &Workspace, archive: Bytes) -> ConfigurationId {
    let ctx = world.ask();
    let wished = configuration::wish(&ctx, workspace, ConfigurationWish::default()).await;
    let wished = wished.unwrap();
    let (put, id) = (wished.put.unwrap(), wished.id.parse().unwrap());
    let granted = crate::url::open(&world.house, &put.id, &put.signature).await;
    configuration::upload(&ctx, &granted.unwrap(), &id, archive)
        .await
        .unwrap();
    id
}

/// A place of the server's own.
fn desk() -> job::Holder {
    job::Holder::own("desk", job::Sandbox::Strict)
}

fn task(house: &Arc<House>) -> Ctx {
    Ctx::new(house.clone(), Actor::Task(RUNS), None, None)
}

impl<'w> Bench<'w> {
    async fn new(world: &'w World, text: &str) -> Self {
        let workspace = world.workspace(text).await;
        let bench = Self {
            configuration: uploaded(world, &workspace).await,
            workspace,
            world,
        };
        bench
            .agree(execution::Wish {
                mode: execution::Word::Say(Mode::Remote),
                ..execution::Wish::default()
            })
            .await;
        bench
    }

    async fn agree(&self, wish: execution::Wish) {
        let Workspace::Id(id) = &self.workspace else {
            panic!("a bench knows its workspace by its id");
        };
        let scope = Scope::Workspace(id.clone());
        execution::set(&self.world.ask(), scope, wish)
            .await
            .unwrap();
    }

    /// Says how many must approve.
    async fn require(&self, approvals: u64) {
        self.agree(execution::Wish {
            approvals: execution::Word::Say(approvals),
            ..execution::Wish::default()
        })
        .await;
    }

    fn wish(&self, kind: Kind) -> Wish {
        Wish {
            configuration: self.configuration.clone(),
            kind,
            auto_apply: false,
            options: Options::default(),
        }
    }

    async fn start(&self, kind: Kind) -> RunId {
        self.start_by(&self.world.owner, kind).await
    }

    async fn start_by(&self, who: &UserId, kind: Kind) -> RunId {
        let made = create(&self.world.by(who), &self.workspace, self.wish(kind)).await;
        made.unwrap().id
    }

    async fn round(&self) -> bool {
        let house = &self.world.house;
        let round = Box::pin(turn::round(house, self.world.options.jobs_max)).await;
        // Policies are asked beside the round.
        while !house.judging().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        round.unwrap()
    }

    async fn claim(&self) -> Option<Line> {
        work::claim(&task(&self.world.house), &desk())
            .await
            .unwrap()
    }

    /// The job of a run, after a round: no other run may wait for a runner.
    async fn line(&self, run: &RunId) -> Line {
        self.round().await;
        let line = self.claim().await.expect("a job");
        assert_eq!(line.run(), run);
        line
    }

    async fn see(&self, run: &RunId) -> RunView {
        show(&self.world.ask(), run).await.unwrap()
    }

    async fn is(&self, run: &RunId, status: Status) {
        let seen = self.see(run).await;
        assert_eq!(seen.state.status(), status, "because: {}", seen.reason);
    }

    /// Under which id the workspace is locked.
    async fn lock(&self) -> Option<String> {
        let shown = workspace::show(&self.world.ask(), &self.workspace).await;
        shown.unwrap().lock_id
    }

    /// Does the work of a runner that plans, up to its report.
    async fn plans(&self, line: &Line) {
        let work = line.work().await.unwrap();
        assert_eq!((work.step, work.planned), (job::Step::Plan, None));
        line.configuration().await.unwrap();
        line.state().await.unwrap();
        line.log(0, Bytes::from_static(b"Initializing\n"))
            .await
            .unwrap();
        line.planning().await.unwrap();
        let names = ["plan", "plan-json", "plan-shown"];
        for (name, bytes) in names.into_iter().zip(planned_bytes(line)) {
            line.file(name, bytes).await.unwrap();
        }
        line.log(13, Bytes::from_static(b"Plan: 1 to add\n"))
            .await
            .unwrap();
    }

    async fn planned(&self, line: &Line) {
        self.plans(line).await;
        let found = Box::new(found(line));
        let changes = true;
        line.done(Ended::Planned { found, changes }).await.unwrap();
    }

    /// A run whose plan waits for people.
    async fn offered(&self, kind: Kind) -> RunId {
        self.offered_by(&self.world.owner, kind).await
    }

    async fn offered_by(&self, who: &UserId, kind: Kind) -> RunId {
        let run = self.start_by(who, kind).await;
        let line = self.line(&run).await;
        self.planned(&line).await;
        self.round().await;
        run
    }

    /// A run that somebody confirmed, in the hands of a runner.
    async fn confirmed(&self, kind: Kind) -> (RunId, Line) {
        let run = self.offered(kind).await;
        act::confirm(&self.world.ask(), &run, None).await.unwrap();
        let line = self.line(&run).await;
        (run, line)
    }

    /// A run that applies.
    async fn applying(&self) -> (RunId, Line) {
        let (run, line) = self.confirmed(Kind::PlanAndApply).await;
        let begun = line.begin(found(&line)).await.unwrap();
        assert!(matches!(begun, Begun::Verified(_)), "{begun:?}");
        self.is(&run, Status::Applying).await;
        (run, line)
    }

    /// Checks that a wish to apply is refused with these names, and ends the run so.
    async fn refused(&self, run: &RunId, line: &Line, status: Status, names: &str) {
        let said = OfRunner {
            found: found(line),
            derived: true,
        };
        let begun = line.begin(said).await.unwrap();
        let Begun::Refused { what, why } = begun else {
            panic!("it applies: {begun:?}");
        };
        assert_eq!(what, status.as_str(), "{why:?}");
        assert!(!why.is_empty());
        self.is(run, status).await;
        assert_eq!(self.see(run).await.reason, names, "{why:?}");
        let why = "found by a test".to_owned();
        line.done(Ended::Refused { what, why }).await.unwrap();
        self.is(run, status).await;
        assert_eq!(self.lock().await, None);
    }
}

/// The kind of a refusal.
fn kind<T: std::fmt::Debug>(result: Result<T>) -> Trouble {
    result.unwrap_err().kind().clone()
}
