//! Pages of runs and workspaces: what a person sees of them, and decides.

use bytes::Bytes;
use serde_json::json;
use statehouse_core::access::{self, Scope};
use statehouse_core::run::act;
use statehouse_core::user;
use statehouse_model::{Role, RunId, UserId};

use crate::agents::{Far, REASON_SHOWN};
use crate::pages::PASSWORD;
use crate::planned::{Remote, finish, finish_shown, found, job_of, until};
use crate::support::{Answer, Browser, name};
use statehouse_core::run::machine::Status;

const WORKSPACE: &str = "/app/acme/dns";
/// The next step where it is frozen.
const THAW: &str = "statehouse workspace thaw acme/dns --reason";

/// A browser of somebody who has a role, or none.
pub(crate) async fn browser<'s>(
    remote: &'s Remote,
    called: &str,
    role: Option<Role>,
) -> Browser<'s> {
    let machine = remote.server().core.machine();
    let made = user::create(&machine, name(called), false, Some(PASSWORD.into())).await;
    if let Some(role) = role {
        let id: UserId = made.unwrap().id.parse().unwrap();
        let given = access::give(&remote.ctx, id, role, Scope::Organization, None).await;
        given.unwrap();
    }
    let mut browser = Browser::new(remote.server());
    browser.sign_in(called, PASSWORD).await.is(303);
    browser
}

async fn decide(browser: &mut Browser<'_>, page: &str, what: &str) -> Answer {
    let fields = [("what", what), ("comment", "as agreed")];
    let action = format!("{page}/decision");
    browser.fill(page, &action, &fields).await
}

/// Starts a run that one person besides its author must approve, and brings it to where it waits.
async fn waiting(remote: &Remote) -> (String, String) {
    let path = "/api/v2/organizations/acme/executions";
    let wish = json!({ "scope": "organization", "approvals": 1 });
    remote
        .server()
        .post(remote.owner(), path, wish)
        .await
        .is(201);
    let run = remote.planned(json!({ "message": "<b>why</b>" })).await;
    let page = format!("{WORKSPACE}/runs/{run}");
    (run, page)
}

#[tokio::test]
async fn a_run_is_seen_and_decided_on_its_page() {
    let remote = Remote::new().await;
    let (run, page) = waiting(&remote).await;
    let mut ada = browser(&remote, "ada", Some(Role::Writer)).await;

    let shown = ada.get(WORKSPACE).await.is(200);
    assert!(shown.text().contains(&format!("href=\"{page}\"")));
    let shown = ada.get(&page).await.is(200);
    for words in [
        "awaiting approval",
        "&lt;b&gt;why&lt;/b&gt;",
        "0 to add, 0 to change, 0 to destroy",
        "value=\"approve\"",
        "value=\"confirm\"",
        "It will cost: <strong>1.00 USD a month (+1.00), 2 of 3 resources known</strong>",
        "aws_instance.web",
        "<dt>Unsupported</dt><dd>1</dd>",
        "acme_thing",
    ] {
        assert!(shown.text().contains(words), "{words}: {}", shown.text());
    }
    assert!(!shown.text().contains("<script"), "nothing goes on here");

    let says = async |ada: &mut Browser<'_>, words: &[&str]| {
        let shown = ada.get(&page).await.is(200);
        for words in words {
            assert!(shown.text().contains(words), "{words}: {}", shown.text());
        }
    };
    let words = [
        "Says that it shall be applied. Nothing is applied yet: 1 more approval is needed first",
        "nothing is applied until somebody also confirms it",
        "0 of 1 needed approvals are there; 1 more approval is missing. Approving needs <code>run.approve</code> here, held by the roles owner, maintainer and writer",
        "<dt>Confirmed</dt><dd>not yet</dd>",
    ];
    says(&mut ada, &words).await;
    decide(&mut ada, &page, "confirm").await.is(303);
    assert_eq!(remote.told(&run).await["stage"], "awaiting_approval");
    let words = [
        "<dt>Confirmed</dt><dd>by ada, ",
        "It is confirmed already and yours is the last approval that is missing",
    ];
    says(&mut ada, &words).await;
    let answer = decide(&mut ada, &page, "approve").await.is(303);
    assert_eq!(answer.header("location"), page);
    assert_eq!(remote.told(&run).await["stage"], "approved");
    let shown = ada.get(&page).await.is(200);
    let agreed = "1 of 1 approval (ada)</dd>";
    assert!(shown.text().contains(agreed), "{}", shown.text());
    assert!(shown.text().contains("data-again"), "{}", shown.text());
    let policy = shown.header("content-security-policy");
    assert!(policy.contains("connect-src 'self'"), "{policy}");
    decide(&mut ada, &page, "cancel").await.is(303);
    assert_eq!(remote.told(&run).await["stage"], "canceled");
    decide(&mut ada, &page, "comment").await.is(303);
    let shown = ada.get(&page).await.is(200);
    let buttons: Vec<_> = shown.text().matches("name=\"what\" value=").collect();
    assert_eq!(buttons.len(), 1, "{}", shown.text());
    for words in [
        "ada confirmed that it shall be applied<br><q><bdi>as agreed</bdi></q>",
        "ada approved it<br><q><bdi>as agreed</bdi></q>",
        "ada asked it to stop<br><q><bdi>as agreed</bdi></q>",
        "ada said something about it<br><q><bdi>as agreed</bdi></q>",
    ] {
        assert!(shown.text().contains(words), "{words}: {}", shown.text());
    }
}

