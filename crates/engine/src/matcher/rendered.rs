//! What the bytes of an event must have for its own text to have something.
//!
//! The text of an event, as its log would have it elsewhere, has markup that the bytes that were
//! read need not have, and its values may be escaped in another way. Words of letters and digits
//! are the same in both.

/// Words of the markup, folded: they say nothing about the event.
const MARKUP: &[&str] = &[
    "activityid",
    "channel",
    "computer",
    "correlation",
    "data",
    "event",
    "eventdata",
    "eventid",
    "eventrecordid",
    "events",
    "execution",
    "guid",
    "http",
    "https",
    "keywords",
    "level",
    "microsoft",
    "name",
    "opcode",
    "processid",
    "provider",
    "qualifiers",
    "relatedactivityid",
    "schemas",
    "security",
    "system",
    "systemtime",
    "task",
    "threadid",
    "timecreated",
    "userdata",
    "userid",
    "version",
    "win",
    "xmlns",
    "amp",
    "quot",
    "apos",
];

/// For each text a word of it that the event's bytes have, if its own text has the other; empty
/// where nothing can be said.
pub(super) fn words(texts: Vec<String>) -> Vec<String> {
    texts.iter().map(|text| word(text)).collect()
}

fn word(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let telling = words.filter(|word| !MARKUP.contains(word));
    telling.max_by_key(|word| word.len()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_not_looked_for() {
        let cases = [
            ("<eventid>4104<", "4104"),
            ("eventcode=1", "eventcode"),
            ("<eventid>", ""),
            ("get-nettcpconnection", "nettcpconnection"),
            ("c:\\windows\\temp", "windows"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(word(text), expected, "{text}");
        }
    }
}
