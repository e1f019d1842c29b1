//! `dedup`, `sort`, `head`, `tail`, `reverse`: which rows stay by where they stand.

use rulestone_ir::{Collation, Dedup, End, Keep, RowStage, SortKey};

use super::super::settings::names;
use super::super::{Lowering, Rows};
use crate::spl::ast::{self, Command, Syntax};

/// `dedup`
pub(in crate::spl) fn dedup(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Some(own) = names(command) else { return lowering.misread(rows, command) };
    let known = ["keepevents", "keepempty", "consecutive"];
    let settings = lowering.settings(&own.settings, &known, &[], command);
    let keep = |on| if on { Keep::Keep } else { Keep::Drop };
    let dedup = Dedup {
        by: own.names.iter().map(|name| name.value.clone()).collect(),
        keep: own.count.as_ref().map_or(1, |count| count.value),
        consecutive: settings.flag("consecutive", false),
        null: keep(settings.flag("keepempty", false)),
        keep_rows: settings.flag("keepevents", false),
    };
    let rows = lowering.push(rows, RowStage::Dedup(dedup), command);
    if own.sort.is_empty() {
        return rows;
    }
    let keys = own.sort.iter().map(|key| sort_key(key, false)).collect();
    lowering.push(rows, RowStage::Sort { keys, limit: None }, command)
}

/// `uniq`: rows that are as the one before in every column go.
pub(in crate::spl) fn uniq(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Some(names) = rows.columns.known().map(<[_]>::to_vec) else {
        let message = "`uniq` over columns that are not known is not run";
        lowering.unsupported("unsupported-option", message, command.span);
        return rows;
    };
    let dedup = Dedup { by: names, keep: 1, consecutive: true, null: Keep::Keep, keep_rows: false };
    lowering.push(rows, RowStage::Dedup(dedup), command)
}

/// `sort`. Without a number Splunk keeps 10,000 rows; here all stay.
pub(in crate::spl) fn sort(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    let Syntax::Sort { limit, keys, reversed } = &command.syntax else {
        return lowering.misread(rows, command);
    };
    let keys: Vec<SortKey> = keys.iter().map(|key| sort_key(key, *reversed)).collect();
    if keys.is_empty() {
        return lowering.misread(rows, command);
    }
    let limit = limit.as_ref().map(|limit| limit.value).filter(|limit| *limit > 0);
    lowering.push(rows, RowStage::Sort { keys, limit }, command)
}

fn sort_key(key: &ast::SortKey, reversed: bool) -> SortKey {
    let collation = match key.collation.as_ref().map(|name| &*name.value) {
        Some("num") => Collation::Number,
        Some("str") => Collation::Text,
        Some("ip") => Collation::Address,
        _ => Collation::Auto,
    };
    SortKey { field: key.field.value.clone(), descending: key.descending != reversed, collation }
}

/// `head`
pub(in crate::spl) fn head(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    limit(lowering, rows, command, End::Head)
}

/// `tail`: the last rows, the very last first.
pub(in crate::spl) fn tail(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    limit(lowering, rows, command, End::Tail)
}

fn limit(lowering: &mut Lowering<'_>, rows: Rows, command: &Command, from: End) -> Rows {
    /// Rows that are kept where no number is given.
    const KEPT: u64 = 10;
    let Syntax::Limit { rows: count, condition, settings } = &command.syntax else {
        return lowering.misread(rows, command);
    };
    lowering.settings(settings, &[], &[], command);
    if condition.is_some() {
        let message = "`head` with a condition is not run";
        lowering.unsupported("unsupported-option", message, command.span);
    }
    let count = count.as_ref().map_or(KEPT, |count| count.value);
    lowering.push(rows, RowStage::Limit { rows: count, from }, command)
}

/// `reverse`
pub(in crate::spl) fn reverse(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    lowering.push(rows, RowStage::Reverse, command)
}
