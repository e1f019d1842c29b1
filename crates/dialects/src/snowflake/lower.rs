//! From the tree of a query to sources and stages.
//!
//! A query is lowered in the order in which SQL means it: what it reads, which rows, groups,
//! which groups, windows, what comes out. What is known about the rows on the way is [`Rows`].
//!
//! Conditions are three-valued: [`filter`] takes one apart into when it is true and when it is
//! false, each a two-valued formula, so that what are tests of columns are tests of the source.

pub(super) mod expr;
mod filter;
mod from;
mod group;
pub(super) mod pattern;
mod select;
pub(super) mod time;
mod window;

use std::sync::Arc;

use rulestone_ir::{
    Clock, Diagnostic, Expr, Field, Formula, Input, Level, RowStage, Schema, Source, Span, Stage,
    StageKind, Status, Target,
};

use self::time::Reach;
use super::ast;
use crate::{Environment, Lowered, Text};

/// Queries inside of queries.
const MAX_DEPTH: usize = 24;
/// Stages of one rule.
const MAX_STAGES: usize = 2_000;

/// Where a query has got to.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    /// Whose rows these are.
    input: Option<Input>,
    /// The source, as long as no stage stands behind it: its filter takes tests.
    source: Option<usize>,
    /// Which columns there are, by the tables that they are of.
    tables: Vec<Columns>,
    /// Expressions that are there already: measures, windows.
    known: Vec<(String, Expr)>,
    /// Names that stand for what is selected.
    aliases: Arc<Vec<(String, ast::Expr)>>,
}

/// The columns of a table.
#[derive(Debug, Clone, Default)]
struct Columns {
    /// The name they go by.
    alias: Option<String>,
    /// What stands before them in the row.
    prefix: String,
    /// All there are; none for events, which have those of their view.
    names: Option<Vec<String>>,
}

impl Columns {
    fn has(&self, name: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.iter().any(|own| own == name))
    }
}

/// What lowering a query needs.
pub(super) struct Lowering<'a> {
    text: &'a Text<'a>,
    environment: &'a Environment,
    diagnostics: &'a mut Vec<Diagnostic>,
    schema: Schema,
    sources: Vec<Source>,
    /// For each source how far back its query looks.
    reaches: Vec<Reach>,
    stages: Vec<Stage>,
    reads: Vec<String>,
    /// Queries with a name; the innermost last.
    named: Vec<ast::Named>,
    depth: usize,
    /// How many names were made up.
    made: usize,
    /// Whether every stage looks at one row alone: then nothing is said about time, for every
    /// event is looked at once.
    alone: bool,
}

/// Lowers a query. What cannot be lowered is said.
pub(super) fn lower(
    query: &ast::Query,
    text: &Text<'_>,
    environment: &Environment,
    diagnostics: &mut Vec<Diagnostic>,
) -> Lowered {
    let mut said = Vec::new();
    let first = lower_as(query, text, environment, &mut said, true);
    if is_alone(&first) || !Status::of(&said).runs() {
        diagnostics.append(&mut said);
        return Lowered { clock: Clock::Whole, ..first };
    }
    lower_as(query, text, environment, diagnostics, false)
}

fn lower_as(
    query: &ast::Query,
    text: &Text<'_>,
    environment: &Environment,
    diagnostics: &mut Vec<Diagnostic>,
    alone: bool,
) -> Lowered {
    let mut lowering = Lowering {
        text,
        environment,
        diagnostics,
        schema: text.schema,
        sources: Vec::new(),
        reaches: Vec::new(),
        stages: Vec::new(),
        reads: Vec::new(),
        named: Vec::new(),
        depth: 0,
        made: 0,
        alone,
    };
    lowering.query(query);
    if lowering.stages.len() > MAX_STAGES {
        lowering.unsupported("search-limit", "it has too many stages", query.span);
    }
    let clock = match alone {
        true => Clock::Whole,
        false => time::clock(&mut lowering),
    };
    let Lowering { sources, stages, reads, .. } = lowering;
    Lowered { sources, stages, clock, reads }
}

/// Whether each row is looked at by itself.
fn is_alone(lowered: &Lowered) -> bool {
    let by_row = |stage: &Stage| match &stage.kind {
        StageKind::Rows(stage) => matches!(
            stage,
            RowStage::Filter { .. }
                | RowStage::Compute { .. }
                | RowStage::Project(_)
                | RowStage::Rename { .. }
                | RowStage::Expand { .. }
        ),
        _ => false,
    };
    lowered.sources.len() == 1 && lowered.stages.iter().all(by_row)
}

