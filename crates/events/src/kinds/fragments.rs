//! Which events are pieces of a longer one, from `fragments.toml`.

use std::sync::LazyLock;

use serde::Deserialize;

use super::{Kind, KindMatch};

/// Events that hold one text in several pieces.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pieces {
    pub(crate) name: String,
    kinds: Vec<KindMatch>,
    pub(crate) key: Vec<String>,
    pub(crate) number: String,
    pub(crate) total: String,
    pub(crate) text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    fragments: Vec<Pieces>,
}

static PIECES: LazyLock<Vec<Pieces>> = LazyLock::new(|| {
    // The table is part of the program; a test reads it, so a mistake never reaches a user.
    parse(include_str!("fragments.toml")).unwrap_or_default()
});

fn parse(text: &str) -> Result<Vec<Pieces>, toml::de::Error> {
    toml::from_str::<File>(text).map(|file| file.fragments)
}

impl Pieces {
    /// What events of a kind are pieces of, if they may be.
    pub(crate) fn of(kind: &Kind) -> Option<&'static Pieces> {
        PIECES.iter().find(|pieces| pieces.kinds.iter().any(|own| own.matches(kind)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read() {
        assert_eq!(parse(include_str!("fragments.toml")).expect("a table").len(), PIECES.len());
        let kind = |provider: &str, channel: &str, id: &str| Kind {
            product: "windows".into(),
            dataset: "".into(),
            channel: channel.into(),
            provider: provider.into(),
            event_id: id.into(),
        };
        let cases = [
            ("Microsoft-Windows-PowerShell", "ForwardedEvents", "4104", true),
            ("PowerShellCore", "PowerShellCore/Operational", "4104", true),
            ("", "Microsoft-Windows-PowerShell/Operational", "4104", true),
            (
                "Microsoft-Windows-PowerShell",
                "Microsoft-Windows-PowerShell/Operational",
                "4103",
                false,
            ),
            ("Microsoft-Windows-Sysmon", "", "4104", false),
        ];
        for (provider, channel, id, expected) in cases {
            let found = Pieces::of(&kind(provider, channel, id)).is_some();
            assert_eq!(found, expected, "{provider} {channel} {id}");
        }
    }
}
