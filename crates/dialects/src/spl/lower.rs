//! From the tree of a search to sources and stages.
//!
//! A pipeline is lowered from left to right; what is known about its rows on the way is
//! [`Rows`]. Each command has a function in `lower/commands/`, named in the table of
//! [`super::commands()`].

pub(super) mod columns;
pub(super) mod commands;
pub(super) mod eval;
mod search;
mod settings;
mod time;

use std::sync::Arc;

use rulestone_ir::{
    Clock, Diagnostic, Expr, Field, Formula, Input, Keep, Level, Predicate, RowStage, Schema,
    Scope, Source, Span, Stage, StageKind,
};

use self::columns::Columns;
use self::time::Window;
use super::ast::{Command, Pipeline};
use super::commands::{self as table, Does};
use super::lint::{self, Finding, fields};
use super::{Lowered, Text};
use crate::Environment;
use crate::suggest::nearest;
use crate::text::Written;

/// Pipelines inside of pipelines; the parser allows fewer, searches of `map` are parsed here.
const MAX_DEPTH: usize = 24;
/// Stages of one rule.
const MAX_STAGES: usize = 2_000;

/// A filter that is not yet in its place, which will let nothing pass.
const PENDING: Input = Input::Stage(usize::MAX);

/// Where a pipeline has got to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    /// Whose rows these are; nobody's before the first command.
    input: Option<Input>,
    /// The source, as long as no stage stands behind it: its filter takes tests.
    source: Option<usize>,
    /// Which columns there are.
    columns: Columns,
    /// The command that said last which columns there are.
    closed: Option<Arc<str>>,
}

/// What lowering a search needs.
pub(crate) struct Lowering<'a> {
    environment: &'a Environment,
    diagnostics: &'a mut Vec<Diagnostic>,
    clock: Clock,
    /// Whose field names the search is written in.
    schema: Schema,
    sources: Vec<Source>,
    /// For each source what its search says about time.
    windows: Vec<Window>,
    stages: Vec<Stage>,
    reads: Vec<String>,
    /// What is wrong with it, as far as the flow of rows shows that.
    findings: Vec<Finding>,
    /// How the search stands in its file.
    written: Option<Written<'a>>,
    depth: usize,
    /// Whether the command at hand is the last one of the whole search.
    last: bool,
    /// Whether names are those of a data model, before whose last dot stands the data set.
    model: bool,
    /// How the names of columns at hand stand in expressions; the innermost last.
    pub(super) scopes: Vec<eval::Scope>,
}

/// Lowers a search. What cannot be lowered is said.
pub(crate) fn lower(
    pipeline: &Pipeline,
    text: &Text<'_>,
    environment: &Environment,
    diagnostics: &mut Vec<Diagnostic>,
) -> Lowered {
    let mut lowering = Lowering {
        environment,
        diagnostics,
        clock: text.clock,
        schema: text.schema,
        sources: Vec::new(),
        windows: Vec::new(),
        stages: Vec::new(),
        reads: Vec::new(),
        findings: Vec::new(),
        written: text.written,
        depth: 0,
        last: false,
        model: false,
        scopes: Vec::new(),
    };
    let mut rows = lowering.pipeline(pipeline, Rows::default());
    lowering.input(&mut rows);
    lowering.finish()
}

