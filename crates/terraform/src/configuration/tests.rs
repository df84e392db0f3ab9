//! Configurations that people write, and such as nobody should.

use std::time::Duration;

use super::*;

fn read_one(name: &str, text: &str) -> Configuration {
    read([(name, text.as_bytes())], Tool::Terraform).unwrap()
}

fn fault(text: &str) -> (usize, Fault) {
    let error = read([("main.tf", text.as_bytes())], Tool::Terraform).unwrap_err();
    (error.line, error.why)
}

fn kind(name: &str) -> Backend {
    Backend::Kind(name.into())
}

const WHOLE: &str = r#"
# backend "commented" {}
// terraform { cloud {} }
/* terraform {
  backend "also" {}
} */
terraform {
  required_version = ">= 1.5, < 2.0"
  backend "s3" {
    bucket = "state-${"}"}"
    key    = <<-EOT
      backend "gcs" {
      ${ join("", [for x in { a = "}" } : x ]) } %{ if true }x%{ endif }
      EOT
    nested = { a = [1, (2)], b = "x" }
  }
  required_providers { aws = { source = "hashicorp/aws" } }
}

locals {
  text = "terraform { cloud {} } \" ${"nested ${"deep"} }"} $${literal} %%{literal}"
  less = 1 << 2
}

resource "null_resource" "x" {
  provisioner "local-exec" { command = "terraform { cloud {} }" }
  provisioner remote-exec {
    inline = []
  }
}

data "external" "program" { program = ["sh"] }
data "aws_ami" "a" {}

check "health" {
  data "http" "page" {
    url = "https://example.com"
  }
}

module "net" { source = "./modules/net" }
module "computed" { source = "${path.module}/x" }
"#;

#[test]
fn a_configuration_says_what_it_has() {
    let read = read_one("main.tf", WHOLE);
    assert_eq!(read.backend, kind("s3"));
    assert_eq!(read.required_versions, [">= 1.5, < 2.0"]);
    let uses: Vec<(&Use, usize)> = read
        .uses
        .iter()
        .map(|found| (&found.used, found.line))
        .collect();
    let provisioner = |name: &str| Use::Provisioner(name.into());
    let expected = [
        (&provisioner("local-exec"), 26),
        (&provisioner("remote-exec"), 27),
        (&Use::Data("external".into()), 32),
        (&Use::Data("http".into()), 36),
    ];
    assert_eq!(uses, expected);
    let modules: Vec<(&str, &str)> = read
        .modules
        .iter()
        .map(|(name, source)| (name.as_str(), source.as_str()))
        .collect();
    assert_eq!(modules, [("net", "./modules/net")]);
}

#[test]
fn json_says_the_same() {
    let text = r#"{
      "//": "a comment",
      "terraform": [{"required_version": "~> 1.0"}, {"backend": {"gcs": {"bucket": "b"}}}],
      "resource": {"null_resource": {"x": {"provisioner": [{"local-exec": {}}, {"file": {}}]}},
                   "aws_x": [{"y": {"provisioner": {"remote-exec": {}}}}]},
      "data": {"external": {"e": {}}, "http": {"h": [{}]}},
      "module": {"net": {"source": "./net"}, "x": {"source": "${var.x}"}}
    }"#;
    let read = read_one("main.tf.json", text);
    assert_eq!(
        (read.backend, read.required_versions),
        (kind("gcs"), vec!["~> 1.0".to_owned()])
    );
    assert_eq!(read.uses.len(), 5);
    assert_eq!(read.modules.len(), 1);
    let twice = r#"{"terraform": {}, "terraform": {"cloud": {}}}"#;
    assert_eq!(read_one("a.tf.json", twice).backend, Backend::Cloud);
}

/// Files by name and text, and the backend that they have together.
fn check(tool: Tool, files: &[(&str, &str)], expected: &Backend) {
    let files = files.iter().map(|(name, text)| (*name, text.as_bytes()));
    assert_eq!(&read(files, tool).unwrap().backend, expected);
}

#[test]
fn override_files_replace_what_the_others_say() {
    let s3 = ("main.tf", "terraform {\n backend \"s3\" {}\n}");
    check(Tool::Terraform, &[s3], &kind("s3"));
    check(
        Tool::Terraform,
        &[s3, ("override.tf", "terraform { backend \"pg\" {} }")],
        &kind("pg"),
    );
    check(
        Tool::Terraform,
        &[("a_override.tf", "terraform {\ncloud {}\n}"), s3],
        &Backend::Cloud,
    );
    let later = (
        "b_override.tf.json",
        r#"{"terraform": {"backend": {"local": {}}}}"#,
    );
    check(
        Tool::Terraform,
        &[later, ("a_override.tf", "terraform {\ncloud {}\n}"), s3],
        &kind("local"),
    );
    let versions = [
        ("main.tf", "terraform { required_version = \"1\" }"),
        ("more.tf", "terraform { required_version = \"2\" }"),
        ("x_override.tf", "terraform { required_version = \"3\" }"),
    ];
    let read = |count: usize| {
        let files = versions
            .iter()
            .take(count)
            .map(|(name, text)| (*name, text.as_bytes()));
        read(files, Tool::Terraform).unwrap().required_versions
    };
    assert_eq!(read(2), ["1", "2"]);
    assert_eq!(read(3), ["3"]);
}

