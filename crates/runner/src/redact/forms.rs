//! The forms in which a value may be written.
//!
//! As it is; escaped as JSON by Go (with and without `\u003c` for what HTML could take for its own, once and twice, because JSON is put into JSON); quoted by Go's
//! `%q` and by HCL; percent-encoded by each of the sets that URLs have, in both cases, and as forms have it; in hexadecimal; in base64 of both alphabets, at each of
//! the three places where it can begin inside something longer, and in lines of 64 and 76. Of a value with several lines, each line also by
//! itself, because terraform shows it so.
//!
//! Inside something longer, base64 mixes the first and last bits of a value with its neighbours; up to four of them remain readable at each end.

use std::collections::BTreeSet;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::VALUE_BYTES_MIN;
use super::check;

/// What percent-encoding leaves as it is beside letters, digits and `-_.~`: nothing; JavaScript's; Go's for paths and for users; Python's; whole URLs'.
const PERCENT_KEPT: &[&str] = &["", "!'()*", "$&+=:@", "$&+,;=", "/", "$&+,/:;=@"];

/// How long lines of base64 are in PEM and in mail.
const LINES: &[usize] = &[64, 76];

/// All forms of a value, without those that would be found by chance.
pub fn forms(value: &str) -> BTreeSet<Vec<u8>> {
    let mut forms = BTreeSet::new();
    if check(value).is_err() {
        return forms;
    }
    whole(value, &mut forms);
    let lines = value.lines().map(str::trim);
    for line in lines.filter(|line| line.len() < value.len() && !line.starts_with("-----")) {
        if check(line).is_ok() {
            whole(line, &mut forms);
        }
    }
    forms.retain(|form| form.len() >= VALUE_BYTES_MIN);
    forms
}

fn whole(value: &str, forms: &mut BTreeSet<Vec<u8>>) {
    let mut add = |form: String| {
        forms.insert(form.into_bytes());
    };
    add(value.to_owned());
    for html in [false, true] {
        for short in [false, true] {
            let once = json(value, html, short);
            add(json(&once, html, short));
            add(once);
        }
    }
    add(go(value, false));
    add(go(value, true));
    add(hcl(value));
    for kept in PERCENT_KEPT {
        add(percent(value, kept, true, "%20"));
        add(percent(value, kept, false, "%20"));
    }
    add(percent(value, "", true, "+"));
    add(percent(value, "", false, "+"));
    let hex: String = value.bytes().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    add(hex.to_uppercase());
    add(hex);
    base64(value.as_bytes(), forms);
}

/// As Go's `encoding/json` writes it, without the quotes. `html` is what it does unless told otherwise; `short` is `\b` and `\f` for what older
/// versions wrote as numbers.
fn json(value: &str, html: bool, short: bool) -> String {
    let mut text = String::with_capacity(value.len());
    for char in value.chars() {
        match char {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' if short => text.push_str("\\b"),
            '\u{c}' if short => text.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' if html => numbered(&mut text, char),
            control if control < ' ' => numbered(&mut text, control),
            other => text.push(other),
        }
    }
    text
}

/// As Go's `%q` writes it, without the quotes; `ascii` is `%+q`.
fn go(value: &str, ascii: bool) -> String {
    let mut text = String::with_capacity(value.len());
    for char in value.chars() {
        let _ = match char {
            '"' => write!(text, "\\\""),
            '\\' => write!(text, "\\\\"),
            '\u{7}' => write!(text, "\\a"),
            '\u{8}' => write!(text, "\\b"),
            '\u{c}' => write!(text, "\\f"),
            '\n' => write!(text, "\\n"),
            '\r' => write!(text, "\\r"),
            '\t' => write!(text, "\\t"),
            '\u{b}' => write!(text, "\\v"),
            control if control < ' ' || control == '\u{7f}' => {
                write!(text, "\\x{:02x}", u32::from(control))
            }
            wide if ascii && u32::from(wide) > 0xffff => write!(text, "\\U{:08x}", u32::from(wide)),
            wide if ascii && !wide.is_ascii() => write!(text, "\\u{:04x}", u32::from(wide)),
            other => write!(text, "{other}"),
        };
    }
    text
}

/// As HCL quotes it, without the quotes.
fn hcl(value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
    let escaped = escaped.replace('\n', "\\n").replace('\r', "\\r");
    let escaped = escaped.replace('\t', "\\t").replace("${", "$${");
    escaped.replace("%{", "%%{")
}

fn numbered(text: &mut String, char: char) {
    let _ = write!(text, "\\u{:04x}", u32::from(char));
}

fn percent(value: &str, kept: &str, upper: bool, blank: &str) -> String {
    let mut text = String::with_capacity(value.len() * 3);
    for byte in value.bytes() {
        let char = char::from(byte);
        let plain = char.is_ascii_alphanumeric() || "-_.~".contains(char) || kept.contains(char);
        let _ = match byte {
            b' ' => write!(text, "{blank}"),
            _ if plain => write!(text, "{char}"),
            byte if upper => write!(text, "%{byte:02X}"),
            byte => write!(text, "%{byte:02x}"),
        };
    }
    text
}

fn base64(value: &[u8], forms: &mut BTreeSet<Vec<u8>>) {
    for engine in [&STANDARD, &URL_SAFE] {
        for shift in 0..3 {
            let mut shifted = vec![0; shift];
            shifted.extend_from_slice(value);
            let text = engine.encode(&shifted).into_bytes();
            // The first characters are what stands before, or a mixture with it.
            let text = text.get((shift * 8).div_ceil(6)..).unwrap_or_default();
            let bare = text.split(|byte| *byte == b'=').next().unwrap_or_default();
            let mixed = usize::from(!(shift + value.len()).is_multiple_of(3));
            let pure = bare.get(..bare.len().saturating_sub(mixed));
            forms.extend([text, bare, pure.unwrap_or_default()].map(<[u8]>::to_vec));
        }
        let text = engine.encode(value).into_bytes();
        for length in LINES.iter().filter(|length| text.len() > **length) {
            forms.extend(text.chunks(*length).map(<[u8]>::to_vec));
        }
    }
}
