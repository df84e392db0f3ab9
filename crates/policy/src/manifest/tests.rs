#![allow(missing_docs)]

use serde_json::json;

use super::*;

fn bundle(files: &[(&str, &str)]) -> Bundle {
    let files = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
    Bundle::from_files(files, &Limits::default()).unwrap()
}

fn with_manifest(text: &str) -> Result<Manifest, ManifestError> {
    Manifest::read(&bundle(&[
        (FILE, text),
        ("a/x.rego", "package a"),
        ("b.rego", "package b"),
    ]))
}

/// Name, dialect, entity, level, files, queries.
type Told = (String, Dialect, Entity, Level, Vec<String>, Vec<String>);

fn told(manifest: &Manifest) -> Vec<Told> {
    let one = |it: &Policy| {
        let queries = it.entrypoints.iter().map(|it| it.query.clone()).collect();
        (
            it.name.clone(),
            it.dialect,
            it.entity,
            it.level,
            it.files.clone(),
            queries,
        )
    };
    manifest.policies.iter().map(one).collect()
}

#[test]
fn our_own_form_says_it_all() {
    let manifest = with_manifest(
        r#"
        name = "baseline"
        level = "soft-mandatory"
        entity = "state"
        rego = "v0"
        [parameters]
        regions = ["eu-west-1"]
        [[policy]]
        name = "regions"
        title = "Only these regions"
        entrypoints = ["data.a.deny", "data.a.warn_soon"]
        allow = ["data.a.fine"]
        [policy.parameter.regions]
        type = "list(string)"
        [policy.parameter.most]
        type = "map(list(number))"
        default = { a = [1, 2.5] }
        [[policy]]
        name = "b"
        level = "advisory"
        entity = "plan"
        dialect = "conftest"
        files = ["b.rego"]
        "#,
    )
    .unwrap();
    assert_eq!(manifest.version, Version::V0);
    let [b, regions] = manifest.policies.as_slice() else {
        panic!("{manifest:?}");
    };
    assert_eq!(
        (b.level, b.entity, b.dialect),
        (Level::Advisory, Entity::Plan, Dialect::Conftest)
    );
    assert_eq!(
        (regions.level, regions.entity),
        (Level::SoftMandatory, Entity::State)
    );
    let roles: Vec<Role> = regions.entrypoints.iter().map(|it| it.role).collect();
    assert_eq!(roles, [Role::Deny, Role::Warn, Role::Allow]);
    let parameters = serde_json::Value::Object(manifest.parameters().unwrap());
    let wanted = json!({
        "b": {"regions": ["eu-west-1"]},
        "regions": {"most": {"a": [1, 2.5]}, "regions": ["eu-west-1"]},
    });
    assert_eq!(parameters, wanted);
}

#[test]
fn what_cannot_be_understood_is_said_with_file_and_line() {
    let one = "[[policy]]\nname = \"a\"\nentrypoints = [\"data.a.deny\"]\n";
    for (text, line, words) in [
        ("name = ", Some(1), ""),
        (
            "\n\ndialect = \"sentinel\"",
            Some(3),
            "unknown variant `sentinel`",
        ),
        ("level = \"hard\"", Some(1), "unknown variant `hard`"),
        ("lvel = \"advisory\"", Some(1), "unknown field `lvel`"),
        ("[[policy]]\nname = \"a\"\n", None, "asks nothing"),
        (
            "[[policy]]\nname = \"a b\"\nfiles = [\"a\"]",
            None,
            "no name for a policy",
        ),
        (
            "[[policy]]\nname = \"a\"\nentrypoints = [\"input.a; print(1)\"]",
            None,
            "write a path",
        ),
        (
            "[[policy]]\nname = \"a\"\nentrypoints = [\"data.a[x]\"]",
            None,
            "write a path",
        ),
        (&format!("{one}{one}"), None, "two policies called \"a\""),
        (
            &format!(
                "{one}[[policy]]\nname = \"x-y\"\nfiles=[\"a\"]\n[[policy]]\nname = \"x_y\"\nfiles=[\"a\"]"
            ),
            None,
            "two policies",
        ),
        (
            "[[use]]\npolicy = \"nowhere\"",
            None,
            "publish the set again",
        ),
        (
            &format!("{one}[policy.parameter.x]\ntype = \"set(string)\""),
            Some(5),
            "is no type",
        ),
        ("x = [", Some(1), ""),
    ] {
        let error = with_manifest(text).unwrap_err();
        assert_eq!(
            (error.file.as_str(), error.line),
            (FILE, line),
            "{text}: {error}"
        );
        assert!(error.message.contains(words), "{text}: {error}");
    }
    let nested = format!("[parameters]\nx = {}", "[".repeat(50_000));
    assert!(with_manifest(&nested).is_err());
}

