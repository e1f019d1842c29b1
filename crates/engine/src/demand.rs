//! Panes that are worked with no more rows than they come to want.
//!
//! Of a rule whose events wait as codes each pane is worked by itself, source by source, what is
//! looked for before what it is looked for in. A pane in which a source that the result cannot do
//! without has nothing is not worked at all, and a source that no stage waits for any more makes
//! no rows.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use rulestone_ir::{Input, JoinKind, RowStage, Rule, Source, StageKind};
use rulestone_value::Time;

use crate::Plan;
use crate::coded::{Stretch, Waiting};
use crate::panes::Panes;
use crate::piped::{self, Piped};
use crate::pipeline::order;
use crate::spool::Lines;

/// Makes rows of all events that wait, in all their panes.
pub(crate) fn make_all(plan: &Plan, waiting: &Waiting, piped: &mut Piped) {
    for rule in waiting.rules() {
        let Some(pipe) = plan.pipe(rule) else { continue };
        for stretch in waiting.of_rule(rule) {
            piped.take_coded(pipe, plan.strata().of[rule], &stretch, None);
        }
    }
}

/// What pipelines are worked with.
pub(crate) struct Demand<'w, 'p> {
    pub(crate) plan: &'p Plan,
    pub(crate) waiting: &'w Waiting,
    /// Rows that were made already.
    pub(crate) lines: Lines,
    pub(crate) panes: Panes<'p>,
    pub(crate) piped: Piped,
    /// Rows that were on disk in between.
    pub(crate) spilled: u64,
}

impl Demand<'_, '_> {
    /// Works the panes of all rules of a stratum.
    ///
    /// # Errors
    ///
    /// When rows cannot be put on disk, or read back.
    pub(crate) fn work(&mut self, stratum: usize) -> io::Result<()> {
        let waiting = self.waiting;
        for rule in waiting.rules().filter(|rule| self.plan.strata().of[*rule] == stratum) {
            while self.lines.peek().is_some_and(|key| (key.rule as usize) < rule) {
                self.pass_on()?;
            }
            self.rule(rule, stratum)?;
        }
        while self.lines.peek().is_some() {
            self.pass_on()?;
        }
        self.panes.close();
        Ok(())
    }

    fn pass_on(&mut self) -> io::Result<()> {
        if let Some(line) = self.lines.next()? {
            self.panes.line(&line);
        }
        Ok(())
    }

    fn rule(&mut self, rule: usize, stratum: usize) -> io::Result<()> {
        let own = &self.plan.rules()[rule];
        let (needed, order) = (needed(own), order(own));
        let waiting = self.waiting;
        let mut coded = by_pane(own, waiting.of_rule(rule)).into_iter().peekable();
        loop {
            let made = self.lines.peek().filter(|key| key.rule as usize == rule);
            let made = made.map(|key| key.pane);
            let first = coded.peek().map(|(pane, _)| *pane);
            let Some(pane) = made.into_iter().chain(first).min() else { return Ok(()) };
            let stretches = coded.next_if(|(own, _)| *own == pane).map(|(_, own)| own);
            let stretches = stretches.unwrap_or_default();
            let has = |source: &usize| stretches.iter().any(|own| own.bound().source == *source);
            // Of rows that were made already nobody knows of which sources they are.
            if made == Some(pane) || needed.iter().all(has) {
                self.pane((rule, stratum), pane, &order, &stretches)?;
            }
            while self.lines.peek().is_some_and(|k| (k.rule as usize, k.pane) == (rule, pane)) {
                self.lines.next()?;
            }
        }
    }

