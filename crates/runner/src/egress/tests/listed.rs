//! The list: what entries are, and whom they let through.

use super::rules::{EntryFault, Pattern};
use super::*;

fn fault(text: &str) -> EntryFault {
    match Entry::parse(text) {
        Err(error) => error.why,
        Ok(entry) => panic!("{text} is {entry:?}"),
    }
}

#[test]
fn entries_read_back_as_they_are_written() {
    let same = [
        "https://registry.terraform.io",
        "https://*.amazonaws.com",
        "https://vault.corp.example:8200 private",
        "https://10.1.2.3:6443",
        "https://[fd00:ec2::254]",
        "tcp://127.0.0.1:5000",
        "tcp://[::1]:5432",
        "tcp://localhost:5432",
        "tcp://db.internal:5432",
    ];
    for text in same {
        assert_eq!(Entry::parse(text).unwrap().to_string(), text);
    }
    let other = [
        (
            "https://Registry.Terraform.IO.:443/",
            "https://registry.terraform.io",
        ),
        (
            "  https://a.example   private ",
            "https://a.example private",
        ),
        ("TCP://x:1", ""),
    ];
    for (text, expected) in other {
        let read = Entry::parse(text).map_or(String::new(), |entry| entry.to_string());
        assert_eq!(read, expected);
    }
}

#[test]
fn an_entry_that_is_none_says_why() {
    for text in [
        "",
        "example.com",
        "http://example.com",
        "udp://example.com:53",
        "*",
    ] {
        assert_eq!(fault(text), EntryFault::Scheme, "{text:?}");
    }
    for text in [
        "https://a.example/path",
        "https://user@a.example",
        "https://a.example x",
        "https://a.example private twice",
        "tcp://a:1?x",
    ] {
        assert_eq!(fault(text), EntryFault::More, "{text}");
    }
    for text in [
        "tcp://a.example",
        "tcp://a:0",
        "tcp://a:65536",
        "https://a.example:",
        "https://a.example:+1",
        "https://::1",
    ] {
        assert_eq!(fault(text), EntryFault::Port, "{text}");
    }
    for text in [
        "https://*",
        "https://*.com",
        "https://a.*.com",
        "https://*a.example.com",
        "https://*.*.com",
        "tcp://*.example.com:1",
    ] {
        assert_eq!(fault(text), EntryFault::Wildcard, "{text}");
    }
    for text in [
        "https://",
        "https://a..b",
        "https://größe.example",
        "https://-a.example",
        "https://127.1",
        "https://0x7f.1",
        "https://[::ffff:10.0.0.1]",
        "https://2130706433",
    ] {
        assert!(matches!(fault(text), EntryFault::Host(_)), "{text}");
    }
    assert_eq!(fault("tcp://10.0.0.5:5432"), EntryFault::Address);
    assert_eq!(fault("https://0.0.0.0"), EntryFault::Nobody);
    assert_eq!(fault("https://10.0.0.5 private"), EntryFault::Private);
    assert_eq!(fault("tcp://db:1 private"), EntryFault::Private);
}