#[test]
fn a_parameter_has_its_type_or_the_set_is_not_used() {
    let declared = |given: &str| {
        format!(
            "[[policy]]\nname = \"a\"\nfiles = [\"a\"]\n{given}\n[policy.parameter.most]\ntype = \"number\"\n"
        )
    };
    for (given, from_outside, words) in [
        ("", json!({}), "needs the parameter \"most\" (number)"),
        (
            "parameters = { most = \"7\" }",
            json!({}),
            "is a number, and \"7\" is none",
        ),
        (
            "parameters = { mst = 7 }",
            json!({}),
            "no parameter \"mst\"",
        ),
        (
            "parameters = { most = 7 }",
            json!({"leats": 1}),
            "no policy of the set has a parameter \"leats\"",
        ),
    ] {
        let mut manifest = with_manifest(&declared(given)).unwrap();
        manifest.give(serde_json::from_value(from_outside).unwrap());
        let error = manifest.parameters().unwrap_err().to_string();
        assert!(error.contains(words), "{given}: {error}");
    }
    let mut manifest = with_manifest(&declared("")).unwrap();
    manifest.give(Values::from([("most".into(), json!(7))]));
    assert_eq!(manifest.parameters().unwrap()["a"], json!({"most": 7}));
}

#[test]
fn lists_of_other_products_are_read_as_they_are() {
    let hcl = r#"
        # what is asked
        policy "public-ingress" {
          query             = "data.terraform.policies.public_ingress.deny"
          enforcement_level = "mandatory"
          description       = "No \"open\" doors" // none
        }
        policy "advice" { query = "data.x.rule" }
    "#;
    let json = r#"{"policy": {"public-ingress": {"query": "data.terraform.policies.public_ingress.deny", "enforcement_level": "mandatory"},
        "advice": [{"query": "data.x.rule", "enforcement_level": "advisory"}]}}"#;
    for (path, text) in [("policies.hcl", hcl), ("policies.json", json)] {
        let manifest = Manifest::read(&bundle(&[(path, text), ("x.rego", "package x")])).unwrap();
        let [advice, ingress] = manifest.policies.as_slice() else {
            panic!("{manifest:?}");
        };
        assert_eq!(
            (advice.level, advice.dialect),
            (Level::Advisory, Dialect::Hcp)
        );
        assert_eq!(ingress.level, Level::SoftMandatory);
        assert_eq!(
            ingress.entrypoints[0].query,
            "data.terraform.policies.public_ingress.deny"
        );
    }
    let scalr = r#"
        version = "v1"
        policy "workspace_name" { enabled = true, enforcement_level = "hard-mandatory" }
    "#
    .replace(',', "\n");
    let scalr = format!(
        "{scalr}policy \"tags\" {{\n enabled = true\n enforcement_level = \"advisory\"\n}}\npolicy \"off\" {{ enabled = false }}"
    );
    let files = [
        ("m/scalr-policy.hcl", scalr.as_str()),
        ("m/workspace_name.rego", "package terraform"),
        ("m/tags/tags.rego", "package terraform"),
        ("m/tags/tags_test.rego", "package terraform"),
    ];
    let deny = vec![String::from("data.terraform.deny")];
    let scalr = |name: &str, level, file: &str| {
        (
            name.to_owned(),
            Dialect::Scalr,
            Entity::Plan,
            level,
            vec![file.to_owned()],
            deny.clone(),
        )
    };
    let manifest = Manifest::read(&bundle(&files)).unwrap();
    let wanted = [
        scalr("m/tags", Level::Advisory, "m/tags/tags.rego"),
        scalr(
            "m/workspace_name",
            Level::HardMandatory,
            "m/workspace_name.rego",
        ),
    ];
    assert_eq!(told(&manifest), wanted);
}

