//! Fields that are asked for where no row has them: what was dropped, or never there.
//!
//! Looked at where the columns are all known: behind `stats`, `table` and their like. Where a
//! lookup is not there, or a command sets columns by what the data say, nothing is said.

use std::sync::Arc;

use rulestone_ir::{
    Expr, Extract, Formula, Function, Input, Level, Measured, NullKey, Nulls, RowMeasure, RowStage,
    Span,
};

use super::{Finding, walk};
use crate::spl::ast::{Command, Name, Syntax};
use crate::spl::lower::columns::{self, Columns};
use crate::suggest::nearest;

/// Columns that are said to be kept, at most.
const MOST_NAMED: usize = 6;

/// The rows that a stage reads.
pub(in crate::spl) struct Before<'r> {
    /// Their columns.
    pub(in crate::spl) columns: &'r Columns,
    /// The command that said last which columns there are.
    pub(in crate::spl) closed: Option<&'r Arc<str>>,
}

/// What is wrong with the fields that `stage`, which `command` has become, reads. Those by which
/// no row can come out are said of the stage.
pub(in crate::spl) fn look(
    before: &Before<'_>,
    stage: &RowStage,
    command: &Command,
    input: Input,
) -> Vec<Finding> {
    let word = command.name.value.to_ascii_lowercase();
    let look = Look { before, command, word: &word };
    match (stage, word.as_str()) {
        (RowStage::Filter { condition }, _) => look.filter(condition, input),
        (RowStage::Aggregate(own), "stats" | "chart" | "timechart" | "top" | "rare") => {
            let by = own.by.iter().map(|(field, _)| field);
            let mut found = match own.null {
                NullKey::Drop => look.group(by, input),
                _ => Vec::new(),
            };
            found.extend(look.measures(&own.measures));
            found
        }
        (RowStage::Dedup(own), "dedup") if own.null == rulestone_ir::Keep::Drop => {
            look.group(own.by.iter(), input)
        }
        (RowStage::Window(own), _) => {
            let mut found = look.each(own.by.iter(), "dropped-field");
            found.extend(look.measures(&own.measures));
            found
        }
        (RowStage::Compute { steps }, "eval") => look.compute(steps.iter().map(|(_, expr)| expr)),
        (RowStage::Compute { .. }, "convert") => look.convert(),
        (RowStage::Compute { steps }, "makemv" | "nomv" | "strcat" | "rangemap") => {
            look.compute(steps.iter().map(|(_, expr)| expr))
        }
        (RowStage::Project(own), "table" | "fields") if own.mode == rulestone_ir::Keep::Keep => {
            let names: Vec<_> = own.names.iter().filter_map(|name| name.name()).cloned().collect();
            look.each(names.iter(), "absent-field")
        }
        (RowStage::Rename { .. }, "rename") => look.rename(stage),
        (RowStage::Sort { keys, .. }, "sort") => {
            look.each(keys.iter().map(|key| &key.field), "absent-field")
        }
        (RowStage::Extract(Extract { from: field, .. }), _)
        | (RowStage::Bin { field, .. }, "bin" | "bucket")
        | (RowStage::Expand { field, .. } | RowStage::Locate { field, .. }, _) => {
            look.each([field].into_iter(), "dropped-field")
        }
        (RowStage::Lookup(own), _) => {
            look.each(own.on.iter().map(|(_, field)| field), "dropped-field")
        }
        _ => Vec::new(),
    }
}

struct Look<'r> {
    before: &'r Before<'r>,
    command: &'r Command,
    word: &'r str,
}

