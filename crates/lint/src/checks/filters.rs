//! What an event has to satisfy for a rule: the filters of a source and of the stages behind it.

use std::collections::BTreeSet;
use std::sync::Arc;

use rulestone_ir::{
    Extractor, Field, FillFields, Formula, Input, Keep, NamePattern, Project, RowStage, Rule,
    Scope, StageKind, Target,
};

/// What one source's events have to satisfy, all at once.
#[derive(Debug)]
pub(crate) struct Asked<'r> {
    /// The words of the source's events.
    pub(crate) scope: &'r Scope,
    /// The parts, those of the source first; none of them is an `and`.
    pub(crate) parts: Vec<&'r Formula>,
}

/// What each source that reads events asks; none for sources of other sorts.
pub(crate) fn of(rule: &Rule) -> Vec<Option<Asked<'_>>> {
    (0..rule.sources.len()).map(|source| of_source(rule, source)).collect()
}

fn of_source(rule: &Rule, source: usize) -> Option<Asked<'_>> {
    let (scope, filter) = rule.sources[source].filtered()?;
    let mut parts = conjuncts(filter);
    if rule.is_pipeline() {
        behind(rule, source, &mut parts);
    }
    Some(Asked { scope, parts })
}

/// The parts of a formula that all have to hold.
pub(crate) fn conjuncts(formula: &Formula) -> Vec<&Formula> {
    match formula {
        Formula::And(parts) => parts.iter().flat_map(conjuncts).collect(),
        Formula::Group(group) if matches!(*group.formula, Formula::And(_)) => {
            conjuncts(&group.formula)
        }
        other => vec![other],
    }
}

/// Which columns still are what the event has.
#[derive(Debug, Default)]
struct Own<'r> {
    written: BTreeSet<Arc<str>>,
    kept: Vec<&'r [NamePattern]>,
    dropped: Vec<&'r [NamePattern]>,
}

impl<'r> Own<'r> {
    fn has(&self, name: &Arc<str>) -> bool {
        let named = |patterns: &&[NamePattern]| patterns.iter().any(|own| own.matches(name));
        !self.written.contains(name)
            && self.kept.iter().all(named)
            && !self.dropped.iter().any(named)
    }

    fn holds(&self, part: &Formula) -> bool {
        let mut own = !part.reads_unnamed();
        part.fields(&mut |field| match field {
            Field::Named { name, .. } => own &= self.has(name),
            Field::Any => own = false,
        });
        own
    }

    /// Looks at what a stage does; false where its rows are no events any more, or where nobody
    /// knows what it writes.
    fn pass(&mut self, stage: &'r RowStage) -> bool {
        match stage {
            RowStage::Compute { steps } => steps.iter().all(|(target, _)| match target {
                Target::Name(name) => self.write(name),
                Target::Indirect(_) | Target::Each(..) => false,
            }),
            RowStage::Rename { pairs, .. } => {
                let mut sides = pairs.iter().flat_map(|(old, new)| [old, new]);
                sides.all(|side| side.name().is_some_and(|name| self.write(name)))
            }
            RowStage::Extract(extract) => match &extract.by {
                Extractor::Captures { regex, offsets, .. } => {
                    self.written.extend(offsets.iter().cloned());
                    self.written.extend(groups(&regex.pattern));
                    true
                }
                Extractor::Replace { .. } | Extractor::Translate(..) => self.write(&extract.from),
                Extractor::Paths { path: Some((_, into)) } => self.write(into),
                _ => false,
            },
            RowStage::Bin { into, .. } => self.write(into),
            RowStage::Fill { fields: FillFields::Names(names), .. } => {
                names.iter().all(|name| self.write(name))
            }
            RowStage::Expand { field, .. } => self.write(field),
            RowStage::Lookup(lookup) => lookup.output.iter().all(|output| self.write(&output.into)),
            RowStage::Project(project) => self.project(project),
            RowStage::Sort { .. } | RowStage::Limit { .. } | RowStage::Reverse => true,
            RowStage::Dedup(dedup) => !dedup.keep_rows,
            _ => false,
        }
    }

    fn write(&mut self, name: &Arc<str>) -> bool {
        self.written.insert(name.clone());
        true
    }

    fn project(&mut self, project: &'r Project) -> bool {
        match project.mode {
            Keep::Keep => self.kept.push(&project.names),
            Keep::Drop => self.dropped.push(&project.names),
        }
        true
    }
}

fn behind<'r>(rule: &'r Rule, source: usize, parts: &mut Vec<&'r Formula>) {
    let mut own = Own::default();
    let mut from = Input::Source(source);
    while let Some(at) = only_reader(rule, from) {
        let StageKind::Rows(stage) = &rule.stages[at].kind else { return };
        if rule.stages[at].inputs.len() > 1 {
            return;
        }
        match stage {
            RowStage::Filter { condition } => {
                parts.extend(conjuncts(condition).into_iter().filter(|part| own.holds(part)));
            }
            stage if own.pass(stage) => {}
            _ => return,
        }
        from = Input::Stage(at);
    }
}

/// The stage that reads an input, if only one does.
fn only_reader(rule: &Rule, input: Input) -> Option<usize> {
    let reads = |(_, stage): &(usize, &rulestone_ir::Stage)| stage.inputs.contains(&input);
    let mut readers = rule.stages.iter().enumerate().filter(reads);
    let (at, _) = readers.next()?;
    readers.next().is_none().then_some(at)
}

/// The names of an expression's groups.
fn groups(pattern: &str) -> impl Iterator<Item = Arc<str>> {
    pattern.split("(?").skip(1).filter_map(|rest| {
        let rest = rest.strip_prefix('P').unwrap_or(rest).strip_prefix('<')?;
        rest.split_once('>').map(|(name, _)| name.into())
    })
}
