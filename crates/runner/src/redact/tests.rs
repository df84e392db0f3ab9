//! Nothing of a value comes out, whatever the form and wherever the cut; everything else does.

use std::process::Command;

use super::forms::forms;
use super::*;

/// `SplitMix64`: the same seed gives the same test.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }

    fn text(&mut self, alphabet: &str, length: usize) -> String {
        let chars: Vec<char> = alphabet.chars().collect();
        (0..length)
            .map(|_| chars[self.below(chars.len())])
            .collect()
    }
}

const VALUES: &[&str] = &[
    "hunter2-correct-horse",
    "p@ss w\"ord\\<>&\u{2028}é\t\u{8}",
    "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n  9f8e7d6c5b4a\n-----END KEY-----\n",
    "${not-a-template}%{nor-this}",
    "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
];

fn whole(values: &[&str], text: &[u8]) -> Vec<u8> {
    let mut redactor = Redactor::new(values.iter().copied()).unwrap();
    let mut out = redactor.push(text);
    out.extend(redactor.finish());
    out
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn check(values: &[&str], text: &str, expected: &str) {
    let out = whole(values, text.as_bytes());
    assert_eq!(String::from_utf8_lossy(&out), expected, "{text:?}");
}

#[test]
fn a_value_is_replaced_and_the_rest_is_not() {
    let values = &["hunter2-correct"];
    check(
        values,
        "password = hunter2-correct\n",
        "password = (sensitive)\n",
    );
    check(
        values,
        "hunter2-correcthunter2-correct",
        "(sensitive)(sensitive)",
    );
    check(values, "hunter2-correc", "hunter2-correc");
    check(values, "hunter2-hunter2-correct!", "hunter2-(sensitive)!");
    check(values, "", "");
}

#[test]
fn values_that_overlap_leave_no_rest() {
    check(
        &["abc123def", "123defghi"],
        "<abc123defghi>",
        "<(sensitive)>",
    );
    check(
        &["secretvalue", "secretvalue-long"],
        "secretvalue-long",
        "(sensitive)",
    );
    check(
        &["secretvalue", "xsecretvaluex"],
        "xsecretvaluex",
        "(sensitive)",
    );
    check(&["a1b2c3a1b2"], "a1b2c3a1b2c3a1b2", "(sensitive)");
}

#[test]
fn every_form_of_every_value_is_found() {
    for value in VALUES {
        let forms = forms(value);
        assert!(forms.len() >= 9, "{value:?} has {} forms", forms.len());
        for form in &forms {
            let text = [b"before ", form.as_slice(), b" after"].concat();
            let out = whole(&[value], &text);
            assert!(!contains(&out, form), "{}", String::from_utf8_lossy(form));
            assert!(out.starts_with(b"before (") && out.ends_with(b") after"));
        }
    }
}

/// Text in which a program wrote a value, with the program.
fn written(program: &str, arguments: &[&str], value: &str) -> Vec<u8> {
    let output = Command::new(program).args(arguments).arg(value).output();
    output.unwrap().stdout
}

#[test]
fn what_other_programs_write_is_found() {
    let script =
        |line: &str| format!("import sys,json,base64,urllib.parse as u;v=sys.argv[1];{line}");
    let lines = [
        "print(json.dumps(v, ensure_ascii=False))",
        "print(json.dumps(json.dumps(v, ensure_ascii=False), ensure_ascii=False))",
        "print(u.quote(v), u.quote(v, safe=''), u.quote_plus(v))",
        "print(v.encode().hex(), v.encode().hex().upper())",
        "[print(base64.b64encode(('u'*n+v).encode()).decode()) for n in range(3)]",
        "[print(base64.urlsafe_b64encode(('u'*n+v+'tail').encode()).decode()) for n in range(3)]",
        "print(base64.encodebytes(v.encode()).decode())",
        "print('    '+v.replace(chr(10), chr(10)+'    '))",
    ];
    for value in ["correct horse/battery+staple=é\"1", VALUES[4], VALUES[3]] {
        for line in lines {
            let text = written("python3", &["-c", &script(line)], value);
            assert!(text.len() > value.len(), "{line}");
            let out = whole(&[value], &text);
            let left = String::from_utf8(out.clone()).unwrap();
            // What stands before and behind a value in base64 remains, and a character or two that it shares with them.
            let rest = left
                .replace("(sensitive)", "")
                .replace(char::is_whitespace, "");
            assert!(rest.len() <= 30, "{line}: {left}");
            assert!(contains(&out, MARK), "{line}: {left}");
        }
    }
}

#[test]
fn each_line_of_a_value_is_found_indented_as_terraform_shows_it() {
    let text = "  + key = <<-EOT\n        MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n        9f8e7d6c5b4a\n    EOT\n";
    let expected = "  + key = <<-EOT\n        (sensitive)\n        (sensitive)\n    EOT\n";
    check(&[VALUES[2]], text, expected);
}

/// The same, by looking for every form at every place.
fn slowly(values: &[&str], text: &[u8]) -> Vec<u8> {
    let forms: Vec<Vec<u8>> = values.iter().flat_map(|value| forms(value)).collect();
    let mut hidden: Vec<(usize, usize)> = Vec::new();
    for start in 0..text.len() {
        let here = forms.iter().filter(|form| text[start..].starts_with(form));
        let Some(length) = here.map(Vec::len).max() else {
            continue;
        };
        match hidden.last_mut() {
            Some((_, end)) if *end > start => *end = (*end).max(start + length),
            _ => hidden.push((start, start + length)),
        }
    }
    let (mut out, mut at) = (Vec::new(), 0);
    for (start, end) in hidden {
        out.extend_from_slice(&text[at..start]);
        out.extend_from_slice(MARK);
        at = end;
    }
    out.extend_from_slice(&text[at..]);
    out
}

#[test]
fn any_cut_gives_the_same_output() {
    let mut random = Random(7);
    for round in 0..200 {
        // Few letters, so that values overlap each other and themselves.
        let values: Vec<String> = (0..4)
            .map(|_| {
                let length = 6 + random.below(8);
                random.text("abcde1", length)
            })
            .collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let mut text = String::new();
        for _ in 0..30 {
            let length = random.below(6);
            text += &random.text("abcde1", length);
            let value = values[random.below(values.len())];
            text += &value[random.below(3)..value.len() - random.below(3)];
        }
        let expected = slowly(&values, text.as_bytes());
        for value in &values {
            if check_value(value) {
                assert!(
                    !contains(&expected, value.as_bytes()),
                    "{round}: {value} in {text}"
                );
            }
        }
        let mut redactor = Redactor::new(values.iter().copied()).unwrap();
        let mut out = Vec::new();
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(random.below(rest.len().min(9)) + 1);
            out.extend(redactor.push(chunk));
            rest = after;
        }
        out.extend(redactor.finish());
        assert_eq!(out, expected, "{round}: {values:?} in {text}");
    }
}

