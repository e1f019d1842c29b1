//! A rule's pipeline: stages over rows, run in memory for one pane.
//!
//! ```text
//! event ──wanted columns──► Tuple ──Head──► rows of the pane ──Pipeline──► result
//! ```
//!
//! * [`wanted`] says which columns of a source's rows are read at all.
//! * A [`Head`] is the stages directly behind a source that look at one row alone. They run where
//!   an event is found, on any thread, so that what they drop is never kept.
//! * A [`Pipeline`] is everything behind the heads. Rows of a pane are pushed source by source, in
//!   the order of [`order`]; rows then run through the stages one by one, as far as each
//!   lets them.
//!
//! What the stages keep is counted; a pane that needs more than the setting is refused as a whole,
//! never cut.

mod columns;
mod head;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use rulestone_ir::{Input, Keep, NamePattern, RowStage, Rule, Source, StageKind};
use rulestone_value::{Time, Value};

use crate::row::{Names, Slot, Tuple};
use crate::stages::rows::{Memory, Refusal, Run, Tools, Work};
pub(crate) use columns::{Columns, TIME, wanted};
pub(crate) use head::stages as head_stages;
pub(crate) use head::{Head, is_row_wise};

/// How pipelines run.
#[derive(Debug, Clone)]
pub(crate) struct PipelineSettings {
    /// Bytes that the stages of one pane may keep, about.
    pub(crate) memory: usize,
    /// What stages need beside the rule.
    pub(crate) tools: Tools,
}

/// Where the rows of a source or a stage go.
#[derive(Debug, Clone, Default)]
struct Outlet {
    /// Stages, each with the place of the input.
    to: Vec<(usize, usize)>,
    /// Whether they are the result.
    result: bool,
}

impl Outlet {
    /// Whether it leads on to the result, where it is known which stages do.
    fn leads(&self, leads: &[bool]) -> bool {
        self.result || self.to.iter().any(|(at, _)| leads[*at])
    }
}

#[derive(Debug)]
struct Node {
    work: Work,
    outlet: Outlet,
    /// Which of the inputs have no more rows.
    ended: Vec<bool>,
}

/// Rows between stages.
#[derive(Debug, Default)]
struct Way {
    /// Stage, input and row; the next one last.
    next: Vec<(usize, usize, Tuple)>,
    /// Rows that have left the last stage.
    result: Vec<Tuple>,
}

impl Way {
    /// Sends rows to where an outlet leads.
    fn put(
        &mut self,
        outlet: &Outlet,
        rows: &mut Vec<Tuple>,
        memory: &mut Memory,
    ) -> Result<(), Refusal> {
        if outlet.result {
            for row in rows.iter() {
                memory.hold_row(row)?;
            }
            self.result.append(rows);
            return Ok(());
        }
        // The last row first: the next one is taken from the end.
        while let Some(row) = rows.pop() {
            let Some(((at, input), others)) = outlet.to.split_last() else { continue };
            for (at, input) in others {
                self.next.push((*at, *input, row.clone()));
            }
            self.next.push((*at, *input, row));
        }
        Ok(())
    }
}

/// The stages of a rule behind the heads, at work on one pane after the other.
#[derive(Debug)]
pub(crate) struct Pipeline {
    rule: Arc<Rule>,
    run: Run,
    nodes: Vec<Node>,
    /// By source.
    outlets: Vec<Outlet>,
    ended: Vec<bool>,
    way: Way,
    refused: Option<Refusal>,
}

impl Pipeline {
    /// The pipeline of a rule whose sources are worked by their heads.
    pub(crate) fn new(rule: &Arc<Rule>, settings: &PipelineSettings) -> Pipeline {
        Self::build(rule, settings, true)
    }

    /// The pipeline of a rule from its sources on.
    #[cfg(test)]
    pub(crate) fn whole(rule: &Arc<Rule>, settings: &PipelineSettings) -> Pipeline {
        Self::build(rule, settings, false)
    }

    fn build(rule: &Arc<Rule>, settings: &PipelineSettings, heads: bool) -> Pipeline {
        let mut names = Names::default();
        let mut nodes: Vec<Node> = Vec::with_capacity(rule.stages.len());
        for (at, stage) in rule.stages.iter().enumerate() {
            let work = match &stage.kind {
                StageKind::Rows(kind) => {
                    Work::new(kind, stage.inputs.len(), &mut names, &settings.tools)
                }
                _ => Work::new(&RowStage::Append, stage.inputs.len(), &mut names, &settings.tools),
            };
            nodes.push(Node {
                work,
                outlet: outlet(rule, Input::Stage(at)),
                ended: vec![false; stage.inputs.len()],
            });
        }
        let mut outlets = Vec::with_capacity(rule.sources.len());
        for source in 0..rule.sources.len() {
            let stages = if heads { head::stages(rule, source) } else { Vec::new() };
            outlets.push(match stages.last() {
                Some(last) => nodes[*last].outlet.clone(),
                None => outlet(rule, Input::Source(source)),
            });
        }
        names.slot(TIME);
        Pipeline {
            rule: rule.clone(),
            run: Run::new(names, settings.memory),
            nodes,
            outlets,
            ended: vec![false; rule.sources.len()],
            way: Way::default(),
            refused: None,
        }
    }

