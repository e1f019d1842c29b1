//! `map`: a search for each row.
//!
//! A search in which values of the row stand as `$field$` is one search whose rows have to fit the
//! row: what is compared with such a value becomes the join. That is right as long as nothing
//! behind it looks at the rows of one run together.

use std::sync::Arc;

use rulestone_ir::{MapTest, RowStage};

use super::super::columns::is_row_wise;
use super::super::{Lowering, Rows};
use crate::spl::ast::{Command, Operator, Pipeline, Search, Syntax};
use crate::spl::parser;

/// `map`
pub(in crate::spl) fn map(lowering: &mut Lowering<'_>, rows: Rows, command: &Command) -> Rows {
    /// Rows that are looked at where no number is given.
    const MOST: u64 = 10;
    let Syntax::Map { settings, search } = &command.syntax else {
        let message = "`map` of a saved search is not run: what it searches is not there";
        lowering.unsupported("needs-saved-search", message, command.span);
        return rows;
    };
    let settings = lowering.settings(settings, &["maxsearches"], &[], command);
    let (text, fields) = marked(&search.value);
    let mut pipeline = parser::parse_at(
        &text,
        search.span,
        (lowering.schema, lowering.environment),
        lowering.diagnostics,
    );
    let mut on = Vec::new();
    let at = take_tests(&mut pipeline, &fields, &mut on);
    if is_marked(&pipeline) || (at.is_none() && !fields.is_empty()) {
        let message = "a value of the row is not compared with a field, or not in every case";
        lowering.unsupported("map-substitution", message, search.span);
        return rows;
    }
    for (field, _) in &on {
        if rows.columns.is_of_event(field) {
            lowering.read(field);
        }
    }
    // What is behind the comparison works on the rows that fit.
    let behind = pipeline.commands.split_off(at.map_or(0, |at| at + 1));
    let before = lowering.stages.len();
    let inner = lowering.subsearch(&pipeline);
    for (_, test) in &on {
        let (MapTest::Equals(name) | MapTest::Term(name)) = test;
        if inner.columns.is_of_event(name) {
            lowering.read(name);
        }
    }
    let most = settings.number("maxsearches").filter(|most| *most > 0).unwrap_or(MOST);
    let columns = inner.columns.clone();
    let joined = lowering.stages.len();
    let rows =
        lowering.push_two((rows, inner), RowStage::ForEachRow { on, most }, columns, command);
    let behind = Pipeline { commands: behind, span: pipeline.span };
    let rows = lowering.pipeline(&behind, rows);
    let mut own = lowering.stages.iter().enumerate().skip(before);
    if !own.all(|(at, stage)| at == joined || is_row_wise(stage)) {
        let message = "a search of `map` that puts rows together is not run";
        lowering.unsupported("map-substitution", message, search.span);
    }
    rows
}

/// A word that no search has by chance.
const MARK: &str = "\u{e000}";
/// The same as a tree is printed.
const ESCAPED: &str = "\\u{e000}";

/// The search with a mark for each `$field$`, and the fields in the order of their marks.
fn marked(search: &str) -> (String, Vec<Arc<str>>) {
    let mut out = String::new();
    let mut fields = Vec::new();
    let mut rest = search;
    while let Some((before, behind)) = rest.split_once('$') {
        out.push_str(before);
        let name = |c: char| c.is_alphanumeric() || "_.{}:-".contains(c);
        match behind.split_once('$') {
            Some((field, after)) if !field.is_empty() && field.chars().all(name) => {
                out.push_str(&format!("{MARK}{}{MARK}", fields.len()));
                fields.push(field.into());
                rest = after;
            }
            _ => {
                out.push('$');
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    (out, fields)
}

fn field_of<'f>(text: &str, fields: &'f [Arc<str>]) -> Option<&'f Arc<str>> {
    let number = text.strip_prefix(MARK)?.strip_suffix(MARK)?;
    fields.get(number.parse::<usize>().ok()?)
}

/// Takes the tests of marks out of what has to hold together, and says which command they are in.
fn take_tests(
    pipeline: &mut Pipeline,
    fields: &[Arc<str>],
    on: &mut Vec<(Arc<str>, MapTest)>,
) -> Option<usize> {
    let at =
        pipeline.commands.iter().position(|command| format!("{command:?}").contains(ESCAPED))?;
    if let Syntax::Search(search) = &mut pipeline.commands.get_mut(at)?.syntax {
        take_from(search, fields, on);
    }
    Some(at)
}

fn take_from(search: &mut Search, fields: &[Arc<str>], on: &mut Vec<(Arc<str>, MapTest)>) {
    let found = match search {
        Search::And(parts) => {
            parts.iter_mut().for_each(|part| take_from(part, fields, on));
            None
        }
        Search::Compare { field, operator, value } if operator.value == Operator::Equal => {
            let test = MapTest::Equals(field.value.clone());
            field_of(&value.text, fields).map(|own| (own.clone(), test))
        }
        Search::Term(value) => {
            field_of(&value.text, fields).map(|own| (own.clone(), MapTest::Term("_raw".into())))
        }
        _ => None,
    };
    if let Some(found) = found {
        on.push(found);
        *search = Search::And(Vec::new());
    }
}

/// Whether a mark is left somewhere.
fn is_marked(pipeline: &Pipeline) -> bool {
    format!("{pipeline:?}").contains(ESCAPED)
}
