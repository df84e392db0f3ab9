//! Answers that never arrive: terraform asks again, and nothing happens twice.

use crate::support::house::Server;
use crate::support::project::{APPLY, Project, resources};
use crate::support::proof::prove;
use crate::support::proxy::Proxy;

/// The first answers to LOCK, POST and UNLOCK of one apply are lost.
pub(crate) fn answers(server: Server) -> Server {
    let methods = ["LOCK", "POST", "UNLOCK"];
    let line = Proxy::losing(&server, &methods);
    let project = Project::ready(&line.block(&server, "lost"), &resources(2));
    project.run(APPLY).ends(0, &["2 added"]);
    for method in methods {
        let seen = line.seen(method);
        let statuses: Vec<u16> = seen.iter().map(|exchange| exchange.status).collect();
        assert_eq!(statuses, [200, 200], "{method}");
        assert_eq!(seen[0].asked, seen[1].asked, "{method}");
    }
    assert_eq!(server.versions("lost").len(), 1);
    assert_eq!(server.lock_id("lost"), None);
    assert_eq!(project.pull(), server.pull("lost"));
    project.is_settled();
    prove(&server, "lost");
    server
}