    /// The columns of the rows that are pushed and of the result.
    pub(crate) fn names(&self) -> &Names {
        &self.run.names
    }

    /// The same, for giving out slots.
    pub(crate) fn names_mut(&mut self) -> &mut Names {
        &mut self.run.names
    }

    /// Starts a pane: what the last one left is forgotten, tables are fed.
    pub(crate) fn begin(&mut self, now: Option<Time>) {
        self.run.now = now;
        self.run.memory.clear();
        self.way = Way::default();
        self.ended.fill(false);
        self.refused = None;
        for node in &mut self.nodes {
            node.ended.fill(false);
            if let Work::Pane(stage) = &mut node.work {
                stage.reset();
            }
        }
        let rule = self.rule.clone();
        for (at, source) in rule.sources.iter().enumerate() {
            if let Err(refusal) = self.feed(at, source) {
                self.refused = Some(refusal);
                return;
            }
        }
    }

    /// Feeds a source that has no events.
    fn feed(&mut self, at: usize, source: &Source) -> Result<(), Refusal> {
        match source {
            Source::Table { table, .. } => {
                let slots: Vec<Slot> =
                    table.columns.iter().map(|name| self.run.names.slot(name)).collect();
                for texts in &table.rows {
                    let mut row = Tuple::default();
                    for (slot, text) in slots.iter().zip(texts) {
                        if !text.is_empty() {
                            row.set(*slot, Value::string(&**text));
                        }
                    }
                    self.push_in(at, row)?;
                }
            }
            Source::Nothing { rows } => {
                let time = self.run.names.slot(TIME);
                for _ in 0..*rows {
                    let mut row = Tuple::default();
                    row.set(time, self.run.now.map_or(Value::Null, Value::Time));
                    self.push_in(at, row)?;
                }
            }
            _ => return Ok(()),
        }
        self.end_in(at)
    }

    /// Takes a row of a source, as its head lets it out.
    pub(crate) fn push(&mut self, source: usize, row: Tuple) -> Result<(), Refusal> {
        if let Some(refusal) = &self.refused {
            return Err(refusal.clone());
        }
        let pushed = self.push_in(source, row);
        self.remember(pushed)
    }

    /// Says that a source has no more rows.
    pub(crate) fn end_source(&mut self, source: usize) -> Result<(), Refusal> {
        if let Some(refusal) = &self.refused {
            return Err(refusal.clone());
        }
        let ended = self.end_in(source);
        self.remember(ended)
    }

