//! The messages that Windows shows for its events, read back into the values they were made of;
//! `messages.toml` says how.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Messages {
    long: Vec<String>,
    provider: BTreeMap<String, String>,
    channel: BTreeMap<String, String>,
    section: BTreeMap<String, BTreeMap<String, String>>,
    event: Vec<Entry>,
    value: BTreeMap<String, BTreeMap<String, String>>,
    sid: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    channel: String,
    #[serde(default)]
    id: Vec<u32>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    own_names: bool,
    whole: Option<String>,
    pattern: Option<String>,
}

static MESSAGES: LazyLock<Messages> = LazyLock::new(|| {
    // The table is part of the program; a test reads it, so a mistake never reaches a user.
    toml::from_str(include_str!("messages.toml")).unwrap_or_default()
});

/// Labels that stand below no heading.
const NO_SECTION: &str = "-";

/// The provider that is shown under this name.
pub(crate) fn provider(shown: &str) -> &str {
    MESSAGES.provider.get(shown).map_or(shown, String::as_str)
}

/// The channel that a provider writes to, where it is one.
pub(crate) fn channel(provider: &str) -> &'static str {
    MESSAGES.channel.get(provider).map_or("", String::as_str)
}

/// The values in the message of an event, under the event's own names for them.
pub(crate) fn values(channel: &str, id: &str, message: &str) -> Vec<(String, String)> {
    let number: Option<u32> = id.parse().ok();
    let entry = MESSAGES.event.iter().find(|entry| {
        entry.channel.eq_ignore_ascii_case(channel)
            && (entry.id.is_empty() || number.is_some_and(|id| entry.id.contains(&id)))
    });
    let text;
    let message = if message.contains('\r') {
        text = message.replace("\r\n", "\n");
        &text
    } else {
        message
    };
    if let Some(name) = entry.and_then(|entry| entry.whole.as_ref()) {
        return vec![(name.clone(), message.trim().to_owned())];
    }
    if let Some(found) =
        entry.and_then(|entry| entry.pattern.as_deref()).and_then(|p| captures(p, message))
    {
        return found;
    }
    let mut values = Vec::new();
    Labels { message, at: 0, section: None, indented: false, entry }.read(&mut values);
    for (name, value) in &mut values {
        let stands_for = MESSAGES.value.get(name).and_then(|values| values.get(value.as_str()));
        let sid = name.ends_with("Sid").then(|| MESSAGES.sid.get(value.as_str())).flatten();
        if let Some(own) = stands_for.or(sid) {
            value.clone_from(own);
        }
    }
    values
}

/// The values in a message that is as the pattern says.
fn captures(pattern: &str, message: &str) -> Option<Vec<(String, String)>> {
    let (before, mut pattern) = pattern.split_once('{')?;
    let mut rest = message.trim_start().strip_prefix(before)?;
    let mut found = Vec::new();
    loop {
        let (name, behind) = pattern.split_once('}')?;
        let (literal, next) = match behind.split_once('{') {
            Some((literal, next)) => (literal, Some(next)),
            None => (behind, None),
        };
        let far = name.starts_with('+');
        let end = match literal {
            "" => rest.len(),
            literal if far => rest.rfind(literal)?,
            literal => rest.find(literal)?,
        };
        // What stands between lines belongs to the layout.
        let value = rest[..end].trim_matches(['\n', ' ']);
        found.push((name.trim_start_matches('+').to_owned(), value.to_owned()));
        rest = rest[end..].strip_prefix(literal)?;
        match next {
            Some(next) => pattern = next,
            None => return Some(found),
        }
    }
}

/// A walk over the labels of a message.
struct Labels<'a> {
    message: &'a str,
    at: usize,
    section: Option<&'a str>,
    /// Whether what belongs to the section is indented.
    indented: bool,
    entry: Option<&'static Entry>,
}

/// Longer than any label of Windows.
const LONGEST_LABEL: usize = 64;

