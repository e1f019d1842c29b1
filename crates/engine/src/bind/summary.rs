//! Which rules can run on the logs that were read, and what keeps the others from it.

use std::collections::BTreeSet;
use std::sync::Arc;

use rulestone_events::{Expr, ScopeKind, Tally};
use rulestone_ir::{Comparison, Field, Formula, Predicate, Source, Test};
use rulestone_value::Value;

use super::{BoundScope, Plan};
use crate::matcher::over_elements;
use crate::reference::element_passes;
use crate::strata::truth;

/// Which rules can run on the logs that were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BindSummary {
    /// For each rule of the plan, what keeps it from firing, if something does.
    pub obstacles: Vec<Option<Obstacle>>,
    /// For each rule that can run, through which stand-ins alone.
    pub stand_ins: Vec<BTreeSet<String>>,
}

/// Events that were not there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Absent {
    /// What they are: `Security 4688`.
    pub label: String,
    /// The logs they would stand in.
    pub logs: Vec<String>,
}

/// What keeps a rule from firing on given logs, whatever is in them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// None of the kinds that serve it was there; any of them would do.
    NoEvent(Vec<Absent>),
    /// Its kinds were there, without a field that it needs; the fields' names.
    NoField(Vec<Arc<str>>),
    /// No table says which events serve its scope, and no record of unknown kind was there.
    NoTable(String),
    /// Events of its kinds cannot satisfy it: it asks for an event id that its scope never has.
    Never,
}

impl Plan {
    /// Which rules could have fired on the events that were counted.
    pub fn summary(&self, tally: &Tally) -> BindSummary {
        let mut able: Vec<BTreeSet<Option<String>>> = vec![BTreeSet::new(); self.rules.len()];
        let mut missing: Vec<BTreeSet<Arc<str>>> = vec![BTreeSet::new(); self.rules.len()];
        let mut seen = vec![false; self.rules.len()];
        for (kind, counted) in &tally.kinds {
            let program = self.program(kind);
            for scope in &self.scopes {
                if scope.kinds.iter().any(|k| k.matches(kind)) {
                    scope.members.iter().for_each(|member| seen[member.rule] = true);
                }
            }
            let absent = program.absent(counted);
            for bound in &program.rules {
                match program.missing_fields(bound, &absent) {
                    None => {
                        able[bound.rule].insert(bound.scope_kind.stand_in.clone());
                    }
                    Some(fields) => missing[bound.rule].extend(fields),
                }
            }
        }
        self.pass_on(&mut able, &mut missing, &mut seen);
        let mut summary = BindSummary::default();
        for rule in 0..self.rules.len() {
            let can_run = !able[rule].is_empty();
            let fields = std::mem::take(&mut missing[rule]);
            summary.obstacles.push(match can_run {
                true => None,
                false if !fields.is_empty() => {
                    Some(Obstacle::NoField(fields.into_iter().collect()))
                }
                false => Some(self.unseen(rule, seen[rule])),
            });
            let own = able[rule].contains(&None);
            let stand_ins = std::mem::take(&mut able[rule]).into_iter().flatten();
            summary.stand_ins.push(if own { BTreeSet::new() } else { stand_ins.collect() });
        }
        summary
    }

    /// Rules that read what others find can run where those can: each lower stratum first.
    fn pass_on(
        &self,
        able: &mut [BTreeSet<Option<String>>],
        missing: &mut [BTreeSet<Arc<str>>],
        seen: &mut [bool],
    ) {
        let mut order: Vec<usize> = (0..self.rules.len()).collect();
        order.sort_by_key(|rule| self.strata.of[*rule]);
        for rule in order {
            for read in self.strata.references[rule].clone().into_iter().flatten() {
                let own = able[read].clone();
                able[rule].extend(own);
                let fields = missing[read].clone();
                missing[rule].extend(fields);
                seen[rule] |= seen[read];
            }
            let over_alerts = |source: &Source| matches!(source, Source::Alerts { .. });
            if self.rules[rule].sources.iter().any(over_alerts) {
                // Alerts are made here, so there is nothing that logs have to bring.
                able[rule].insert(None);
            }
        }
    }

    /// The rules whose sources a rule reads, through references and by itself.
    fn read_by(&self, rule: usize) -> BTreeSet<usize> {
        let (mut all, mut open) = (BTreeSet::new(), vec![rule]);
        while let Some(rule) = open.pop() {
            if all.insert(rule) {
                open.extend(self.strata.references[rule].iter().flatten());
            }
        }
        all
    }

