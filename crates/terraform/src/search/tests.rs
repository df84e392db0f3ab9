//! Claims about what resources are found by.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use super::*;
use crate::samples::{Chance, content, instance, marked, only, resource, state};

fn listing(text: &str) -> Listing {
    Listing::of(Side::of(&content(text)))
}

fn first(text: &str) -> Entry {
    listing(text).entry(0).unwrap()
}

/// The addresses of what is found.
fn found(listing: &Listing, wanted: Wanted) -> Vec<String> {
    let query = Query::new(wanted).unwrap();
    let entry = |at| listing.entry(at).unwrap().address;
    listing.find(&query).map(entry).collect()
}

/// Modules, keys, data, deposed objects, tags and labels, large letters and letters of more than one byte.
fn mixed() -> String {
    let aws = r#""provider":"provider[\"registry.terraform.io/hashicorp/aws\"]""#;
    let google = r#""provider":"module.net.provider[\"registry.example.org/mine/google\"].west""#;
    let resources = [
        format!(
            r#"{{"mode":"data","type":"aws_ami","name":"Linux","provider":"{}","instances":[{}]}}"#,
            r#"provider[\"registry.terraform.io/hashicorp/aws\"]"#,
            instance("", r#"{"id":"ami-1"}"#)
        ),
        format!(
            r#"{{"mode":"managed","type":"aws_instance","name":"web",{aws},"instances":[{},{},{}]}}"#,
            instance(
                r#""index_key":"Größe","dependencies":["aws_vpc.main","data.aws_ami.Linux"]"#,
                r#"{"id":"i-0Abc","tags":{"Name":"Web Ä","team=x":"a=b"}}"#
            ),
            instance(
                r#""index_key":"b""#,
                r#"{"id":"i-1","tags":{"Name":"web","team":"pay"}}"#
            ),
            instance(r#""index_key":"b","deposed":"00ab""#, r#"{"id":"i-2"}"#),
        ),
        format!(
            r#"{{"mode":"managed","type":"aws_vpc","name":"main",{aws},"instances":[{}]}}"#,
            instance("", r#"{"id":"vpc-1"}"#)
        ),
        format!(
            r#"{{"module":"module.net[\"a.b\"].module.in","mode":"managed","type":"google_dns","name":"web",{google},"instances":[{}]}}"#,
            instance(r#""index_key":0"#, r#"{"id":"z","labels":{"env":"prod"}}"#)
        ),
    ];
    state(1, "", &resources)
}

#[test]
fn an_entry_is_what_the_state_says_and_nothing_sensitive() {
    let listing = listing(&mixed());
    let entries: Vec<Entry> = (0..listing.len())
        .map(|at| listing.entry(at).unwrap())
        .collect();
    let text = mixed();
    let content = content(&text);
    for (entry, instance) in entries.iter().zip(content.instances()) {
        assert_eq!(entry.address, instance.address());
        assert_eq!(
            (&*entry.kind, &*entry.name),
            (instance.kind(), instance.name())
        );
        assert_eq!(
            (&*entry.module, entry.mode),
            (instance.module(), instance.mode())
        );
        assert_eq!(entry.provider, instance.provider());
        assert_eq!(entry.deposed.as_deref(), instance.deposed());
        assert_eq!(entry.dependencies, instance.dependencies());
    }
    let web = entries
        .iter()
        .find(|entry| entry.id.as_deref() == Some("i-0Abc"))
        .unwrap();
    let tag = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(web.tags, [tag("Name", "Web Ä"), tag("team=x", "a=b")]);
    assert!(entries.iter().all(|entry| entry.id.as_deref() != Some("i-2") && entry.id.as_deref() != Some("ami-1")));

    for marks in [r#"["id"]"#, "7"] {
        assert_eq!(first(&marked(r#"{"id":"i-1"}"#, marks)).id, None);
    }
    for marks in [r#"["tags"]"#, r#"["tags.Name"]"#, "7"] {
        assert!(
            first(&marked(r#"{"tags":{"Name":"n"}}"#, marks))
                .tags
                .is_empty(),
            "{marks}"
        );
    }
    assert!(
        first(&only(r#"{"tags":[{"key":"a"}],"labels":{"a":{}}}"#))
            .tags
            .is_empty()
    );
    assert_eq!(
        first(&only("{\"id\":\"a\\n\\u001f\\u001eb\"}")).id,
        Some("a\u{fffd}\u{fffd}\u{fffd}b".to_owned())
    );
}

/// What is looked for, part by part.
type Parts<'a> = &'a [(&'a str, &'a str)];

fn wanted(parts: Parts<'_>) -> Wanted {
    let mut wanted = Wanted::default();
    for (part, text) in parts {
        let text = (*text).to_owned();
        match *part {
            "words" => wanted.words = text,
            "kind" => wanted.kind = Some(text),
            "name" => wanted.name = Some(text),
            "module" => wanted.module = Some(text),
            "provider" => wanted.provider = Some(text),
            "data" => wanted.mode = Some(Mode::Data),
            "managed" => wanted.mode = Some(Mode::Managed),
            "tag" => wanted.tags.push(text),
            "id" => wanted.id = Some(text),
            "depends on" => wanted.depends_on = Some(text),
            other => panic!("{other}"),
        }
    }
    wanted
}

#[test]
fn what_is_wanted_is_found_and_nothing_else() {
    let listing = listing(&mixed());
    let (large, deposed) = ("aws_instance.web[\"Größe\"]", "aws_instance.web[\"b\"]");
    let dns = "module.net[\"a.b\"].module.in.google_dns.web[0]";
    let (ami, vpc) = ("data.aws_ami.Linux", "aws_vpc.main");
    let instances = [large, deposed, deposed];
    let root = [ami, large, deposed, deposed, vpc];
    let cases: &[(Parts<'_>, &[&str])] = &[
        (&[], &[ami, large, deposed, deposed, vpc, dns]),
        (&[("words", "WEB")], &[large, deposed, deposed, dns]),
        (&[("words", "web  größe")], &[large]),
        (&[("words", "i-0aBC")], &[large]),
        (&[("words", "team=pay")], &[deposed]),
        (&[("words", "team=x=a")], &[large]),
        (&[("words", "x=")], &[large]),
        (&[("words", "aws_vpc.main")], &[vpc]),
        (&[("kind", "aws_instance")], &instances),
        (&[("kind", "instance")], &[]),
        (&[("name", "web")], &[large, deposed, deposed, dns]),
        (&[("id", "I-1")], &[deposed]),
        (&[("id", "i-2")], &[]),
        (&[("data", "")], &[ami]),
        (&[("module", "root")], &root),
        (&[("module", "module.net")], &[dns]),
        (&[("module", "module.ne")], &[]),
        (&[("provider", "AWS"), ("managed", "")], &root[1..]),
        (&[("provider", "mine/google")], &[dns]),
        (&[("provider", "oogle")], &[]),
        (&[("tag", "name")], &[large, deposed]),
        (&[("tag", "env=prod")], &[dns]),
        (&[("tag", "team=x=a=b")], &[large]),
        (&[("tag", "team=x")], &[large]),
        (&[("tag", "Name"), ("tag", "team")], &[deposed]),
        (&[("depends on", "aws_vpc.main")], &[large]),
        (&[("depends on", "aws_vpc")], &[]),
    ];
    for (parts, expected) in cases {
        assert_eq!(&found(&listing, wanted(parts)), expected, "{parts:?}");
    }
}

#[test]
fn a_needle_finds_what_a_look_at_each_finds() {
    let mut chance = Chance(9);
    let mut hits = 0;
    for _ in 0..200 {
        let listing = listing(&chance.state("5"));
        let entries: Vec<Entry> = (0..listing.len())
            .map(|at| listing.entry(at).unwrap())
            .collect();
        for entry in &entries {
            let word = entry
                .address
                .get(..entry.address.len().min(9))
                .unwrap_or_default();
            let expected = entries.iter().filter(|other| {
                let address = other.address.to_ascii_lowercase();
                let tags = other
                    .tags
                    .iter()
                    .map(|(name, value)| format!("{name}={value}").to_ascii_lowercase());
                let mut all = tags.chain([
                    address,
                    other.id.clone().unwrap_or_default().to_ascii_lowercase(),
                ]);
                all.any(|text| {
                    word.to_ascii_lowercase()
                        .split_whitespace()
                        .all(|word| text.contains(word))
                })
            });
            let expected: Vec<_> = expected.map(|entry| entry.address.clone()).collect();
            if word.contains(char::is_whitespace) {
                continue;
            }
            hits += expected.len();
            let wanted = Wanted {
                words: word.to_owned(),
                ..Wanted::default()
            };
            assert_eq!(found(&listing, wanted), expected, "{word}");
        }
    }
    assert!(hits > 1000, "{hits}");
}

#[test]
fn an_entry_and_their_number_are_bounded() {
    let long = "x".repeat(2000);
    let tags: Vec<_> = (0..200)
        .map(|n| format!("\"t{n}\":\"{}\"", "v".repeat(200)))
        .collect();
    let attributes = format!(r#"{{"id":"{long}","tags":{{{}}}}}"#, tags.join(","));
    let fields = format!(r#""dependencies":["{long}","a.b"]"#);
    let resources = [
        resource("aws_x", "a", &[instance(&fields, &attributes)]),
        resource("aws_x", &long, &[instance("", "{}")]),
    ];
    let listed = listing(&state(1, "", &resources));
    assert_eq!((listed.len(), listed.left_out()), (1, 1));
    let entry = listed.entry(0).unwrap();
    assert!(entry.id.is_none() && entry.tags.len() > 10);
    assert!(serde_json::to_vec(&entry).unwrap().len() < ENTRY_BYTES_MAX * 5 / 4);
    let many: Vec<_> = (0..=ENTRIES_MAX)
        .map(|key| instance(&format!("\"index_key\":{key}"), "{}"))
        .collect();
    let listed = listing(&state(1, "", &[resource("aws_x", "a", &many)]));
    assert_eq!((listed.len(), listed.left_out()), (ENTRIES_MAX, 1));
    assert!(listed.bytes() < 6 * 1024 * 1024, "{}", listed.bytes());
    let last = format!("[{}]", ENTRIES_MAX - 1);
    assert_eq!(
        found(
            &listed,
            Wanted {
                words: last.clone(),
                ..Wanted::default()
            }
        ),
        [format!("aws_x.a{last}")]
    );
}

#[test]
fn many_providers_and_long_ones_are_left_out_and_counted() {
    let with = |provider: &str| {
        format!(
            r#"{{"mode":"managed","type":"aws_x","name":"a","provider":"{provider}","instances":[{}]}}"#,
            instance("", r#"{"id":"i"}"#)
        )
    };
    let resources: Vec<_> = (0..1000)
        .map(|n| with(&format!("p{n}")).replace("\"a\"", &format!("\"a{n}\"")))
        .collect();
    let listed = listing(&state(1, "", &resources));
    assert_eq!((listed.len(), listed.left_out()), (PROVIDERS_MAX, 744));
    let listed = listing(&state(1, "", &[with(&"p".repeat(2000))]));
    assert_eq!((listed.len(), listed.left_out()), (0, 1));
    assert!(listed.bytes() < 1000, "{}", listed.bytes());
}

#[test]
fn a_module_with_a_sign_that_is_replaced_is_found() {
    let text = format!(
        r#"{{"module":"module.net[\"a\u0001b\"]","mode":"managed","type":"aws_x","name":"a","provider":"p","instances":[{}]}}"#,
        instance("", r#"{"id":"i"}"#)
    );
    let listed = listing(&state(1, "", &[text]));
    let kind = wanted(&[("kind", "aws_x"), ("name", "a")]);
    assert_eq!(found(&listed, kind).len(), 1);
}

#[test]
fn too_much_at_once_is_refused() {
    let words = |words: String| Wanted {
        words,
        ..Wanted::default()
    };
    assert!(Query::new(words("a ".repeat(16))).is_ok());
    for wanted in [
        words("a ".repeat(17)),
        words("a".repeat(5000)),
        Wanted {
            tags: vec![String::new(); 17],
            ..Wanted::default()
        },
        Wanted {
            id: Some("i".repeat(5000)),
            ..Wanted::default()
        },
    ] {
        assert_eq!(Query::new(wanted).err(), Some(TooMuch));
    }
}
