//! What a rule says about its own output row: whom and what it is about, and its message.

use std::sync::Arc;

use rulestone_ir::{EntityField, Rule, Trigger};
use rulestone_value::Value;

use crate::entity::{Entity, EntityType, Role};

/// The row of a finding: its columns with their values.
pub(crate) type Row = [(Arc<str>, Value)];

/// What stands in a column where there is nothing to name: defaults of data models and of
/// searches that fill empty values.
const NOTHING: &[&str] = &["", "-", "unknown", "null", "n/a"];

/// A text with its `$name$` filled in. A name that has no value stays as it is, so that it is seen
/// to be missing.
pub fn fill_template(text: &str, mut value: impl FnMut(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('$') {
        out.push_str(before);
        let name = behind.split_once('$').filter(|(name, _)| is_name(name));
        match name.and_then(|(name, behind)| Some((value(name)?, behind))) {
            Some((value, behind)) => {
                out.push_str(&value);
                rest = behind;
            }
            None => {
                out.push('$');
                rest = behind;
            }
        }
    }
    out + rest
}

/// Whether a text between two `$` is a name: not the words between two prices.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_.{}:-@".contains(c))
}

/// The values of a column as texts: several of a list, none where there is none.
pub fn column_texts(row: &[(Arc<str>, Value)], name: &str) -> Vec<String> {
    let value = row.iter().find(|(own, _)| **own == *name).map(|(_, value)| value);
    let elements = value.map(Value::elements).unwrap_or_default();
    elements.iter().filter_map(|value| Some(value.text()?.into_owned())).collect()
}

/// The message that the rule writes about its row.
pub(crate) fn message(trigger: &Trigger, row: &Row) -> Option<String> {
    let message = trigger.message.as_deref()?;
    Some(fill_template(message, |name| {
        let texts = column_texts(row, name);
        (!texts.is_empty()).then(|| texts.join(", "))
    }))
}

/// Whom and what the rule says its row is about, then what the events say. Each is there once, in
/// the part that the rule gives it.
pub(crate) fn entities(rule: &Rule, row: &Row, seen: Vec<Entity>) -> Vec<Entity> {
    let mut entities: Vec<Entity> = Vec::new();
    let own = rule.trigger.entities.iter().flat_map(|field| of_field(field, row));
    for entity in own.chain(seen) {
        if !entities.iter().any(|known| is_same(known, &entity)) {
            entities.push(entity);
        }
    }
    entities
}

/// Whether two names are of one thing. Columns often have names without what stands before or
/// behind them in events: a user's domain, a program's folder, a host's network.
fn is_same(known: &Entity, other: &Entity) -> bool {
    let name = match known.kind {
        EntityType::User | EntityType::Process if !known.value.contains('\\') => {
            other.value.rsplit('\\').next()
        }
        EntityType::Host if !known.value.contains('.') => other.value.split('.').next(),
        _ => None,
    };
    known.kind == other.kind
        && (known.value.eq_ignore_ascii_case(&other.value)
            || name.is_some_and(|name| known.value.eq_ignore_ascii_case(name)))
}

fn of_field(field: &EntityField, row: &Row) -> Vec<Entity> {
    let kind = EntityType::of(&field.kind);
    let role = Role::of(&field.role);
    let names = column_texts(row, &field.field).into_iter();
    let names = names.filter(|name| !NOTHING.contains(&&*name.trim().to_lowercase()));
    names.map(|value| Entity { kind, value, role, score: field.score }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::whoami_rule;

    fn row() -> Vec<(Arc<str>, Value)> {
        let list = |texts: &[&str]| Value::List(texts.iter().map(|t| Value::string(*t)).collect());
        vec![
            ("dest".into(), Value::string("ws01")),
            ("user".into(), list(&["amy", "unknown", "bob"])),
            ("Processes.user".into(), Value::string("eve")),
            ("count".into(), Value::Integer(3)),
            ("src".into(), Value::Null),
        ]
    }

    #[test]
    fn templates() {
        let cases = [
            ("on $dest$ by $user$", "on ws01 by amy, unknown, bob"),
            ("$count$ of $Processes.user$.", "3 of eve."),
            ("$src$ and $missing$ at $dest$", "$src$ and $missing$ at ws01"),
            ("$5 or $6 for $dest$", "$5 or $6 for ws01"),
            ("$$dest$$", "$ws01$"),
            ("$dest", "$dest"),
            ("", ""),
        ];
        for (text, expected) in cases {
            let trigger = Trigger { message: Some(text.into()), ..Trigger::default() };
            assert_eq!(message(&trigger, &row()).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(message(&Trigger::default(), &row()), None);
    }

    #[test]
    fn entities_are_those_of_the_rule_before_those_of_the_events() {
        let mut rule = (*whoami_rule()).clone();
        let field = |field: &str, kind: &str, role: &str, score| EntityField {
            field: field.into(),
            kind: kind.into(),
            role: role.into(),
            score,
        };
        rule.trigger.entities = vec![
            field("dest", "host", "victim", Some(64)),
            field("user", "user", "victim", Some(64)),
            field("src", "ip", "attacker", None),
            field("count", "odd", "", None),
        ];
        let seen = |kind, value: &str| Entity {
            kind,
            value: value.to_owned(),
            role: Some(Role::Actor),
            score: None,
        };
        let seen = vec![
            seen(EntityType::Host, "WS01.corp.example"),
            seen(EntityType::User, "CORP\\AMY"),
            seen(EntityType::Process, "C:\\a.exe"),
        ];
        let found = entities(&rule, &row(), seen);
        let texts = found.iter().map(|entity| {
            let role = entity.role.map_or("", Role::as_str);
            format!("{}:{role}={} {:?}", entity.kind.as_str(), entity.value, entity.score)
        });
        assert_eq!(
            texts.collect::<Vec<_>>(),
            [
                "host:victim=ws01 Some(64)",
                "user:victim=amy Some(64)",
                "user:victim=bob Some(64)",
                "other:=3 None",
                "process:actor=C:\\a.exe None",
            ]
        );
    }
}