impl Look<'_> {
    fn lacks(&self, name: &str) -> bool {
        self.before.columns.lacks(name)
    }

    /// A filter that asks for what is not there.
    fn filter(&self, condition: &Formula, input: Input) -> Vec<Finding> {
        let never = Fate { lacks: &|name| self.lacks(name) }.never(condition);
        let mut names = Vec::new();
        condition.fields(&mut |field| names.push(Arc::from(field.name())));
        names.retain(|name: &Arc<str>| &**name != "_raw" || !self.of_terms());
        let mut found = self.each(names.iter(), "dropped-field");
        if never && let Some(first) = found.first_mut() {
            first.ends = Some(input);
        }
        found
    }

    /// Whether the filter is a search expression, whose terms are looked for in any column where
    /// there is no text of the event.
    fn of_terms(&self) -> bool {
        matches!(self.command.syntax, Syntax::Search(_))
    }

    /// Keys of groups: a row that lacks one is in no group.
    fn group<'n>(&self, by: impl Iterator<Item = &'n Arc<str>>, input: Input) -> Vec<Finding> {
        let mut found = self.each(by, "dropped-group-field");
        found.iter_mut().for_each(|finding| finding.ends = Some(input));
        found
    }

    fn measures(&self, measures: &[RowMeasure]) -> Vec<Finding> {
        let mut names = Vec::new();
        for measure in measures {
            if let Measured::Expr(expr) | Measured::Where(expr) = &measure.of {
                strict(expr, &mut names);
            }
        }
        self.each(names.iter(), "absent-field")
    }

    fn compute<'e>(&self, steps: impl Iterator<Item = &'e Expr>) -> Vec<Finding> {
        let mut names = Vec::new();
        steps.for_each(|expr| strict(expr, &mut names));
        // What an earlier assignment sets a later one may read.
        if let Syntax::Eval(list) = &self.command.syntax {
            names.retain(|name| !list.iter().any(|(set, _)| set.value == *name));
        }
        self.each(names.iter(), "dropped-field")
    }

    fn convert(&self) -> Vec<Finding> {
        let Syntax::Convert { conversions, .. } = &self.command.syntax else { return Vec::new() };
        let mut found = Vec::new();
        for (function, field, _) in conversions {
            let time = matches!(&*function.value, "ctime" | "mktime");
            let code = if time { "absent-ctime" } else { "absent-field" };
            found.extend(self.each([&field.value].into_iter(), code));
        }
        found
    }

    /// One pair after the other: a later one may read what an earlier one made.
    fn rename(&self, stage: &RowStage) -> Vec<Finding> {
        let RowStage::Rename { pairs, absent } = stage else { return Vec::new() };
        let mut columns = self.before.columns.clone();
        let mut found = Vec::new();
        for (old, new) in pairs {
            if let Some(name) = old.name().filter(|name| columns.lacks(name)) {
                found.extend(self.each([name].into_iter(), "absent-field"));
            }
            let pair = vec![(old.clone(), new.clone())];
            columns.apply(&RowStage::Rename { pairs: pair, absent: *absent });
        }
        found
    }

    /// A finding for each of the names that no row has.
    fn each<'n>(
        &self,
        names: impl Iterator<Item = &'n Arc<str>>,
        code: &'static str,
    ) -> Vec<Finding> {
        let mut said: Vec<&Arc<str>> = Vec::new();
        let mut found = Vec::new();
        for name in names.filter(|name| self.lacks(name)) {
            if !said.contains(&name) && !name.contains(['*', '<', '$']) {
                said.push(name);
                found.push(self.say(code, name));
            }
        }
        found
    }

    fn say(&self, code: &'static str, name: &Arc<str>) -> Finding {
        let shown = if &**name == columns::BINS_OF_TIME { "_time" } else { name };
        let what = match code {
            "dropped-group-field" if self.word == "dedup" => "rows are told apart by it",
            "dropped-group-field" => "no row has a group",
            "absent-ctime" => "there is no time to write out",
            _ => "no row has it",
        };
        let kept = self.kept();
        let message = format!("`{shown}` is not there for `{}`: {kept}, and {what}", self.word);
        let help = match code {
            // What looks like it was mostly made in the same way.
            "absent-ctime" => Some("make it before, or leave it out here".to_owned()),
            _ => self.help(shown),
        };
        Finding { code, level: Level::Note, message, span: self.place(shown), help, ends: None }
    }

    /// Which columns there are, and who says so.
    fn kept(&self) -> String {
        let names = self.before.columns.named();
        let shown: Vec<String> =
            names.iter().take(MOST_NAMED).map(|name| format!("`{name}`")).collect();
        let more = match names.len().saturating_sub(MOST_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let kept = match shown.is_empty() {
            true => "no field".to_owned(),
            false => format!("{}{more}", shown.join(", ")),
        };
        match self.before.closed {
            Some(command) => format!("`{command}` keeps {kept}"),
            None => format!("before it there is {kept}"),
        }
    }

    fn help(&self, name: &str) -> Option<String> {
        let names = self.before.columns.named();
        if let Some(other) = names.iter().find(|own| own.eq_ignore_ascii_case(name)) {
            return Some(format!("names have case: write `{other}`"));
        }
        let near = nearest(name, names.iter().map(|own| &**own));
        Some(match near {
            Some(near) => format!("keep it before, or correct the name: perhaps `{near}`"),
            None => "keep it before, or leave it out here".to_owned(),
        })
    }

    /// Where the command names a field.
    fn place(&self, name: &str) -> Span {
        let mut place = None;
        walk::names(self.command, &mut |own: &Name| {
            if place.is_none() && &*own.value == name {
                place = Some(own.span);
            }
        });
        place.unwrap_or(self.command.span)
    }
}