#[tokio::test]
async fn what_people_say_is_shown_to_whoever_sees_the_run_as_text() {
    let remote = Remote::new().await;
    let (run, page) = waiting(&remote).await;
    let said = "<script>alert(1)</script> \u{202e}";
    let path = format!("/api/v2/runs/{run}/actions/discard");
    let comment = json!({ "comment": said }).to_string();
    let answer = remote.server().call(remote.owner(), "POST", &path, comment);
    answer.await.is(202);
    let mut ada = browser(&remote, "ada", Some(Role::Reader)).await;
    let shown = ada.get(&page).await.is(200);
    let words = "discarded it<br><q><bdi>&lt;script&gt;alert(1)&lt;/script&gt; \\u{202e}</bdi></q>";
    assert!(shown.text().contains(words), "{}", shown.text());
    let told = remote.get(&format!("/api/v2/runs/{run}/run-events")).await;
    let last = told["data"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["attributes"]["comment"], said);
    assert_eq!(last["attributes"]["comment-fault"], json!(null));
    assert!(last["attributes"]["actor-name"].is_string());
}

#[tokio::test]
async fn what_waits_for_somebody_is_on_a_page_of_theirs_and_for_nobody_else() {
    let remote = Remote::new().await;
    let (run, page) = waiting(&remote).await;
    let link = format!("href=\"{page}\"");
    let mut ada = browser(&remote, "ada", Some(Role::Writer)).await;
    let shown = ada.get("/app/waiting").await.is(200);
    for words in [&*link, "approve it, confirm it"] {
        assert!(shown.text().contains(words), "{words}: {}", shown.text());
    }
    for (called, role) in [
        ("bob", Some(Role::Reader)),
        ("eve", None),
        ("mel", Some(Role::Member)),
    ] {
        let mut other = browser(&remote, called, role).await;
        let shown = other.get("/app/waiting").await.is(200);
        let nothing = "Nothing waits for you now.";
        assert!(shown.text().contains(nothing), "{called}: {}", shown.text());
    }
    let path = "/api/v2/organizations/acme/runs/waiting";
    let told = remote.get(path).await["data"].clone();
    assert_eq!(told[0]["id"], run.as_str());
    // People are looked up where somebody asks for them, and not for who looks each second.
    for (query, is_named) in [("", false), ("?people=true", true)] {
        let told = remote.get(&format!("/api/v2/runs/{run}{query}")).await;
        let people = &told["data"]["attributes"]["waits-for"][0]["people"];
        assert_eq!(people.is_array(), is_named, "{people}");
    }
    let meta = remote.get(path).await["meta"].clone();
    assert_eq!((&meta["more"], &meta["unread"]), (&json!(false), &json!(0)));
    let told = &told[0]["attributes"];
    assert_eq!(
        told["waits-for-me"],
        json!(["confirm"]),
        "their own approval does not count"
    );
    assert_eq!(told["workspace-name"], "dns");
    decide(&mut ada, &page, "confirm").await.is(303);
    assert_eq!(remote.get(path).await["data"], json!([]));
    decide(&mut ada, &page, "reject").await.is(303);
    let shown = ada.get("/app/waiting").await.is(200);
    assert!(!shown.text().contains(&link), "{}", shown.text());
}

