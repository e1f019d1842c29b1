//! What the columns of a pipeline's rows are, as far as they come from the event as they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use rulestone_ir::{
    AbsentSource, Aggregate, Extractor, FillFields, Keep, Lookup, MatchType, NamePattern, NullKey,
    Project, RowStage, Table, Target,
};
use rulestone_value::Value;

/// What a column is.
#[derive(Debug, Clone)]
pub(super) enum Column {
    /// A column of the event.
    Event {
        /// Its name there.
        name: Arc<str>,
        /// What stands for it where the event has none.
        fill: Option<Value>,
        /// Whether it is one element of what the event has.
        split: bool,
    },
    /// Out of a table.
    Looked(Arc<Looked>),
    /// Something else.
    Unknown,
}

/// A column out of a table.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) table: Arc<Table>,
    /// The table's column.
    pub(super) column: usize,
    /// What has to fit: the table's column, whether it has patterns, and the row's.
    pub(super) on: Vec<(usize, bool, Column)>,
    /// What the column was before.
    pub(super) before: Option<Column>,
}

/// The columns of rows.
#[derive(Debug, Clone)]
pub(super) struct Traced {
    /// Whether columns that are not known are the event's.
    open: bool,
    known: BTreeMap<Arc<str>, Column>,
}

impl Traced {
    /// Those of an event.
    pub(super) fn of_event() -> Traced {
        Traced { open: true, known: BTreeMap::new() }
    }

    /// What a column is; `None` where there is none of this name.
    pub(super) fn get(&self, name: &Arc<str>) -> Option<Column> {
        let own = || Column::Event { name: name.clone(), fill: None, split: false };
        self.known.get(name).cloned().or_else(|| self.open.then(own))
    }

    fn lose(&mut self, name: &Arc<str>) {
        self.known.insert(name.clone(), Column::Unknown);
    }

    /// Goes through a stage of one input; false where nobody knows the columns behind it, or where
    /// what comes out of a row depends on others.
    pub(super) fn pass(&mut self, stage: &RowStage) -> bool {
        match stage {
            RowStage::Compute { steps } => steps.iter().all(|(target, _)| match target {
                Target::Name(name) => {
                    self.lose(name);
                    true
                }
                Target::Indirect(_) | Target::Each(..) => false,
            }),
            RowStage::Rename { pairs, absent } => {
                pairs.iter().all(|(old, new)| self.rename((old, new), *absent))
            }
            RowStage::Extract(extract) => match &extract.by {
                Extractor::Captures { regex, offsets, .. } => {
                    offsets.iter().for_each(|name| self.lose(name));
                    groups(&regex.pattern).for_each(|name| self.lose(&name));
                    true
                }
                Extractor::Replace { .. } | Extractor::Translate(..) => {
                    self.lose(&extract.from);
                    true
                }
                Extractor::Paths { path: Some((_, into)) } => {
                    self.lose(into);
                    true
                }
                _ => false,
            },
            RowStage::Bin { into, .. } => {
                self.lose(into);
                true
            }
            RowStage::Fill { fields: FillFields::Names(names), .. } => {
                names.iter().for_each(|name| self.lose(name));
                true
            }
            RowStage::Expand { field, limit: None } => {
                self.lose(field);
                true
            }
            RowStage::Lookup(lookup) => {
                self.look_up(lookup);
                true
            }
            RowStage::Project(project) => self.project(project),
            RowStage::Aggregate(aggregate) => self.aggregate(aggregate),
            RowStage::Sort { limit: None, .. } => true,
            _ => false,
        }
    }

