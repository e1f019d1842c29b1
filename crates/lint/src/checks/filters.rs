//! What an event has to satisfy for a rule: the filters of a source and of the stages behind it.

use std::sync::Arc;

use rulestone_ir::{
    Aggregate, Aggregator, Extractor, Field, FillFields, Formula, Input, Keep, Measured,
    NamePattern, NullKey, Project, RowStage, Rule, Scope, StageKind, Target,
};

use crate::prover::{self, Claim};

/// What one source's events have to satisfy, all at once.
#[derive(Debug)]
pub(crate) struct Asked<'r> {
    /// The words of the source's events.
    pub(crate) scope: &'r Scope,
    /// The parts about the event, those of the source first; none of them is an `and`.
    pub(crate) parts: Vec<&'r Formula>,
    /// Filters behind stages that wrote, dropped or made what they look at, with what they say of
    /// the row at their place.
    pub(crate) later: Vec<(Claim, &'r Formula)>,
}

impl<'r> Asked<'r> {
    /// All that is asked, with where the rule says so: first the parts, then what is asked later.
    pub(crate) fn all(&self) -> (Vec<Claim>, Vec<&'r Formula>) {
        let own = self.parts.iter().map(|part| (Claim::of(part), *part));
        own.chain(self.later.iter().cloned()).unzip()
    }
}

/// What each source that reads events asks; none for sources of other sorts.
pub(crate) fn of(rule: &Rule) -> Vec<Option<Asked<'_>>> {
    (0..rule.sources.len()).map(|source| of_source(rule, source)).collect()
}

fn of_source(rule: &Rule, source: usize) -> Option<Asked<'_>> {
    let (scope, filter) = rule.sources[source].filtered()?;
    let mut asked = Asked { scope, parts: conjuncts(filter), later: Vec::new() };
    if rule.is_pipeline() {
        behind(rule, source, &mut asked);
    }
    Some(asked)
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

/// What became of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Column {
    /// It is what the event has.
    Own,
    /// It was written by this step; whether it has one value at most.
    Written(usize, bool),
    /// No row has it.
    Gone,
}