#[test]
fn two_backends_are_an_error_where_terraform_takes_none() {
    let (line, why) = fault("terraform {\n backend \"s3\" {}\n cloud {}\n}");
    assert_eq!((line, why), (3, Fault::Backend));
    let two = [
        ("a.tf", &b"terraform {\ncloud {}\n}"[..]),
        ("b.tf", b"terraform {\n backend \"x\" {}\n}"),
    ];
    assert_eq!(read(two, Tool::Terraform).unwrap_err().file, "b.tf");
}

#[test]
fn each_tool_reads_its_own_files() {
    let files = [
        ("main.tf", "terraform {\nbackend \"a\" {}\n}"),
        ("main.tofu", "terraform {\nbackend \"b\" {}\n}"),
    ];
    check(Tool::Terraform, &files, &kind("a"));
    check(Tool::OpenTofu, &files, &kind("b"));
    let nobody = [
        (".hidden.tf", "terraform {"),
        ("a.tf~", "x"),
        ("#a.tf#", "x"),
        ("x.tfvars", "x"),
        ("sub/main.tf", "x"),
    ];
    check(Tool::OpenTofu, &nobody, &Backend::None);
}

#[test]
fn what_cannot_be_read_says_where() {
    assert_eq!(fault("a {\n b {\n"), (2, Fault::Open("a block")));
    assert_eq!(fault("\n\nx = \"open"), (3, Fault::Open("text")));
    assert_eq!(fault("x = \"open\ny\""), (1, Fault::Open("text")));
    assert_eq!(fault("x = [1,\n 2"), (1, Fault::Open("a value")));
    assert_eq!(fault("/* open"), (1, Fault::Open("a comment")));
    assert_eq!(fault("x = <<EOT\nabc\n"), (1, Fault::Open("text")));
    assert_eq!(fault("}"), (1, Fault::Shape));
    assert_eq!(fault("a = )\n"), (1, Fault::Shape));
    assert_eq!(fault("\"text\" {}"), (1, Fault::Shape));
    assert_eq!(fault("a \"${b}\" {}"), (1, Fault::Shape));
    assert!(read([("a.tf", &b"\xff"[..])], Tool::Terraform).is_err());
    assert!(read([("a.tf.json", &b"{"[..])], Tool::Terraform).is_err());
}

#[test]
fn depth_costs_no_stack() {
    assert_eq!(fault(&"a {\n".repeat(100_000)).1, Fault::Deep);
    assert_eq!(
        fault(&format!("x = \"{}", "${\"".repeat(100_000))).1,
        Fault::Deep
    );
    assert_eq!(
        fault(&format!("x = {}", "[{(".repeat(300_000))).1,
        Fault::Open("a value")
    );
    let json = "[".repeat(1_000_000);
    assert!(read([("a.tf.json", json.as_bytes())], Tool::Terraform).is_err());
    let heredocs = "x = <<A\n${<<A\n".repeat(1000);
    assert_eq!(fault(&heredocs).1, Fault::Deep);
}

/// What this thread has computed, whatever else the machine does.
fn cpu() -> Duration {
    let text = fs_err::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

#[test]
fn no_text_is_slow() {
    let parts = [
        "<",
        "<<A",
        "$",
        "x = <<A\n$$$$",
        "\"",
        "${",
        "{",
        "\n",
        "%{\"",
        "#",
        "\\",
    ];
    for part in parts {
        for front in ["", "x = \"", "x = <<A\n", "x = \"${"] {
            let text = format!("{front}{}", part.repeat(100_000 / part.len()));
            let start = cpu();
            let _ = read([("a.tf", text.as_bytes())], Tool::Terraform);
            let took = cpu().saturating_sub(start);
            assert!(
                took < Duration::from_secs(2),
                "{front:?} {part:?}: {took:?}"
            );
        }
    }
}

#[test]
fn every_cut_and_every_changed_byte_gets_an_answer() {
    for cut in 0..WHOLE.len() {
        let _ = read([("a.tf", &WHOLE.as_bytes()[..cut])], Tool::Terraform);
    }
    for byte in b"\"{}$%<\\\n=/*#" {
        for at in 0..WHOLE.len() {
            let mut text = WHOLE.as_bytes().to_vec();
            text[at] = *byte;
            let _ = read([("a.tf", text.as_slice())], Tool::Terraform);
        }
    }
}