fn check_value(value: &str) -> bool {
    super::check(value).is_ok()
}

#[test]
fn text_without_values_passes_as_it_is() {
    let mut random = Random(3);
    let text: Vec<u8> = (0..200_000)
        .map(|_| random.below(256).to_le_bytes()[0])
        .collect();
    assert_eq!(whole(VALUES, &text), text);
    assert_eq!(whole(&[], &text), text);
}

#[test]
fn only_what_may_begin_a_value_is_held_back() {
    let mut redactor = Redactor::new(["hunter2-correct"]).unwrap();
    assert_eq!(redactor.push(b"a line\n"), b"a line\n");
    assert_eq!(redactor.push(b"and hunter"), b"and ");
    assert_eq!(redactor.push(b"s\n"), b"hunters\n");
    assert_eq!(redactor.push(b"x hunter2-correct"), b"x (sensitive)");
    assert_eq!(redactor.push(b" hunter2"), b" ");
    assert_eq!(redactor.finish(), b"hunter2");
}

#[test]
fn a_value_that_ends_in_another_is_out_as_soon_as_it_is_whole() {
    let mut redactor = Redactor::new(["abcdef-123456", "def-123456", "456-zyx98"]).unwrap();
    assert_eq!(redactor.push(b"abcdef-123456"), b"");
    assert_eq!(redactor.push(b"!"), b"(sensitive)!");
    assert_eq!(redactor.push(b"abcdef-123456-zyx98."), b"(sensitive).");
}

#[test]
fn weak_values_are_refused_with_the_reason() {
    let cases = [
        (Weak::Short, &["", "abc", "12345", "  abc  "][..]),
        (
            Weak::Common,
            &[
                "enabled",
                "Default",
                "PASSWORD",
                "sensitive",
                "(sensitive)",
                "changeme",
                "123456",
            ],
        ),
        (
            Weak::Region,
            &[
                "us-east-1",
                "eu-central-1a",
                "us-gov-west-1",
                "europe-west4",
                "europe-west4-b",
                "ap-southeast-2",
                "westeurope",
            ],
        ),
        (
            Weak::Repeated,
            &[
                "aaaaaaaa",
                "abababab",
                "10000000",
                "------------",
                "0.0.0.0.0",
            ],
        ),
    ];
    for (weak, values) in cases {
        for value in values {
            assert_eq!(super::check(value), Err(weak), "{value}");
            check(&[value], &format!("<{value}>"), &format!("<{value}>"));
        }
    }
    for value in [
        "483920",
        "hunter2",
        "s3cr3t",
        "us-east-1-key",
        "correct horse",
        "eu-north-pole",
        "AKIAIOSFODNN7EXAMPLE",
    ] {
        assert_eq!(super::check(value), Ok(()), "{value}");
    }
}

#[test]
fn many_values_are_found_as_few_are() {
    let mut random = Random(5);
    let values: Vec<String> = (0..200)
        .map(|_| random.text("abcdefghijklmnop0123456789", 20))
        .collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let mut redactor = Redactor::new(values.iter().copied()).unwrap();
    for value in &values {
        let begun = &value[..19];
        let out = redactor.push(format!("<{value}>{begun}\n").as_bytes());
        let expected = format!("<(sensitive)>{begun}\n");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

#[test]
fn too_much_to_look_for_is_an_error_and_not_a_slow_run() {
    let mut random = Random(11);
    let large = random.text("abcdefghijklmnopqrstuvwxyz0123456789", 1 << 20);
    assert!(matches!(Redactor::new([large.as_str()]), Err(TooMuch(_))));
}
