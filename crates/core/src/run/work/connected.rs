//! Where a run connected to, as its runner tells.
//!
//! What is told are ends, each once for a job: a provider connects to the same name a hundred times. A runner that was taken over can
//! keep silent; then nothing says so here.

use std::sync::Arc;

use statehouse_control::{Became, Connection};

use super::{Line, ReportRun};
use crate::door::{self, Entry, Outcome};
use crate::error::{Error, Kind, Result};
use crate::job;
use crate::run::{happened_about, needed, sql};

/// Connections that are told at once: their rows fit into a leaf.
const CONNECTIONS_MAX: usize = 64;
/// Events of a run beyond which no connection is told any more: a runner tells of a thousand for each job, and one that
/// was taken over would fill the ledger.
const EVENTS_MAX: u64 = 5_000;
/// Longest words about one, in bytes: a name has 253, and so has that of a proxy.
const ABOUT_BYTES_MAX: usize = 600;

impl Line {
    /// Writes down where a run connected to, or was kept from.
    pub async fn connected(&self, connections: Vec<Connection>) -> Result<()> {
        if connections.len() > CONNECTIONS_MAX {
            let words = format!("at most {CONNECTIONS_MAX} connections are told at once");
            return Err(Error::invalid(words));
        }
        let given = Arc::new((self.clone(), connections));
        door::change(&self.ctx, ReportRun, self.target(), move |tx| {
            let given = given.clone();
            Box::pin(async move {
                let (line, connections) = &*given;
                job::held(tx, &line.job).await?;
                let run = needed(tx, &line.run).await?;
                if sql::next_number(tx, &run.id).await? > EVENTS_MAX {
                    let words = format!(
                        "{} has {EVENTS_MAX} events: no connection is told any more",
                        run.id
                    );
                    return Err(Error::new(Kind::Conflict, words).hint("the run goes on"));
                }
                let mut refused = 0_u64;
                for connection in connections {
                    let word = word(connection.became);
                    refused += u64::from(connection.became == Became::Refused);
                    happened_about(tx, &run, (word, about(connection))).await?;
                }
                let entry = Entry::new(&run.id)
                    .fact("connections", connections.len() as u64)
                    .fact("refused", refused);
                Ok(Outcome::Recorded((), entry))
            })
        })
        .await
    }
}

fn word(became: Became) -> &'static str {
    match became {
        Became::Opened => "connection-opened",
        Became::Refused => "connection-refused",
        Became::Failed => "connection-failed",
    }
}

/// Where it was to lead, through which proxy, and why it did not.
fn about(connection: &Connection) -> String {
    let mut about = connection.to.clone();
    if let Some(through) = &connection.through {
        about.push_str(" through ");
        about.push_str(through);
    }
    if let Some(why) = &connection.why {
        about.push_str(": ");
        about.push_str(why);
    }
    about = job::sandbox::clean(&about);
    about.truncate(about.floor_char_boundary(ABOUT_BYTES_MAX));
    about
}
