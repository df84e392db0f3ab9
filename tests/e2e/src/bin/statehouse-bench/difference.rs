//! The difference between two very large states: what it costs the server, and the memory that it takes.

use serde_json::Value;

use crate::client::{Client, content_md5};
use crate::house::{self, ORGANIZATION, Site};
use crate::report::{Goal, Section, number};
use crate::server::{Server, Settings};
use crate::state::States;
use crate::{Plan, Result, process};

const BYTES: usize = 50_000_000;

/// Two versions, a tenth of whose resources differ; the answer must name some.
#[expect(clippy::cast_precision_loss, reason = "memory is less than 2^52 bytes")]
pub(crate) fn difference(plan: &Plan) -> Result<Section> {
    let folder = plan.folder()?;
    let site = Site::create(&folder.path().join("site"), None)?;
    let server = Server::start(&plan.tools, &site, Settings::default())?;
    let mut client = Client::connect(&server.target)?;
    let (mut states, path) = (States::new(1, BYTES), house::address("large"));
    for _ in 0..2 {
        let state = states.next_state();
        client.expect_ok("POST", &path, Some(&content_md5(&state)), &state)?;
    }
    let named = format!("/api/v2/organizations/{ORGANIZATION}/workspaces/w-large");
    let id = ask(&mut client, &named, "/data/id")?;
    let current = format!("/api/v2/workspaces/{id}/current-state-version");
    let version = ask(&mut client, &current, "/data/id")?;
    let compare = format!("/api/v2/state-versions/{version}/diff");
    let (mut cpu_s, mut peaks) = (Vec::new(), Vec::new());
    for _ in 0..plan.runs.min(3) {
        process::forget_peak(server.pid())?;
        let before = process::cpu_s(server.pid())?;
        client.expect_ok("GET", &compare, None, &[])?;
        cpu_s.push(process::cpu_s(server.pid())? - before);
        peaks.push(process::memory_bytes(server.pid(), "VmHWM")? as f64 / BYTES as f64);
    }
    let answered = client.body.len();
    let mut section = Section::new("The difference between two states of 50 MB");
    section.line("server CPU", Goal::AtMost(1.5), " s", &cpu_s);
    section.line(
        "peak memory of the server, in sizes of one state",
        Goal::AtMost(4.0),
        " ×",
        &peaks,
    );
    section.note(format!(
        "A tenth of the resources differ; the answer has {} kB.",
        number(answered as f64 / 1000.0)
    ));
    Ok(section)
}

fn ask(client: &mut Client, path: &str, place: &str) -> Result<String> {
    client.expect_ok("GET", path, None, &[])?;
    let answer: Value = serde_json::from_slice(&client.body)?;
    let found = answer.pointer(place).and_then(Value::as_str);
    found
        .map(str::to_owned)
        .ok_or_else(|| format!("no {place} in {answer}").into())
}