impl Lowering<'_> {
    /// A source, and rows that come straight from it.
    fn source(&mut self, source: Source, columns: Columns) -> Rows {
        let at = self.sources.len();
        let filtered = source.filtered().is_some();
        self.sources.push(source);
        self.reaches.push(Reach::default());
        Rows {
            input: Some(Input::Source(at)),
            source: filtered.then_some(at),
            tables: vec![columns],
            ..Rows::default()
        }
    }

    /// Adds a stage over `rows`.
    fn push(&mut self, mut rows: Rows, stage: RowStage, name: &str, span: Span) -> Rows {
        let input = rows.input.unwrap_or(Input::Source(0));
        rows.source = None;
        rows.input = Some(self.stage(vec![input], stage, name, span));
        rows
    }

    fn stage(&mut self, inputs: Vec<Input>, stage: RowStage, name: &str, span: Span) -> Input {
        let (kind, span) = (StageKind::Rows(stage), self.place(span));
        self.stages.push(Stage { kind, inputs, span, native_name: name.into() });
        Input::Stage(self.stages.len() - 1)
    }

    /// Sets columns.
    fn compute(
        &mut self,
        rows: Rows,
        steps: Vec<(Arc<str>, Expr)>,
        name: &str,
        span: Span,
    ) -> Rows {
        if steps.is_empty() {
            return rows;
        }
        let steps = steps.into_iter().map(|(name, expr)| (Target::Name(name), expr)).collect();
        self.push(rows, RowStage::Compute { steps }, name, span)
    }

    /// Keeps the rows for which a formula holds: in the source as far as it has tests and nothing
    /// else stands between, in a stage for the rest.
    fn filter(&mut self, rows: Rows, formula: Formula, name: &str, span: Span) -> Rows {
        let source = rows.source.and_then(|at| self.sources.get_mut(at));
        let mut stays = filter::conjuncts(formula);
        if let Some(Source::Events { filter, .. } | Source::Alerts { filter, .. }) = source {
            let (moves, rest) = stays.into_iter().partition(Formula::is_of_tests);
            let own = std::mem::replace(filter, Formula::TRUE);
            *filter = filter::all(filter::conjuncts(own).into_iter().chain::<Vec<_>>(moves));
            stays = rest;
        }
        if stays.is_empty() {
            return rows;
        }
        self.push(rows, RowStage::Filter { condition: Formula::and(stays) }, name, span)
    }

    /// A name that no query has.
    fn made(&mut self) -> Arc<str> {
        self.made += 1;
        format!("${}", self.made).into()
    }

    /// The column of the row that a name stands for. Of events it is noted that it is read.
    fn column(&mut self, table: Option<&str>, name: &str, rows: &Rows, span: Span) -> Arc<str> {
        let of =
            |columns: &&Columns| table.is_none_or(|table| columns.alias.as_deref() == Some(table));
        let mut fitting = rows.tables.iter().filter(of).filter(|columns| columns.has(name));
        // Of several tables one that is known to have it comes before one that may.
        let found =
            fitting.clone().find(|columns| columns.names.is_some()).or_else(|| fitting.next());
        let Some(found) = found else {
            self.absent(table, name, rows, span);
            return name.into();
        };
        if found.names.is_some() {
            return format!("{}{name}", found.prefix).into();
        }
        let own = if name == TIME { "_time" } else { name };
        if found.prefix.is_empty() {
            self.read(own);
            return own.into();
        }
        format!("{}{name}", found.prefix).into()
    }

    fn absent(&mut self, table: Option<&str>, name: &str, rows: &Rows, span: Span) {
        let known = |table: &str| rows.tables.iter().any(|own| own.alias.as_deref() == Some(table));
        let message = match table {
            Some(table) if !known(table) => format!("there is no table `{table}` here"),
            _ => format!("there is no column `{name}` here: it is neither selected nor grouped by"),
        };
        let names = rows.tables.iter().filter_map(|own| own.names.as_ref()).flatten();
        let near = crate::suggest::nearest(name, names.map(String::as_str));
        let mut said = Diagnostic::new(Level::Invalid, "absent-field", message, self.place(span));
        said.help = near.map(|near| format!("perhaps `{near}`"));
        self.diagnostics.push(said);
    }

    /// Notes that a field of events is read.
    fn read(&mut self, name: &str) {
        if !self.reads.iter().any(|own| own == name) {
            self.reads.push(name.to_owned());
        }
    }

    /// A column in a test.
    fn field(&self, name: Arc<str>) -> Field {
        Field::Named { schema: self.schema, name }
    }

    pub(in crate::snowflake) fn place(&self, span: Span) -> Span {
        (self.text.place)(span.start..span.end)
    }

    fn say(&mut self, level: Level, code: &'static str, message: impl Into<String>, span: Span) {
        let said = Diagnostic::new(level, code, message, self.place(span));
        if !self.diagnostics.contains(&said) {
            self.diagnostics.push(said);
        }
    }

    fn note(&mut self, code: &'static str, message: impl Into<String>, span: Span) {
        self.say(Level::Note, code, message, span);
    }

    pub(in crate::snowflake) fn approximate(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
        span: Span,
    ) {
        self.say(Level::Approximate, code, message, span);
    }

    pub(in crate::snowflake) fn unsupported(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
        span: Span,
    ) {
        self.say(Level::Unsupported, code, message, span);
    }

    fn invalid(&mut self, code: &'static str, message: impl Into<String>, span: Span) {
        self.say(Level::Invalid, code, message, span);
    }

    /// Refuses an expression.
    pub(in crate::snowflake) fn refused(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
        span: Span,
    ) -> Expr {
        self.unsupported(code, message, span);
        Expr::Literal(rulestone_value::Value::Null)
    }
}

/// What tables call the time of their events.
const TIME: &str = "event_time";