    /// Why a rule that no program has is in none.
    fn unseen(&self, rule: usize, seen: bool) -> Obstacle {
        let read = self.read_by(rule);
        let kinds = self.scopes.iter().flat_map(|scope| self.served(scope, &read));
        let own: Vec<&ScopeKind> =
            kinds.filter(|kind| !kind.raw && kind.stand_in.is_none()).collect();
        if own.is_empty() {
            if seen {
                return Obstacle::Never;
            }
            let sources = read.iter().flat_map(|rule| &self.rules[*rule].sources);
            let Some((scope, _)) = sources.filter_map(Source::filtered).next() else {
                return Obstacle::Never;
            };
            return Obstacle::NoTable(scope.to_string());
        }
        if seen {
            return self.unseen_ids(rule, &own);
        }
        let absent = own.into_iter().map(|kind| Absent { label: kind.label(), logs: kind.logs() });
        Obstacle::NoEvent(in_order(absent.collect()))
    }

    /// The kinds of a scope whose events may satisfy one of the rules that look at it.
    fn served<'s>(&'s self, scope: &'s BoundScope, read: &BTreeSet<usize>) -> Vec<&'s ScopeKind> {
        let members = scope.members.iter().filter(|member| read.contains(&member.rule));
        let sources = members.map(|member| &self.rules[member.rule].sources[member.source]);
        let filters: Vec<&Formula> =
            sources.filter_map(|source| Some(source.filtered()?.1)).collect();
        let may_serve = |kind: &&ScopeKind| {
            let known = |predicate: &Predicate| known_of(predicate, kind);
            filters.iter().any(|filter| truth(filter, &known) != Some(false))
        };
        scope.kinds.iter().map(|kind| &**kind).filter(may_serve).collect()
    }

    /// The channel was there, but not the event ids that the rule itself asks for.
    fn unseen_ids(&self, rule: usize, kinds: &[&ScopeKind]) -> Obstacle {
        let mut ids: BTreeSet<u32> = BTreeSet::new();
        let read = self.read_by(rule);
        let sources = read.iter().flat_map(|rule| &self.rules[*rule].sources);
        for (_, filter) in sources.filter_map(Source::filtered) {
            filter.for_each_predicate(&mut |predicate| {
                if kinds.iter().any(|kind| is_event_id(predicate, kind))
                    && let Test::Equals(_) | Test::Number(Comparison::Equal, _) = &predicate.test
                {
                    ids.extend(predicate.test.pattern().trim_start_matches("= ").parse::<u32>());
                }
            });
        }
        let mut absent = Vec::new();
        for kind in kinds {
            let logs = kind.logs();
            let wanted = ids.iter().filter(|id| kind.allows_event_id(**id));
            absent.extend(wanted.map(|id| Absent {
                label: format!("{} {id}", logs.join("/")),
                logs: logs.clone(),
            }));
        }
        match absent.is_empty() {
            true => Obstacle::Never,
            false => Obstacle::NoEvent(in_order(absent)),
        }
    }
}

/// What a predicate is for all events of an entry's kinds, if the tables settle it.
fn known_of(predicate: &Predicate, kind: &ScopeKind) -> Option<bool> {
    let Field::Named { name, .. } = &predicate.field else { return None };
    if let Expr::Constant(value) = kind.field(name)
        && !matches!(predicate.test, Test::SameAs(..))
    {
        let passes = |element: &Value| element_passes(&predicate.test, predicate.case, element);
        return Some(over_elements(predicate.elements, value.elements(), passes));
    }
    match &predicate.test {
        Test::Equals(text) if is_event_id(predicate, kind) => {
            let allowed = text.parse().is_ok_and(|id| kind.allows_event_id(id));
            if allowed { None } else { Some(false) }
        }
        _ => None,
    }
}

/// Whether a predicate asks for the event's id.
fn is_event_id(predicate: &Predicate, kind: &ScopeKind) -> bool {
    match &predicate.field {
        Field::Named { name, .. } => kind.field(name) == Expr::Raw("EventID".into()),
        Field::Any => false,
    }
}

/// Each once.
fn in_order(mut absent: Vec<Absent>) -> Vec<Absent> {
    absent.sort();
    absent.dedup();
    absent
}
