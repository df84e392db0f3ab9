//! One spelling, one signature, and words for all that is said.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

#[path = "support/mod.rs"]
mod support;

use statehouse_capsule::*;
use statehouse_ledger::checkpoint::Checkpoint;
use statehouse_ledger::note::{Signature, SignedNote};
use statehouse_ledger::sha256;
use support::{From, World, signer, terms};

fn spelled(world: &World) -> String {
    let capsule = Capsule::new(&world.terms).unwrap();
    String::from_utf8(capsule.bytes().to_vec()).unwrap()
}

#[test]
fn what_is_written_is_read_and_nothing_else() {
    for world in [World::fine(), World::bare()] {
        let capsule = Capsule::new(&world.terms).unwrap();
        let again = Capsule::parse(capsule.bytes()).unwrap();
        assert_eq!(again.terms(), &world.terms);
        assert_eq!(again, capsule);
        assert_eq!(capsule.digest(), sha256(capsule.bytes()));
        let signed = world.signed();
        let again = SignedCapsule::parse(signed.to_string().as_bytes()).unwrap();
        assert_eq!(again, signed);
        for found in &world.approvals {
            let bytes = found.approval.to_bytes();
            assert_eq!(Approval::parse(&bytes), Ok(found.approval.clone()));
        }
    }
}

/// A capsule under no policies, as it was written by the first version.
const FIRST: &str = concat!(
    r#"{"author":"user-2111111111111111","backend":{"kept":"statehouse"},"base":null,"#,
    r#""configuration":"d8911ecbac6bbf67a8ceb91851120277c8f09fc9bf9ed42f41ab749944b819fb","#,
    r#""created_at":1785580272123456,"estimate":null,"expires_at":1785583872123456,"house":"811111","lock_file":null,"#,
    r#""nonce":"9420d5de37d3bf58be537330d5bc1abcda611013af53d34f1a39177c3745710e","#,
    r#""plan":"7cbd4715685669e8083416a45c17c9b13666b781a12efe1d9af0e5fcb8a81b42","#,
    r#""plan_json":"e655c506c6415a63bb4d293c42c53a4ece17ccdd2cf8971d956324f6c681ed02","#,
    r#""plan_shown":"a373e835e4cfb5d1377a29067e7430cb84dd183f57b337968fe50bf90ce91603","#,
    r#""policies":null,"providers":{},"requirement":{"author_counts":true,"capacities":[],"count":0,"derive_again":false,"person_counts_twice":true},"run":"run-8111111111111111111111","sandbox":"strict","#,
    r#""tool":{"binary":"afa87204b0019523a6383d63e4f7ae638b068e237e89eee5542fec52dece4f8f","#,
    r#""name":"terraform","version":"1.11.0"},"v":1,"variables":{"environment":{},"terraform":{}},"#,
    r#""verdicts":[],"workspace":"ws-8111111111111111111111"}"#,
);

#[test]
fn a_capsule_of_the_first_version_is_read_for_ever() {
    let capsule = Capsule::parse(FIRST.as_bytes()).unwrap();
    assert_eq!(capsule.terms(), &World::bare().terms);
    assert_eq!(spelled(&World::bare()), FIRST);
    let digest = "4ccd91eb61f61b3f19b5c7be585c78ef34e8db3e974ced93eb416a3dcae7b550";
    assert_eq!(hex::encode(capsule.digest()), digest);
}

