//! The house whose runs wait, its copies, and what came of the runs in one.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fs_err as fs;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::edits::Edit;
use crate::support::files;
use crate::support::house::{House, Server};
use crate::support::plant::{ENDS, Plant, Runs, remote_with};
use crate::support::project::{APPLY, resources};

/// Runs in each copy; the last is left alone.
const LANES: usize = 7;
/// Where a run is that waits for approvals.
const WAITS: &str = "awaiting_approval";
/// By then a run has ended.
const END_MAX: Duration = Duration::from_secs(30);

/// A workspace with a run that was approved and waits to be confirmed.
pub(crate) struct Lane {
    pub(crate) workspace: String,
    pub(crate) run: String,
    /// The run before, which was applied.
    pub(crate) earlier: String,
}

/// The house, as it is copied.
pub(crate) struct Scene {
    plant: Plant,
    house: House,
    pub(crate) lanes: Vec<Lane>,
    /// Another house's database, with a lane like the others.
    pub(crate) foreign: (PathBuf, Lane),
    _abroad: Plant,
}

/// What came of a run that was to be confirmed.
pub(crate) struct Told {
    /// Its stage, or that the confirmation was refused.
    stage: String,
    /// Why.
    pub(crate) why: String,
}

impl Told {
    /// Its first words.
    pub(crate) fn short(&self) -> String {
        let why: String = self.why.chars().take(40).collect();
        format!("{} ({why})", self.stage)
    }

    /// Whether the run waits for approvals again.
    pub(crate) fn waits(&self) -> bool {
        self.stage == WAITS
    }

    /// Whether the run was not let through, and it was said why: not that runners were lost, or that something else is the matter.
    pub(crate) fn is_refused(&self) -> bool {
        let is_told = !self.why.is_empty() && !self.why.contains("runner-lost");
        let is_refused = matches!(
            self.stage.as_str(),
            "refused" | "state_tampered" | "stale" | "errored"
        );
        is_refused && is_told
    }
}

impl fmt::Display for Told {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}: {}", self.stage, self.why)
    }
}

/// Makes a lane of a house.
fn lane(server: &Server, approver: &str, name: &str) -> Lane {
    let runs = Runs::of(server);
    let project = remote_with(server, name, &resources(1), 0);
    for (category, variable) in [("terraform", "size"), ("env", "SHADE")] {
        let attributes = json!({
            "key": variable, "value": format!("{name}-of-{variable}"), "category": category,
        });
        let sent = json!({ "data": { "type": "vars", "attributes": attributes } });
        let id = runs.workspace(name);
        runs.post(&format!("/api/v2/workspaces/{id}/vars"), &sent)
            .json();
    }
    let main = |count| {
        format!(
            "variable \"size\" {{\n  type = string\n}}\n{}",
            resources(count)
        )
    };
    project.write("main.tf", main(1));
    project.run(APPLY).ends(0, &["1 added"]);
    let earlier = runs.newest(name).id;
    runs.remote(name, 1);
    project.write("main.tf", main(2));
    project
        .run(&["apply", "-input=false"])
        .ends(1, &["1 to add"]);
    let run = runs.newest(name);
    run.word("approve", approver).json();
    Lane {
        workspace: runs.workspace(name),
        run: run.id,
        earlier,
    }
}

/// A folder of the house, as it was when everybody waited.
const COPIED: [(&str, &str); 3] = [
    ("", ".kept"),
    (".anchor", ".anchor-kept"),
    (".runner", ".runner-kept"),
];

impl Scene {
    pub(crate) fn new() -> Self {
        let abroad = Plant::new(&[]);
        let server = abroad.house.start();
        let approver = server.account("anna", "writer");
        let foreign = lane(&server, &approver, "lane-0");
        server.stop();
        let plant = Plant::new(&[]);
        let server = plant.house.start();
        let approver = server.account("anna", "writer");
        let lanes = (0..LANES).map(|each| lane(&server, &approver, &format!("lane-{each}")));
        let lanes = lanes.collect();
        let house = server.stop();
        for (from, to) in COPIED {
            files::copy(&house.folder(from), &house.folder(to));
        }
        Self {
            plant,
            house,
            lanes,
            foreign: (abroad.database(), foreign),
            _abroad: abroad,
        }
    }

    /// How many runs of a copy have something spoiled.
    pub(crate) fn spoiled(&self) -> usize {
        self.lanes.len() - 1
    }

    /// The database of the copy that is worked with.
    pub(crate) fn database(&self) -> PathBuf {
        self.plant.database()
    }

    /// Makes a copy, spoils it, confirms every run, and says what came of those with something spoiled.
    pub(crate) fn confirm(&self, edits: &[Edit]) -> Vec<Told> {
        for (to, from) in COPIED {
            let to = self.house.folder(to);
            if to.exists() {
                fs::remove_dir_all(&to).unwrap();
            }
            files::copy(&self.house.folder(from), &to);
        }
        let before = versions(&self.database());
        for (edit, number) in edits.iter().zip(0..) {
            edit.make(self, number);
        }
        let server = self.house.start();
        let runs = Runs::of(&server);
        let confirmed: Vec<Option<Told>> =
            self.lanes.iter().map(|lane| confirm(runs, lane)).collect();
        let told = self.lanes.iter().zip(confirmed);
        let mut told: Vec<Told> = told
            .map(|(lane, refused)| refused.unwrap_or_else(|| ended(runs, lane)))
            .collect();
        let log = server.log();
        server.stop();
        let control = told.pop().unwrap();
        let made: Vec<String> = edits.iter().map(Edit::to_string).collect();
        assert_eq!(
            control.stage, "applied",
            "what nobody touched beside {made:?}: {control}\n{log}"
        );
        let after = versions(&self.database());
        let unspoiled = edits.iter().all(|edit| !edit.is_of_versions());
        assert!(
            !unspoiled || after == before + 1,
            "{before} versions became {after}, and one run was to be applied: {:#?}",
            edits
                .iter()
                .zip(&told)
                .map(|(edit, told)| format!("{edit}: {told}"))
                .collect::<Vec<_>>()
        );
        told.truncate(edits.len());
        told
    }
}

fn versions(database: &Path) -> i64 {
    let database = Connection::open(database).unwrap();
    let sql = "SELECT count(*) FROM version";
    database.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Confirms a run; answers how that was refused, if it was.
fn confirm(runs: Runs<'_>, lane: &Lane) -> Option<Told> {
    let path = format!("/api/v2/runs/{}/actions/apply", lane.run);
    let answer = runs.post(&path, &Value::Null);
    (answer.status >= 400).then(|| Told {
        stage: "refused".to_owned(),
        why: answer.text(),
    })
}

/// Waits for the end of a run.
fn ended(runs: Runs<'_>, lane: &Lane) -> Told {
    let begun = Instant::now();
    loop {
        let answer = runs.bytes(&format!("/api/v2/runs/{}", lane.run));
        if answer.status >= 400 {
            return Told {
                stage: "refused".to_owned(),
                why: answer.text(),
            };
        }
        let shown = answer.json()["data"]["attributes"].clone();
        let stage = shown["stage"].as_str().unwrap().to_owned();
        // What is not agreed on any more waits for whoever may agree.
        if ENDS.contains(&stage.as_str()) || stage == WAITS {
            let why = shown["reason"].as_str().unwrap_or_default().to_owned();
            return Told { stage, why };
        }
        if begun.elapsed() > END_MAX {
            let why = format!("{} stays so", lane.run);
            return Told { stage, why };
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
