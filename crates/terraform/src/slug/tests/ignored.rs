//! What is no part of a configuration, by nature or by `.terraformignore`.

use super::*;

#[test]
fn a_provider_cannot_be_planted() {
    let archive = Tape::default()
        .file("main.tf", b"")
        .file(".git/config", b"")
        .folder(".terraform")
        .file(".terraform/providers/registry.terraform.io/evil", b"")
        .file(".terraform/terraform.tfstate", b"")
        .file(".terraform/environment", b"")
        .file(".terraform/modules/modules.json", b"{}")
        .file(".terraform/modules/net/.git/HEAD", b"")
        .file(".terraform/modules/net/main.tf", b"")
        .file("sub/.terraform/providers/evil", b"");
    let contents = contents(&archive.done());
    let files = contents
        .nodes
        .iter()
        .filter(|(_, node)| **node != Node::Folder);
    let paths: Vec<&str> = files.map(|(path, _)| path.as_str()).collect();
    let expected = [
        ".terraform/modules/modules.json",
        ".terraform/modules/net/main.tf",
        "main.tf",
    ];
    assert_eq!(paths, expected);
    assert_eq!(contents.passed_over, 6);
}

#[test]
fn a_link_is_no_way_around_that() {
    let archive = Tape::default()
        .link(".terraform", "planted")
        .file("planted/providers/x", b"");
    let contents = contents(&archive.done());
    assert!(!contents.nodes.contains_key(".terraform"));
}

#[test]
fn what_is_passed_over_is_held_to_the_rules_all_the_same() {
    let archive = Tape::default().file(".git/../../x", b"").done();
    assert_eq!(fault(&archive), Fault::Parent);
    let archive = Tape::default()
        .entry(b'1', b".git/x", b"y", 0o644, b"")
        .done();
    assert_eq!(fault(&archive), Fault::Kind("a hard link"));
}

/// Paths and whether the text leaves them out; a path with `/` at its end is a folder.
fn check(text: &str, cases: &[(&str, bool)]) {
    let ignore = Ignore::parse(text);
    for (path, expected) in cases {
        let folder = path.ends_with('/');
        let path = path.trim_end_matches('/');
        assert_eq!(
            ignore.ignores(path, folder),
            *expected,
            "{path} by {text:?}"
        );
    }
}

#[test]
fn without_a_file_the_working_files_are_left_out() {
    let cases = [
        (".git/", true),
        (".git/objects/ab", true),
        (".gitignore", false),
        (".terraform/", true),
        (".terraform/providers/x", true),
        (".terraform/modules/net/main.tf", false),
        ("sub/.terraform/x", true),
        (".terraform.lock.hcl", false),
        ("main.tf", false),
        ("terraform.tfstate", false),
    ];
    check("", &cases);
}

#[test]
fn patterns_mean_what_terraform_means_by_them() {
    check(
        "*.md\n",
        &[
            ("a.md", true),
            ("docs/a.md", true),
            ("a.mdx", false),
            ("md", false),
        ],
    );
    check(
        "/boop.txt\n",
        &[("boop.txt", true), ("baz/boop.txt", false)],
    );
    check(
        "boop.txt\n!/boop.txt\n",
        &[("boop.txt", false), ("baz/boop.txt", true)],
    );
    check(
        "bar/something-[a-z].txt\n",
        &[
            ("bar/something-a.txt", true),
            ("bar/something-1.txt", false),
        ],
    );
    check("[!a]x\n", &[("bx", true), ("ax", false)]);
    check("a?c\n", &[("abc", true), ("a/c", false), ("ac", false)]);
    check(
        "**/foo/bar.tf\n",
        &[
            ("foo/bar.tf", true),
            ("p/q/foo/bar.tf", true),
            ("bar/bar.tf", false),
        ],
    );
    check(
        "a/**/z\n",
        &[("a/z", true), ("a/b/c/z", true), ("z", false)],
    );
    check(
        "logs/**\n",
        &[("logs/x", true), ("logs/x/y", true), ("blogs/x", false)],
    );
    check(
        "# no\n\n  tmp/  \n",
        &[("tmp/x", true), ("tmp", false), ("# no", false)],
    );
    check(
        "with\\*star\n",
        &[("with*star", true), ("with-star", false)],
    );
    check(
        "open[bracket\n",
        &[("open[bracket", true), ("openb", false)],
    );
}

#[test]
fn a_folder_that_is_left_out_takes_everything_with_it() {
    check(
        "node_modules\n",
        &[
            ("node_modules/", true),
            ("a/node_modules/b/c.js", true),
            ("node_modules2/x", false),
        ],
    );
    check(
        "src/\n!src/keep.tf\n",
        &[("src/x", true), ("src/keep.tf", false)],
    );
    check(
        "terraform.d/\n!/terraform.d/\n",
        &[
            ("terraform.d/x", false),
            ("m/terraform.d/x", true),
            ("terraform.d", false),
        ],
    );
}

#[test]
fn no_pattern_is_slow() {
    let pattern = "*a".repeat(2000);
    let name = "a".repeat(3000) + "b";
    let deep = ["**/x"; 300].join("/");
    let path = ["x"; 500].join("/") + "/y";
    let ignore = Ignore::parse(&format!("{pattern}\n{deep}\n"));
    assert!(!ignore.ignores(&name, false));
    assert!(ignore.ignores(&path, false));
}
