use std::collections::BTreeSet;
use std::path::Path;

use super::{COUNT, all, files, find};
use crate::author::test::{Options, Outcome, run};
use crate::bundle::{Bundle, Limits};
use crate::manifest::{Level, Manifest, expand};

fn directory() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/library"))
}

#[test]
fn every_folder_is_a_policy_of_the_library() {
    let folders: BTreeSet<String> = fs_err::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "shared")
        .collect();
    let known: BTreeSet<String> = all().iter().map(|it| it.folder.to_owned()).collect();
    assert_eq!(folders, known);
    assert_eq!(known.len(), COUNT);
    assert!(all().is_sorted_by_key(|it| it.folder));
}

#[test]
fn every_policy_describes_itself_and_can_be_used_by_its_name() {
    for starter in all() {
        let name = starter.name();
        let text = format!("name = \"one\"\n[[use]]\npolicy = \"{name}\"\nlevel = \"advisory\"\n");
        let own = [("statehouse.toml".to_owned(), text.into_bytes())];
        let bundle = Bundle::from_files(own, &Limits::default()).unwrap();
        let bundle = expand(bundle, files).unwrap();
        let manifest = Manifest::read(&bundle).unwrap();
        let [policy] = manifest.policies.as_slice() else {
            panic!("{name}: {manifest:?}")
        };
        assert_eq!(
            (policy.name.as_str(), policy.level),
            (name.as_str(), Level::Advisory)
        );
        assert!(
            !policy.title.is_empty() && policy.title != name,
            "{name} has no title"
        );
        assert!(!policy.description.is_empty(), "{name} has no description");
        let query = format!("data.statehouse.{}.deny", starter.folder);
        assert_eq!(
            policy
                .entrypoints
                .iter()
                .map(|it| it.query.as_str())
                .collect::<Vec<_>>(),
            [query]
        );
        for (parameter, it) in &policy.parameters {
            let read = format!("data.parameters.{}.{parameter}", starter.folder);
            let through = format!("data.parameters.{}\n", starter.folder);
            let text = starter.policy;
            assert!(
                text.contains(&read) || text.contains(&through),
                "{name} does not read {parameter}"
            );
            assert!(
                it.default.as_ref().is_none_or(|value| it.kind.takes(value)),
                "{name}: {parameter}"
            );
            assert!(
                !it.description.is_empty(),
                "{name}: {parameter} is not described"
            );
        }
    }
    assert!(find("no-such-policy").is_none());
}

#[test]
fn every_policy_has_cases_that_it_denies_and_allows_and_no_line_is_untested() {
    let options = Options {
        coverage: true,
        ..Options::default()
    };
    let report = run(directory(), &options).unwrap();
    let wrong: Vec<_> = report
        .tests
        .iter()
        .filter(|it| it.outcome != Outcome::Passed)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(report.notes.is_empty(), "{:?}", report.notes);
    for starter in all() {
        let file = format!("{}/policy_test.rego", starter.folder);
        let names: Vec<&str> = report
            .tests
            .iter()
            .filter(|it| it.file == file)
            .map(|it| it.name.as_str())
            .collect();
        assert!(names.len() >= 2, "{file} has {names:?}");
        let text = starter.test;
        let denies = text.contains("denied ==")
            || text.contains(".deny) == 1")
            || text.contains("some denial in policy.deny");
        assert!(
            denies && text.contains("count(policy.deny) == 0"),
            "{file} does not show both"
        );
    }
    let coverage = report.coverage.unwrap();
    let untested: Vec<_> = coverage
        .files
        .iter()
        .filter(|it| it.file.ends_with("/policy.rego") || it.file.ends_with("plan.rego"))
        .filter(|it| !it.not_covered.is_empty())
        .collect();
    assert!(untested.is_empty(), "{untested:#?}");
    let covered = coverage
        .files
        .iter()
        .filter(|it| it.file.ends_with("/policy.rego"))
        .count();
    assert_eq!(covered, COUNT);
}

#[test]
fn what_is_told_as_protected_is_what_its_policy_protects() {
    let text = "name = \"one\"\n[[use]]\npolicy = \"state-protected-types\"\n";
    let own = [("statehouse.toml".to_owned(), text.as_bytes().to_vec())];
    let bundle = Bundle::from_files(own, &Limits::default()).unwrap();
    let manifest = Manifest::read(&expand(bundle, files).unwrap()).unwrap();
    let types = manifest.policies[0].parameters["types"].default.clone();
    assert_eq!(types, Some(serde_json::json!(crate::input::PROTECTED)));
    assert!(crate::input::is_protected("google_sql_user"));
    assert!(!crate::input::is_protected("aws_instance"));
}