#[tokio::test]
async fn an_approval_is_taken_back_on_the_page_by_whoever_gave_it() {
    let remote = Remote::new().await;
    let (run, page) = waiting(&remote).await;
    let mut ada = browser(&remote, "ada", Some(Role::Writer)).await;
    decide(&mut ada, &page, "approve").await.is(303);
    let shown = ada.get(&page).await.is(200);
    assert!(
        !shown.text().contains("value=\"approve\""),
        "{}",
        shown.text()
    );
    assert!(
        shown.text().contains("You approved it."),
        "{}",
        shown.text()
    );
    decide(&mut ada, &page, "withdraw").await.is(303);
    assert_eq!(remote.told(&run).await["approvals"]["counted"], 0);
}

#[tokio::test]
async fn a_run_that_has_its_turn_later_says_on_its_page_what_comes_first() {
    let remote = Remote::new().await;
    let first = remote.planned(json!({})).await;
    let second = remote.run(json!({})).await;
    let mut ada = browser(&remote, "ada", Some(Role::Reader)).await;
    let shown = ada.get(&format!("{WORKSPACE}/runs/{second}")).await.is(200);
    let words = format!(
        "It waits for run 1 ({first}), which holds the workspace and is awaiting approval."
    );
    assert!(shown.text().contains(&words), "{}", shown.text());
    let told = remote.told(&second).await["waits-for"].clone();
    assert_eq!(told[0]["run"], first.as_str());
    assert_eq!(told[0]["words"], words);
}

#[tokio::test]
async fn whose_approval_would_not_count_is_told_so_and_offered_none() {
    let remote = Remote::new().await;
    let (_, other) = waiting(&remote).await;
    let mut ada = browser(&remote, "ada", Some(Role::Writer)).await;
    let shown = ada.get(&other).await.is(200);
    assert!(
        shown.text().contains("0 of 1 approval</dd>"),
        "{}",
        shown.text()
    );
    assert!(shown.text().contains("value=\"approve\""));
    let mut bob = browser(&remote, "bob", Some(Role::Planner)).await;
    let shown = bob.get(&other).await.is(200);
    let words = "0 of 1 approval; yours does not count: you may not approve it";
    assert!(shown.text().contains(words), "{}", shown.text());
    assert!(!shown.text().contains("value=\"approve\""));
}

#[tokio::test]
async fn nobody_decides_from_elsewhere_or_about_something_else() {
    let remote = Remote::new().await;
    let (run, page) = waiting(&remote).await;
    let action = format!("{page}/decision");
    let mut ada = browser(&remote, "ada", Some(Role::Writer)).await;
    let mut bob = browser(&remote, "bob", Some(Role::Reader)).await;
    let shown = bob.get(&page).await.is(200);
    assert!(!shown.text().contains("/decision"), "{}", shown.text());

    // A form of another session, of another capsule, of no page.
    let shown = ada.get(&page).await.is(200);
    let hidden = crate::support::hidden(shown.text(), &action);
    let fields = |form: &str, capsule: &str, what: &str| {
        [
            ("form", form.to_owned()),
            ("capsule", capsule.to_owned()),
            ("what", what.to_owned()),
            ("comment", String::new()),
        ]
    };
    let value = |name: &str| {
        let found = hidden.iter().find(|(of, _)| of == name);
        found.unwrap().1.clone()
    };
    let (form, capsule) = (value("form"), value("capsule"));
    let other = "00".repeat(32);
    for (fields, status) in [
        (fields("", &capsule, "approve"), 403),
        (fields(&form, &other, "approve"), 409),
        (fields(&form, "", "approve"), 400),
        (fields(&form, &capsule, "destroy"), 400),
    ] {
        let fields = fields
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        ada.post(&action, &fields).await.is(status);
    }
    let good = fields(&form, &capsule, "approve");
    let good = good.each_ref().map(|(name, value)| (*name, value.as_str()));
    bob.post(&action, &good).await.is(403);
    ada.site = Some("cross-site");
    ada.post(&action, &good).await.is(403);
    assert_eq!(remote.told(&run).await["stage"], "awaiting_approval");
}

