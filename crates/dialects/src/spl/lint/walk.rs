//! The parts of a tree, for checks that look for a form wherever it stands.

use crate::spl::ast::{
    Boundary, Command, Eval, Measure, MeasureOf, Name, Pipeline, Search, Setting, Syntax,
};

/// Calls `found` with every command, those of searches within the search too.
pub(super) fn commands<'p>(pipeline: &'p Pipeline, found: &mut dyn FnMut(&'p Command)) {
    for command in &pipeline.commands {
        found(command);
        for inner in pipelines(command) {
            commands(inner, found);
        }
        for search in searches(command) {
            each_search(search, &mut |part| {
                if let Search::Subsearch(inner) = part {
                    commands(inner, found);
                }
            });
        }
    }
}

/// The searches in brackets that are arguments of a command.
fn pipelines(command: &Command) -> Vec<&Pipeline> {
    match &command.syntax {
        Syntax::Join { subsearch, .. } => vec![subsearch],
        Syntax::Append { subsearches, .. } => subsearches.iter().collect(),
        Syntax::Foreach { body, .. } => vec![body],
        _ => Vec::new(),
    }
}

/// The search expressions of a command.
pub(super) fn searches(command: &Command) -> Vec<&Search> {
    match &command.syntax {
        Syntax::Search(search) => vec![search],
        Syntax::Stats(own) => own.filter.iter().collect(),
        Syntax::Tstats(own) => own.filter.iter().collect(),
        Syntax::InputLookup { filter, .. } => filter.iter().collect(),
        Syntax::Transaction { starts, ends, .. } => {
            let both = starts.iter().chain(ends);
            both.filter_map(|own| match own {
                Boundary::Search(search) => Some(search),
                Boundary::Eval(_) => None,
            })
            .collect()
        }
        _ => Vec::new(),
    }
}

/// Calls `found` with a search expression and all parts of it, without what is in brackets.
pub(super) fn each_search<'s>(search: &'s Search, found: &mut dyn FnMut(&'s Search)) {
    found(search);
    match search {
        Search::And(parts) | Search::Or(parts) => {
            parts.iter().for_each(|part| each_search(part, found));
        }
        Search::Not(part, _) => each_search(part, found),
        _ => {}
    }
}

/// The eval expressions of a command.
pub(super) fn evals(command: &Command) -> Vec<&Eval> {
    match &command.syntax {
        Syntax::Where(eval) => vec![eval],
        Syntax::Eval(list) => list.iter().map(|(_, eval)| eval).collect(),
        Syntax::Stats(own) => of_measures(&own.measures),
        Syntax::Tstats(own) => of_measures(&own.measures),
        Syntax::Limit { condition, .. } => condition.iter().collect(),
        _ => Vec::new(),
    }
}

fn of_measures(measures: &[Measure]) -> Vec<&Eval> {
    let evals = measures.iter().filter_map(|measure| match &measure.of {
        MeasureOf::Eval(eval) => Some(eval),
        MeasureOf::Rows | MeasureOf::Field(_) => None,
    });
    evals.collect()
}

/// Calls `found` with an eval expression and all parts of it.
pub(super) fn each_eval<'e>(eval: &'e Eval, found: &mut dyn FnMut(&'e Eval)) {
    found(eval);
    match eval {
        Eval::Call { arguments, .. } => arguments.iter().for_each(|own| each_eval(own, found)),
        Eval::Not(inner, _) | Eval::Negate(inner, _) => each_eval(inner, found),
        Eval::Binary { left, right, .. } => {
            each_eval(left, found);
            each_eval(right, found);
        }
        Eval::In { value, values, .. } => {
            each_eval(value, found);
            values.iter().for_each(|own| each_eval(own, found));
        }
        _ => {}
    }
}

/// Calls `found` with every name of a field that a command reads, as far as it is written out.
pub(super) fn names(command: &Command, found: &mut dyn FnMut(&Name)) {
    for search in searches(command) {
        each_search(search, &mut |part| match part {
            Search::Compare { field, .. } | Search::In { field, .. } => found(field),
            Search::Case(Some(field), _) => found(field),
            _ => {}
        });
    }
    for eval in evals(command) {
        each_eval(eval, &mut |part| {
            if let Eval::Field(name) | Eval::Indirect(name) = part {
                found(name);
            }
        });
    }
    let settings = |own: &[Setting], found: &mut dyn FnMut(&Name)| {
        own.iter().for_each(|setting| found(&setting.value));
    };
    match &command.syntax {
        Syntax::Stats(own) => {
            of_fields(&own.measures, found);
            own.over.iter().chain(&own.by).for_each(found);
        }
        Syntax::Tstats(own) => {
            of_fields(&own.measures, found);
            own.by.iter().for_each(found);
        }
        Syntax::Rename(pairs) => pairs.iter().for_each(|(old, _)| found(old)),
        Syntax::Names(own) => own.names.iter().for_each(found),
        Syntax::Rex { settings: own, .. } | Syntax::Spath { settings: own } => settings(own, found),
        Syntax::Regex { field, .. } | Syntax::Bin { field, .. } => field.iter().for_each(found),
        Syntax::Convert { conversions, .. } => {
            conversions.iter().for_each(|(_, field, _)| found(field));
        }
        Syntax::Lookup { on, .. } => {
            on.iter().for_each(|(column, field)| found(field.as_ref().unwrap_or(column)));
        }
        Syntax::Sort { keys, .. } => keys.iter().for_each(|key| found(&key.field)),
        Syntax::Top { fields, by, .. } => fields.iter().chain(by).for_each(found),
        Syntax::Makemv { field, .. } => found(field),
        Syntax::Transaction { fields, .. } | Syntax::Replace { fields, .. } => {
            fields.iter().for_each(found);
        }
        _ => {}
    }
}

fn of_fields(measures: &[Measure], found: &mut dyn FnMut(&Name)) {
    for measure in measures {
        if let MeasureOf::Field(name) = &measure.of {
            found(name);
        }
    }
}
