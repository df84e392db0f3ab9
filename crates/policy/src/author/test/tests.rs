use std::path::Path;
use std::time::Duration;

use super::{Options, Outcome, run};

/// Runs the tests of these files.
fn check(files: &[(&str, &str)], options: &Options, expected: &[(&str, Outcome)]) -> super::Report {
    let directory = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let place = directory.path().join(path);
        fs_err::create_dir_all(place.parent().unwrap()).unwrap();
        fs_err::write(place, text).unwrap();
    }
    let report = run(directory.path(), options).unwrap();
    let found: Vec<_> = report
        .tests
        .iter()
        .map(|it| (it.name.as_str(), it.outcome))
        .collect();
    assert_eq!(found, expected, "{:#?}", report.tests);
    report
}

use Outcome::{Error, Failed, Passed, Skipped};

#[test]
fn a_test_is_true_false_undefined_to_be_done_or_an_error() {
    let text = "package a\n\nimport rego.v1\n\n\
                test_true if 1 == 1\n\
                test_undefined if input.x\n\
                test_false := false\n\
                todo_test_later if false\n\
                test_function(x) := x\n\
                test_error := x if { x := 1 } \n\
                test_error := y if { y := 2 }\n";
    let expected = [
        ("data.a.test_true", Passed),
        ("data.a.test_undefined", Failed),
        ("data.a.test_false", Failed),
        ("data.a.todo_test_later", Skipped),
        ("data.a.test_error", Error),
    ];
    let report = check(&[("a_test.rego", text)], &Options::default(), &expected);
    assert_eq!(
        (
            report.passed,
            report.failed,
            report.errors,
            report.skipped,
            report.total
        ),
        (1, 2, 1, 1, 4)
    );
    assert!(!report.is_passed());
    let told = report.to_string();
    assert!(
        told.contains("FAILED data.a.test_undefined (a_test.rego:6)"),
        "{told}"
    );
    assert!(
        told.ends_with("1 of 4 tests passed, 2 failed, 1 could not be evaluated, 1 to be done\n"),
        "{told}"
    );
}

#[test]
fn a_test_that_does_not_end_is_an_error_and_the_next_one_is_unharmed() {
    let text = "package a\n\nimport rego.v1\n\n\
                test_endless if { some a in numbers.range(1, 3000); some b in numbers.range(1, 3000); some c in numbers.range(1, 3000); a + b + c == 0 }\n\
                test_next if true\n";
    let options = Options {
        wall: Duration::from_millis(200),
        ..Options::default()
    };
    check(
        &[("a_test.rego", text)],
        &options,
        &[("data.a.test_endless", Error), ("data.a.test_next", Passed)],
    );
}

#[test]
fn a_file_that_cannot_be_loaded_fails_its_own_tests_only() {
    let files = [
        ("a/a.rego", "package a\n\nallow if {\n"),
        (
            "a/a_test.rego",
            "package a_test\n\nimport data.a\n\ntest_one if a.allow\n",
        ),
        (
            "b/b_test.rego",
            "package b\n\nimport rego.v1\n\ntest_two if true\n",
        ),
    ];
    let report = check(
        &files,
        &Options::default(),
        &[("data.a_test.test_one", Error), ("data.b.test_two", Passed)],
    );
    assert!(
        report.tests[0].message.starts_with("a/a.rego:"),
        "{:?}",
        report.tests
    );
}

#[test]
fn policies_of_one_package_are_kept_apart_as_their_products_do() {
    let policy = |denied: &str| {
        format!(
            "package spacelift\n\ndeny[\"no\"] {{ input.kind == \"{denied}\" }}\n\nsample {{ true }}\n"
        )
    };
    let test = |denied: &str, name: &str| {
        format!(
            "package spacelift\n\n{name} {{ count(deny) == 1 with input as {{\"kind\": \"{denied}\"}} }}\n"
        )
    };
    let (one, two) = (policy("a"), policy("b"));
    let (one_test, two_test) = (test("a", "test_one"), test("b", "test_two"));
    let files = [
        ("plan/one.rego", one.as_str()),
        ("plan/one_test.rego", one_test.as_str()),
        ("plan/two.rego", two.as_str()),
        ("plan/two_test.rego", two_test.as_str()),
        ("plan/broken.rego", "package spacelift\n\ndeny[\n"),
    ];
    check(
        &files,
        &Options::default(),
        &[
            ("data.spacelift.test_one", Passed),
            ("data.spacelift.test_two", Passed),
        ],
    );
    let policy = |limit: u32| {
        format!(
            "package terraform\n\nlimit = {limit}\n\ndeny[\"no\"] {{ input.tfplan.cost > limit }}\n"
        )
    };
    let test = "package terraform\n\ntest_dear { count(deny) == 1 with input as data.mock.dear }\n";
    let (one, two) = (policy(10), policy(100));
    let files = [
        ("one/scalr-policy.hcl", "version = \"v1\"\n"),
        ("one/p.rego", one.as_str()),
        ("one/p_test.rego", test),
        (
            "one/p_mock.json",
            r#"{"mock": {"dear": {"tfplan": {"cost": 11}}}}"#,
        ),
        ("two/scalr-policy.hcl", "version = \"v1\"\n"),
        ("two/p.rego", two.as_str()),
        ("two/p_test.rego", test),
        (
            "two/p_mock.json",
            r#"{"mock": {"dear": {"tfplan": {"cost": 101}}}}"#,
        ),
    ];
    check(
        &files,
        &Options::default(),
        &[
            ("data.terraform.test_dear", Passed),
            ("data.terraform.test_dear", Passed),
        ],
    );
}

