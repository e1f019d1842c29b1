//! What is known about the columns of rows on their way through a pipeline.

use std::sync::Arc;

use rulestone_ir::{
    AbsentSource, Aggregate, BinBy, Expr, Extract, Extractor, FillFields, Formula, Function, Keep,
    Measured, NamePattern, Project, RowMeasure, RowStage, Stage, StageKind, Target,
};

use crate::regex::group_names;

/// The column of bins of `_time`, which stays as it is for what is measured of it.
pub(in crate::spl) const BINS_OF_TIME: &str = "_bin";

/// The columns of rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Columns {
    /// Whether there are those of events, which are read when they are asked for.
    events: bool,
    /// Whether there may be others than those of events and those of `names`.
    others: bool,
    /// Of which patterns there may be others.
    like: Vec<NamePattern>,
    /// What stages have set; of events also what they have taken away.
    names: Vec<Arc<str>>,
}

impl Columns {
    /// Those of events.
    pub(super) fn of_events() -> Columns {
        Columns { events: true, ..Columns::default() }
    }

    /// These and no others.
    pub(super) fn of(names: impl IntoIterator<Item = Arc<str>>) -> Columns {
        let mut columns = Columns::default();
        names.into_iter().for_each(|name| columns.add(&name));
        columns
    }

    /// Some that are not known.
    pub(super) fn unknown() -> Columns {
        Columns { others: true, ..Columns::default() }
    }

    /// The columns of both.
    pub(super) fn with(mut self, other: &Columns) -> Columns {
        self.events |= other.events;
        self.others |= other.others;
        self.like.extend(other.like.iter().cloned());
        other.names.iter().for_each(|name| self.add(name));
        self
    }

    /// All of them, where that is known.
    pub(in crate::spl) fn known(&self) -> Option<&[Arc<str>]> {
        (self.is_closed() && self.like.is_empty()).then_some(&self.names)
    }

