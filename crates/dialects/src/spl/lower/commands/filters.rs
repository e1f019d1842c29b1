//! `search`, `where`, `regex`: which rows stay.

use rulestone_ir::{Case, Test};

use super::super::{Lowering, Rows, not, test};
use crate::spl::ast::{Command, Syntax};

/// `search`: as the first command it reads events.
pub(in crate::spl) fn search(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Syntax::Search(search) = &command.syntax else { return lowering.misread(rows, command) };
    let rows = if rows.input.is_none() { lowering.events(&[]) } else { rows };
    lowering.search(rows, search, command)
}

/// `where`
pub(in crate::spl) fn filter(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Syntax::Where(eval) = &command.syntax else { return lowering.misread(rows, command) };
    let condition = lowering.condition(eval, &rows);
    lowering.filter(rows, condition, command)
}

/// `regex`: the whole text of the event where no field is named.
pub(in crate::spl) fn regex(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Syntax::Regex { field, negated, pattern } = &command.syntax else {
        return lowering.misread(rows, command);
    };
    let Some(regex) = lowering.regex(&pattern.value, pattern.span) else { return rows };
    let field = lowering.field(field.as_ref().map_or("_raw", |name| &name.value));
    let own = test(field, Test::Regex(regex), Case::Sensitive, pattern.span);
    lowering.filter(rows, if *negated { not(own) } else { own }, command)
}