#[test]
fn cases_beside_a_policy_are_tests() {
    let policy = "package avm\n\nimport rego.v1\n\ndeny_1 contains \"no\" if input.bad\n\nexception contains [\"2\"]\n\ndeny_2 contains \"never\"\n";
    let files = [
        ("p.rego", policy),
        (
            "p.mock.json",
            r#"{"mock": {"default": {}, "invalid_a": {"bad": true}, "invalid_b": {}}}"#,
        ),
    ];
    let expected = [
        ("p.mock.json: default", Passed),
        ("p.mock.json: invalid_a", Passed),
        ("p.mock.json: invalid_b", Failed),
    ];
    check(&files, &Options::default(), &expected);
}

#[test]
fn documents_and_parameters_are_where_they_are_expected() {
    let manifest = "[[policy]]\nname = \"my-policy\"\nentrypoints = [\"data.a.deny\"]\n[policy.parameter.limit]\ntype = \"number\"\ndefault = 3\n";
    let test = "package a_test\n\nimport rego.v1\n\n\
                test_parameter if data.parameters.my_policy.limit == 3\n\
                test_document if data.some.folder.names == [\"a\"]\n\
                test_yaml if data.some.count == 2\n\
                test_mocked if data.parameters.my_policy.limit == 4 with data.parameters.my_policy.limit as 4\n";
    let files = [
        ("statehouse.toml", manifest),
        ("a_test.rego", test),
        ("some/folder/names.json", r#"{"names": ["a"]}"#),
        ("some/data.yaml", "count: 2\n"),
    ];
    let names = [
        "test_parameter",
        "test_document",
        "test_yaml",
        "test_mocked",
    ]
    .map(|it| format!("data.a_test.{it}"));
    let expected: Vec<_> = names.iter().map(|it| (it.as_str(), Passed)).collect();
    check(&files, &Options::default(), &expected);
}

#[test]
fn lines_that_no_test_evaluates_are_told() {
    let files = [
        (
            "a.rego",
            "package a\n\nimport rego.v1\n\ndeny contains \"one\" if {\n\tinput.x == 1\n}\n\ndeny contains \"two\" if {\n\tinput.x == 2\n\tinput.y == 3\n}\n",
        ),
        (
            "a_test.rego",
            "package a_test\n\nimport rego.v1\n\ntest_one if data.a.deny == {\"one\"} with input as {\"x\": 1}\n",
        ),
    ];
    let options = Options {
        coverage: true,
        ..Options::default()
    };
    let report = check(&files, &options, &[("data.a_test.test_one", Passed)]);
    let coverage = report.coverage.as_ref().unwrap();
    let file = coverage
        .files
        .iter()
        .find(|it| it.file == "a.rego")
        .unwrap();
    assert!(
        file.not_covered.contains(&11) && !file.not_covered.contains(&6),
        "{file:?}"
    );
    assert!(coverage.percent < 100.0);
}

#[test]
fn tests_can_be_chosen_by_a_part_of_their_names() {
    let text = "package a\n\nimport rego.v1\n\ntest_one if true\n\ntest_two if true\n";
    let options = Options {
        only: Some("two".to_owned()),
        ..Options::default()
    };
    check(
        &[("a_test.rego", text)],
        &options,
        &[("data.a.test_two", Passed)],
    );
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let error = run(Path::new("no/such/directory"), &Options::default()).unwrap_err();
    assert!(error.to_string().contains("no/such/directory"), "{error}");
}
