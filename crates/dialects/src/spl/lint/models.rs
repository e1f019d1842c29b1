//! Fields that the data set of a data model does not have.

use rulestone_ir::{Diagnostic, Level};

use super::walk;
use crate::Environment;
use crate::spl::ast::{Command, Name};
use crate::suggest::nearest;

/// Looks at the names that a command reads of a data model, as far as its data sets are known.
pub(in crate::spl) fn look(
    model: &str,
    command: &Command,
    environment: &Environment,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let model = model.split('.').next().unwrap_or(model);
    let mut said: Vec<String> = Vec::new();
    walk::names(command, &mut |name| {
        let Some((set, field)) = parts(name) else { return };
        let Some(fields) = environment.models.get(&format!("{model}.{set}")) else { return };
        if fields.contains(field) || said.contains(&name.value.to_string()) {
            return;
        }
        said.push(name.value.to_string());
        let message =
            format!("the data set `{set}` has no field `{field}`: it is empty everywhere");
        let near = nearest(field, fields.iter().map(String::as_str));
        let mut diagnostic =
            Diagnostic::new(Level::Note, "unknown-model-field", message, name.span);
        diagnostic.help = near.map(|near| format!("perhaps `{near}`"));
        diagnostics.push(diagnostic);
    });
}

/// The data set of a name, which is capitalised, and the field: `All_Changes.user`.
fn parts(name: &Name) -> Option<(&str, &str)> {
    let (sets, field) = name.value.rsplit_once('.')?;
    let set = sets.rsplit('.').next()?;
    let plain = field.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (set.starts_with(|c: char| c.is_ascii_uppercase()) && plain && !field.is_empty())
        .then_some((set, field))
}