/// The fields an expression reads, without those that it asks whether they are there.
fn strict(expr: &Expr, names: &mut Vec<Arc<str>>) {
    let (mut all, mut asked) = (Vec::new(), Vec::new());
    expr.fields(&mut |name| all.push(name.clone()));
    guarded(expr, &mut asked);
    names.extend(all.into_iter().filter(|name| !asked.contains(name)));
}

fn guarded(expr: &Expr, names: &mut Vec<Arc<str>>) {
    match expr {
        Expr::Call { function, arguments, .. } => {
            let asks = matches!(
                function,
                Function::IsNull | Function::IsNotNull | Function::Coalesce | Function::NullIf
            );
            for argument in arguments {
                if asks {
                    argument.fields(&mut |name| names.push(name.clone()));
                }
                guarded(argument, names);
            }
        }
        Expr::Holds(formula) => formula.for_each_predicate(&mut |predicate| {
            if predicate.test == rulestone_ir::Test::Exists {
                names.push(Arc::from(predicate.field.name()));
            }
        }),
        _ => {}
    }
}

/// What becomes of a formula when some fields are null.
struct Fate<'l> {
    lacks: &'l dyn Fn(&str) -> bool,
}

impl Fate<'_> {
    /// Whether it can never hold.
    fn never(&self, formula: &Formula) -> bool {
        match formula {
            Formula::And(parts) => parts.iter().any(|part| self.never(part)),
            Formula::Or(parts) => parts.iter().all(|part| self.never(part)),
            Formula::Not(part) => self.always(part),
            Formula::Group(_) => false,
            Formula::Test(predicate) => (self.lacks)(predicate.field.name()),
            Formula::IsTrue(expr) => self.never_true(expr),
        }
    }

    fn always(&self, formula: &Formula) -> bool {
        match formula {
            Formula::And(parts) => parts.iter().all(|part| self.always(part)),
            Formula::Or(parts) => parts.iter().any(|part| self.always(part)),
            Formula::Not(part) => self.never(part),
            _ => false,
        }
    }

    fn never_true(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Call { function: Function::And3, arguments, .. } => {
                arguments.iter().any(|own| self.never_true(own))
            }
            Expr::Call { function: Function::Or3, arguments, .. } => {
                arguments.iter().all(|own| self.never_true(own))
            }
            Expr::Holds(formula) => self.never(formula),
            expr => self.is_null(expr),
        }
    }

    fn is_null(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Field(name) => (self.lacks)(name),
            Expr::Call { function: Function::InAny, arguments, .. } => {
                arguments.first().is_some_and(|own| self.is_null(own))
            }
            Expr::Call { function, arguments, .. } => {
                function.nulls() == Nulls::Strict && arguments.iter().any(|own| self.is_null(own))
            }
            _ => false,
        }
    }
}
