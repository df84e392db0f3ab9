//! What a server takes when nothing happens, how soon it is there, and how large its program is.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::house::{ORGANIZATION, Site};
use crate::report::{Goal, Section, number};
use crate::server::Server;
use crate::stats::median;
use crate::{Plan, Result, process};

const WORKSPACES: usize = 10_000;
const HOUSES: usize = 1_000;
/// How long a fresh server is left alone before its memory is read.
const QUIET: Duration = Duration::from_secs(2);

/// Memory, start, size.
#[expect(clippy::cast_precision_loss, reason = "sizes are less than 2^52 bytes")]
pub(crate) fn idle(plan: &Plan) -> Result<Section> {
    let mut section = Section::new("Idle, start, size");
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let folder = plan.folder()?;
    let site = Site::create(&folder.path().join("site"), None)?;
    let mut memory = Vec::new();
    for _ in 0..plan.runs {
        let (server, _) = Server::up(&plan.tools, &site)?;
        ask(&server, "/api/v2/account/details")?;
        sleep(QUIET);
        memory.push(mb(process::memory_bytes(server.pid(), "VmRSS")?));
    }
    section.line(
        "memory of an idle server with one organization",
        Goal::AtMost(60.0),
        " MB",
        &memory,
    );
    let many = Site::create_large(&folder.path().join("workspaces"), WORKSPACES, 1)?;
    starts(
        plan,
        &mut section,
        &many,
        "10,000 workspaces in one organization",
    )?;
    let many = Site::create_large(&folder.path().join("houses"), 1, HOUSES)?;
    starts(plan, &mut section, &many, "1,000 organizations")?;
    let binary = fs_err::metadata(&plan.tools.statehouse)?.len();
    section.line("release binary", Goal::AtMost(60.0), " MB", &[mb(binary)]);
    section.note("Ready: from the start of the process to an answer from inside the organization (its list of workspaces) over HTTPS.");
    Ok(section)
}

/// How long it takes from the start of the process to an answer that needed the organization to be open.
fn starts(plan: &Plan, section: &mut Section, site: &Site, what: &str) -> Result<()> {
    let (mut ready_ms, mut line_ms, mut memory) = (Vec::new(), Vec::new(), 0);
    for _ in 0..plan.runs {
        let began = Instant::now();
        let (server, line_s) = Server::up(&plan.tools, site)?;
        ask(
            &server,
            &format!("/api/v2/organizations/{ORGANIZATION}/workspaces"),
        )?;
        ready_ms.push(began.elapsed().as_secs_f64() * 1000.0);
        line_ms.push(line_s * 1000.0);
        memory = process::memory_bytes(server.pid(), "VmRSS")?;
    }
    section.line(
        &format!("ready with {what}"),
        Goal::AtMost(300.0),
        " ms",
        &ready_ms,
    );
    section.note(format!(
        "With {what}: `up` has printed its line after {} ms; {} MiB resident after the first answer.",
        number(median(&line_ms)),
        memory / (1024 * 1024),
    ));
    Ok(())
}

fn ask(server: &Server, path: &str) -> Result<()> {
    Client::connect(&server.target)?.expect_ok("GET", path, None, &[])?;
    Ok(())
}
