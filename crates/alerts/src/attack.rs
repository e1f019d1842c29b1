//! MITRE ATT&CK: what the ids in rules are called and which tactics they serve.
//!
//! © 2025 The MITRE Corporation. This work is reproduced and distributed with the permission of
//! The MITRE Corporation.

use std::sync::LazyLock;

use rulestone_ir::Attack;

/// A tactic of the kill chain.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tactic {
    /// Its place in the kill chain, from 0.
    pub place: usize,
    /// `TA0007`. Stealth has the id of Defense Evasion, which it follows.
    pub id: &'static str,
    /// `lateral-movement`: how rules name it.
    pub short: &'static str,
    /// `Lateral Movement`.
    pub name: &'static str,
}

/// A technique or sub-technique.
#[derive(Debug, PartialEq, Eq)]
pub struct Technique {
    /// `T1049`, `T1059.001`; for an id that was revoked, that of what took its place.
    pub id: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// The tactics it serves, in the order of the kill chain.
    pub tactics: Vec<&'static Tactic>,
}

/// A technique that an alert's rule names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertTechnique {
    /// The id as the rule has it.
    pub id: String,
    /// The technique, where the tables know it; its id differs where the rule's was revoked.
    pub technique: Option<&'static Technique>,
    /// The tactics it serves here, in the order of the kill chain: of those that it may serve
    /// those that the rule names, or all where the rule names none of them.
    pub tactics: Vec<&'static Tactic>,
}

const TABLE: &str = include_str!("attack.tsv");

/// The tactics that version 19 made out of one of version 18.
const PARTED: (&str, [&str; 2]) = ("defense-evasion", ["stealth", "defense-impairment"]);

static TACTICS: LazyLock<Vec<Tactic>> = LazyLock::new(|| {
    let rows = rows().filter(|[id, ..]| id.starts_with("TA")).enumerate();
    rows.map(|(place, [id, name, short, _])| Tactic { place, id, short, name }).collect()
});

/// Techniques by every id they have had, sorted by that id.
static TECHNIQUES: LazyLock<Vec<(&str, Technique)>> = LazyLock::new(|| {
    let by_id = |wanted: &str| rows().find(|[id, ..]| *id == wanted);
    let technique = |[own, name, tactics, current]: [&'static str; 4]| {
        let now = if current.is_empty() { None } else { by_id(current) };
        let [id, name, tactics, _] = now.unwrap_or([own, name, tactics, ""]);
        (own, Technique { id, name, tactics: in_order(tactics.split(',').filter_map(tactic)) })
    };
    let mut techniques: Vec<_> =
        rows().filter(|[id, ..]| !id.starts_with("TA")).map(technique).collect();
    techniques.sort_by_key(|(id, _)| *id);
    techniques
});

/// The rows of the table, without its header.
fn rows() -> impl Iterator<Item = [&'static str; 4]> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#')).skip(1);
    lines.filter_map(|line| line.split('\t').collect::<Vec<_>>().try_into().ok())
}

/// All tactics, in the order of the kill chain.
pub fn tactics() -> &'static [Tactic] {
    &TACTICS
}

/// A tactic by its short name; those of version 18 and of version 19 are known.
pub fn tactic(short: &str) -> Option<&'static Tactic> {
    TACTICS.iter().find(|tactic| tactic.short == short)
}

/// A technique by its id; an id that was revoked gives what took its place.
pub fn technique(id: &str) -> Option<&'static Technique> {
    let at = TECHNIQUES.binary_search_by_key(&id, |(own, _)| own).ok()?;
    Some(&TECHNIQUES[at].1)
}

/// The techniques that a rule names, in its order.
pub(crate) fn techniques_of(attack: &Attack) -> Vec<AlertTechnique> {
    let named = attack.techniques.iter().map(|id| {
        let technique = technique(id);
        let possible = technique.map_or(&[][..], |technique| &technique.tactics);
        AlertTechnique { id: id.clone(), technique, tactics: narrowed(possible, &attack.tactics) }
    });
    named.collect()
}