    fn pane(
        &mut self,
        (rule, stratum): (usize, usize),
        pane: i64,
        order: &[usize],
        stretches: &[Stretch<'_>],
    ) -> io::Result<()> {
        let Some(pipe) = self.plan.pipe(rule) else { return Ok(()) };
        for source in order {
            let (rule, source) = (rule as u32, *source as u32);
            let is_wanted = self.panes.turn(rule, pane, source);
            if is_wanted {
                let own = |stretch: &&Stretch<'_>| stretch.bound().source == source as usize;
                for stretch in stretches.iter().filter(own) {
                    self.piped.take_coded(pipe, stratum, stretch, Some(pane));
                }
            }
            let mut spool = self.piped.take_spool(stratum)?;
            let is_next = |lines: &Lines| {
                lines.peek().is_some_and(|k| (k.rule, k.pane, k.source) == (rule, pane, source))
            };
            while is_next(&self.lines) {
                let Some(line) = self.lines.next()? else { break };
                spool.push(line.key, &line.columns)?;
            }
            if is_wanted && !spool.is_empty() {
                let mut lines = Lines::new(vec![spool])?;
                self.spilled += lines.spilled;
                while let Some(line) = lines.next()? {
                    self.panes.line(&line);
                }
            }
        }
        Ok(())
    }
}

/// What waits for a rule by the panes it is in.
fn by_pane<'w>(
    rule: &Rule,
    stretches: impl Iterator<Item = Stretch<'w>>,
) -> BTreeMap<i64, Vec<Stretch<'w>>> {
    let mut by_pane: BTreeMap<i64, Vec<Stretch<'w>>> = BTreeMap::new();
    let panes = |time| piped::Panes::of(rule.clock, Some(Time::from_ticks(time)));
    for stretch in stretches {
        let (from, to) = stretch.span();
        let mut last = panes(from);
        let mut all: BTreeSet<i64> = last.clone().into_iter().flatten().collect();
        if panes(to) != last {
            for time in stretch.times() {
                let own = panes(time);
                if own != last {
                    all.extend(own.clone().into_iter().flatten());
                    last = own;
                }
            }
        }
        all.into_iter().for_each(|pane| by_pane.entry(pane).or_default().push(stretch));
    }
    by_pane
}

/// The sources without a row of which there is no result.
fn needed(rule: &Rule) -> BTreeSet<usize> {
    let mut of_stages: Vec<BTreeSet<usize>> = Vec::with_capacity(rule.stages.len());
    for (at, stage) in rule.stages.iter().enumerate() {
        let inputs = stage.inputs.iter().map(|input| match input {
            Input::Source(source) => of_source(rule, *source),
            Input::Stage(before) if *before < at => of_stages[*before].clone(),
            Input::Stage(_) => BTreeSet::new(),
        });
        let inputs: Vec<BTreeSet<usize>> = inputs.collect();
        of_stages.push(match &stage.kind {
            StageKind::Rows(kind) => needed_by(kind, &inputs),
            _ => BTreeSet::new(),
        });
    }
    of_stages.pop().unwrap_or_else(|| of_source(rule, 0))
}

fn of_source(rule: &Rule, source: usize) -> BTreeSet<usize> {
    let reads_events = rule.sources.get(source).and_then(Source::filtered).is_some();
    reads_events.then_some(source).into_iter().collect()
}

fn needed_by(stage: &RowStage, inputs: &[BTreeSet<usize>]) -> BTreeSet<usize> {
    let first = || inputs.first().cloned().unwrap_or_default();
    let all = || inputs.iter().flatten().copied().collect();
    match stage {
        RowStage::Join(join) => match join.kind {
            JoinKind::Inner | JoinKind::Semi => all(),
            JoinKind::Left | JoinKind::Anti => first(),
        },
        RowStage::ForEachRow { .. } => all(),
        RowStage::Aggregate(aggregate) if aggregate.empty_row && aggregate.by.is_empty() => {
            BTreeSet::new()
        }
        // Rows may come out where none goes in.
        RowStage::AppendColumns { .. } | RowStage::Totals(_) | RowStage::Transpose { .. } => {
            BTreeSet::new()
        }
        RowStage::Append => {
            let others = inputs.iter().skip(1);
            others.fold(first(), |all, own| all.intersection(own).copied().collect())
        }
        _ => first(),
    }
}
