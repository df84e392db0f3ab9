//! Reads: again and again, against a constant body; and each for the first time, against the rate of writes.

use crate::client::Client;
use crate::constant::Constant;
use crate::house::{self, ORGANIZATION, Site};
use crate::load::{Reader, Writer, drive};
use crate::report::{Goal, Section, number};
use crate::server::{Server, Settings};
use crate::stats::median;
use crate::writes::{CLIENTS, expected, upload};
use crate::{Plan, Result, process};

/// In each round: versions are written, each is read once, the newest is read again and again, and so is the constant.
pub(crate) fn reads(plan: &Plan) -> Result<Section> {
    let folder = plan.folder()?;
    let site = Site::create(&folder.path().join("site"), None)?;
    let server = Server::start(&plan.tools, &site, Settings::default())?;
    let constant = Constant::start(&folder.path().join("constant"))?;
    let cpu_s = || process::cpu_s(server.pid());
    let mut writers = Writer::group(&server.target, CLIENTS);
    let mut rate = upload(plan, &server, &mut writers, CLIENTS)?.rate();
    let ids = workspace_ids(&server)?;
    let again = |workspace: usize| Reader::again(&server.target, house::address(workspace));
    let mut again: Vec<Reader> = (0..CLIENTS).map(again).collect();
    let mut constants: Vec<Reader> = (0..CLIENTS)
        .map(|_| Reader::again(&constant.target, "/".to_owned()))
        .collect();
    let (mut ratio, mut first_ratio) = (Vec::new(), Vec::new());
    let (mut repeated, mut constant_rates, mut firsts, mut cpu, mut constant_cpu) =
        (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..plan.runs {
        let written = upload(plan, &server, &mut writers, expected(plan, rate))?;
        rate = written.rate();
        let once = writers.iter_mut().zip(&ids).map(|(writer, id)| {
            let path = |version: String| format!("/api/v2/workspaces/{id}/state?version={version}");
            Reader::once_each(
                &server.target,
                writer.versions.drain(..).map(path).collect(),
            )
        });
        let mut once: Vec<Reader> = once.collect();
        let first = drive(&mut once, plan.seconds, 0, cpu_s)?;
        let repeat = drive(&mut again, plan.seconds, 0, cpu_s)?;
        let same = drive(&mut constants, plan.seconds, 0, || {
            process::cpu_s(constant.pid())
        })?;
        ratio.push(repeat.rate() / same.rate());
        first_ratio.push(first.rate() / rate);
        repeated.push(repeat.rate());
        constant_rates.push(same.rate());
        firsts.push(first.rate());
        cpu.push(repeat.cpu_ms());
        constant_cpu.push(same.cpu_ms());
    }
    let mut section = Section::new("Reads of 64 KiB states over HTTPS, on SQLite");
    section.line(
        "repeated reads against a constant body",
        Goal::AtLeast(0.4),
        " ×",
        &ratio,
    );
    section.line(
        "first reads against writes",
        Goal::AtLeast(1.0),
        " ×",
        &first_ratio,
    );
    section.note(format!(
        "{CLIENTS} clients: {} repeated reads/s ({} ms of server CPU each), {} of the constant body ({} ms), {} first reads/s.",
        number(median(&repeated)),
        number(median(&cpu)),
        number(median(&constant_rates)),
        number(median(&constant_cpu)),
        number(median(&firsts)),
    ));
    Ok(section)
}

/// The ids of the clients' workspaces, in their order.
fn workspace_ids(server: &Server) -> Result<Vec<String>> {
    let mut client = Client::connect(&server.target)?;
    let mut id = |number: usize| -> Result<String> {
        client.expect_ok(
            "GET",
            &format!("/api/v2/organizations/{ORGANIZATION}/workspaces/w-{number}"),
            None,
            &[],
        )?;
        let json: serde_json::Value = serde_json::from_slice(&client.body)?;
        let id = json.pointer("/data/id").and_then(serde_json::Value::as_str);
        id.map(str::to_owned)
            .ok_or_else(|| format!("no id in {json}").into())
    };
    (0..CLIENTS).map(&mut id).collect()
}
