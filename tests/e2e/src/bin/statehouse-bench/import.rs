//! A thousand states that are there already move in: for each a workspace, and one upload under its lock.
//!
//! What is measured is the server's processor time of whatever brings them: [`push`] does by hand what a client of the `http`
//! backend does.

use crate::client::{Client, Target, content_md5, lock_info};
use crate::house::{self, ORGANIZATION, Site};
use crate::report::{Goal, Section, number};
use crate::server::{Server, Settings};
use crate::state::States;
use crate::{Plan, Result, process};

const STATES: usize = 1_000;
const BYTES: usize = 100_000;
/// Clients that bring them: few, because an import is one program.
const CLIENTS: usize = 4;

/// A fresh server takes them all.
pub(crate) fn import(plan: &Plan) -> Result<Section> {
    let folder = plan.folder()?;
    let site = Site::create(&folder.path().join("site"), None)?;
    let server = Server::start(&plan.tools, &site, Settings::default())?;
    let states: Vec<Vec<u8>> = (0..STATES)
        .map(|number| States::new(number as u64, BYTES).next_state())
        .collect();
    let (before, began) = (process::cpu_s(server.pid())?, std::time::Instant::now());
    push(&server.target, &states)?;
    let (cpu_s, elapsed_s) = (
        process::cpu_s(server.pid())? - before,
        began.elapsed().as_secs_f64(),
    );
    let mut section = Section::new("Moving in: 1,000 states of 100 KB, on SQLite");
    section.line("server CPU", Goal::AtMost(60.0), " s", &[cpu_s]);
    section.note(format!(
        "Each a workspace made, locked, written and unlocked by one of {CLIENTS} clients: {} s in all.",
        number(elapsed_s)
    ));
    Ok(section)
}

/// Brings the states, each into a workspace of its own.
fn push(target: &Target, states: &[Vec<u8>]) -> Result<()> {
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let own = states.iter().enumerate().skip(client).step_by(CLIENTS);
                scope.spawn(move || -> Result<()> {
                    let mut client = Client::connect(target)?;
                    for (number, state) in own {
                        push_one(&mut client, number, state)?;
                    }
                    Ok(())
                })
            })
            .collect();
        for client in clients {
            client
                .join()
                .map_err(|_| "a client of the import panicked")??;
        }
        Ok(())
    })
}

fn push_one(client: &mut Client, number: usize, state: &[u8]) -> Result<()> {
    let wish = serde_json::json!({
        "data": { "type": "workspaces", "attributes": { "name": format!("w-{number}") } },
    });
    let workspaces = format!("/api/v2/organizations/{ORGANIZATION}/workspaces");
    client.expect_ok("POST", &workspaces, None, wish.to_string().as_bytes())?;
    let (path, id) = (
        house::address(number),
        format!("00000000-0000-4000-a000-{number:012}"),
    );
    let lock = lock_info(&id);
    client.expect_ok("LOCK", &path, None, &lock)?;
    let (post, md5) = (format!("{path}?ID={id}"), content_md5(state));
    client.expect_ok("POST", &post, Some(&md5), state)?;
    client.expect_ok("UNLOCK", &path, None, &lock)?;
    Ok(())
}