/// What a stage does to columns.
#[derive(Debug)]
enum Step<'r> {
    Writes(Vec<NamePattern>),
    /// Writes these where they are there.
    Changes(Vec<NamePattern>),
    Keeps(&'r Project),
    Drops(&'r Project),
    /// Rows are made anew, with its keys and measures alone.
    Makes(&'r Aggregate),
}

/// The stages between a source and a filter behind it.
#[derive(Debug, Default)]
struct Steps<'r>(Vec<Step<'r>>);

impl<'r> Steps<'r> {
    /// What became of a column by now.
    fn column(&self, name: &str) -> Column {
        self.column_before(self.0.len(), name)
    }

    /// What became of a column before a step.
    fn column_before(&self, end: usize, name: &str) -> Column {
        let named = |patterns: &[NamePattern]| patterns.iter().any(|own| own.matches(name));
        // Commands treat names of this form in their own ways: nothing is said of them.
        let internal = name.starts_with('_');
        let mut column = Column::Own;
        for (at, step) in self.0[..end].iter().enumerate() {
            let is_dropped = match step {
                Step::Writes(patterns) => {
                    if named(patterns) {
                        column = Column::Written(at, false);
                    }
                    continue;
                }
                Step::Changes(patterns) => {
                    if named(patterns) && column != Column::Gone {
                        column = Column::Written(at, false);
                    }
                    continue;
                }
                Step::Makes(aggregate) => {
                    column = self.made(at, aggregate, name).unwrap_or(Column::Gone);
                    column == Column::Gone
                }
                Step::Keeps(project) => !named(&project.names),
                Step::Drops(project) => named(&project.names),
            };
            if is_dropped {
                column = if internal { Column::Written(at, false) } else { Column::Gone };
            }
        }
        column
    }

    /// What a column is that a step makes; nothing where it makes none of that name.
    fn made(&self, at: usize, aggregate: &Aggregate, name: &str) -> Option<Column> {
        // A row is in the group of each element of a list.
        if aggregate.by.iter().any(|(_, new)| **new == *name) {
            return Some(Column::Written(at, true));
        }
        aggregate.measures.iter().find_map(|measure| {
            let stars = measure.into.stars(name)?;
            if let Measured::Columns(of) = &measure.of
                && self.column_before(at, &of.fill(&stars)) == Column::Gone
            {
                return None;
            }
            Some(Column::Written(at, is_one(measure.function)))
        })
    }

    fn is_of_event(&self, part: &Formula) -> bool {
        let mut own = !part.reads_unnamed();
        part.fields(&mut |field| match field {
            Field::Named { name, .. } => own &= self.column(name) == Column::Own,
            Field::Any => own = false,
        });
        own
    }

    /// A filter at this place, by what its columns are: those that were written are other fields.
    fn claim(&self, part: &Formula) -> Claim {
        if part.reads_unnamed() {
            return Claim::Open;
        }
        Claim::of(part).about(&|field| match self.column(field) {
            Column::Own => Some(field.clone()),
            Column::Written(at, single) => {
                let single = if single { prover::SINGLE } else { "" };
                Some(format!("{field}{}{at}{single}", prover::WRITTEN).into())
            }
            Column::Gone => None,
        })
    }

    /// Looks at what a stage does; false where nobody knows, or where rows of several inputs meet.
    fn pass(&mut self, stage: &'r RowStage) -> bool {
        let step = match stage {
            RowStage::Compute { steps } => return steps.iter().all(|(target, _)| self.set(target)),
            RowStage::Rename { pairs, .. } => {
                Step::Writes(pairs.iter().flat_map(|(old, new)| [old, new]).cloned().collect())
            }
            RowStage::Extract(extract) => match &extract.by {
                Extractor::Captures { regex, offsets, .. } => {
                    let groups = groups(&regex.pattern).chain(offsets.iter().cloned());
                    Step::Writes(groups.map(NamePattern::new).collect())
                }
                Extractor::Replace { .. } | Extractor::Translate(..) => written(&extract.from),
                Extractor::Paths { path: Some((_, into)) } => written(into),
                _ => return false,
            },
            RowStage::Bin { into, .. } => written(into),
            RowStage::Fill { fields: FillFields::Names(names), .. } => {
                Step::Writes(names.iter().cloned().map(NamePattern::new).collect())
            }
            RowStage::Expand { field, .. } => written(field),
            RowStage::Lookup(lookup) => {
                let into = lookup.output.iter().map(|output| output.into.clone());
                Step::Writes(into.map(NamePattern::new).collect())
            }
            RowStage::Fill { fields: FillFields::All, .. } => {
                Step::Changes(vec![NamePattern::new("*")])
            }
            RowStage::Locate { prefix, .. } => {
                let names = LOCATED.iter().map(|name| NamePattern::new(format!("{prefix}{name}")));
                Step::Writes(names.collect())
            }
            RowStage::Window(window) => {
                let into = window.measures.iter().map(|measure| measure.into.clone()).collect();
                // A row that lacks a key is in no group, and nothing is measured of it.
                let grouped = window.by.iter().all(|key| self.column(key) != Column::Gone);
                if grouped { Step::Writes(into) } else { Step::Changes(into) }
            }
            RowStage::Project(project) => match project.mode {
                Keep::Keep => Step::Keeps(project),
                Keep::Drop => Step::Drops(project),
            },
            RowStage::Aggregate(aggregate) => Step::Makes(aggregate),
            RowStage::Sort { .. } | RowStage::Limit { .. } | RowStage::Reverse => return true,
            RowStage::Dedup(dedup) => return !dedup.keep_rows,
            _ => return false,
        };
        self.0.push(step);
        true
    }

    fn set(&mut self, target: &Target) -> bool {
        match target {
            Target::Name(name) => self.0.push(written(name)),
            Target::Each(_, into) => self.0.push(Step::Writes(vec![into.clone()])),
            Target::Indirect(_) => return false,
        }
        true
    }

    /// Whether a stage groups rows by a column that none of them has, and leaves such rows out.
    fn has_no_groups(&self, stage: &RowStage) -> bool {
        let RowStage::Aggregate(aggregate) = stage else { return false };
        aggregate.null == NullKey::Drop
            && aggregate.by.iter().any(|(old, _)| self.column(old) == Column::Gone)
    }
}

fn written<'r>(name: &Arc<str>) -> Step<'r> {
    // A name with a star in it is no pattern here, and one more name does no harm.
    Step::Writes(vec![NamePattern::new(name.clone())])
}

/// What a stage that locates an address writes behind its prefix.
const LOCATED: &[&str] =
    &["City", "Country", "Region", "lat", "lon", "Continent", "MetroCode", "Timezone"];

/// Whether a measure is one value.
fn is_one(function: Aggregator) -> bool {
    use Aggregator::{Earliest, First, Last, Latest, List, Mode, Values};
    !matches!(function, Values(_) | List(_) | First | Last | Earliest | Latest | Mode)
}

/// What a stage stands for that lets no row through.
static NOTHING: Formula = Formula::FALSE;

fn behind<'r>(rule: &'r Rule, source: usize, asked: &mut Asked<'r>) {
    let mut steps = Steps::default();
    let mut from = Input::Source(source);
    while let Some(at) = only_reader(rule, from) {
        let StageKind::Rows(stage) = &rule.stages[at].kind else { return };
        if rule.stages[at].inputs.len() > 1 {
            return;
        }
        if let RowStage::Filter { condition } = stage {
            for part in conjuncts(condition) {
                if steps.is_of_event(part) {
                    asked.parts.push(part);
                } else {
                    asked.later.push((steps.claim(part), part));
                }
            }
        } else {
            if steps.has_no_groups(stage) {
                asked.later.push((Claim::FALSE, &NOTHING));
            }
            if !steps.pass(stage) {
                return;
            }
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
