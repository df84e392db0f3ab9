//! Whole runs: what terraform does by hand, against the same as a run of the server.
//!
//! By hand is `init`, `plan -out`, `show -json` and `apply` of that plan, one after the other. A run is `statehouse run start
//! --auto-apply`, from its start to its end. Processor time is what these commands and the server used, with everything that they
//! started; the stand-in for AWS is counted for nobody.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::client::Client;
use crate::house::{ORGANIZATION, Site};
use crate::moto::Moto;
use crate::process::{cpu_s_of_ended, cpu_s_with_ended, forget_peak, is_at_work, memory_bytes};
use crate::report::{Goal, Section, number};
use crate::server::{Server, Settings};
use crate::stats::{median, percentile};
use crate::{Plan, Result};

const AWS: &str = include_str!("../../../fixtures/aws/main.tf");
/// Resources of the sample.
const SIZE: usize = 20;
/// An AWS provider takes seconds to start, and is started often: fewer pairs than elsewhere.
const PAIRS_MAX: usize = 5;
/// Runs that wait at once, and how many of them the server works on.
const QUEUED: usize = 50;
const SLOTS: usize = 2;
/// Lines of a log whose way is timed.
const LINES: usize = 200;
/// Values of 4 MiB in a plan; each stands in its JSON five times or so.
const LARGE: usize = 24;
const LARGE_BYTES: usize = 4 * 1024 * 1024;

const BY_HAND: [&[&str]; 4] = [
    &["init", "-input=false", "-no-color"],
    &["plan", "-input=false", "-no-color", "-out=plan"],
    &["show", "-json", "plan"],
    &["apply", "-input=false", "-no-color", "plan"],
];

/// A server, and what its runners and a person have of terraform.
struct Place {
    // Before the folder that it works in goes.
    server: Server,
    site: Site,
    folder: TempDir,
}

/// What something took.
#[derive(Clone, Copy)]
struct Took {
    wall_s: f64,
    cpu_s: f64,
}

impl Place {
    fn new(plan: &Plan, ways: &[String]) -> Result<Self> {
        let folder = plan.folder()?;
        let mirror = plan.tools.provider_mirror()?;
        let settings = format!(
            "provider_installation {{\n  filesystem_mirror {{\n    path = \"{}\"\n  }}\n}}\n",
            mirror.display()
        );
        fs_err::write(folder.path().join("cli.tfrc"), settings)?;
        let site = Site::create(&folder.path().join("site"), None)?;
        let text = |path: &Path| path.display().to_string();
        let settings = Settings {
            runs: vec![
                ("SLOTS", SLOTS.to_string()),
                ("DIR", text(&folder.path().join("runs"))),
                ("PROVIDER_MIRROR", text(&mirror)),
                ("EGRESS", serde_json::to_string(ways)?),
            ],
            ..Settings::default()
        };
        let server = Server::start(&plan.tools, &site, settings)?;
        Ok(Self {
            server,
            site,
            folder,
        })
    }

    /// Our own binary, as a client of the server.
    fn client(&self, plan: &Plan, arguments: &[&str]) -> Command {
        let mut command = Command::new(&plan.tools.statehouse);
        let address = format!("https://{}", self.server.target.address());
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .env("STATEHOUSE_ADDRESS", address)
            .env("STATEHOUSE_TOKEN", &self.site.token)
            .env("STATEHOUSE_ORGANIZATION", ORGANIZATION)
            .env("STATEHOUSE_CA", self.site.dir.join("ca.pem"));
        command
    }

    /// A workspace whose runs happen here.
    fn workspace(&self, plan: &Plan, name: &str) -> Result<()> {
        done(&mut self.client(plan, &["workspace", "create", name]))?;
        let set = ["execution", "set", "--workspace", name, "--mode", "remote"];
        done(&mut self.client(plan, &set))
    }

    /// A new folder with a configuration.
    fn project(&self, files: &[(&str, &str)]) -> Result<TempDir> {
        let project = tempfile::tempdir_in(self.folder.path())?;
        for (name, content) in files {
            fs_err::write(project.path().join(name), content)?;
        }
        Ok(project)
    }

    fn terraform(&self, plan: &Plan, project: &Path, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(plan.tools.terraform()?);
        command
            .args(arguments)
            .current_dir(project)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_CLI_CONFIG_FILE", self.folder.path().join("cli.tfrc"));
        Ok(command)
    }