impl Lowering<'_> {
    /// Lowers commands, the first over `rows`.
    fn pipeline(&mut self, pipeline: &Pipeline, mut rows: Rows) -> Rows {
        if self.depth >= MAX_DEPTH {
            self.unsupported("search-limit", "searches are nested too deep", pipeline.span);
            return rows;
        }
        self.depth += 1;
        for (at, command) in pipeline.commands.iter().enumerate() {
            self.last = self.depth == 1 && at + 1 == pipeline.commands.len();
            let said = self.diagnostics.len();
            rows = self.command(rows, command);
            // What is not run might have set any column.
            if self.diagnostics.iter().skip(said).any(leaves_columns_open) {
                rows.columns.open();
            }
            if self.stages.len() > MAX_STAGES {
                self.unsupported("search-limit", "it has too many stages", command.span);
                break;
            }
        }
        self.depth -= 1;
        rows
    }

    /// Lowers a search within the search, from its own beginning.
    fn subsearch(&mut self, pipeline: &Pipeline) -> Rows {
        let model = std::mem::take(&mut self.model);
        let rows = self.pipeline(pipeline, Rows::default());
        self.model = model;
        rows
    }

    fn command(&mut self, rows: Rows, command: &Command) -> Rows {
        let name = command.name.value.to_ascii_lowercase();
        let Some(entry) = table::find(&name) else {
            // A macro that is not there was said to be missing.
            if name.starts_with('`') {
                return rows;
            }
            let names = table::commands().iter().map(|entry| entry.name);
            let message = format!("there is no command `{name}` that is known");
            let mut diagnostic =
                Diagnostic::new(Level::Unsupported, "unknown-command", message, command.name.span);
            diagnostic.help = nearest(&name, names).map(|near| format!("perhaps `{near}`"));
            self.diagnostics.push(diagnostic);
            return rows;
        };
        match entry.does {
            Does::Runs(lower) => lower(self, rows, command),
            Does::Refused { code, why } => {
                let message = format!("`{name}` {why}");
                self.unsupported(code, message, command.name.span);
                rows
            }
        }
    }

    /// A source, and rows that come straight from it.
    fn source(&mut self, source: Source) -> Rows {
        let at = self.sources.len();
        let filtered = source.filtered().is_some();
        let columns = match &source {
            Source::Table { table, .. } => Columns::of(table.columns.iter().cloned()),
            Source::Nothing { .. } => Columns::of([Arc::from("_time")]),
            _ => Columns::of_events(),
        };
        self.sources.push(source);
        self.windows.push(Window::default());
        let source = filtered.then_some(at);
        Rows { input: Some(Input::Source(at)), source, columns, closed: None }
    }

    /// Events of a scope, all of them.
    fn events(&mut self, keys: &[(&str, &str)]) -> Rows {
        let scope = self.scope(keys);
        self.source(Source::Events { scope, filter: Formula::TRUE })
    }

    /// A scope in the words of the search's schema.
    fn scope(&self, keys: &[(&str, &str)]) -> Scope {
        let keys = keys.iter().map(|(key, word)| (Arc::from(*key), Arc::from(*word)));
        Scope { schema: self.schema, keys: keys.collect() }
    }

    /// Whose rows a stage over `rows` reads. Before the first command there are none.
    fn input(&mut self, rows: &mut Rows) -> Input {
        if rows.input.is_none() {
            *rows = self.source(Source::Nothing { rows: 0 });
            // What should have stood there might have had any column.
            rows.columns.open();
        }
        rows.input.unwrap_or(Input::Source(0))
    }

    /// Adds a stage over `rows`.
    fn push(&mut self, mut rows: Rows, stage: RowStage, command: &Command) -> Rows {
        // Measures have a row even over none; what stood before and was refused has been said.
        let refused = self.diagnostics.iter().any(|one| one.level >= Level::Unsupported);
        if rows.input.is_none() && !refused && !matches!(stage, RowStage::Aggregate(_)) {
            let message =
                format!("nothing stands before `{}` that it could read", command.name.value);
            self.note_once("no-rows", message, command.name.span);
        }
        let input = self.input(&mut rows);
        columns::reads(&stage, &mut |name| {
            if rows.columns.is_of_event(name) {
                self.read(name);
            }
        });
        let before = fields::Before { columns: &rows.columns, closed: rows.closed.as_ref() };
        let at = Input::Stage(self.stages.len());
        self.findings.extend(fields::look(&before, &stage, command, at));
        if says_columns(&stage) {
            rows.closed = Some(command.name.value.to_ascii_lowercase().into());
        }
        rows.columns.apply(&stage);
        rows.source = None;
        rows.input = Some(self.stage(vec![input], stage, command));
        rows
    }

    /// Adds a stage over two inputs, whose columns are told.
    fn push_two(
        &mut self,
        (mut left, mut right): (Rows, Rows),
        stage: RowStage,
        columns: Columns,
        command: &Command,
    ) -> Rows {
        let inputs = vec![self.input(&mut left), self.input(&mut right)];
        let input = Some(self.stage(inputs, stage, command));
        Rows { input, source: None, columns, closed: left.closed }
    }

    fn stage(&mut self, inputs: Vec<Input>, stage: RowStage, command: &Command) -> Input {
        let native_name = command.name.value.to_ascii_lowercase().into();
        let kind = StageKind::Rows(stage);
        self.stages.push(Stage { kind, inputs, span: command.span, native_name });
        Input::Stage(self.stages.len() - 1)
    }

    /// Keeps the rows for which a formula holds: in the source as far as it has tests and nothing
    /// else stands between, in a stage for the rest.
    fn filter(&mut self, rows: Rows, formula: Formula, command: &Command) -> Rows {
        let at_source = rows.source.is_some();
        let (moves, stays): (Vec<_>, Vec<_>) =
            conjuncts(formula).into_iter().partition(|part| at_source && part.is_of_tests());
        for part in &moves {
            part.fields(&mut |field| self.read(field.name()));
        }
        let place = rows.source.map(Input::Source);
        let source = rows.source.and_then(|at| self.sources.get_mut(at));
        if let Some(Source::Events { filter, .. } | Source::Alerts { filter, .. }) = source {
            let own = std::mem::replace(filter, Formula::TRUE);
            *filter = Formula::and(conjuncts(own).into_iter().chain(moves));
        }
        let place = place.unwrap_or(Input::Stage(self.stages.len()));
        let waiting = self.findings.iter_mut().filter(|finding| finding.ends == Some(PENDING));
        waiting.for_each(|finding| finding.ends = Some(place));
        if stays.is_empty() {
            return rows;
        }
        self.push(rows, RowStage::Filter { condition: Formula::and(stays) }, command)
    }

    /// Notes that a field of events is read. Those of a data model are noted as they are written.
    fn read(&mut self, name: &str) {
        if !self.model {
            self.record(name);
        }
    }

    fn record(&mut self, name: &str) {
        if !name.contains('*') && !self.reads.iter().any(|own| own == name) {
            self.reads.push(name.to_owned());
        }
    }

    /// A field in a filter. Of a data model it goes by its name alone.
    fn field(&mut self, name: &str) -> Field {
        if self.model {
            self.record(name);
        }
        let name = if self.model { bare(name) } else { name };
        Field::Named { schema: self.schema, name: name.into() }
    }

    fn say(&mut self, level: Level, code: &'static str, message: impl Into<String>, span: Span) {
        self.diagnostics.push(Diagnostic::new(level, code, message, span));
    }

    fn note(&mut self, code: &'static str, message: impl Into<String>, span: Span) {
        self.say(Level::Note, code, message, span);
    }

    /// A note that is made once a rule.
    fn note_once(&mut self, code: &'static str, message: impl Into<String>, span: Span) {
        if !self.diagnostics.iter().any(|diagnostic| diagnostic.code == code) {
            self.note(code, message, span);
        }
    }

    fn approximate(&mut self, code: &'static str, message: impl Into<String>, span: Span) {
        self.say(Level::Approximate, code, message, span);
    }

    pub(super) fn unsupported(
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

    /// The arguments of a command are not what its table says they are.
    fn misread(&mut self, rows: Rows, command: &Command) -> Rows {
        // Where the parser has said what is wrong with them there is nothing to add.
        let within = |span: Span| command.span.start <= span.start && span.end <= command.span.end;
        let said = |own: &Diagnostic| own.level == Level::Invalid && within(own.span);
        if !self.diagnostics.iter().any(said) {
            let message = format!("the arguments of `{}` cannot be read", command.name.value);
            self.invalid("bad-arguments", message, command.span);
        }
        rows
    }

    /// Puts everything together.
    fn finish(mut self) -> Lowered {
        time::narrow(&mut self);
        let alone = self.sources.len() == 1 && self.stages.iter().all(columns::is_row_wise);
        let clock = if alone { Clock::Whole } else { self.clock };
        // A macro that is not there might stand for any command.
        if !self.diagnostics.iter().any(|one| one.code.starts_with("macro-")) {
            let findings = std::mem::take(&mut self.findings);
            self.diagnostics.extend(lint::settle(findings, &self.sources, &self.stages));
        }
        Lowered { sources: self.sources, stages: self.stages, clock, reads: self.reads }
    }
}

