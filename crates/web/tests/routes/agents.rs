//! Agents: jobs of a pool over HTTPS, asked for and answered as a runner words it.

use std::time::Duration;

use bytes::Bytes;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use statehouse_control::spooled::Key;
use statehouse_control::{self as control, Ask, Ended, Planned, Step, Told, Tool};
use statehouse_core::run::act;
use statehouse_core::run::capsule::OfRunner;
use statehouse_core::run::machine::Status;
use statehouse_core::run::work::Line;
use statehouse_core::token::{Wish, house};
use statehouse_core::{Ctx, agent};
use statehouse_model::UserId;

use crate::planned::{self, PLAN, PLAN_JSON, PLAN_SHOWN, Remote};
use crate::support::{Answer, Person, Server, name, state as state_of};

/// Longest wait for a job that must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why an agent has no strict sandbox: with what a page and a terminal must not obey.
pub(crate) const REASON: &str = "\u{1b}[31mno <script>alert(1)</script> namespaces\r\n\u{202e}here";
/// The same as it is shown.
pub(crate) const REASON_SHOWN: &str = "[31mno <script>alert(1)</script> namespaces here";

/// A pool, and an agent of it.
pub(crate) struct Far {
    pub(crate) pool: String,
    pub(crate) agent: Person,
}

impl Far {
    pub(crate) async fn new(ctx: &Ctx, text: &str) -> Self {
        let pool = agent::create(ctx, name(text)).await.unwrap().id;
        let made = house::create_of_pool(ctx, pool.parse().unwrap(), Wish::default()).await;
        Self {
            pool,
            agent: Person {
                id: UserId::from_entropy(1),
                token: made.unwrap().1.expose_secret().to_owned(),
            },
        }
    }

    /// Lets the runs of a workspace happen with it.
    pub(crate) async fn serves(&self, server: &Server, who: &Person, workspace: &str) {
        let path = "/api/v2/organizations/acme/executions";
        let wish = json!({ "scope": workspace, "mode": "agent", "pool": self.pool });
        server.post(who, path, wish).await.is(201);
    }

    /// Asks for a job, and does not wait.
    async fn next(&self, server: &Server, holder: &str) -> Value {
        let sandbox = json!({ "sandbox": "process", "sandbox-reason": REASON });
        let next = self.asks(server, holder, sandbox).await;
        next.is(200).json()["data"].clone()
    }

    /// The same, with what it says of its sandbox; the answer.
    async fn asks(&self, server: &Server, holder: &str, sandbox: Value) -> Answer {
        let mut wish = sandbox;
        wish["holder"] = json!(holder);
        wish["wait-seconds"] = json!(0);
        server.post(&self.agent, "/api/v2/agent/jobs", wish).await
    }