    /// The four commands, one after the other.
    fn by_hand(&self, plan: &Plan, project: &Path) -> Result<()> {
        BY_HAND
            .iter()
            .try_for_each(|arguments| done(&mut self.terraform(plan, project, arguments)?))
    }

    /// A run, from its start to its end.
    fn run(&self, plan: &Plan, workspace: &str, project: &Path) -> Result<()> {
        let project = project.display().to_string();
        let start = ["run", "start", workspace, "--dir", &project, "--auto-apply"];
        done(&mut self.client(plan, &start))
    }

    /// Waits until what the server started has ended, so that its time is counted.
    fn rests(&self) {
        while is_at_work(self.server.pid()) {
            sleep(Duration::from_millis(5));
        }
    }

    /// What something takes, by this process and by the server.
    fn taken(&self, work: impl FnOnce() -> Result<()>) -> Result<Took> {
        let used =
            || Ok::<_, crate::Failure>(cpu_s_with_ended(self.server.pid())? + cpu_s_of_ended()?);
        self.rests();
        let (began, before) = (Instant::now(), used()?);
        work()?;
        let wall_s = began.elapsed().as_secs_f64();
        self.rests();
        Ok(Took {
            wall_s,
            cpu_s: used()? - before,
        })
    }
}

/// Runs a command to its end, which must be a good one.
fn done(command: &mut Command) -> Result<()> {
    let output = command.stderr(Stdio::piped()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} failed:\n{words}").into())
}

