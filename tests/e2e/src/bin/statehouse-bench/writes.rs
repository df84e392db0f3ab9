//! Writes: what one costs, how many there are, how long one takes; and what group commit is worth on a slow disk.

use std::path::Path;

use crate::house::Site;
use crate::load::{Load, Writer, drive};
use crate::plain::{Plain, PlainPostgres, PlainSqlite};
use crate::postgres::Cluster;
use crate::report::{Goal, Section, number};
use crate::server::{Server, Settings};
use crate::state::{SIZE, States};
use crate::stats::median;
use crate::{Plan, Result, process};

/// Clients at once, each with a workspace of its own.
pub(crate) const CLIENTS: usize = 64;
/// What the shim adds to a sync.
const DELAY_MS: u32 = 5;

/// Uploads by `count` clients for the seconds of the plan.
pub(crate) fn upload(
    plan: &Plan,
    server: &Server,
    writers: &mut [Writer],
    expected: usize,
) -> Result<Load> {
    drive(writers, plan.seconds, expected, || {
        process::cpu_s(server.pid())
    })
}

/// How many uploads to have at hand for a run.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are positive and small"
)]
pub(crate) fn expected(plan: &Plan, rate: f64) -> usize {
    (rate * plan.seconds * 1.2) as usize
}

/// On `SQLite`, beside `SQLite` alone.
pub(crate) fn sqlite(plan: &Plan) -> Result<Section> {
    let folder = plan.folder()?;
    let site = Site::create(&folder.path().join("site"), None)?;
    let mut plain = PlainSqlite::new(folder.path().join("plain.db"));
    let title = "Writes of 64 KiB states over HTTPS, on SQLite";
    let mut section = beside_plain(plan, &site, &mut plain, title, "plain SQLite", || Ok(0.0))?;
    section.note(format!(
        "One state, {} KiB, compresses {}-fold (zstd level 1).",
        SIZE / 1024,
        number(compression()?)
    ));
    Ok(section)
}

/// On PostgreSQL, beside PostgreSQL alone in the same cluster.
pub(crate) fn postgres(plan: &Plan) -> Result<Section> {
    let folder = plan.folder()?;
    let cluster = Cluster::start(&plan.tools, folder.path(), None)?;
    cluster.run("postgres", "CREATE DATABASE plain")?;
    let site = Site::create(&folder.path().join("site"), Some(&cluster.url("house")))?;
    let mut plain = PlainPostgres::connect(&cluster.url("plain"))?;
    let title = "Writes of 64 KiB states over HTTPS, on PostgreSQL";
    beside_plain(plan, &site, &mut plain, title, "plain PostgreSQL", || {
        cluster.cpu_s()
    })
}

/// The table of writes: `database_cpu_s` is the processor time of a database outside of the server.
fn beside_plain(
    plan: &Plan,
    site: &Site,
    plain: &mut dyn Plain,
    title: &'static str,
    name: &str,
    database_cpu_s: impl Fn() -> Result<f64>,
) -> Result<Section> {
    let server = Server::start(&plan.tools, site, Settings::default())?;
    let mut writers = Writer::group(&server.target, CLIENTS);
    let mut rate = warm_up(plan, &server, &mut writers)?;
    let (mut cpu, mut ratio, mut slower) = (Vec::new(), Vec::new(), Vec::new());
    let (mut plain_rates, mut rates, mut p50s, mut database) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.runs {
        let alone = plain.run(plan.seconds)?;
        let before = database_cpu_s()?;
        let many = upload(plan, &server, &mut writers, expected(plan, rate))?;
        database.push((database_cpu_s()? - before) * 1000.0 / (many.rate() * many.seconds));
        let one = upload(
            plan,
            &server,
            writers.get_mut(..1).unwrap_or_default(),
            expected(plan, rate / 4.0),
        )?;
        rate = many.rate();
        cpu.push(many.cpu_ms());
        ratio.push(many.rate() / alone.rate());
        slower.push(one.p50_ms - alone.p50_ms);
        plain_rates.push(alone.rate());
        rates.push(many.rate());
        p50s.push(one.p50_ms);
    }
    let mut section = Section::new(title);
    section.line(
        "server CPU per acknowledged write",
        Goal::AtMost(0.7),
        " ms",
        &cpu,
    );
    section.line(
        &format!("{CLIENTS} clients against {name}"),
        Goal::AtLeast(0.3),
        " ×",
        &ratio,
    );
    section.line(
        &format!("one client's p50 over that of {name}"),
        Goal::AtMost(3.0),
        " ms",
        &slower,
    );
    section.note(format!(
        "{} writes/s by {CLIENTS} clients, p50 {} ms by one client; {name} alone {} rows/s.",
        number(median(&rates)),
        number(median(&p50s)),
        number(median(&plain_rates)),
    ));
    if median(&database) > 0.0 {
        section.note(format!(
            "PostgreSQL itself used {} ms of CPU per write, beside the server's.",
            number(median(&database))
        ));
    }
    Ok(section)
}

