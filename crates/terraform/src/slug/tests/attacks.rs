//! Entries that lead out, lie, or are something else.

use super::*;

#[test]
fn paths_that_lead_out_are_refused() {
    let absolute = ["/etc/passwd", "//etc/passwd", "/"];
    for path in absolute {
        assert_eq!(
            fault(&Tape::default().file(path, b"").done()),
            Fault::Absolute,
            "{path}"
        );
    }
    for path in [
        "../a",
        "a/../../b",
        "a/..",
        "..",
        "./../a",
        "a/b/../../../c",
    ] {
        assert_eq!(
            fault(&Tape::default().file(path, b"").done()),
            Fault::Parent,
            "{path}"
        );
    }
    let long = Tape::default()
        .pax(b'x', &[("path", "../../etc/cron.d/x")])
        .file("ok", b"");
    assert_eq!(fault(&long.done()), Fault::Parent);
    let long = Tape::default()
        .entry(b'L', b"n", b"", 0o644, b"/etc/cron.d/x\0")
        .file("ok", b"");
    assert_eq!(fault(&long.done()), Fault::Absolute);
}

#[test]
fn a_name_that_is_no_plain_text_is_refused() {
    for path in [
        &b"a\xff.tf"[..],
        b"a\x1b[2J.tf",
        b"a\\..\\b",
        b"a\nb",
        b"caf\xe9",
    ] {
        let archive = Tape::default().entry(b'0', path, b"", 0o644, b"").done();
        assert_eq!(fault(&archive), Fault::Unreadable, "{path:?}");
    }
    let nameless = Tape::default().entry(b'0', b"", b"", 0o644, b"").done();
    assert_eq!(fault(&nameless), Fault::Nameless);
    assert_eq!(
        fault(&Tape::default().file("./.", b"x").done()),
        Fault::Nameless
    );
    let zero = Tape::default()
        .pax(b'x', &[("path", "main.tf\0.txt")])
        .file("ok", b"");
    assert_eq!(fault(&zero.done()), Fault::Unreadable);
}

#[test]
fn an_error_shows_a_hostile_name_escaped_and_shortened() {
    let name = format!("\u{1b}[2J{}", "x".repeat(900));
    let archive = Tape::default()
        .pax(b'x', &[("path", &name)])
        .file("ok", b"")
        .done();
    let words = refused(&archive).to_string();
    assert!(words.starts_with(r"`\u{1b}[2Jxxx"), "{words}");
    assert!(words.len() < 300 && !words.contains('\u{1b}'), "{words}");
}

#[test]
fn what_is_no_file_folder_or_link_is_refused_by_name() {
    let kinds = [
        (b'1', "a hard link"),
        (b'3', "a device"),
        (b'4', "a device"),
        (b'6', "a named pipe"),
        (b'7', "an entry of an unknown kind"),
        (b'S', "a sparse file"),
        (b'V', "an entry of an unknown kind"),
        (b'M', "an entry of an unknown kind"),
        (b'D', "an entry of an unknown kind"),
        (b's', "an entry of an unknown kind"),
    ];
    for (kind, name) in kinds {
        let archive = Tape::default()
            .file("a", b"")
            .entry(kind, b"b", b"a", 0o644, b"");
        assert_eq!(
            fault(&archive.done()),
            Fault::Kind(name),
            "{}",
            char::from(kind)
        );
    }
    let sparse = [
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.realsize", "999999999999"),
    ];
    let sparse = Tape::default().pax(b'x', &sparse).file("a", b"");
    assert_eq!(fault(&sparse.done()), Fault::Kind("a sparse file"));
}

#[test]
fn a_link_stays_inside_whatever_it_goes_through() {
    let inside = [
        Tape::default().file("a/b.tf", b"").link("c/d", "../a/b.tf"),
        Tape::default()
            .link("a", "b")
            .link("b", "c/../d")
            .folder("c")
            .folder("d"),
        Tape::default().link("dangling", "not/there"),
        Tape::default()
            .folder("x/y")
            .link("x/y/up", "../..")
            .link("z", "x/y/up/x"),
        Tape::default().link("self", "."),
    ];
    for (index, tape) in inside.into_iter().enumerate() {
        assert!(
            inspect(tape.done().as_slice(), &Limits::default()).is_ok(),
            "{index}"
        );
    }
    let outside = [
        Tape::default().link("a", "/etc/passwd"),
        Tape::default().link("a", ".."),
        Tape::default().link("a/b", "../.."),
        Tape::default().link("a/b", "../c/../../x"),
        // On paper `in/..` is the root; where it leads, it is the root's parent.
        Tape::default()
            .folder("x/y")
            .link("in", "x")
            .link("a", "in/../.."),
        Tape::default()
            .link("up", ".")
            .link("a", "up/up/../x")
            .file("b", b""),
        Tape::default().link("d/e", "..").link("a", "d/e/../secret"),
    ];
    for (index, tape) in outside.into_iter().enumerate() {
        assert!(matches!(fault(&tape.done()), Fault::Escapes(_)), "{index}");
    }
    assert_eq!(
        fault(&Tape::default().link("a", "").done()),
        Fault::Nameless
    );
}

#[test]
fn links_in_a_circle_end() {
    assert_eq!(
        fault(&Tape::default().link("a", "b").link("b", "a").done()),
        Fault::Tangled
    );
    assert_eq!(
        fault(&Tape::default().link("a", "a/a/a/a").done()),
        Fault::Tangled
    );
    // Each link is two of the next: two to the fortieth steps for whoever follows them all.
    let mut tape = Tape::default();
    for level in 0..40 {
        let next = format!("l{}", level + 1);
        tape = tape.link(&format!("l{level}"), &format!("{next}/../{next}"));
    }
    assert_eq!(fault(&tape.folder("l40").done()), Fault::Tangled);
}