    /// Whether rows of a source can still become a part of the result.
    pub(crate) fn wants(&self, source: usize) -> bool {
        let mut leads = vec![false; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate().rev() {
            let is_barren = matches!(&node.work, Work::Pane(stage) if stage.is_barren());
            leads[at] = !is_barren && node.outlet.leads(&leads);
        }
        let outlet = self.outlets.get(source).filter(|_| self.refused.is_none());
        outlet.is_some_and(|outlet| outlet.leads(&leads))
    }

    /// Ends all sources that have not ended, and gives the result.
    pub(crate) fn finish(&mut self) -> Result<Vec<Tuple>, Refusal> {
        for source in 0..self.outlets.len() {
            self.end_source(source)?;
        }
        Ok(std::mem::take(&mut self.way.result))
    }

    /// The order of the result's columns: that of the last table or measure, else by name.
    pub(crate) fn columns(&self, result: &[Tuple]) -> Vec<Slot> {
        result_slots(&self.rule, &self.run.names, result)
    }

    fn remember(&mut self, outcome: Result<(), Refusal>) -> Result<(), Refusal> {
        if let Err(refusal) = &outcome {
            // What is kept is of no use any more.
            let refusal = refusal.clone();
            self.nodes.iter_mut().for_each(|node| {
                if let Work::Pane(stage) = &mut node.work {
                    stage.reset();
                }
            });
            self.way = Way::default();
            self.refused = Some(refusal);
        }
        outcome
    }

    fn push_in(&mut self, source: usize, row: Tuple) -> Result<(), Refusal> {
        if let Some(outlet) = self.outlets.get(source) {
            self.way.put(outlet, &mut vec![row], &mut self.run.memory)?;
        }
        self.work_off()
    }

    /// Works what is on the way, the latest first, so that rows keep their order.
    fn work_off(&mut self) -> Result<(), Refusal> {
        let mut out = Vec::new();
        while let Some((at, input, row)) = self.way.next.pop() {
            let node = &mut self.nodes[at];
            match &mut node.work {
                Work::Row(stage) => stage.apply(&mut self.run, row, &mut out)?,
                Work::Pane(stage) => stage.push(&mut self.run, input, row, &mut out)?,
            }
            self.way.put(&node.outlet, &mut out, &mut self.run.memory)?;
        }
        Ok(())
    }

    /// Ends a source, and every stage that has no more inputs by that.
    fn end_in(&mut self, source: usize) -> Result<(), Refusal> {
        let Some(outlet) = self.outlets.get(source) else { return Ok(()) };
        if std::mem::replace(&mut self.ended[source], true) {
            return Ok(());
        }
        // The first stage first: what reads a stage stands behind it.
        let mut over: BTreeSet<(usize, usize)> = outlet.to.iter().copied().collect();
        while let Some((at, input)) = over.pop_first() {
            if self.end_input(at, input)? {
                over.extend(self.nodes[at].outlet.to.iter().copied());
            }
        }
        Ok(())
    }

    /// Ends an input of a stage; whether the stage has ended with it.
    fn end_input(&mut self, at: usize, input: usize) -> Result<bool, Refusal> {
        let mut out = Vec::new();
        let node = &mut self.nodes[at];
        match node.ended.get_mut(input) {
            Some(ended) if !*ended => *ended = true,
            _ => return Ok(false),
        }
        if let Work::Pane(stage) = &mut node.work {
            stage.end(&mut self.run, input, &mut out)?;
        }
        let all = node.ended.iter().all(|ended| *ended);
        self.pass_on(at, &mut out)?;
        let mut more = all;
        while more {
            more = match &mut self.nodes[at].work {
                Work::Row(_) => false,
                Work::Pane(stage) => stage.drain(&mut self.run, &mut out)?,
            };
            self.pass_on(at, &mut out)?;
        }
        Ok(all)
    }

    /// Sends the rows that a stage has given to where they go, and works them.
    fn pass_on(&mut self, at: usize, rows: &mut Vec<Tuple>) -> Result<(), Refusal> {
        self.way.put(&self.nodes[at].outlet, rows, &mut self.run.memory)?;
        self.work_off()
    }
}

/// Where the rows of an input go.
fn outlet(rule: &Rule, input: Input) -> Outlet {
    let mut to = Vec::new();
    for (at, stage) in rule.stages.iter().enumerate() {
        let places = stage.inputs.iter().enumerate().filter(|(_, own)| **own == input);
        // A stage reads what stands before it and nothing else.
        let before = !matches!(input, Input::Stage(before) if before >= at);
        to.extend(places.filter(|_| before).map(|(place, _)| (at, place)));
    }
    let root = match rule.stages.len() {
        0 => Input::Source(0),
        stages => Input::Stage(stages - 1),
    };
    Outlet { to, result: input == root }
}

/// The sources that have to be fed, in the order in which it costs the least: what is looked
/// for before what it is looked for in.
pub(crate) fn order(rule: &Rule) -> Vec<usize> {
    let mut order = Vec::new();
    let root = match rule.stages.len() {
        0 => Input::Source(0),
        stages => Input::Stage(stages - 1),
    };
    let mut seen = vec![false; rule.stages.len()];
    let mut open = vec![root];
    while let Some(input) = open.pop() {
        match input {
            Input::Source(source) if !order.contains(&source) => order.push(source),
            Input::Stage(at) if !std::mem::replace(&mut seen[at], true) => {
                let stage = &rule.stages[at];
                let second_first = matches!(
                    stage.kind,
                    StageKind::Rows(RowStage::Join(_) | RowStage::ForEachRow { .. })
                );
                let earlier = |input: &&Input| !matches!(input, Input::Stage(b) if *b >= at);
                let inputs = stage.inputs.iter().filter(earlier).copied();
                match second_first {
                    true => open.extend(inputs),
                    false => open.extend(inputs.rev()),
                }
            }
            _ => {}
        }
    }
    let fed = |source: &usize| match rule.sources.get(*source) {
        Some(Source::Table { .. } | Source::Nothing { .. }) | None => false,
        Some(_) => true,
    };
    order.retain(fed);
    order
}

/// The columns of a result in their order: that of the last table or measure, else by name.
pub(crate) fn result_slots(rule: &Rule, names: &Names, result: &[Tuple]) -> Vec<Slot> {
    let mut there = vec![false; names.all().len()];
    for row in result {
        row.columns().for_each(|(slot, _)| there[slot] = true);
    }
    let mut slots: Vec<Slot> = (0..there.len()).filter(|slot| there[*slot]).collect();
    let given = given_order(rule);
    let place =
        |name: &str| given.iter().position(|pattern| pattern.matches(name)).unwrap_or(given.len());
    slots.sort_by_cached_key(|slot| {
        let name = names.name(*slot);
        (place(name), name.clone())
    });
    slots
}

/// The order of columns that the last stage which gives one gives.
fn given_order(rule: &Rule) -> Vec<NamePattern> {
    let named = |stage: &rulestone_ir::Stage| match &stage.kind {
        StageKind::Rows(RowStage::Project(project))
            if project.ordered && project.mode == Keep::Keep =>
        {
            Some(project.names.clone())
        }
        StageKind::Rows(RowStage::Aggregate(aggregate)) => {
            let by = aggregate.by.iter().map(|(_, name)| NamePattern::new(name.clone()));
            Some(by.chain(aggregate.measures.iter().map(|m| m.into.clone())).collect())
        }
        _ => None,
    };
    rule.stages.iter().rev().find_map(named).unwrap_or_default()
}