/// A short run that nobody counts, to learn the rate.
fn warm_up(plan: &Plan, server: &Server, writers: &mut [Writer]) -> Result<f64> {
    let load = drive(writers, plan.seconds.min(1.0), CLIENTS, || {
        process::cpu_s(server.pid())
    })?;
    Ok(load.rate())
}

/// On a disk where every sync costs 5 ms more.
pub(crate) fn slow_disk(plan: &Plan) -> Result<Section> {
    let folder = plan.folder()?;
    slow(
        plan,
        folder.path(),
        None,
        "Slow disk: every sync 5 ms slower, on SQLite",
    )
}

/// The same on PostgreSQL, whose processes the shim slows down too.
pub(crate) fn slow_disk_postgres(plan: &Plan) -> Result<Section> {
    let folder = plan.folder()?;
    let cluster = Cluster::start(&plan.tools, folder.path(), Some(DELAY_MS))?;
    cluster.run("postgres", "CREATE DATABASE single")?;
    slow(
        plan,
        folder.path(),
        Some(&cluster),
        "Slow disk: every sync 5 ms slower, on PostgreSQL",
    )
}

fn slow(
    plan: &Plan,
    folder: &Path,
    cluster: Option<&Cluster>,
    title: &'static str,
) -> Result<Section> {
    let delayed = Settings {
        sync_delay_ms: Some(DELAY_MS),
        ..Settings::default()
    };
    let start = |name: &str, settings: Settings| -> Result<Server> {
        let url = cluster.map(|cluster| cluster.url(name));
        Server::start(
            &plan.tools,
            &Site::create(&folder.join(name), url.as_deref())?,
            settings,
        )
    };
    let batching = start("house", delayed.clone())?;
    let single = start(
        "single",
        Settings {
            batch_jobs_max: Some(1),
            ..delayed
        },
    )?;
    let mut writers = Writer::group(&batching.target, CLIENTS);
    let mut single_writers = Writer::group(&single.target, CLIENTS);
    let mut rate = warm_up(plan, &batching, &mut writers)?;
    let (mut over_one, mut over_single) = (Vec::new(), Vec::new());
    let (mut rates, mut ones, mut singles, mut cpu) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.runs {
        let many = upload(plan, &batching, &mut writers, expected(plan, rate))?;
        let one = upload(
            plan,
            &batching,
            writers.get_mut(..1).unwrap_or_default(),
            expected(plan, 200.0),
        )?;
        let apart = upload(plan, &single, &mut single_writers, expected(plan, 200.0))?;
        rate = many.rate();
        over_one.push(many.rate() / one.rate());
        over_single.push(many.rate() / apart.rate());
        rates.push(many.rate());
        ones.push(one.rate());
        singles.push(apart.rate());
        cpu.push(many.cpu_ms());
    }
    let mut section = Section::new(title);
    section.line(
        &format!("{CLIENTS} clients against one client"),
        Goal::AtLeast(8.0),
        " ×",
        &over_one,
    );
    section.line(
        &format!("{CLIENTS} clients against batches of one"),
        Goal::AtLeast(8.0),
        " ×",
        &over_single,
    );
    section.note(format!(
        "{} writes/s by {CLIENTS} clients ({} ms of server CPU each), {} by one client, {} by {CLIENTS} clients with `batch_jobs_max = 1`.",
        number(median(&rates)),
        number(median(&cpu)),
        number(median(&ones)),
        number(median(&singles)),
    ));
    Ok(section)
}

/// How many times smaller zstd makes a state.
#[expect(clippy::cast_precision_loss, reason = "a state is small")]
fn compression() -> Result<f64> {
    let state = States::new(0, SIZE).next_state();
    Ok(state.len() as f64 / zstd::bulk::compress(&state, 1)?.len() as f64)
}