/// Whether a command that says this might set columns that are not known.
fn leaves_columns_open(diagnostic: &Diagnostic) -> bool {
    diagnostic.code == "needs-dns"
        || (diagnostic.level >= Level::Unsupported && diagnostic.code != "needs-geoip")
}

/// Whether a stage leaves no columns but those it names.
fn says_columns(stage: &RowStage) -> bool {
    match stage {
        RowStage::Project(project) => project.mode == Keep::Keep,
        RowStage::Aggregate(_) | RowStage::Pivot(_) | RowStage::Unpivot { .. } => true,
        _ => false,
    }
}

/// A name without the data sets in front of it, which are capitalised: `All_Changes.user` is
/// `user`, and `All_Risk.annotations._all` is `annotations._all`.
fn bare(name: &str) -> &str {
    let mut rest = name;
    while let Some((set, behind)) = rest.split_once('.') {
        if behind.is_empty() || !set.starts_with(|c: char| c.is_ascii_uppercase()) {
            break;
        }
        rest = behind;
    }
    rest
}

/// The parts of a formula that have to hold together.
fn conjuncts(formula: Formula) -> Vec<Formula> {
    match formula {
        Formula::And(parts) => parts.into_iter().flat_map(conjuncts).collect(),
        formula => vec![formula],
    }
}

/// All of `parts`, without those that always hold.
fn all(parts: impl IntoIterator<Item = Formula>) -> Formula {
    let mut out: Vec<Formula> = Vec::new();
    for part in parts.into_iter().flat_map(conjuncts) {
        if part == Formula::FALSE {
            return Formula::FALSE;
        }
        out.push(part);
    }
    Formula::and(out)
}

/// One of `parts`, without those that never hold.
fn any(parts: impl IntoIterator<Item = Formula>) -> Formula {
    let mut out: Vec<Formula> = Vec::new();
    for part in parts {
        match part {
            Formula::Or(inner) => out.extend(inner),
            part if part == Formula::TRUE => return Formula::TRUE,
            part => out.push(part),
        }
    }
    Formula::or(out)
}

/// The opposite of `formula`.
fn not(formula: Formula) -> Formula {
    match formula {
        Formula::Not(inner) => *inner,
        formula if formula == Formula::TRUE => Formula::FALSE,
        formula if formula == Formula::FALSE => Formula::TRUE,
        formula => Formula::not(formula),
    }
}

/// Whether an expression is true, as a formula.
fn is_true(expr: Expr) -> Formula {
    match expr {
        Expr::Holds(formula) => *formula,
        expr => Formula::IsTrue(Box::new(expr)),
    }
}

/// A formula of one test.
fn test(field: Field, test: rulestone_ir::Test, case: rulestone_ir::Case, span: Span) -> Formula {
    Formula::Test(Predicate { field, elements: rulestone_ir::Elements::Any, test, case, span })
}