#[test]
fn a_list_has_each_entry_once_and_an_end() {
    let twice = AllowList::parse(["https://a.example", "https://A.example:443"]).unwrap_err();
    assert_eq!(twice.why, EntryFault::Twice);
    let many: Vec<String> = (0..300)
        .map(|number| format!("https://h{number}.example"))
        .collect();
    let many = AllowList::parse(many.iter().map(String::as_str)).unwrap_err();
    assert_eq!(many.why, EntryFault::Many);
    let list = AllowList::parse(["https://a.example", "tcp://b:1"]).unwrap();
    let json = serde_json::to_string(&list).unwrap();
    assert_eq!(json, r#"["https://a.example","tcp://b:1"]"#);
    assert_eq!(serde_json::from_str::<AllowList>(&json).unwrap(), list);
    assert!(serde_json::from_str::<AllowList>(r#"["https://*"]"#).is_err());
}

#[test]
fn a_name_and_a_port_are_looked_for_exactly() {
    let list = AllowList::parse([
        "https://a.example",
        "https://*.b.example:8443",
        "tcp://c.example:22",
    ])
    .unwrap();
    let reach = |host: &str, port| list.https(&Host::parse(host).unwrap(), port).ok();
    let allowed = [
        ("a.example", 443),
        ("A.EXAMPLE.", 443),
        ("x.b.example", 8443),
        ("x.y.b.example", 8443),
    ];
    for (host, port) in allowed {
        assert_eq!(reach(host, port), Some(Reach::Public), "{host}:{port}");
    }
    let refused = [
        ("b.example", 8443),
        ("xb.example", 8443),
        ("x.a.example", 443),
        ("a.example.evil.com", 443),
        ("a.example", 80),
        ("x.b.example", 443),
        ("c.example", 22),
        ("93.184.216.34", 443),
    ];
    for (host, port) in refused {
        assert_eq!(reach(host, port), None, "{host}:{port}");
    }
    let port = list
        .https(&Host::parse("a.example").unwrap(), 80)
        .unwrap_err();
    assert_eq!(
        port.to_string(),
        "port 80 of a.example is not on the egress list of this workspace"
    );
}

#[test]
fn each_kind_of_entry_reaches_as_far_as_it_says() {
    let reaches = [
        (
            Reach::Public,
            &["8.8.8.8"][..],
            &[
                "10.0.0.1",
                "127.0.0.1",
                "169.254.169.254",
                "168.63.129.16",
                "64:ff9b::a00:1",
                "::ffff:8.8.8.8",
            ][..],
        ),
        (
            Reach::Private,
            &["8.8.8.8", "10.0.0.1", "100.64.0.1", "fd12::1"],
            &[
                "127.0.0.1",
                "::1",
                "169.254.169.254",
                "fd00:ec2::254",
                "100.100.100.200",
                "0.0.0.0",
            ],
        ),
        (
            Reach::Loopback,
            &["127.0.0.1", "::1"],
            &["8.8.8.8", "10.0.0.1", "169.254.169.254"],
        ),
        (
            Reach::Exactly("169.254.169.254".parse().unwrap()),
            &["169.254.169.254"],
            &["169.254.169.253", "8.8.8.8"],
        ),
    ];
    for (reach, allowed, refused) in reaches {
        for address in allowed {
            assert!(
                reach.allows(address.parse().unwrap()),
                "{reach:?} {address}"
            );
        }
        for address in refused {
            assert!(
                !reach.allows(address.parse().unwrap()),
                "{reach:?} {address}"
            );
        }
    }
}

#[test]
fn the_widest_entry_that_matches_counts_in_any_order() {
    for entries in [
        [
            "https://*.corp.example",
            "https://vault.corp.example private",
        ],
        [
            "https://vault.corp.example private",
            "https://*.corp.example",
        ],
    ] {
        let list = AllowList::parse(entries).unwrap();
        let reach = |host: &str| list.https(&Host::parse(host).unwrap(), 443).unwrap();
        assert_eq!(reach("vault.corp.example"), Reach::Private);
        assert_eq!(reach("other.corp.example"), Reach::Public);
    }
}

#[test]
fn what_leads_inside_says_so() {
    for text in [
        "tcp://127.0.0.1:5000",
        "tcp://db:5432",
        "https://a.example private",
        "https://169.254.169.254",
    ] {
        assert!(Entry::parse(text).unwrap().leads_inside(), "{text}");
    }
    for text in [
        "https://a.example",
        "https://*.a.example",
        "https://8.8.8.8",
    ] {
        assert!(!Entry::parse(text).unwrap().leads_inside(), "{text}");
    }
    let entry = Entry::parse("https://*.a.example").unwrap();
    assert!(
        matches!(entry, Entry::Https { pattern: Pattern::Below(name), .. } if name == "a.example")
    );
}
