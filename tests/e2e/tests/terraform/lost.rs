//! Answers that never arrive: terraform asks again, and nothing happens twice.

use crate::support::house::Server;
use crate::support::project::{APPLY, Project, resources};
use crate::support::proof::prove;
use crate::support::proxy::{Asked, Fault, Lines, Rule};

/// The first answers to LOCK, POST and UNLOCK of one apply are lost.
pub(crate) fn answers(server: Server) -> Server {
    let methods: [fn(&Asked) -> bool; 3] = [
        |asked| asked.method == "LOCK",
        |asked| asked.method == "POST",
        |asked| asked.method == "UNLOCK",
    ];
    let lines = Lines::new();
    let line = lines.to(&server);
    let project = Project::ready(&line.block(&server, "lost"), &resources(2));
    line.breaks(&methods.map(|is| Rule {
        is,
        times: 1,
        fault: Fault::LosesAnswer,
    }));
    project.run(APPLY).ends(0, &["2 added"]);
    for is in methods {
        let seen = line.seen(is);
        let statuses: Vec<_> = seen.iter().map(|exchange| exchange.status).collect();
        assert_eq!(statuses, [Some(200), Some(200)], "{:?}", seen[0].asked);
        assert_eq!(seen[0].asked.body, seen[1].asked.body);
    }
    assert_eq!(server.versions("lost").len(), 1);
    assert_eq!(server.lock_id("lost"), None);
    assert_eq!(project.pull(), server.pull("lost"));
    project.is_settled();
    prove(&server, "lost");
    server
}