    /// Whether stages have set it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|own| &**own == name)
    }

    /// Whether no row has it, whatever the events.
    pub(in crate::spl) fn lacks(&self, name: &str) -> bool {
        let like = self.like.iter().any(|pattern| pattern.matches(name));
        self.is_closed() && !like && !self.has(name)
    }

    fn is_closed(&self) -> bool {
        !self.events && !self.others
    }

    /// Those that stages have set or kept by name.
    pub(in crate::spl) fn named(&self) -> &[Arc<str>] {
        &self.names
    }

    /// From here on there may be any others.
    pub(super) fn open(&mut self) {
        self.others = true;
    }

    /// Whether a name may be that of a field of the event.
    pub(super) fn is_of_event(&self, name: &str) -> bool {
        self.events && !self.has(name)
    }

    fn add(&mut self, name: &Arc<str>) {
        if !self.has(name) {
            self.names.push(name.clone());
        }
    }

    /// Adds what is made of a column, which is nothing where that is not there.
    fn add_of(&mut self, field: &Arc<str>, into: &Arc<str>) {
        if !self.lacks(field) {
            self.add(into);
        }
    }

    fn add_pattern(&mut self, pattern: &NamePattern) {
        match pattern.name() {
            Some(name) => self.add(name),
            None => self.others = true,
        }
    }

    /// What a stage makes of them.
    pub(in crate::spl) fn apply(&mut self, stage: &RowStage) {
        match stage {
            RowStage::Extract(extract) => self.extract(extract),
            RowStage::Compute { steps } => {
                for (target, _) in steps {
                    match target {
                        Target::Name(name) => self.add(name),
                        Target::Indirect(_) => self.others = true,
                        Target::Each(_, into) => self.add_pattern(into),
                    }
                }
            }
            RowStage::Project(project) => self.project(project),
            RowStage::Rename { pairs, absent } => {
                pairs.iter().for_each(|(old, new)| self.rename(old, new, *absent));
            }
            RowStage::Bin { field, into, .. } => self.add_of(field, into),
            RowStage::Fill { fields: FillFields::Names(names), .. } => {
                names.iter().for_each(|name| self.add(name));
            }
            RowStage::Expand { field, .. } => self.add_of(field, field),
            RowStage::Lookup(lookup) => {
                lookup.output.iter().for_each(|output| self.add(&output.into));
            }
            RowStage::Locate { prefix, all_fields, .. } => {
                let more = if *all_fields { &LOCATED[..] } else { &LOCATED[..5] };
                for name in more {
                    self.add(&format!("{prefix}{name}").into());
                }
            }
            RowStage::Aggregate(aggregate) => self.aggregate(aggregate),
            // Where a key is lacking no row is in a group, and nothing is measured.
            RowStage::Window(window) if window.by.iter().any(|name| self.lacks(name)) => {}
            RowStage::Window(window) => self.measures(&window.measures),
            RowStage::Transaction(_) => {
                for name in ["duration", "eventcount", "closed_txn", "linecount"] {
                    self.add(&name.into());
                }
            }
            RowStage::Pivot(pivot) => {
                *self = Columns { others: true, ..Columns::of(pivot.row.iter().cloned()) };
            }
            RowStage::Unpivot { row, name, value } => {
                *self = Columns::of([row.clone(), name.clone(), value.clone()]);
            }
            RowStage::Transpose { .. } => *self = Columns::unknown(),
            RowStage::Totals(totals) => {
                totals.row.iter().for_each(|name| self.add(name));
                totals.label.iter().for_each(|(name, _)| self.add(name));
            }
            RowStage::Filter { .. }
            | RowStage::Fill { .. }
            | RowStage::Dedup(_)
            | RowStage::Sort { .. }
            | RowStage::Limit { .. }
            | RowStage::Join(_)
            | RowStage::Append
            | RowStage::AppendColumns { .. }
            | RowStage::ForEachRow { .. }
            | RowStage::Continue { .. }
            | RowStage::FillDown { .. }
            | RowStage::Combine { .. }
            | RowStage::Reverse => {}
        }
    }

    fn extract(&mut self, extract: &Extract) {
        match &extract.by {
            Extractor::Captures { regex, offsets, .. } => {
                group_names(&regex.pattern).into_iter().for_each(|name| self.add(&name.into()));
                offsets.iter().for_each(|name| self.add(name));
            }
            Extractor::Replace { .. } | Extractor::Translate(..) => {
                self.add_of(&extract.from, &extract.from);
            }
            Extractor::Paths { path: Some((_, into)) } => self.add(into),
            Extractor::Paths { path: None }
            | Extractor::JsonMembers(_)
            | Extractor::XmlValues
            | Extractor::Pairs { .. } => self.others = true,
        }
    }

    fn project(&mut self, project: &Project) {
        let fits = |name: &Arc<str>| project.names.iter().any(|pattern| pattern.matches(name));
        if project.mode == Keep::Drop {
            let literal = project.names.iter().filter_map(NamePattern::name);
            if self.events {
                literal.for_each(|name| self.add(name));
                self.others |= project.names.iter().any(|pattern| pattern.name().is_none());
            } else {
                self.names.retain(|name| !fits(name));
            }
            return;
        }
        let open = !self.is_closed() || !self.like.is_empty();
        let there = |name: &Arc<str>| !self.lacks(name);
        let literal = project.names.iter().filter_map(NamePattern::name);
        let kept: Vec<_> = literal.filter(|name| there(name)).cloned().collect();
        self.names.retain(fits);
        kept.iter().for_each(|name| self.add(name));
        let starred = project.names.iter().filter(|pattern| pattern.name().is_none());
        self.like = if open { starred.cloned().collect() } else { Vec::new() };
        self.others = false;
        self.events = false;
        if project.internal == Keep::Keep && open {
            self.add(&"_time".into());
            self.add(&"_raw".into());
        }
    }

    fn rename(&mut self, old: &NamePattern, new: &NamePattern, absent: AbsentSource) {
        match (old.name(), new.name()) {
            (Some(old), Some(new)) => {
                let there = !self.lacks(old);
                if self.events {
                    self.add(old);
                } else {
                    self.names.retain(|name| name != old);
                }
                if there {
                    self.add(new);
                } else if absent == AbsentSource::Clears {
                    self.names.retain(|name| name != new);
                }
            }
            _ if self.events => self.others = true,
            _ => {
                self.others |= !std::mem::take(&mut self.like).is_empty();
                let renamed = std::mem::take(&mut self.names);
                for name in renamed {
                    let other = old.stars(&name).map(|stars| new.fill(&stars).into());
                    self.add(&other.unwrap_or(name));
                }
            }
        }
    }

    fn aggregate(&mut self, aggregate: &Aggregate) {
        let before = std::mem::take(self);
        aggregate.by.iter().for_each(|(_, into)| self.add(into));
        for measure in &aggregate.measures {
            match &measure.of {
                Measured::Columns(of) if before.is_closed() => {
                    for name in &before.names {
                        if let Some(stars) = of.stars(name) {
                            self.add(&measure.into.fill(&stars).into());
                        }
                    }
                    match (of.as_str(), measure.into.as_str()) {
                        ("*", "*") => self.like.extend(before.like.iter().cloned()),
                        _ => self.others |= !before.like.is_empty(),
                    }
                }
                _ => self.measures(std::slice::from_ref(measure)),
            }
        }
    }

    fn measures(&mut self, measures: &[RowMeasure]) {
        for measure in measures {
            match measure.of {
                Measured::Columns(_) => self.others = true,
                _ => self.add(&measure.into.as_str().into()),
            }
        }
    }
}

/// What a Locate sets; the first five always.
const LOCATED: [&str; 8] =
    ["City", "Country", "Region", "lat", "lon", "Continent", "MetroCode", "Timezone"];

