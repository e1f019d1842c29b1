//! What makes rows of nothing, what writes, and what changes nothing.

use rulestone_ir::{End, Keep, NamePattern, Project, RowStage, Source};

use super::super::settings::names;
use super::super::{Lowering, Rows};
use crate::spl::ast::{Command, Syntax};

/// `makeresults`: rows with nothing but a time.
pub(in crate::spl) fn make_results(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    command: &Command,
) -> Rows {
    let Syntax::Generate { settings } = &command.syntax else {
        return lowering.misread(rows, command);
    };
    let silent = ["annotate", "splunk_server", "splunk_server_group"];
    let settings = lowering.settings(settings, &["count"], &silent, command);
    if rows.input.is_some() {
        let message = "`makeresults` can only be the first command";
        lowering.invalid("not-first", message, command.span);
        return rows;
    }
    lowering.source(Source::Nothing { rows: settings.number("count").unwrap_or(1) })
}

/// `outputlookup`, `collect` and others: nothing is written, the rows go on.
pub(in crate::spl) fn write(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let name = &command.name.value;
    let message = if lowering.last {
        format!("`{name}` writes outside of the search: nothing is written, its rows are findings")
    } else {
        format!("`{name}` writes outside of the search: nothing is written, its rows go on")
    };
    lowering.note("writes-outside", message, command.name.span);
    rows
}

/// Commands that change how rows are shown or where they are worked on, not what they are.
pub(in crate::spl) fn pass(_: &mut Lowering<'_>, rows: Rows, _: &Command) -> Rows {
    rows
}

/// `return 5 a b`: the first rows, and these columns of them.
pub(in crate::spl) fn return_rows(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    command: &Command,
) -> Rows {
    let Some(own) = names(command) else { return lowering.misread(rows, command) };
    if own.names.is_empty() || own.names.iter().any(|name| name.value.starts_with('$')) {
        let message = "`return` of values that are searches is not run";
        lowering.unsupported("search-from-rows", message, command.span);
        return rows;
    }
    let mut own = own;
    let mut count = own.count.as_ref().map(|count| count.value);
    // The number is a name where the parser does not look for one.
    let first = own.names.first().and_then(|name| name.value.parse().ok());
    if let (None, Some(number)) = (count, first) {
        count = Some(number);
        own.names.remove(0);
    }
    let limit = RowStage::Limit { rows: count.unwrap_or(1), from: End::Head };
    let rows = lowering.push(rows, limit, command);
    let project = Project {
        names: own.names.iter().map(|name| NamePattern::new(name.value.clone())).collect(),
        mode: Keep::Keep,
        internal: Keep::Drop,
        ordered: true,
    };
    lowering.push(rows, RowStage::Project(project), command)
}

/// `format`: the rows as a search, which is what they are within one anyway.
pub(in crate::spl) fn format(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    if lowering.depth > 1 {
        return rows;
    }
    let message = "`format` outside of a search within the search is not run";
    lowering.unsupported("search-from-rows", message, command.span);
    rows
}