#[tokio::test]
async fn who_may_not_see_a_run_is_told_of_none() {
    let remote = Remote::new().await;
    let run = remote.planned(json!({})).await;
    let page = format!("{WORKSPACE}/runs/{run}");
    let mut nobody = Browser::new(remote.server());
    let answer = nobody.get(&page).await.is(303);
    assert!(
        answer
            .header("location")
            .starts_with("/sign-in?to=%2Fapp%2Facme")
    );
    let mut stranger = browser(&remote, "eve", None).await;
    let mut ada = browser(&remote, "ada", Some(Role::Writer)).await;
    for path in [WORKSPACE.to_owned(), page.clone(), format!("{page}/log")] {
        stranger.get(&path).await.is(404);
        ada.get(&path).await.is(200);
    }
    for path in [
        format!("/app/acme/other/runs/{run}"),
        format!("/app/none/dns/runs/{run}"),
        "/app/acme/none".to_owned(),
        format!("{WORKSPACE}/runs/run-none"),
    ] {
        ada.get(&path).await.is(404);
    }
}

#[tokio::test]
async fn a_log_is_followed_to_its_end_and_from_where_it_broke() {
    let remote = Remote::new().await;
    let run = remote.run(json!({})).await;
    let page = format!("{WORKSPACE}/runs/{run}");
    let line = job_of(remote.server(), &run).await;
    line.planning().await.unwrap();
    let said = "one\n{\"@message\":\"two\"}\nhal";
    line.log(0, Bytes::from_static(said.as_bytes()))
        .await
        .unwrap();
    let mut ada = browser(&remote, "ada", Some(Role::Writer)).await;
    let shown = ada.get(&page).await.is(200);
    let from = said.len() - "hal".len();
    let follows = format!("data-follows=\"{page}/log?of=plan&amp;from={from}\"");
    assert!(shown.text().contains(&follows), "{}", shown.text());
    assert!(shown.text().contains("one\ntwo\n"), "{}", shown.text());

    let log = format!("{page}/log?of=plan");
    let goes_on = async {
        let end = said.len() as u64;
        line.log(end, Bytes::from_static(b"f\nlast")).await.unwrap();
        finish(&line, true).await;
        until(remote.server(), &remote.ctx, &run, Status::AwaitingApproval).await;
    };
    let (events, ()) = tokio::join!(ada.get(&log), goes_on);
    let events = events.is(200);
    assert_eq!(events.header("content-type"), "text/event-stream");
    let lines: Vec<&str> = events
        .text()
        .lines()
        .filter(|line| line.starts_with("data: "))
        .collect();
    assert_eq!(
        lines,
        [
            "data: one",
            "data: two",
            "data: half",
            "data: last",
            "data: "
        ]
    );
    assert!(events.text().ends_with("event: over\ndata: \n\n"));
    let rest = ada.get(&format!("{log}&from={from}")).await.is(200);
    let expected = format!(
        "data: half\ndata: last\nid: {}\n\nevent: over\ndata: \n\n",
        said.len() + 6
    );
    assert_eq!(rest.text(), expected);
}

