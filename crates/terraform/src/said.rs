//! What a line of terraform's log says to people: where its log is for programs, each line is JSON around that.

use serde_json::Value;

/// The words of a line. A diagnostic is its message and its detail; what is no JSON of terraform's is itself.
pub fn said(line: &str) -> String {
    let parsed = serde_json::from_str::<Value>(line).ok();
    let Some(parsed) = parsed.filter(Value::is_object) else {
        return line.to_owned();
    };
    let text = |pointer: &str| parsed.pointer(pointer).and_then(Value::as_str);
    match (text("/@message"), text("/diagnostic/detail")) {
        (Some(message), Some(detail)) if !detail.is_empty() => format!("{message}: {detail}"),
        (Some(message), _) => message.to_owned(),
        (None, _) => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_its_message_and_what_is_no_line_of_terraforms_itself() {
        for (line, words) in [
            ("Initializing...", "Initializing..."),
            ("[1]", "[1]"),
            ("{\"other\":1}", "{\"other\":1}"),
            ("{\"@message\":\"done\"}", "done"),
            (
                "{\"@message\":\"Error: no\",\"diagnostic\":{\"detail\":\"it is not there\"}}",
                "Error: no: it is not there",
            ),
            (
                "{\"@message\":\"Error: no\",\"diagnostic\":{\"detail\":\"\"}}",
                "Error: no",
            ),
        ] {
            assert_eq!(said(line), words);
        }
    }
}
