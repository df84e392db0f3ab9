//! Claims about addresses and paths.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use super::*;

/// Keys and their spelling in `terraform state list` of terraform 1.11.4.
const SPELLED: &[(&str, &str)] = &[
    ("", r#"[""]"#),
    ("a.b", r#"["a.b"]"#),
    ("0", r#"["0"]"#),
    ("\u{1}", r#"["\u0001"]"#),
    ("\r", r#"["\r"]"#),
    ("tab\t", r#"["tab\t"]"#),
    ("new\nline", r#"["new\nline"]"#),
    ("$$", r#"["$$"]"#),
    ("dollar$", r#"["dollar$"]"#),
    ("$${z}", r#"["$$${z}"]"#),
    ("${x}", r#"["$${x}"]"#),
    ("%{y}", r#"["%%{y}"]"#),
    ("'", r#"["'"]"#),
    ("/", r#"["/"]"#),
    ("<&>", r#"["<&>"]"#),
    ("back\\slash", r#"["back\\slash"]"#),
    ("q\"uote", r#"["q\"uote"]"#),
    ("\u{7f}", r#"["\u007f"]"#),
    ("\u{a0}", r#"["\u00a0"]"#),
    ("é日本", r#"["é日本"]"#),
    ("\u{301}", "[\"\u{301}\"]"),
    ("\u{200b}", r#"["\u200b"]"#),
    ("\u{2028}", r#"["\u2028"]"#),
    ("\u{feff}", r#"["\ufeff"]"#),
    ("😀", r#"["😀"]"#),
    ("x y", r#"["x y"]"#),
    ("z\"\n${", r#"["z\"\n$${"]"#),
];

#[test]
fn keys_are_spelled_as_terraform_spells_them() {
    for (key, spelled) in SPELLED {
        assert_eq!(Key::Text(Cow::Borrowed(key)).to_string(), *spelled);
    }
    assert_eq!(
        Key::Text("\u{e0001}".into()).to_string(),
        r#"["\U000e0001"]"#
    );
    assert_eq!(Key::Number(12).to_string(), "[12]");
    assert_eq!(Key::None.to_string(), "");
}

#[test]
fn what_terraform_spells_is_parsed_back() {
    for (_, key) in SPELLED {
        for address in [
            format!("terraform_data.each{key}"),
            format!("module.a{key}.module.sub.data.aws_ami.x{key}"),
        ] {
            let subject: Subject = address.parse().unwrap();
            assert_eq!(
                (subject.address(), subject.path()),
                (address.as_str(), None)
            );
            let with_path: Subject = format!("{address}.tags{key}").parse().unwrap();
            assert_eq!(with_path.address(), address);
            assert_eq!(with_path.path().unwrap().steps().len(), 2);
            assert_eq!(with_path.to_string().parse::<Subject>().unwrap(), with_path);
        }
    }
}

#[test]
fn a_subject_is_an_address_and_possibly_a_path() {
    for (text, address, path) in [
        ("aws_instance.web", "aws_instance.web", ""),
        (" aws_instance.web[0] ", "aws_instance.web[0]", ""),
        (
            "aws_instance.web[0].tags.Name",
            "aws_instance.web[0]",
            "tags.Name",
        ),
        (
            "module.a[\"x.y\"].aws_sg.s.ingress[0].cidr_blocks[1]",
            "module.a[\"x.y\"].aws_sg.s",
            "ingress[0].cidr_blocks[1]",
        ),
        ("a.b.[\"x y\"]", "a.b", "[\"x y\"]"),
        ("data.aws_ami.a.id", "data.aws_ami.a", "id"),
        (
            "aws_instance.web.tags[\"a.b\"]",
            "aws_instance.web",
            "tags[\"a.b\"]",
        ),
        (
            "aws_instance.web.tags[\"Name\"]",
            "aws_instance.web",
            "tags.Name",
        ),
        ("größe.breite.höhe", "größe.breite", "höhe"),
    ] {
        let subject: Subject = text.parse().unwrap();
        assert_eq!(subject.address(), address, "{text}");
        assert_eq!(
            subject.path().map(ToString::to_string).unwrap_or_default(),
            path,
            "{text}"
        );
        assert_eq!(subject.to_string().parse::<Subject>().unwrap(), subject);
    }
}

#[test]
fn what_names_nothing_is_refused_in_words() {
    for (text, words) in [
        ("", "no resource is named"),
        ("  ", "no resource is named"),
        ("aws_instance", "the name of the resource at letter 13"),
        ("aws_instance.", "the name of the resource at letter 14"),
        ("module.a", "a resource behind the module at letter 9"),
        ("module.a.module", "a module at letter 16"),
        ("data.aws_ami", "name of the resource at letter 13"),
        ("aws_instance.web[", "a number or a text"),
        ("aws_instance.web[x]", "a number or a text"),
        ("aws_instance.web[0", "`]` at letter 19"),
        (
            "aws_instance.web[\"x]",
            "closing quotation mark at letter 21",
        ),
        ("aws_instance.web[\"\\q\"]", "behind `\\`"),
        ("aws_instance.web[\"\\ud800\"]", "behind `\\`"),
        (
            "aws_instance.web[99999999999999999999]",
            "a number or a text",
        ),
        ("aws_instance.web.", "an attribute at letter 18"),
        ("aws_instance.web.a b", "`.`, `[` or the end at letter 19"),
        ("aws_instance.web.a..b", "an attribute at letter 20"),
        ("aws_instance.web.a[-1]", "a number"),
        ("ephemeral.x.y", "never in a state"),
    ] {
        let error = text.parse::<Subject>().expect_err(text).to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    let long = format!("a.b[\"{}\"]", "x".repeat(SUBJECT_BYTES_MAX));
    assert!(
        long.parse::<Subject>()
            .unwrap_err()
            .to_string()
            .contains("more than 4096")
    );
    let deep = format!("a.b.c{}", "[0]".repeat(STEPS_MAX));
    assert!(deep.parse::<Subject>().is_err());
}

#[test]
fn paths_overlap_at_steps_only() {
    for (a, b, expected) in [
        ("a", "a", true),
        ("a", "a.b", true),
        ("a[0]", "a", true),
        ("", "a", true),
        ("a", "ab", false),
        ("a.b", "a.c", false),
        ("a[1]", "a[10]", false),
    ] {
        assert_eq!(overlaps(a, b), expected, "{a} {b}");
        assert_eq!(overlaps(b, a), expected, "{b} {a}");
    }
}
