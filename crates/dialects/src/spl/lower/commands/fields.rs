//! `rename`, `table`, `fields`: which columns there are, and what they are called.

use rulestone_ir::{AbsentSource, Keep, NamePattern, Project, RowStage};

use super::super::settings::names;
use super::super::{Lowering, Rows};
use crate::spl::ast::{Command, Syntax};

/// `rename`: a column that is not there takes the one with the new name away.
pub(in crate::spl) fn rename(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Syntax::Rename(pairs) = &command.syntax else { return lowering.misread(rows, command) };
    let pattern = |name: &str| NamePattern::new(name);
    let pairs: Vec<_> =
        pairs.iter().map(|(old, new)| (pattern(&old.value), pattern(&new.value))).collect();
    if pairs.is_empty() {
        return rows;
    }
    lowering.push(rows, RowStage::Rename { pairs, absent: AbsentSource::Clears }, command)
}

/// `table`: these columns in this order, and no others.
pub(in crate::spl) fn table(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    project(lowering, rows, command, true)
}

/// `fields`: these columns and the internal ones, or all but these.
pub(in crate::spl) fn fields(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    project(lowering, rows, command, false)
}

fn project(lowering: &mut Lowering<'_>, rows: Rows, command: &Command, ordered: bool) -> Rows {
    let Some(own) = names(command) else { return lowering.misread(rows, command) };
    if own.names.is_empty() {
        return rows;
    }
    let drops = own.minus && !ordered;
    let project = Project {
        names: own.names.iter().map(|name| NamePattern::new(name.value.clone())).collect(),
        mode: if drops { Keep::Drop } else { Keep::Keep },
        internal: if ordered { Keep::Drop } else { Keep::Keep },
        ordered,
    };
    lowering.push(rows, RowStage::Project(project), command)
}
