//! The names of fields that pages use as if Splunk had them.
//!
//! Splunk's names have case, and each add-on its own: `cmdline` and `eventcode` are no fields of
//! Windows logs. Pages use them all the same, because of add-ons of their own, or by mistake. The
//! view `playbook` says how such names read; what it says is ours.

use rulestone_ir::{Diagnostic, Level};

use super::searches::Found;

/// Names that the view `playbook` has beyond those of Splunk, and what each is read as.
const LOOSE: &[(&str, &str)] = &[
    ("cmdline", "the command line"),
    ("Cmdline", "the command line"),
    ("CmdLine", "the command line"),
    ("command_line", "the command line"),
    ("Command_Line", "the command line"),
    ("commandline", "the command line"),
    ("Commandline", "the command line"),
    ("image", "the path of the program"),
    ("process_image", "the path of the program"),
    ("Process_Name", "the name of the program"),
    ("ProcessName", "the name of the program"),
    ("processname", "the name of the program"),
    ("Parent_process", "the path of the program that started it"),
    ("Parent_Process", "the path of the program that started it"),
    ("parentprocess", "the path of the program that started it"),
    ("parentimage", "the path of the program that started it"),
    ("parent_image", "the path of the program that started it"),
    ("parent_cmdline", "the command line of the program that started it"),
    ("parent_command_line", "the command line of the program that started it"),
    ("parentcommandline", "the command line of the program that started it"),
    ("Message", "what was run: the command line, or the script"),
    ("message", "what was run: the command line, or the script"),
    ("eventcode", "the event's id"),
    ("Eventcode", "the event's id"),
    ("eventCode", "the event's id"),
    ("event_code", "the event's id"),
    ("eventid", "the event's id"),
    ("Eventid", "the event's id"),
    ("EventId", "the event's id"),
    ("eventID", "the event's id"),
    ("Event_ID", "the event's id"),
    ("computer", "the host"),
    ("computername", "the host"),
    ("hostname", "the host"),
    ("Hostname", "the host"),
    ("username", "the account"),
    ("Username", "the account"),
    ("user_name", "the account"),
    ("channel", "the log's name"),
    ("logname", "the log's name"),
    ("TaskCategory", "the name of the category"),
    ("Task_Category", "the name of the category"),
];

/// What input sources are called in labels, and by what searches ask for their logs.
const INPUTS: &[(&str, &[&str])] =
    &[("sysmon", &["sysmon"]), ("powershell", &["powershell"]), ("security", &["security"])];

/// The names that the view `playbook` has beyond those of Splunk.
pub fn loose_fields() -> impl Iterator<Item = &'static str> {
    LOOSE.iter().map(|(name, _)| *name)
}

/// Says of each field that is not Splunk's how it is read.
pub(super) fn own_fields(found: &Found, reads: &[String], diagnostics: &mut Vec<Diagnostic>) {
    for name in reads {
        let Some((_, means)) = LOOSE.iter().find(|(own, _)| own == name) else { continue };
        let text = &found.text.text;
        let span = match place(text, name) {
            Some(at) => found.text.span(at..at + name.len()),
            None => found.text.span(0..text.len()),
        };
        let message = format!("`{name}` is read as {means}: Splunk has no such field here");
        diagnostics.push(Diagnostic::new(Level::Approximate, "own-field", message, span));
    }
}

/// Where a name stands as a word of its own.
fn place(text: &str, name: &str) -> Option<usize> {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.');
    let alone = |at: &usize| {
        !is_part(text[..*at].chars().next_back())
            && !is_part(text[at + name.len()..].chars().next())
    };
    text.match_indices(name).map(|(at, _)| at).find(alone)
}

/// The input that a search's label names, where the search asks for the log of another: both.
pub(super) fn other_input(found: &Found) -> Option<(&str, &'static str)> {
    let label = found.label.to_lowercase();
    let (own, _) = INPUTS.iter().find(|(name, _)| label.contains(name))?;
    let text = found.text.text.to_lowercase();
    let mut named = Vec::new();
    for key in ["source=", "sourcetype=", "channel=", "logname="] {
        let values = text.match_indices(key).filter_map(|(at, _)| text.get(at + key.len()..));
        let values = values.map(|rest| rest.split([' ', '\n', ')', ',']).next().unwrap_or(rest));
        for value in values {
            let log = INPUTS.iter().find(|(_, words)| words.iter().any(|w| value.contains(w)));
            named.extend(log.map(|(name, _)| *name));
        }
    }
    let other = *named.first()?;
    (!named.contains(own)).then_some((found.label.as_str(), other))
}