impl<'a> Labels<'a> {
    fn line(&mut self) -> Option<&'a str> {
        let rest = self.message.get(self.at..).filter(|rest| !rest.is_empty())?;
        let end = rest.find('\n').unwrap_or(rest.len());
        self.at += end + 1;
        Some(&rest[..end])
    }

    fn peek(&self) -> &'a str {
        self.message.get(self.at..).and_then(|rest| rest.lines().next()).unwrap_or_default()
    }

    fn read(&mut self, values: &mut Vec<(String, String)>) {
        let own_names = self.entry.is_some_and(|entry| entry.own_names);
        let mut open = false;
        while let Some(line) = self.line() {
            let text = line.trim();
            let indented = line.starts_with([' ', '\t']);
            if text.is_empty() {
                (self.section, open) = (None, false);
                continue;
            }
            let Some((label, value)) = label(text, indented) else {
                // The next line of a value, or a sentence that has none.
                match values.last_mut() {
                    Some((_, value)) if open && indented => {
                        value.push_str(if value.is_empty() { "" } else { "\n" });
                        value.push_str(text);
                    }
                    _ => {}
                }
                continue;
            };
            if own_names {
                if !(value.is_empty() && label.contains(' ')) {
                    values.push((label.to_owned(), value.to_owned()));
                }
                continue;
            }
            if !indented && value.is_empty() && self.opens_section(label) {
                self.section = Some(label);
                self.indented = self.peek().starts_with([' ', '\t']);
                continue;
            }
            if !indented && self.indented {
                self.section = None;
            }
            let mut value = value.to_owned();
            if MESSAGES.long.iter().any(|long| long == label) {
                self.take_long(&mut value);
            }
            values.push((self.name(label), value));
            open = true;
        }
    }

    fn opens_section(&self, label: &str) -> bool {
        let next = self.peek();
        let below = next.starts_with([' ', '\t']) && !next.trim().is_empty();
        // Privileges and groups are lists below their label.
        let is_list = MESSAGES.section.get(NO_SECTION).is_some_and(|s| s.contains_key(label));
        !is_list && (MESSAGES.section.contains_key(label) || below)
    }

    /// The rest of a value that goes on over lines.
    fn take_long(&mut self, value: &mut String) {
        loop {
            let next = self.peek();
            let heading = next.strip_suffix(':').unwrap_or_default();
            if self.at >= self.message.len()
                || MESSAGES.section.contains_key(heading)
                || heading == "Other Information"
            {
                value.truncate(value.trim_end().len());
                return;
            }
            value.push('\n');
            value.push_str(self.line().unwrap_or_default());
        }
    }

    /// What the event itself calls the label: by its entry, by its section, or by its words.
    fn name(&self, label: &str) -> String {
        let section = self.section.unwrap_or(NO_SECTION);
        let whole = match self.section {
            Some(section) => format!("{section}/{label}"),
            None => label.to_owned(),
        };
        let by_entry = self.entry.and_then(|entry| entry.labels.get(&whole));
        let by_section = || MESSAGES.section.get(section).and_then(|names| names.get(label));
        match by_entry.or_else(by_section) {
            Some(name) => name.clone(),
            None => whole.replace([' ', '/', ':'], ""),
        }
    }
}