/// The tactics a rule serves: those it names, or those of its techniques where it names none.
pub(crate) fn tactics_of(attack: &Attack, techniques: &[AlertTechnique]) -> Vec<&'static Tactic> {
    let named = in_order(attack.tactics.iter().filter_map(|short| tactic(short)));
    if named.is_empty() {
        return in_order(techniques.iter().flat_map(|technique| technique.tactics.iter().copied()));
    }
    named
}

/// Of the tactics a technique may serve those that the rule names; all where it names none.
fn narrowed(possible: &[&'static Tactic], named: &[String]) -> Vec<&'static Tactic> {
    // The rule's own word stays: it may be of another version than the table.
    let meant = |named: &&String| possible.iter().any(|own| same_tactic(own.short, named));
    let kept = in_order(named.iter().filter(meant).filter_map(|named| tactic(named)));
    if kept.is_empty() { possible.to_vec() } else { kept }
}

/// Whether two short names are one tactic, in whatever version.
fn same_tactic(a: &str, b: &str) -> bool {
    let (whole, parts) = PARTED;
    a == b || (a == whole && parts.contains(&b)) || (b == whole && parts.contains(&a))
}

/// Each once, in the order of the kill chain.
fn in_order(tactics: impl Iterator<Item = &'static Tactic>) -> Vec<&'static Tactic> {
    let mut tactics: Vec<_> = tactics.collect();
    tactics.sort();
    tactics.dedup();
    tactics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count() - 1;
        assert_eq!(TACTICS.len() + TECHNIQUES.len(), lines);
        assert_eq!(TACTICS.len(), 16);
        for (id, technique) in TECHNIQUES.iter() {
            assert!(!technique.name.is_empty(), "{id}");
            assert!(!technique.tactics.is_empty(), "{id}");
            assert!(self::technique(technique.id).is_some_and(|t| t.id == technique.id), "{id}");
        }
    }

    #[test]
    fn ids_that_were_revoked_give_what_took_their_place() {
        let cases = [
            ("T1049", "T1049", "System Network Connections Discovery", "Discovery"),
            ("T1002", "T1560", "Archive Collected Data", "Collection"),
            ("T1562.001", "T1685", "Disable or Modify Tools", "Defense Impairment"),
            ("T1070.001", "T1685.005", "Clear Windows Event Logs", "Defense Impairment"),
        ];
        for (asked, id, name, tactic) in cases {
            let found = technique(asked).unwrap();
            assert_eq!((found.id, found.name), (id, name), "{asked}");
            assert_eq!(found.tactics[0].name, tactic, "{asked}");
        }
        assert_eq!(technique("T0000"), None);
    }

    #[test]
    fn tactics_are_those_the_rule_names() {
        let cases: [(&[&str], &[&str], &str, &str); 5] = [
            (
                &["T1078"],
                &[],
                "Initial Access, Persistence, Privilege Escalation, Defense Evasion",
                "Initial Access, Persistence, Privilege Escalation, Defense Evasion",
            ),
            (&["T1078"], &["persistence"], "Persistence", "Persistence"),
            (&["T1027"], &["stealth", "execution"], "Stealth", "Execution, Stealth"),
            (&["T9999"], &["impact"], "", "Impact"),
            (&[], &["discovery", "made-up"], "", "Discovery"),
        ];
        let names = |tactics: &[&Tactic]| {
            tactics.iter().map(|tactic| tactic.name).collect::<Vec<_>>().join(", ")
        };
        for (techniques, tactics, of_first, of_all) in cases {
            let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
            let attack = Attack {
                techniques: owned(techniques),
                tactics: owned(tactics),
                others: Vec::new(),
            };
            let named = techniques_of(&attack);
            let first = named.first().map(|technique| names(&technique.tactics));
            assert_eq!(first.unwrap_or_default(), of_first, "{techniques:?} {tactics:?}");
            assert_eq!(names(&tactics_of(&attack, &named)), of_all, "{techniques:?} {tactics:?}");
        }
    }
}