/// The AWS sample, by hand and as a run, in turn.
pub(crate) fn aws(plan: &Plan) -> Result<Section> {
    let moto = Moto::start(plan)?;
    let place = Place::new(plan, &[format!("tcp://{}", moto.address)])?;
    let variables = serde_json::json!({ "endpoint": moto.endpoint(), "size": SIZE }).to_string();
    let files = [("main.tf", AWS), ("terraform.tfvars.json", &variables)];
    // The first run asks the providers for their schemas, which are kept.
    place.workspace(plan, "warm")?;
    place.run(plan, "warm", place.project(&files)?.path())?;
    let (mut ours, mut again, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..plan.runs.min(PAIRS_MAX) {
        for turn in 0..3 {
            moto.forget()?;
            let project = place.project(&files)?;
            let workspace = format!("aws-{pair}-{turn}");
            match (pair + turn) % 3 {
                0 => {
                    place.workspace(plan, &workspace)?;
                    ours.push(place.taken(|| place.run(plan, &workspace, project.path()))?);
                }
                1 => {
                    place.workspace(plan, &workspace)?;
                    let always = [
                        "execution",
                        "set",
                        "--workspace",
                        &workspace,
                        "--reverify",
                        "always",
                    ];
                    done(&mut place.client(plan, &always))?;
                    again.push(place.taken(|| place.run(plan, &workspace, project.path()))?);
                }
                _ => theirs.push(place.taken(|| place.by_hand(plan, project.path()))?),
            }
        }
    }
    let mut section = Section::new("A whole run of a sample of AWS");
    let what = format!(
        "processor time of a run of {} resources against `init`, `plan`, `show`, `apply` by hand",
        SIZE + 1
    );
    let of = |ours: &[Took], ratio: fn(&Took, &Took) -> f64| -> Vec<f64> {
        let pairs = ours.iter().zip(&theirs);
        pairs.map(|(ours, theirs)| ratio(ours, theirs)).collect()
    };
    let cpu = |ours: &Took, theirs: &Took| ours.cpu_s / theirs.cpu_s;
    let over = |ours: &Took, theirs: &Took| (ours.wall_s - 1.05 * theirs.wall_s) * 1000.0;
    section.line(&what, Goal::AtMost(1.05), " ×", &of(&ours, cpu));
    let beyond = "its wall time beyond 1.05 × of that";
    section.line(beyond, Goal::AtMost(500.0), " ms", &of(&ours, over));
    let middle = |took: &[Took], of: fn(&Took) -> f64| {
        number(median(&took.iter().map(of).collect::<Vec<_>>()))
    };
    section.note(format!(
        "{} s and {} s of processor time against {} s and {} s by hand; {} of each, in turn. Schemas are kept from a run before.",
        middle(&ours, |took| took.wall_s),
        middle(&ours, |took| took.cpu_s),
        middle(&theirs, |took| took.wall_s),
        middle(&theirs, |took| took.cpu_s),
        ours.len()
    ));
    section.note(format!(
        "With `reverify` = `always`: {} s and {} s of processor time, {} × that by hand.",
        middle(&again, |took| took.wall_s),
        middle(&again, |took| took.cpu_s),
        number(median(&of(&again, cpu)))
    ));
    Ok(section)
}

/// Runs that wait for one another, a log as it is watched, the start of a sandbox, and a large plan.
pub(crate) fn queue(plan: &Plan) -> Result<Section> {
    let place = Place::new(plan, &[])?;
    let mut section = Section::new("Runs");
    let ratio = queued(plan, &place)?;
    let what = format!(
        "{QUEUED} runs that are started at once, on {SLOTS} places, against the same by hand, {SLOTS} at a time"
    );
    section.line(&what, Goal::AtMost(1.15), " ×", &ratio);
    let ways = watched(plan, &place)?;
    let slow = percentile(&ways, 0.99);
    section.line(
        "a line of a log, from terraform to who watches, p99",
        Goal::AtMost(500.0),
        " ms",
        &[slow],
    );
    let starts = crate::sandbox::starts(plan)?;
    section.line(
        "start of a sandbox, p95",
        Goal::AtMost(150.0),
        " ms",
        &[percentile(&starts, 0.95)],
    );
    section.note(format!(
        "A line takes {} ms in the middle, a sandbox {} ms.",
        number(median(&ways)),
        number(median(&starts))
    ));
    let (grew, json) = large(plan, &place)?;
    let what = format!(
        "memory of the server while a plan's JSON of {} MB comes in, is estimated and judged",
        number(json)
    );
    section.line(&what, Goal::AtMost(30.0), " MB", &[grew]);
    Ok(section)
}

const SMALL: &str = "resource \"terraform_data\" \"one\" {\n  input = \"one\"\n}\n";

/// How much longer runs take that wait for one another, than the same by hand.
fn queued(plan: &Plan, place: &Place) -> Result<Vec<f64>> {
    let mut ratios = Vec::new();
    for pair in 0..plan.runs.min(3) {
        let workspaces: Vec<String> = (0..QUEUED)
            .map(|number| format!("q-{pair}-{number}"))
            .collect();
        for workspace in &workspaces {
            place.workspace(plan, workspace)?;
        }
        let projects: Result<Vec<TempDir>> = (0..QUEUED)
            .map(|_| place.project(&[("main.tf", SMALL)]))
            .collect();
        let projects = projects?;
        let (mut ours_s, mut theirs_s) = (0.0, 0.0);
        for is_ours in [pair % 2 == 0, pair % 2 != 0] {
            let began = Instant::now();
            if is_ours {
                started(plan, place, &workspaces)?;
                ours_s = began.elapsed().as_secs_f64();
            } else {
                at_once(plan, place, &projects)?;
                theirs_s = began.elapsed().as_secs_f64();
            }
        }
        ratios.push(ours_s / theirs_s);
    }
    Ok(ratios)
}

fn at_once(plan: &Plan, place: &Place, projects: &[TempDir]) -> Result<()> {
    std::thread::scope(|scope| {
        let share = projects.len().div_ceil(SLOTS);
        let workers: Vec<_> = projects
            .chunks(share)
            .map(|some| {
                scope.spawn(move || {
                    some.iter()
                        .try_for_each(|project| place.by_hand(plan, project.path()))
                })
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().map_err(|_| "a thread panicked")?)
    })
}

/// Starts a run in each workspace and waits until all have ended.
fn started(plan: &Plan, place: &Place, workspaces: &[String]) -> Result<()> {
    let project = place.project(&[("main.tf", SMALL)])?;
    let folder = project.path().display().to_string();
    for workspace in workspaces {
        let start = [
            "run",
            "start",
            workspace,
            "--dir",
            &folder,
            "--auto-apply",
            "--detach",
        ];
        done(&mut place.client(plan, &start))?;
    }
    let mut client = Client::connect(&place.server.target)?;
    for workspace in workspaces {
        loop {
            let stage = newest(&mut client, workspace)?;
            match stage.as_str() {
                "applied" => break,
                "errored" | "stale" | "canceled" | "state_tampered" => {
                    return Err(format!("a run in {workspace} is {stage}").into());
                }
                _ => sleep(Duration::from_millis(20)),
            }
        }
    }
    Ok(())
}

/// The stage of the newest run of a workspace.
fn newest(client: &mut Client, workspace: &str) -> Result<String> {
    let mut get = |path: &str| -> Result<serde_json::Value> {
        client.expect_ok("GET", path, None, &[])?;
        Ok(serde_json::from_slice(&client.body)?)
    };
    let text = |value: &serde_json::Value, pointer: &str| -> Result<String> {
        let found = value.pointer(pointer).and_then(serde_json::Value::as_str);
        Ok(found
            .ok_or_else(|| format!("no {pointer} in {value}"))?
            .to_owned())
    };
    let found = get(&format!(
        "/api/v2/organizations/{ORGANIZATION}/workspaces/{workspace}"
    ))?;
    let id = text(&found, "/data/id")?;
    let runs = get(&format!("/api/v2/workspaces/{id}/runs?page[size]=1"))?;
    text(&runs, "/data/0/attributes/stage")
}

/// How long lines of a log were on their way, in milliseconds: each says when it was written.
fn watched(plan: &Plan, place: &Place) -> Result<Vec<f64>> {
    let script = format!("for each in $(seq {LINES}); do echo at $(date +%s%N); sleep 0.05; done");
    let configuration = format!(
        "resource \"terraform_data\" \"said\" {{\n  provisioner \"local-exec\" {{\n    command = \"{script}\"\n  }}\n}}\n"
    );
    let project = place.project(&[("main.tf", &configuration)])?;
    place.workspace(plan, "watched")?;
    let folder = project.path().display().to_string();
    let start = ["run", "start", "watched", "--dir", &folder, "--auto-apply"];
    let mut watching = place.client(plan, &start).stdout(Stdio::piped()).spawn()?;
    let ways = ways(&mut watching);
    let ended = watching.wait()?;
    let ways = ways?;
    if ended.success() && ways.len() == LINES {
        return Ok(ways);
    }
    Err(format!(
        "{} of {LINES} lines of a log were seen; the run ended with {ended}",
        ways.len()
    )
    .into())
}

fn ways(watching: &mut Child) -> Result<Vec<f64>> {
    let stdout = watching.stdout.take().ok_or("no output")?;
    let mut ways = Vec::new();
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        let written = line
            .rsplit_once("(local-exec): at ")
            .map(|(_, written)| written.trim().parse::<u64>());
        if let Some(Ok(written)) = written {
            ways.push(milliseconds_since(Duration::from_nanos(written)));
        }
    }
    Ok(ways)
}

#[expect(
    clippy::disallowed_methods,
    reason = "two processes are timed by the clock that they share"
)]
fn milliseconds_since(then: Duration) -> f64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    now.saturating_sub(then).as_secs_f64() * 1000.0
}