    /// The job of a run, in the hands of `holder`. Jobs that come first are taken and let lie.
    pub(crate) async fn job(&self, server: &Server, run: &str, holder: &str) -> String {
        let given = async {
            loop {
                let next = self.next(server, holder).await;
                if next["attributes"]["run"] == run {
                    return next["id"].as_str().unwrap().to_owned();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let given = tokio::time::timeout(PATIENCE, given).await;
        given.unwrap_or_else(|_| panic!("no job of {run} comes"))
    }

    /// The line of a job, past HTTP.
    async fn line(&self, server: &Server, job: &str, holder: &str) -> Line {
        let core = &server.core;
        let caller = core.authenticate(&self.agent.token, None).await.unwrap();
        let ctx = core.enter_code(&caller, caller.home().unwrap()).await;
        let (ctx, job) = (ctx.unwrap(), job.parse().unwrap());
        let line = core.line_of_pool(&ctx, job, holder);
        line.await.unwrap()
    }

    /// Brings a run that waits for its turn to where it is applied; what stands for its state, sealed as a lost runner leaves it.
    pub(crate) async fn applies(&self, server: &Server, ctx: &Ctx, run: &str) -> Bytes {
        let holder = format!("{run}/0");
        let job = self.job(server, run, &holder).await;
        planned::plan(&self.line(server, &job, &holder).await, true).await;
        planned::until(server, ctx, run, Status::AwaitingApproval).await;
        act::confirm(ctx, &run.parse().unwrap(), None)
            .await
            .unwrap();
        let job = self.job(server, run, &holder).await;
        let line = self.line(server, &job, &holder).await;
        let (found, derived) = (*planned::found(), true);
        line.begin(OfRunner { found, derived }).await.unwrap();
        let key = Key::new(&line.work().await.unwrap().spool_key).unwrap();
        line.lost().await.unwrap();
        key.seal(state_of("a", 2, 1).as_bytes()).unwrap().into()
    }
}

/// An ask as the body of a request.
pub(crate) async fn framed(ask: &Ask, bytes: &[u8]) -> Bytes {
    control::framed(ask, bytes).await.unwrap()
}

/// What is answered to an ask of whoever holds a job.
async fn asked(server: &Server, who: &Person, job: &str, ask: &Ask, bytes: &[u8]) -> Answer {
    let path = format!("/api/v2/agent/jobs/{job}?holder=far/0");
    server
        .call(who, "POST", &path, framed(ask, bytes).await)
        .await
}

async fn told(server: &Server, who: &Person, job: &str, ask: &Ask, bytes: &[u8]) -> Told {
    let answer = asked(server, who, job, ask, bytes).await.is(200);
    control::unframed::<Told>(&answer.body).await.unwrap().0
}

/// What a runner found, in the words of an ask.
fn found() -> Planned {
    let found = planned::found();
    Planned {
        plan: found.plan,
        plan_json: found.plan_json,
        plan_shown: found.plan_shown,
        lock_file: None,
        tool: Tool {
            name: found.tool,
            version: found.tool_version,
            digest: found.tool_digest,
        },
        providers: std::collections::BTreeMap::new(),
        backend: None,
        changes: true,
    }
}

#[tokio::test]
async fn a_run_is_planned_and_applied_in_asks_of_an_agent() {
    let place = Remote::new().await;
    let (server, owner) = (place.server(), place.owner());
    let far = Far::new(&place.ctx, "far").await;
    far.serves(server, owner, &place.workspace).await;
    let run = place.run(json!({ "message": "from afar" })).await;
    let job = far.job(server, &run, "far/0").await;
    let ask = async |job: &str, ask: Ask, bytes: &str| {
        told(server, &far.agent, job, &ask, bytes.as_bytes()).await
    };
    let Told::Work { work } = ask(&job, Ask::Work, "").await else {
        panic!("no work");
    };
    assert_eq!((&*work.run, work.step), (&*run, Step::Plan));
    assert_eq!(ask(&job, Ask::Planning, "").await, Told::Well);
    let files = [
        ("plan", PLAN),
        ("plan-json", PLAN_JSON),
        ("plan-shown", PLAN_SHOWN),
    ];
    for (file, text) in files {
        let name = file.to_owned();
        assert_eq!(ask(&job, Ask::File { name }, text).await, Told::Well);
    }
    assert_eq!(ask(&job, Ask::Beat, "").await, Told::GoOn);
    let done = |how| Ask::Done { how };
    let planned = done(Ended::Planned(Box::new(found())));
    assert_eq!(ask(&job, planned, "").await, Told::Well);
    planned::until(server, &place.ctx, &run, Status::AwaitingApproval).await;
    place.act(owner, &run, "apply").await.is(202);
    let job = far.job(server, &run, "far/0").await;
    let begin = Ask::Begin {
        found: Box::new(found()),
        derived: true,
    };
    let begun = ask(&job, begin, "").await;
    let Told::Verified { words } = begun else {
        panic!("it is not verified: {begun:?}");
    };
    assert!(!words.is_empty());
    let state = state_of("a", 1, 1);
    assert_eq!(ask(&job, Ask::PutState, &state).await, Told::Well);
    assert_eq!(ask(&job, done(Ended::Applied), "").await, Told::Well);
    assert_eq!(place.told(&run).await["stage"], "applied");
    // What runners remember is not kept here.
    let again = asked(server, &far.agent, &job, &Ask::Recall, b"").await;
    again.is(409);
}

#[tokio::test]
async fn a_workspace_names_its_pool_as_clients_of_the_platform_do() {
    let place = Remote::new().await;
    let (server, owner) = (place.server(), place.owner());
    let far = Far::new(&place.ctx, "far").await;
    let at = format!("/api/v2/workspaces/{}", place.workspace);
    let set = async |attributes: Value| {
        let body = crate::support::document(&attributes);
        server.call(owner, "PATCH", &at, body).await
    };
    let wish = json!({ "execution-mode": "agent", "agent-pool-id": far.pool });
    let told = set(wish).await.is(200).json();
    let attributes = &told["data"]["attributes"];
    assert_eq!(attributes["execution-mode"], "agent");
    assert_eq!(attributes["agent-pool-id"], far.pool);
    assert_eq!(
        (
            &attributes["operations"],
            &attributes["setting-overwrites"]["agent-pool"]
        ),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        told["data"]["relationships"]["agent-pool"]["data"]["id"],
        far.pool
    );
    let pool = format!("/api/v2/agent-pools/{}", far.pool);
    server.call(owner, "DELETE", &pool, "").await.is(409);
    // Who goes back sends what was read of the pool along.
    let wish = json!({ "execution-mode": "remote", "agent-pool-id": far.pool });
    let told = set(wish).await.is(200).json();
    assert_eq!(told["data"]["attributes"]["agent-pool-id"], Value::Null);
    set(json!({ "execution-mode": "agent" })).await.is(422);
    let gone = far.pool.replace("apool-", "run-");
    set(json!({ "execution-mode": "agent", "agent-pool-id": gone }))
        .await
        .is(404);
    server.call(owner, "DELETE", &pool, "").await.is(204);
    let wish = json!({ "execution-mode": "agent", "agent-pool-id": far.pool });
    set(wish).await.is(404);
}

#[tokio::test]
async fn a_job_is_there_for_its_holder_alone_and_takes_asks_alone() {
    let place = Remote::new().await;
    let (server, owner) = (place.server(), place.owner());
    let (far, other) = (
        Far::new(&place.ctx, "far").await,
        Far::new(&place.ctx, "other").await,
    );
    far.serves(server, owner, &place.workspace).await;
    let run = place.run(json!({ "plan-only": true })).await;
    assert_eq!(other.next(server, "far/0").await, Value::Null);
    let job = far.job(server, &run, "far/0").await;
    let beat = async |who: &Person| asked(server, who, &job, &Ask::Beat, b"").await;
    beat(&far.agent).await.is(200);
    beat(&other.agent).await.is(404);
    beat(owner).await.is(404);
    let path = |holder: &str| format!("/api/v2/agent/jobs/{job}?holder={holder}");
    let send = async |path: String, body: Bytes| server.call(&far.agent, "POST", &path, body).await;
    send(path("far/1"), framed(&Ask::Beat, b"").await)
        .await
        .is(409);
    for body in [&b""[..], b"{}", &[0, 0, 0, 2, b'{', b'}']] {
        send(path("far/0"), Bytes::copy_from_slice(body))
            .await
            .is(400);
    }
    let answer = told(server, &far.agent, &job, &Ask::Recall, b"").await;
    assert!(matches!(answer, Told::Refused { .. }), "{answer:?}");
    let lose = path("far/0").replacen('?', "/actions/lose?", 1);
    send(lose, Bytes::new()).await.is(204);
    beat(&far.agent).await.is(409);
    // It is planned again.
    assert_ne!(far.job(server, &run, "far/0").await, job);
}

#[tokio::test]
async fn an_agent_says_why_it_has_no_strict_sandbox_or_gets_no_job() {
    let place = Remote::new().await;
    let (server, owner) = (place.server(), place.owner());
    let far = Far::new(&place.ctx, "far").await;
    far.serves(server, owner, &place.workspace).await;
    let run = place.run(json!({ "plan-only": true })).await;
    assert_eq!(place.told(&run).await["sandbox"], Value::Null);
    let refused = async |sandbox: Value, status: u16, words: &str| {
        let answer = far.asks(server, "far/0", sandbox).await.is(status);
        let said = answer.text().chars().take(2000).collect::<String>();
        assert!(said.contains(words), "{words}: {said}");
        assert!(answer.text().len() < 2000, "{said}");
    };
    let process = |reason: &str| json!({ "sandbox": "process", "sandbox-reason": reason });
    refused(json!({ "sandbox": "process" }), 400, "update the agent").await;
    let null = json!({ "sandbox": "process", "sandbox-reason": null });
    refused(null, 400, "update the agent").await;
    for nothing in [
        "",
        " \t",
        "n/a",
        "\u{1b}[0m",
        "\u{200b}\u{200b}\u{200b}\u{200b}",
    ] {
        refused(process(nothing), 400, "says nothing").await;
    }
    refused(process(&"why ".repeat(257)), 400, "say it shorter").await;
    refused(process(&"why ".repeat(10 << 18)), 413, "").await;
    for level in ["none", "Process", "strict\n", ""] {
        let wish = json!({ "sandbox": level, "sandbox-reason": "no namespaces here" });
        refused(wish, 400, "`strict` or `process`").await;
    }
    let list = json!({ "sandbox": "process", "sandbox-reason": ["no namespaces here"] });
    far.asks(server, "far/0", list).await.is(400);
    // None of them took it.
    assert_eq!(place.told(&run).await["sandbox"], Value::Null);
    far.job(server, &run, "far/0").await;
    let told = place.told(&run).await;
    assert_eq!(
        (&told["sandbox"], &told["sandbox-reason"]),
        (&json!("process"), &json!(REASON_SHOWN))
    );
}

#[tokio::test]
async fn of_a_run_in_the_strict_sandbox_nothing_is_said_but_strict() {
    let place = Remote::new().await;
    let run = place.planned(json!({ "plan-only": true })).await;
    let told = place.told(&run).await;
    assert_eq!(told["sandbox"], "strict");
    assert!(told.get("sandbox-reason").is_none(), "{told}");
}
