//! States that the configuration keeps elsewhere: they stay there, terraform alone writes them, and the server keeps copies and notices
//! what changed meanwhile. One story, told of each backend.

mod bucket;
mod database;
mod served;

use serde_json::Value;

use crate::support::child::Ran;
use crate::support::house::Server;
use crate::support::moto::script;
use crate::support::plant::{Plant, Run, Runs};
use crate::support::project::{Project, resources};
use crate::support::proof::prove_all;

const WORKSPACE: &str = "far";
/// A resource whose making shows the plan file that is applied, on one line.
const SHOWS_THE_PLAN: &str = r#"
resource "terraform_data" "plan" {
  provisioner "local-exec" {
    command = "echo plan''=$(base64 -w0 /out/plan)"
  }
}
"#;
/// Which entries a zipped file has, and which of them hold a text.
const SEARCH: &str = r#"
import base64, io, json, sys, zipfile
entries = zipfile.ZipFile(io.BytesIO(base64.b64decode(sys.argv[1])))
names = entries.namelist()
holds = lambda text: [name for name in names if text.encode() in entries.read(name)]
print(json.dumps({"names": names, "holds": {text: holds(text) for text in sys.argv[2:]}}))
"#;

/// A backend that holds a state.
trait Elsewhere {
    /// The block that names it, without any credential.
    fn block(&self) -> String;

    /// What a run may connect to.
    fn way(&self) -> String;

    /// What a run has in its environment to get there; the first of them is nobody else's to know.
    fn credentials(&self) -> Vec<(&'static str, String)>;

    /// The state that is there.
    fn shown(&self) -> Value;

    /// Gives the state that is there the next serial.
    fn change(&self) -> Value;
}

struct Far<'a, E> {
    server: &'a Server,
    project: Project,
    place: &'a E,
}

impl<E: Elsewhere> Far<'_, E> {
    /// Keeps the state there, with so many resources.
    fn wants(&self, count: usize) {
        let main = self.place.block() + &resources(count) + SHOWS_THE_PLAN;
        self.project.write("main.tf", main);
    }

    fn starts(&self, more: &[&str]) -> Ran {
        starts(self.server, &self.project, more)
    }

    fn copy(&self, run: &str) -> Value {
        let copied = self.server.run(&["run", "state-copy", run]).done();
        serde_json::from_str(copied.text()).unwrap()
    }
}

fn starts(server: &Server, project: &Project, more: &[&str]) -> Ran {
    let folder = project.path("");
    let words = ["run", "start", WORKSPACE, "--dir", folder.to_str().unwrap()];
    server.run(&[&words[..], more].concat())
}

/// How many instances of the counted resource a state has.
fn made(state: &Value) -> usize {
    let resources = state["resources"].as_array().unwrap();
    let each = resources.iter().find(|one| one["name"] == "each");
    each.unwrap()["instances"].as_array().unwrap().len()
}

/// A server whose runs may connect to a backend and nothing else.
fn server_for(place: &impl Elsewhere) -> (Plant, Server) {
    let plant = Plant::new(&[&format!("runs.egress=[\"{}\"]", place.way())]);
    let server = plant.house.start();
    server.run(&["workspace", "create", WORKSPACE]).done();
    Runs::of(&server).remote(WORKSPACE, 0);
    for (name, value) in place.credentials() {
        let words = [
            "variable",
            "set",
            WORKSPACE,
            name,
            &value,
            "--env",
            "--sensitive",
        ];
        server.run(&words).done();
    }
    (plant, server)
}

/// A state stays where the configuration keeps it: applied, copied, and watched for changes by others.
fn stays_there(place: &impl Elsewhere) {
    let (_plant, server) = server_for(place);
    let runs = Runs::of(&server);
    let far = Far {
        server: &server,
        project: Project::new("", ""),
        place,
    };

    far.wants(1);
    far.starts(&["--auto-apply"]).done();
    let first = runs.newest(WORKSPACE);
    first.gets_to("applied");
    let there = place.shown();
    assert_eq!(made(&there), 1);
    assert_eq!(far.copy(&first.id)["serial"], there["serial"]);
    let kept = server.versions(WORKSPACE);
    assert!(kept.is_empty(), "it is no version here: {kept:?}");
    knows_no_secret(&first, place);

    // Somebody changes it behind everybody's back: before a plan that is told, and between plan and apply it ends the run.
    place.change();
    far.wants(2);
    far.starts(&["--detach"]).done();
    let second = runs.at(WORKSPACE, "awaiting_approval");
    let said = format!("changed outside Statehouse since {}", first.id);
    assert!(second.log("plan").contains(&said), "{}", second.log("plan"));
    assert!(second.events().contains(&"changed-outside".to_owned()));
    let there = place.change();
    second.acts("apply", &server.token, &Value::Null).json();
    second.gets_to("stale").ended("stale", "backend-state");
    assert_eq!(place.shown()["serial"], there["serial"]);

    far.starts(&["--auto-apply"]).done();
    let third = runs.newest(WORKSPACE);
    third.gets_to("applied");
    let there = place.shown();
    assert_eq!(made(&there), 2);
    assert_eq!(far.copy(&third.id)["serial"], there["serial"]);

    prove_all(&server);
    server.stop();
}

/// No credential of a run is in its logs, nor in any entry of its plan file, which the apply showed.
fn knows_no_secret(run: &Run<'_>, place: &impl Elsewhere) {
    let apply = run.log("apply");
    let (_, shown) = apply.split_once("plan=").unwrap();
    let plan: String = shown
        .chars()
        .take_while(|each| each.is_ascii_alphanumeric() || "+/=".contains(*each))
        .collect();
    let (_, secret) = place.credentials().remove(0);
    let control = "number ${count.index}";
    let found: Value = serde_json::from_str(&script(SEARCH, &[&plan, control, &secret])).unwrap();
    let names = found["names"].as_array().unwrap();
    assert!(names.contains(&"tfplan".into()), "{found}");
    assert_ne!(found["holds"][control], Value::Array(Vec::new()), "{found}");
    assert_eq!(found["holds"][&secret], Value::Array(Vec::new()), "{found}");
    for log in [run.log("plan"), apply] {
        assert!(!log.contains(&secret), "{log}");
    }
}

#[test]
fn a_state_in_a_file_of_the_sandbox_would_end_with_the_run_and_is_refused() {
    let plant = Plant::new(&[]);
    let server = plant.house.start();
    server.run(&["workspace", "create", WORKSPACE]).done();
    let runs = Runs::of(&server);
    runs.remote(WORKSPACE, 0);
    let project = Project::new("", "terraform {\n  backend \"local\" {}\n}\n");
    starts(&server, &project, &["--plan-only"]).ends(1, &["backend `local`"]);
    runs.newest(WORKSPACE).ended("errored", "configuration");
    server.stop();
}