    fn rename(&mut self, (old, new): (&NamePattern, &NamePattern), absent: AbsentSource) -> bool {
        if let (Some(old), Some(new)) = (old.name(), new.name()) {
            if old != new {
                // A row that lacks the one may keep what the other was.
                let moved = self.get(old).filter(|_| absent == AbsentSource::Clears);
                self.lose(old);
                self.known.insert(new.clone(), moved.unwrap_or(Column::Unknown));
            }
            return true;
        }
        if self.open {
            return false;
        }
        let fitting: Vec<Arc<str>> =
            self.known.keys().filter(|name| old.matches(name)).cloned().collect();
        let moved: Vec<(Arc<str>, Column)> = fitting
            .into_iter()
            .filter_map(|name| {
                let column = self.known.remove(&name)?;
                Some((new.fill(&old.stars(&name)?).into(), column))
            })
            .collect();
        for (name, column) in moved {
            // Two columns that get one name: which one a row has is not known.
            let column = if self.known.contains_key(&name) { Column::Unknown } else { column };
            self.known.insert(name, column);
        }
        true
    }

    fn project(&mut self, project: &Project) -> bool {
        if !self.open {
            self.known.retain(|name, _| project.passes(name));
            return true;
        }
        let names = project.names.iter().map(|name| name.name().cloned());
        let Some(names) = names.collect::<Option<Vec<Arc<str>>>>() else { return false };
        match project.mode {
            Keep::Drop => names.iter().for_each(|name| self.lose(name)),
            Keep::Keep => {
                let kept =
                    names.into_iter().filter_map(|name| Some((name.clone(), self.get(&name)?)));
                *self = Traced { known: kept.collect(), open: false };
            }
        }
        true
    }

    fn look_up(&mut self, lookup: &Lookup) {
        let table = &lookup.table;
        let kind = |name: &Arc<str>| {
            let mut matching = table.matching.columns.iter();
            matching.find(|(own, _)| own == name).map(|(_, kind)| *kind)
        };
        let on = lookup.on.iter().map(|(name, row)| {
            let (column, has_stars) =
                (table.column(name)?, kind(name) == Some(MatchType::Wildcard));
            let of_row = match kind(name) {
                Some(MatchType::Cidr) => Column::Unknown,
                _ => self.get(row).unwrap_or(Column::Unknown),
            };
            Some((column, has_stars, of_row))
        });
        let on: Option<Vec<_>> = on.collect();
        let looked = lookup.output.iter().map(|output| {
            let column = match (&on, table.column(&output.column)) {
                (Some(on), Some(column)) if !on.is_empty() => {
                    let internal = output.into.starts_with('_').then_some(Column::Unknown);
                    let before = self.get(&output.into).or(internal);
                    let (table, on) = (table.clone(), on.clone());
                    Column::Looked(Arc::new(Looked { table, column, on, before }))
                }
                _ => Column::Unknown,
            };
            (output.into.clone(), column)
        });
        let looked: Vec<_> = looked.collect();
        self.known.extend(looked);
    }

    /// Behind an aggregate rows have its keys, each an element of what a row had, and its measures.
    /// What keeps rows of some keys out keeps whole groups out.
    fn aggregate(&mut self, aggregate: &Aggregate) -> bool {
        let mut known = BTreeMap::new();
        for (from, into) in &aggregate.by {
            let column = match (self.get(from), &aggregate.null) {
                (Some(Column::Event { name, fill: None, .. }), NullKey::Fill(text)) => {
                    Column::Event { name, fill: Some(Value::string(text.as_str())), split: true }
                }
                (Some(Column::Event { name, fill, .. }), _) => {
                    Column::Event { name, fill, split: true }
                }
                _ => Column::Unknown,
            };
            known.insert(into.clone(), column);
        }
        for measure in &aggregate.measures {
            let Some(name) = measure.into.name() else { return false };
            known.insert(name.clone(), Column::Unknown);
        }
        *self = Traced { open: false, known };
        true
    }
}

/// The names of an expression's groups.
fn groups(pattern: &str) -> impl Iterator<Item = Arc<str>> {
    pattern.split("(?").skip(1).filter_map(|rest| {
        let rest = rest.strip_prefix('P').unwrap_or(rest).strip_prefix('<')?;
        rest.split_once('>').map(|(name, _)| name.into())
    })
}