#[test]
fn every_other_spelling_is_refused() {
    let fine = spelled(&World::fine());
    let check = |from: &str, to: &str| {
        assert!(fine.contains(from), "{from}");
        let other = fine.replacen(from, to, 1);
        assert!(Capsule::parse(other.as_bytes()).is_err(), "{other}");
    };
    check("{", " {");
    check(",", ", ");
    check("\"v\":1", "\"v\":1.0");
    check("\"v\":1", "\"v\":2");
    check("\"v\":1", "\"v\":\"1\"");
    check("\"sandbox\":\"strict\"", "\"sandbox\":\"Strict\"");
    check("\"sandbox\":\"strict\"", "\"sandbox\":\"none\"");
    check("\"sandbox\":\"strict\",", "");
    check(
        "\"sandbox\":\"strict\"",
        "\"sandbox\":\"strict\",\"sandbox\":\"strict\"",
    );
    check(
        "\"sandbox\":\"strict\"",
        "\"sandbox\":\"strict\",\"some\":0",
    );
    check("\"sandbox\":\"strict\"", "\"sandbox\":\"\\u0073trict\"");
    check("\"kept\":\"external\"", "\"kept\":\"statehouse\"");
    check("\"kept\":\"external\"", "\"kept\":\"elsewhere\"");
    check("\"kind\":\"s3\"", "\"kind\":\"s 3\"");
    check("\"kind\":\"s3\"", "\"kind\":\"\"");
    check("\"outcome\":\"passed\"", "\"outcome\":\"PASSED\"");
    check("\"verdicts\":[", "\"verdicts\":[{}");
    check("\"region\":\"", "\"region\":\"0");
    check("\"version\":\"1.11.0\"", "\"version\":\"\"");
    check("\"version\":\"1.11.0\"", "\"version\":\"1\\n2\"");
    check("\"version\":\"1.11.0\"", "\"version\":null");
    check("\"capacities\":[]", "\"capacities\":null");
    check("\"capacities\":[]", "\"capacities\":[\"owner\"]");
    let twice = "\"capacities\":[\"role:owner\",\"role:owner\"]";
    check("\"capacities\":[]", twice);
    check("\"count\":0", "\"count\":-1");
    check("\"count\":0", "\"count\":4294967296");
    check("\"author_counts\":true", "\"author_counts\":1");
    check("\"currency\":\"USD\"", "\"currency\":\"US Dollar\"");
    let plan = format!(
        "\"plan\":\"{}",
        hex::encode(support::hash(From::Here, "plan"))
    );
    check(&plan, &plan.to_uppercase().replace("PLAN", "plan"));
    assert!(Capsule::parse(format!("{fine}\n").as_bytes()).is_err());
    assert!(Capsule::parse(b"null").is_err());
    let long = vec![b' '; CAPSULE_BYTES_MAX + 1];
    assert_eq!(Capsule::parse(&long), Err(Error::TooLong(long.len())));
}

#[test]
fn every_member_is_needed_and_none_more() {
    let fine: String = spelled(&World::bare());
    let names = "author backend base configuration created_at estimate expires_at house lock_file nonce plan plan_json plan_shown \
                 policies providers requirement run sandbox tool v variables verdicts workspace";
    for name in names.split_ascii_whitespace() {
        let other = fine.replacen(&format!("\"{name}\":"), &format!("\"{name}_\":"), 1);
        assert_ne!(other, fine, "{name}");
        assert!(Capsule::parse(other.as_bytes()).is_err(), "{name}");
    }
    let members = fine.matches(':').count();
    // Nested members: one of the backend, five of the requirement, three of the tool, two of the variables.
    assert_eq!(
        members,
        names.split_ascii_whitespace().count() + 11,
        "{fine}"
    );
}

#[test]
fn terms_that_contradict_each_other_are_no_capsule() {
    let check = |field: &str, change: fn(&mut Terms)| {
        let mut terms = terms(From::Here);
        change(&mut terms);
        let error = Capsule::new(&terms).unwrap_err();
        assert!(error.to_string().contains(&format!("`{field}`")), "{error}");
    };
    check("workspace", |it| {
        it.facts.workspace = terms(From::AnotherHouse).facts.workspace;
    });
    check("run", |it| {
        it.facts.run = terms(From::AnotherHouse).facts.run;
    });
    check("workspace", |it| {
        it.facts.house = support::house(From::AnotherHouse);
    });
    check("base.version", |it| {
        it.facts.base = terms(From::AnotherHouse).facts.base;
    });
    check("expires_at", |it| it.expires_at = it.created_at);
    check("verdicts", |it| it.assessment.verdicts.reverse());
    check("verdicts", |it| {
        it.assessment.verdicts.pop();
    });
    check("verdicts", |it| it.assessment.policies = None);
    check("verdicts", |it| {
        let twice = it.assessment.verdicts[1].clone();
        it.assessment.verdicts.push(twice);
    });
}