#[tokio::test]
async fn the_page_of_a_run_warns_of_the_level_process_and_of_strict_it_says_the_word() {
    let remote = Remote::new().await;
    let mut ada = browser(&remote, "ada", Some(Role::Reader)).await;
    let run = remote.run(json!({ "plan-only": true })).await;
    let page = format!("{WORKSPACE}/runs/{run}");
    let shown = ada.get(&page).await.is(200);
    assert!(!shown.text().contains("andbox"), "nobody took it yet");
    let line = job_of(remote.server(), &run).await;
    let shown = ada.get(&page).await.is(200);
    let strict = "<dt>Sandbox</dt><dd>strict</dd>";
    assert!(shown.text().contains(strict), "{}", shown.text());
    assert_eq!(shown.text().matches("andbox").count(), 1);
    drop(line);

    let far = Far::new(&remote.ctx, "far").await;
    far.serves(remote.server(), remote.owner(), &remote.workspace)
        .await;
    let run = remote.run(json!({ "plan-only": true })).await;
    far.job(remote.server(), &run, "far/0").await;
    let shown = ada.get(&format!("{WORKSPACE}/runs/{run}")).await.is(200);
    let text = shown.text();
    let reason = REASON_SHOWN.replace('<', "&lt;").replace('>', "&gt;");
    for words in [
        "class=\"fault\" role=\"alert\"",
        "Not in the strict sandbox.",
        &format!("Why: {reason}"),
        "<dt>Sandbox</dt><dd>process</dd>",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    for obeyed in ["<script>alert", "\u{1b}", "\u{202e}"] {
        assert!(!text.contains(obeyed), "{obeyed:?}: {text}");
    }
}

#[tokio::test]
async fn the_page_of_a_run_shows_the_attributes_and_the_outputs_that_are_approved() {
    let remote = Remote::new().await;
    let run = remote.run(json!({})).await;
    let shown = json!({
        "plan_format_version": "1.2",
        "resource_changes": [{
            "address": "terraform_data.a",
            "change": {
                "actions": ["update"],
                "before": { "input": "one-small", "same": "it-stays" },
                "after": { "input": "one-<b>huge", "same": "it-stays" },
            },
        }],
        "output_changes": {
            "key": {
                "actions": ["update"], "before": "old-secret", "after": "new-secret",
                "before_sensitive": true, "after_sensitive": true,
            },
            "x": { "actions": ["delete"], "before": "y", "after": null },
        },
    });
    let line = job_of(remote.server(), &run).await;
    line.planning().await.unwrap();
    finish_shown(&line, true, &shown.to_string()).await;
    until(remote.server(), &remote.ctx, &run, Status::AwaitingApproval).await;
    let mut ada = browser(&remote, "ada", Some(Role::Writer)).await;
    let page = format!("{WORKSPACE}/runs/{run}");
    let answer = ada.get(&page).await.is(200);
    let text = answer.text();
    for words in [
        "0 to add, 1 to change, 0 to destroy",
        "  ~ terraform_data.a\n    input: &quot;one-small&quot; -&gt; &quot;one-&lt;b&gt;huge&quot;\n",
        "Changes to outputs:",
        "  ~ key = (sensitive) -&gt; (sensitive)\n",
        "  - x = &quot;y&quot; -&gt; null\n",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    for words in ["-secret", "it-stays", "<b>huge"] {
        assert!(!text.contains(words), "{words}: {text}");
    }
}

#[tokio::test]
async fn the_page_of_a_frozen_workspace_says_who_froze_it_why_and_how_it_is_thawed() {
    let remote = Remote::new().await;
    let mut ada = browser(&remote, "ada", Some(Role::Reader)).await;
    let answer = ada.get(WORKSPACE).await.is(200);
    assert!(!answer.text().contains("Frozen."), "{}", answer.text());
    let path = |what: &str| format!("/api/v2/workspaces/{}/actions/{what}", remote.workspace);
    let why = json!({ "reason": "the <b>audit" });
    let owner = remote.owner();
    remote
        .acme
        .post(owner, &path("freeze"), why.clone(), 200)
        .await;
    let answer = ada.get(WORKSPACE).await.is(200);
    let text = answer.text();
    for words in [
        "class=\"fault\" role=\"alert\"",
        "Frozen.",
        "<code>olga</code>",
        "Why: the &lt;b&gt;audit",
        THAW,
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    remote.acme.post(owner, &path("thaw"), why, 200).await;
    let answer = ada.get(WORKSPACE).await.is(200);
    assert!(!answer.text().contains("Frozen."), "{}", answer.text());
}

#[tokio::test]
async fn the_page_of_a_run_that_found_something_altered_says_what_comes_next() {
    let remote = Remote::new().await;
    let run = remote.planned(json!({})).await;
    let mut ada = browser(&remote, "ada", Some(Role::Writer)).await;
    let page = format!("{WORKSPACE}/runs/{run}");
    let answer = ada.get(&page).await.is(200);
    assert!(!answer.text().contains(THAW), "{}", answer.text());
    let id: RunId = run.parse().unwrap();
    act::confirm(&remote.ctx, &id, None).await.unwrap();
    let line = job_of(remote.server(), &run).await;
    let mut other = *found();
    other.plan = "00".repeat(32);
    line.begin(other).await.unwrap();
    assert_eq!(remote.told(&run).await["stage"], "state_tampered");
    let answer = ada.get(&page).await.is(200);
    let text = answer.text();
    for words in [
        "class=\"fault\" role=\"alert\"",
        "Something was altered.",
        "statehouse verify --live",
        THAW,
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let answer = ada.get(WORKSPACE).await.is(200);
    let text = answer.text();
    for words in ["Frozen.", &format!("the run {run}"), "altered", THAW] {
        assert!(text.contains(words), "{words}: {text}");
    }
}