#[test]
fn nothing_is_written_through_a_link() {
    let through = [
        Tape::default().link("a", "b").file("a/x", b""),
        Tape::default().link("a", ".").folder("a/b"),
        Tape::default().link("a", "b").link("a/c", "d"),
        Tape::default().file("a", b"").file("a/x", b""),
    ];
    for tape in through {
        assert_eq!(fault(&tape.done()), Fault::Under("a".into()));
    }
    let replaced = [
        Tape::default().file("a/x", b"").link("a", "b"),
        Tape::default().folder("a").link("a", "b"),
        Tape::default().link("a", "b").folder("a"),
        Tape::default().link("a", "b").file("a", b""),
        Tape::default().file("a", b"").link("a", "b"),
        Tape::default().file("a/x", b"").file("a", b""),
    ];
    for (index, tape) in replaced.into_iter().enumerate() {
        assert_eq!(fault(&tape.done()), Fault::Twice, "{index}");
    }
}

#[test]
fn one_path_is_there_once_in_any_spelling() {
    let twice = Tape::default().file("a.tf", b"1").file("./a.tf", b"2");
    assert_eq!(fault(&twice.done()), Fault::Twice);
    let twice = Tape::default().file("b/a.tf", b"1").file("b//./a.tf", b"1");
    assert_eq!(fault(&twice.done()), Fault::Twice);
    let spelled = [
        Tape::default().file("Main.tf", b"").file("main.tf", b""),
        Tape::default()
            .file("Modules/a", b"")
            .file("modules/b", b""),
        Tape::default().file("É.tf", b"").file("é.tf", b""),
        Tape::default().link("A", "b").folder("a"),
    ];
    for (index, tape) in spelled.into_iter().enumerate() {
        assert_eq!(fault(&tape.done()), Fault::Case, "{index}");
    }
    let folders = Tape::default().file("a/b", b"").folder("a").folder("a");
    assert_eq!(contents(&folders.done()).files(), 1);
}

#[test]
fn headers_that_contradict_each_other_are_refused() {
    let lies = [
        Tape::default()
            .pax(b'x', &[("size", "0")])
            .file("a", b"hidden entries"),
        Tape::default()
            .pax(b'x', &[("path", "a"), ("path", "b")])
            .file("c", b""),
        Tape::default()
            .pax(b'x', &[("path", "a")])
            .pax(b'x', &[("path", "b")])
            .file("c", b""),
        Tape::default()
            .entry(b'L', b"n", b"", 0o644, b"a")
            .pax(b'x', &[("path", "b")])
            .file("c", b""),
        Tape::default().pax(b'g', &[("path", "a")]).file("c", b""),
        Tape::default().pax(b'g', &[("size", "7")]).file("c", b""),
        Tape::default().entry(b'5', b"folder", b"", 0o755, b"with content"),
        Tape::default().entry(b'2', b"link", b"a", 0o755, b"with content"),
        Tape::default().file("a/", b"a file that is called a folder"),
    ];
    for (index, tape) in lies.into_iter().enumerate() {
        assert!(
            matches!(fault(&tape.done()), Fault::Contradiction(_)),
            "{index}"
        );
    }
    let torn = [
        &b"9999 path=a\n"[..],
        b"path=a\n",
        b"11 path=a\n",
        b"x path=a\n",
        b"3 \n",
        b"12 size=-10\n",
    ];
    for records in torn {
        let archive = Tape::default()
            .entry(b'x', b"p", b"", 0o644, records)
            .file("c", b"");
        assert_eq!(fault(&archive.done()), Fault::Extension, "{records:?}");
    }
    let alone = Tape::default().pax(b'x', &[("path", "a")]).done();
    assert!(matches!(refused(&alone), Refused::NotAnArchive(_)));
}

#[test]
fn an_archive_behind_the_end_of_another_is_refused() {
    let mut first = Tape::default().file("main.tf", b"honest");
    first.0.extend([0; 1024]);
    let second = Tape::default().file("main.tf", b"evil");
    let joined = gzip(&[first.0.clone(), second.0.clone()].concat());
    assert_eq!(refused(&joined), Refused::Trailing);
    let members = [gzip(&first.0), gzip(&second.0)].concat();
    assert_eq!(refused(&members), Refused::Trailing);
    let padded = [first.0, vec![0; 9000]].concat();
    assert_eq!(contents(&gzip(&padded)).files(), 1);
}

#[test]
fn bytes_that_are_no_archive_are_refused() {
    let broken = {
        let mut archive = Tape::default().file("a", b"some content").done();
        let at = archive.len() - 6;
        archive[at] ^= 1;
        archive
    };
    let bad_sum = {
        let mut tape = Tape::default().file("a", b"");
        tape.0[0] = b'b';
        tape.done()
    };
    let short = {
        let mut tape = Tape::default().file("a", &[1; 600]);
        tape.0.truncate(700);
        gzip(&tape.0)
    };
    for bytes in [
        &b""[..],
        b"PK\x03\x04",
        &gzip(b"not a tar"),
        &broken,
        &bad_sum,
    ] {
        assert!(
            matches!(refused(bytes), Refused::NotAnArchive(_)),
            "{bytes:?}"
        );
    }
    assert_eq!(fault(&short), Fault::Short);
}