/// The label of a line and what stands behind it.
fn label(text: &str, indented: bool) -> Option<(&str, &str)> {
    let colon = text
        .match_indices(':')
        .map(|(at, _)| at)
        .take(4)
        .find(|at| text[at + 1..].is_empty() || text[at + 1..].starts_with([' ', '\t']));
    let (label, value) = match colon {
        Some(at) => (&text[..at], &text[at + 1..]),
        // Some labels lack the colon.
        None => text.split_once("\t\t").filter(|_| indented)?,
    };
    let words = label.split(' ').count();
    let is_label = !label.is_empty()
        && label.len() <= LONGEST_LABEL
        && words <= 6
        && !label.contains(['\\', '"', '<', '=', '\t']);
    is_label.then(|| (label.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read() {
        let messages: Messages = toml::from_str(include_str!("messages.toml")).unwrap();
        assert!(messages.section.contains_key(NO_SECTION));
        for entry in messages.event {
            for label in entry.labels.keys() {
                assert!(label.split('/').count() <= 2, "{label}");
            }
        }
    }

    fn check(channel: &str, id: &str, message: &str, expected: &[(&str, &str)]) {
        let found = values(channel, id, message);
        let found: Vec<_> = found.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(found, expected, "{channel} {id}");
    }

    #[test]
    fn a_process_is_created() {
        check(
            "Security",
            "4688",
            "A new process has been created.\r\n\r\nCreator Subject:\r\n\tSecurity ID:\t\tNT AUTHORITY\\SYSTEM\r\n\tAccount Name:\t\tHOST$\r\n\tLogon ID:\t\t0x3E7\r\n\r\nTarget Subject:\r\n\tSecurity ID:\t\tNULL SID\r\n\tAccount Name:\t\t-\r\n\r\nProcess Information:\r\n\tNew Process ID:\t\t0x1a4\r\n\tNew Process Name:\tC:\\a b\\c.exe\r\n\tToken Elevation Type:\tTokenElevationTypeDefault (1)\r\n\tMandatory Label:\t\tMandatory Label\\High Mandatory Level\r\n\tCreator Process ID:\t0x10\r\n\tProcess Command Line:\tc.exe /x: \"y\"\r\n\tOdd Label:\tz\r\n\r\nToken Elevation Type indicates the type of token that was assigned to the new process in accordance with policy: it is long.",
            &[
                ("SubjectUserSid", "S-1-5-18"),
                ("SubjectUserName", "HOST$"),
                ("SubjectLogonId", "0x3E7"),
                ("TargetUserSid", "S-1-0-0"),
                ("TargetUserName", "-"),
                ("NewProcessId", "0x1a4"),
                ("NewProcessName", "C:\\a b\\c.exe"),
                ("TokenElevationType", "%%1936"),
                ("MandatoryLabel", "S-1-16-12288"),
                ("ProcessId", "0x10"),
                ("CommandLine", "c.exe /x: \"y\""),
                ("ProcessInformationOddLabel", "z"),
            ],
        );
    }

    #[test]
    fn messages_are_read_back() {
        let logon = "Logon Type:\t\t\t3\n\nNew Logon:\n\tAccount Name:\t\tann\n\nNetwork Information:\n\tWorkstation Name:\t\n\tSource Network Address:\t10.0.0.5\n\tSource Port:\t\t445\n";
        check(
            "Security",
            "4624",
            logon,
            &[
                ("LogonType", "3"),
                ("TargetUserName", "ann"),
                ("WorkstationName", ""),
                ("IpAddress", "10.0.0.5"),
                ("IpPort", "445"),
            ],
        );
        check(
            "Security",
            "4672",
            "Subject:\n\tAccount Name:\tann\n\nPrivileges:\t\tSeBackupPrivilege\n\t\t\tSeDebugPrivilege\n",
            &[("SubjectUserName", "ann"), ("PrivilegeList", "SeBackupPrivilege\nSeDebugPrivilege")],
        );
        check(
            "Security",
            "4634",
            "An account was logged off.\n\nSubject:\nAccount Name: ann\nLogon ID: 0x5\n\nLogon Type: 3",
            &[("TargetUserName", "ann"), ("TargetLogonId", "0x5"), ("LogonType", "3")],
        );
        check(
            "Security",
            "4698",
            "Task Information:\n\tTask Name: \t\t\\t\n\tTask Content: \t\t<?xml?>\n<Task>\n  <Exec: x>\n</Task>\n\t\nOther Information:\n\tProcess Creation Time: \t\t5\n",
            &[
                ("TaskName", "\\t"),
                ("TaskContent", "<?xml?>\n<Task>\n  <Exec: x>\n</Task>"),
                ("OtherInformationProcessCreationTime", "5"),
            ],
        );
        check(
            "System",
            "7045",
            "A service was installed in the system.\n\nService Name:  x\nService File Name:  C:\\x.exe -k\nService Type:  user mode service\nService Start Type:  demand start\nService Account:  LocalSystem",
            &[
                ("ServiceName", "x"),
                ("ImagePath", "C:\\x.exe -k"),
                ("ServiceType", "user mode service"),
                ("StartType", "demand start"),
                ("AccountName", "LocalSystem"),
            ],
        );
        check(
            "System",
            "7036",
            "The Print Spooler service entered the stopped state.",
            &[("param1", "Print Spooler"), ("param2", "stopped")],
        );
        check(
            "Microsoft-Windows-PowerShell/Operational",
            "4104",
            "Creating Scriptblock text (1 of 2):\na\nScriptBlock ID: no\n\nb\n\nScriptBlock ID: id-1\nPath: ",
            &[
                ("MessageNumber", "1"),
                ("MessageTotal", "2"),
                ("ScriptBlockText", "a\nScriptBlock ID: no\n\nb"),
                ("ScriptBlockId", "id-1"),
                ("Path", ""),
            ],
        );
        check("Windows PowerShell", "400", " Engine\n\nState=1", &[("Data", "Engine\n\nState=1")]);
        check(
            "Microsoft-Windows-Sysmon/Operational",
            "1",
            "Process Create:\nRuleName: -\nUtcTime: 2024-01-01 10:00:00.000\nImage: C:\\x.exe\nCommandLine: x a: b\n",
            &[
                ("RuleName", "-"),
                ("UtcTime", "2024-01-01 10:00:00.000"),
                ("Image", "C:\\x.exe"),
                ("CommandLine", "x a: b"),
            ],
        );
    }

    #[test]
    fn no_message_makes_it_panic() {
        for message in ["", ":", "\n\n", "\t\t", "a:\n", ":\n\t:", "{", "é:\u{a0}x", "Path:"] {
            for (channel, id) in [("Security", "4688"), ("System", "7036"), ("x", "y")] {
                values(channel, id, message);
            }
        }
    }
}