/// Whether a stage looks at one row alone, whenever that is.
pub(super) fn is_row_wise(stage: &Stage) -> bool {
    let StageKind::Rows(stage) = &stage.kind else { return false };
    match stage {
        RowStage::Filter { condition } => !formula_asks_now(condition),
        RowStage::Compute { steps } => !steps.iter().any(|(_, expr)| asks_now(expr)),
        RowStage::Bin { by, .. } => !matches!(by, BinBy::Auto(_)),
        RowStage::Extract(_)
        | RowStage::Project(_)
        | RowStage::Rename { .. }
        | RowStage::Expand { .. }
        | RowStage::Lookup(_)
        | RowStage::Locate { .. }
        | RowStage::Fill { fields: FillFields::Names(_), .. } => true,
        _ => false,
    }
}

fn formula_asks_now(formula: &Formula) -> bool {
    match formula {
        Formula::And(parts) | Formula::Or(parts) => parts.iter().any(formula_asks_now),
        Formula::Not(part) => formula_asks_now(part),
        Formula::Group(group) => formula_asks_now(&group.formula),
        Formula::Test(_) => false,
        Formula::IsTrue(expr) => asks_now(expr),
    }
}

fn asks_now(expr: &Expr) -> bool {
    match expr {
        Expr::Call { function, arguments, .. } => {
            *function == Function::Now || arguments.iter().any(asks_now)
        }
        Expr::Holds(formula) => formula_asks_now(formula),
        _ => false,
    }
}

/// Calls `found` with every column that a stage over one input reads by name.
pub(super) fn reads(stage: &RowStage, found: &mut dyn FnMut(&str)) {
    match stage {
        RowStage::Filter { condition } => condition.fields(&mut |field| found(field.name())),
        RowStage::Extract(extract) => found(&extract.from),
        RowStage::Compute { steps } => {
            let mut set: Vec<&str> = Vec::new();
            for (target, expr) in steps {
                expr.fields(&mut |name| {
                    if !set.contains(&&**name) {
                        found(name);
                    }
                });
                match target {
                    Target::Name(name) => set.push(name),
                    Target::Indirect(name) => found(name),
                    Target::Each(names, _) => names.iter().for_each(|name| found(name.as_str())),
                }
            }
        }
        RowStage::Project(project) if project.mode == Keep::Keep => {
            project.names.iter().for_each(|name| found(name.as_str()));
        }
        RowStage::Rename { pairs, .. } => pairs.iter().for_each(|(old, _)| found(old.as_str())),
        RowStage::Bin { field, .. }
        | RowStage::Expand { field, .. }
        | RowStage::Locate { field, .. }
        | RowStage::Continue { field, .. }
        | RowStage::Combine { field, .. } => found(field),
        RowStage::Fill { fields: FillFields::Names(names), .. } => {
            names.iter().for_each(|name| found(name));
        }
        RowStage::Lookup(lookup) => lookup.on.iter().for_each(|(_, field)| found(field)),
        RowStage::Aggregate(aggregate) => {
            aggregate.by.iter().for_each(|(field, _)| found(field));
            measure_reads(&aggregate.measures, found);
        }
        RowStage::Window(window) => {
            window.by.iter().for_each(|field| found(field));
            measure_reads(&window.measures, found);
        }
        RowStage::Dedup(dedup) => dedup.by.iter().for_each(|field| found(field)),
        RowStage::Sort { keys, .. } => keys.iter().for_each(|key| found(&key.field)),
        RowStage::Transaction(own) => {
            own.by.iter().for_each(|field| found(field));
            for formula in own.starts.iter().chain(&own.ends) {
                formula.fields(&mut |field| found(field.name()));
            }
        }
        RowStage::Pivot(pivot) => {
            let all = pivot.row.iter().chain([&pivot.column]).chain(&pivot.values);
            all.for_each(|name| found(name));
        }
        RowStage::Unpivot { row, .. } => found(row),
        RowStage::Transpose { header, .. } => header.iter().for_each(|name| found(name)),
        RowStage::Totals(totals) => totals.fields.iter().for_each(|name| found(name.as_str())),
        RowStage::FillDown { fields } => fields.iter().for_each(|name| found(name.as_str())),
        RowStage::Join(join) => join.on.iter().for_each(|name| found(name)),
        RowStage::Project(_)
        | RowStage::Fill { .. }
        | RowStage::Limit { .. }
        | RowStage::Append
        | RowStage::AppendColumns { .. }
        | RowStage::ForEachRow { .. }
        | RowStage::Reverse => {}
    }
}

fn measure_reads(measures: &[RowMeasure], found: &mut dyn FnMut(&str)) {
    for measure in measures {
        match &measure.of {
            Measured::Expr(expr) | Measured::Where(expr) => expr.fields(&mut |name| found(name)),
            Measured::Rows | Measured::Columns(_) => {}
        }
    }
}