/// A policy that has nothing against a plan that it read.
const JUDGES: &str = "package formed\nimport rego.v1\ndeny contains \"this is no plan\" if not input.format_version\n";

/// Has every plan judged from now on.
fn judge(plan: &Plan, place: &Place) -> Result<()> {
    let policies = place.project(&[("formed.rego", JUDGES)])?;
    done(&mut place.client(plan, &["policy-set", "create", "formed", "--global"]))?;
    let folder = policies.path().display().to_string();
    done(&mut place.client(plan, &["policy-set", "publish", "formed", &folder]))
}

/// How much the server grew while a large plan came in and was judged, and how long its JSON was, both in MB.
fn large(plan: &Plan, place: &Place) -> Result<(f64, f64)> {
    let value = "x".repeat(LARGE_BYTES);
    let configuration = format!(
        "locals {{\n  value = file(\"value\")\n}}\n\nresource \"terraform_data\" \"large\" {{\n  count = {LARGE}\n  input = local.value\n}}\n"
    );
    let project = place.project(&[("main.tf", &configuration), ("value", &value)])?;
    place.workspace(plan, "large")?;
    judge(plan, place)?;
    let pid = place.server.pid();
    place.rests();
    let before = memory_bytes(pid, "VmRSS")?;
    forget_peak(pid)?;
    let folder = project.path().display().to_string();
    done(&mut place.client(
        plan,
        &["run", "start", "large", "--dir", &folder, "--plan-only"],
    ))?;
    let grew = memory_bytes(pid, "VmHWM")?.saturating_sub(before);
    Ok((
        megabytes(grew),
        megabytes(json_bytes(plan, place, project.path())?),
    ))
}

/// How long the JSON of a plan is, in bytes.
fn json_bytes(plan: &Plan, place: &Place, project: &Path) -> Result<u64> {
    let [init, planned, show, _] = BY_HAND;
    for arguments in [init, planned] {
        done(&mut place.terraform(plan, project, arguments)?)?;
    }
    let shown = place
        .terraform(plan, project, show)?
        .stdout(Stdio::piped())
        .output()?;
    Ok(shown.stdout.len() as u64)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "sizes in megabytes are shown with three digits"
)]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