#[test]
fn a_list_that_says_something_else_is_an_error() {
    for (path, text, words) in [
        ("policies.hcl", "policy \"a\" {}", "no `query`"),
        (
            "policies.hcl",
            "policy \"a\" {\n  query = data.a.deny\n}",
            "policies.hcl:2: there is `data.a.deny`",
        ),
        (
            "policies.hcl",
            "policy {\n query = \"data.a\"\n}",
            "policies.hcl:1: a policy has one name",
        ),
        (
            "policies.hcl",
            "policy \"a\" { query = \"${x}\" }",
            "templates",
        ),
        (
            "policies.hcl",
            "policy \"a\" { query = \"data.a.deny\" \n enforcement_level = \"hard\" }",
            "has the level \"hard\"",
        ),
        ("policies.hcl", "policy \"a", "closing quotation mark"),
        ("policies.hcl", "/* policy", "a comment has no end"),
        ("policies.json", "[]", "list the policies"),
        ("policies.json", "{\"policy\": [1]}", "must be objects"),
        (
            "scalr-policy.hcl",
            "policy \"a\" { enabled = true }",
            "no file `a.rego`",
        ),
        (
            "scalr-policy.hcl",
            "policy \"x\" { enforcement_level = \"must\" }",
            "has the level \"must\"",
        ),
    ] {
        let files = [(path, text), ("x.rego", "package terraform")];
        let error = Manifest::read(&bundle(&files)).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    for nested in ["a {".repeat(10_000), format!("a = {}", "[".repeat(10_000))] {
        let files = [("policies.hcl", nested.as_str()), ("x.rego", "package x")];
        let error = Manifest::read(&bundle(&files)).unwrap_err().to_string();
        assert!(error.contains("too many"), "{error}");
    }
}

#[test]
fn packages_tell_what_a_set_was_written_for() {
    let files = [
        ("s/one.rego", "# a comment\npackage spacelift\n"),
        ("h.rego", "package terraform_plan_cost # why\n"),
        ("hs.rego", "package terraform_state"),
        ("w.rego", "package workspaces"),
        ("e.rego", "package env0"),
        ("c.rego", "package main"),
        ("c2.rego", "package main"),
        ("n.rego", "\u{feff}package acme.tags\n"),
        ("broken.rego", "packages of things"),
    ];
    let manifest = Manifest::read(&bundle(&files)).unwrap();
    let found: Vec<_> = manifest
        .policies
        .iter()
        .map(|it| (it.name.as_str(), it.dialect, it.entity))
        .collect();
    let wanted = [
        ("acme.tags", Dialect::Native, Entity::Plan),
        ("e", Dialect::Env0, Entity::Plan),
        ("h", Dialect::Harness, Entity::Cost),
        ("hs", Dialect::Harness, Entity::State),
        ("main", Dialect::Conftest, Entity::Plan),
        ("s/one", Dialect::Spacelift, Entity::Plan),
        ("w", Dialect::Harness, Entity::Workspace),
    ];
    assert_eq!(found, wanted);
    assert!(
        manifest
            .policies
            .iter()
            .all(|it| !it.named && it.level == Level::HardMandatory)
    );
}

#[test]
fn what_a_set_takes_from_the_library_is_in_its_bundle() {
    let text = "[[use]]\npolicy = \"no-public\"\nlevel = \"advisory\"\nparameters = { most = 3 }\n";
    let library = |name: &str| {
        let manifest = "[[policy]]\nname = \"no-public\"\n[policy.parameter.most]\ntype = \"number\"\ndefault = 1\n";
        let files = [
            ("library/no_public/statehouse.toml", manifest),
            (
                "library/no_public/policy.rego",
                "package statehouse.no_public",
            ),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
        (name == "no-public").then(|| files.into())
    };
    let alone = bundle(&[(FILE, text)]);
    let expanded = expand(alone.clone(), library).unwrap();
    assert_ne!(expanded.digest(), alone.digest());
    assert_eq!(expand(expanded.clone(), |_| None).unwrap(), expanded);
    let manifest = Manifest::read(&expanded).unwrap();
    let policy = &manifest.policies[0];
    assert_eq!(
        (policy.level, policy.entrypoints[0].query.as_str()),
        (Level::Advisory, "data.statehouse.no_public.deny")
    );
    assert_eq!(
        manifest.parameters().unwrap()["no_public"],
        json!({"most": 3})
    );
    let error = expand(alone, |_| None).unwrap_err().to_string();
    assert!(error.contains("no policy \"no-public\""), "{error}");
}
