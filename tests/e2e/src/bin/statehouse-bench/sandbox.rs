//! How long a sandbox takes to start: from the description of a phase to its command.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use statehouse_runner::sandbox::{Inside, Level, Settings, Users};

use crate::{Plan, Result};

/// Users that nobody else has; the runners of a server that is measured begin at the default.
const FIRST: u32 = 1_900_001_000;

/// Every start, in milliseconds, by the user of a seat where this is root.
pub(crate) fn starts(plan: &Plan) -> Result<Vec<f64>> {
    let folder = plan.folder()?;
    let program = folder.path().join("statehouse-sandbox");
    fs_err::copy(
        plan.tools.statehouse.with_file_name("statehouse-sandbox"),
        &program,
    )?;
    let settings = settings(folder.path(), &program);
    let request = |seat: &Value| {
        json!({
            "settings": settings,
            "slot": 0,
            "seat": seat,
            "phase": null,
            "interrupts": 0,
            "dropped": false,
        })
    };
    let asked = |task: &str, seat: &Value| -> Result<Value> {
        let mut command = Command::new(&program);
        command
            .arg(task)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let id = |name: &str| {
            seat.get(name)
                .and_then(Value::as_u64)
                .and_then(|id| u32::try_from(id).ok())
        };
        if task == "measure"
            && rustix::process::geteuid().is_root()
            && let (Some(uid), Some(gid)) = (id("uid"), id("gid"))
        {
            command.uid(uid).gid(gid);
        }
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(request(seat).to_string().as_bytes())?;
        }
        let answer: Value = serde_json::from_slice(&child.wait_with_output()?.stdout)?;
        match answer.get("error").and_then(Value::as_str) {
            None => Ok(answer),
            Some(error) => Err(format!("a sandbox: {error}").into()),
        }
    };
    let seat = asked("seat", &Value::Null)?;
    let seat = seat.get("seat").cloned().unwrap_or_default();
    let measured = asked("measure", &seat);
    asked("clear", &seat)?;
    let starts = measured?;
    let starts = starts
        .get("start_ms")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    Ok(starts.iter().filter_map(Value::as_f64).collect())
}

fn settings(folder: &Path, program: &Path) -> Settings {
    Settings {
        level: Level::Strict,
        bubblewrap: "/usr/bin/bwrap".into(),
        inside: Inside {
            program: program.to_owned(),
            arguments: vec!["inside".to_owned()],
        },
        seats: folder.join("seats"),
        users: Some(Users {
            uid_first: FIRST,
            gid_first: FIRST,
        }),
        cgroup: None,
        memory_bytes_max: 1 << 30,
        processes_max: 100,
        forbidden: Vec::new(),
    }
}
