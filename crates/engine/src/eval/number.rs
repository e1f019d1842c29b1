//! Values as numbers and as text, as expressions see them.

use std::borrow::Cow;

use rulestone_value::Value;

/// The text of a value; none for null and lists.
pub(super) fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Time(time) => Some(Cow::Owned(time.seconds_text())),
        value => value.text(),
    }
}