#[test]
fn a_capsules_signature_is_not_a_checkpoints_and_the_other_way_round() {
    let world = World::fine();
    let key = signer(From::Here);
    let capsule = world.signed().to_string();
    assert!(Checkpoint::verify(capsule.as_bytes(), key.verifier()).is_err());
    let check = |origin: &str| {
        let checkpoint = Checkpoint {
            origin: origin.to_owned(),
            size: 3,
            root: sha256(b"root"),
        };
        let note = checkpoint.sign(&[&key]).unwrap();
        assert_eq!(note.signature_of(key.verifier()), Signature::Good);
        assert!(SignedCapsule::parse(note.to_string().as_bytes()).is_err());
    };
    check("statehouse/example/111111/1");
    check("statehouse capsule");
    check(&spelled(&world));
}

#[test]
fn a_note_that_says_something_else_is_no_capsule() {
    let world = World::fine();
    let capsule = spelled(&world);
    let check = |text: String| {
        let mut note = SignedNote::new(text).unwrap();
        note.sign(&signer(From::Here));
        assert!(SignedCapsule::parse(note.to_string().as_bytes()).is_err());
    };
    check(format!("{capsule}\n"));
    check(format!("statehouse checkpoint\n{capsule}\n"));
    check(format!("statehouse capsule\n{capsule}\nmore\n"));
    check("statehouse capsule\n".to_owned());
    check("statehouse capsule\n{}\n".to_owned());
}

#[test]
fn a_capsule_signed_with_the_old_and_the_new_key_verifies_with_either() {
    let mut world = World::fine();
    world.signers.push(signer(From::AnotherHouse));
    assert_eq!(world.words(), [""; 0]);
    world.trusted = vec![signer(From::AnotherHouse)];
    assert_eq!(world.words(), [""; 0]);
    world.trusted = vec![signer(From::Earlier)];
    assert_eq!(world.words(), ["signer"]);
}

#[test]
fn verified_says_in_words_what_was_checked() {
    let text = |world: &World| world.verify().unwrap().sentences().join("\n");
    let bare = text(&World::bare());
    for sentence in [
        "no policies were in force",
        "no approval was required",
        "no estimate was made",
        "there is no state yet, and was none",
        "there is no dependency lock file, and was none",
        "the sandbox is `strict`",
        "the run holds the workspace's lock",
    ] {
        assert!(
            bare.lines().any(|line| line == sentence),
            "{sentence}\n{bare}"
        );
    }
    let fine = text(&World::fine());
    assert!(
        fine.contains("the policies in force say passed by "),
        "{fine}"
    );
    assert!(fine.contains("approved by user-"), "{fine}");
    assert!(fine.contains("the 2 providers are the same"), "{fine}");
    let verified = World::fine().verify().unwrap();
    assert_eq!(verified.run(), &World::fine().terms.facts.run);
    assert_eq!(verified.nonce(), World::fine().terms.nonce);
}

#[test]
fn a_mismatch_says_what_which_and_what_next() {
    let mut world = World::fine();
    world.found.tool.version = "1.12.0".to_owned();
    let mismatch = &world.verify().unwrap_err()[0];
    assert_eq!(
        mismatch.to_string(),
        "the tool has another version than planned with: expected 1.11.0, found 1.12.0; \
         apply with the version that planned, or plan again"
    );
    let mut words = Mismatch::WORDS.to_vec();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Mismatch::WORDS.len());
}
