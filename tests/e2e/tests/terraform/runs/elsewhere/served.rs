//! A state that another server keeps, over terraform's `http` backend.

use serde_json::Value;

use super::{Elsewhere, WORKSPACE, stays_there};
use crate::support::api::ask;
use crate::support::house::{House, Server};

impl Elsewhere for Server {
    fn block(&self) -> String {
        let state = format!("{}/state/main/{WORKSPACE}", self.address);
        format!(
            "terraform {{\n  backend \"http\" {{\n    address = \"{state}\"\n    lock_address = \"{state}\"\n    \
             unlock_address = \"{state}\"\n    client_ca_certificate_pem = <<-EOT\n{}EOT\n  }}\n}}\n",
            self.authority_pem(),
        )
    }

    fn way(&self) -> String {
        self.address.replace("https://", "tcp://")
    }

    fn credentials(&self) -> Vec<(&'static str, String)> {
        vec![
            ("TF_HTTP_PASSWORD", self.token.clone()),
            ("TF_HTTP_USERNAME", "somebody".to_owned()),
        ]
    }

    fn shown(&self) -> Value {
        serde_json::from_slice(&self.pull(WORKSPACE)).unwrap()
    }

    fn change(&self) -> Value {
        let mut state = self.shown();
        let serial = state["serial"].as_u64().unwrap();
        state["serial"] = (serial + 1).into();
        let path = format!("/state/main/{WORKSPACE}");
        ask(self, &self.token, ("POST", &path), &state).json();
        state
    }
}

#[test]
fn a_state_of_another_server_stays_there_and_is_copied_and_watched() {
    let home = tempfile::tempdir().unwrap();
    let other = House::up(home.path()).start();
    other.run(&["workspace", "create", WORKSPACE]).done();
    stays_there(&other);
    other.stop();
}
