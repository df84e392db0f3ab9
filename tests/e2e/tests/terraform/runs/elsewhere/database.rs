//! A state in a database of PostgreSQL.

use serde_json::Value;

use super::{Elsewhere, stays_there};
use crate::support::postgres::Cluster;

const PASSWORD: &str = "kept-in-the-environment-alone";

struct Database {
    cluster: Cluster,
    port: u16,
}

impl Elsewhere for Database {
    fn block(&self) -> String {
        "terraform {\n  backend \"pg\" {}\n}\n".to_owned()
    }

    fn way(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    fn credentials(&self) -> Vec<(&'static str, String)> {
        let address = format!(
            "postgres://127.0.0.1:{}/postgres?sslmode=disable",
            self.port
        );
        vec![
            ("PGPASSWORD", PASSWORD.to_owned()),
            ("PGUSER", "stater".to_owned()),
            ("PG_CONN_STR", address),
        ]
    }

    fn shown(&self) -> Value {
        let found = self
            .cluster
            .asked("SELECT data FROM terraform_remote_state.states");
        serde_json::from_str(&found).unwrap()
    }

    fn change(&self) -> Value {
        let sql = "UPDATE terraform_remote_state.states
            SET data = jsonb_set(data::jsonb, '{serial}', to_jsonb((data::jsonb->>'serial')::int + 1))::text
            RETURNING data";
        serde_json::from_str(&self.cluster.asked(sql)).unwrap()
    }
}

#[test]
fn a_state_in_postgresql_stays_there_and_is_copied_and_watched() {
    let (cluster, port) = Cluster::start_open();
    let role = format!(
        "CREATE ROLE stater LOGIN PASSWORD '{PASSWORD}'; GRANT CREATE ON DATABASE postgres TO stater; \
         GRANT CREATE ON SCHEMA public TO stater"
    );
    cluster.executed(&role);
    stays_there(&Database { cluster, port });
}
