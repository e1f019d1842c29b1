//! What Windows events are called.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::Kind;

type Titles = HashMap<String, HashMap<String, String>>;

static TITLES: LazyLock<Titles> = LazyLock::new(|| {
    let table: Titles = toml::from_str(include_str!("titles.toml")).unwrap_or_default();
    table.into_iter().map(|(channel, ids)| (channel.to_ascii_lowercase(), ids)).collect()
});

/// A short title for a kind of event, where the table has one.
pub fn title(kind: &Kind) -> Option<&'static str> {
    // In a log that many providers share, an id means something only with its provider.
    [&kind.provider, &kind.channel].into_iter().find_map(|log| {
        let ids = TITLES.get(&log.to_ascii_lowercase())?;
        ids.get(&*kind.event_id).map(String::as_str)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read() {
        assert!(TITLES.contains_key("security"));
        assert!(TITLES.values().all(|ids| ids.keys().all(|id| id.parse::<u32>().is_ok())));
    }
}
