//! Which rules can run on the logs that were read, and what keeps the others from it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bit_set::BitSet;
use foldhash::fast::RandomState;
use rulestone_events::{ScopeKind, Tally};
use rulestone_ir::{Comparison, Field, Predicate, Source, Test};

use super::Plan;
use super::served::Served;

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
        let mut scopes = Scopes::new(self);
        let mut summary = BindSummary::default();
        for rule in 0..self.rules.len() {
            let can_run = !able[rule].is_empty();
            let fields = std::mem::take(&mut missing[rule]);
            summary.obstacles.push(match can_run {
                true => None,
                false if !fields.is_empty() => {
                    Some(Obstacle::NoField(fields.into_iter().collect()))
                }
                false => Some(self.unseen(rule, seen[rule], &mut scopes)),
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
    fn unseen<'p>(&'p self, rule: usize, seen: bool, scopes: &mut Scopes<'p>) -> Obstacle {
        let read = self.read_by(rule);
        let own = scopes.find(&read);
        if own.kinds().next().is_none() {
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
            return self.unseen_ids(&read, &own, scopes);
        }
        let absent = own.kinds().map(|kind| Absent { label: kind.label(), logs: kind.logs() });
        Obstacle::NoEvent(in_order(absent.collect()))
    }

    /// The channel was there, but not the event ids that the rule itself asks for.
    fn unseen_ids(
        &self,
        read: &BTreeSet<usize>,
        own: &Found<'_>,
        scopes: &mut Scopes<'_>,
    ) -> Obstacle {
        let mut ids: BTreeSet<u32> = BTreeSet::new();
        let sources = read.iter().flat_map(|rule| &self.rules[*rule].sources);
        for (_, filter) in sources.filter_map(Source::filtered) {
            filter.for_each_predicate(&mut |predicate| {
                let pattern = predicate.test.pattern();
                if let Test::Equals(_) | Test::Number(Comparison::Equal, _) = &predicate.test
                    && let Ok(id) = pattern.trim_start_matches("= ").parse::<u32>()
                    && scopes.is_event_id(predicate, own)
                {
                    ids.insert(id);
                }
            });
        }
        let mut absent = Vec::new();
        for kind in own.kinds() {
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

/// Which kinds the sources of rules look at.
struct Scopes<'p> {
    plan: &'p Plan,
    /// For each scope what is known of its kinds.
    served: Vec<Served<'p>>,
    /// For each rule its scopes, in their order, with its sources in them.
    of_rule: HashMap<usize, BTreeMap<usize, Vec<usize>>, RandomState>,
}

impl<'p> Scopes<'p> {
    fn new(plan: &'p Plan) -> Scopes<'p> {
        let mut of_rule: HashMap<usize, BTreeMap<usize, Vec<usize>>, RandomState> =
            HashMap::default();
        for (at, scope) in plan.scopes.iter().enumerate() {
            for member in &scope.members {
                let scopes = of_rule.entry(member.rule).or_default();
                scopes.entry(at).or_default().push(member.source);
            }
        }
        let served = plan.scopes.iter().map(|scope| Served::new(&scope.kinds)).collect();
        Scopes { plan, served, of_rule }
    }

    /// The kinds whose events may satisfy a source of one of some rules.
    fn find(&mut self, rules: &BTreeSet<usize>) -> Found<'p> {
        let plan = self.plan;
        let mut by_scope: BTreeMap<usize, BitSet> = BTreeMap::new();
        for rule in rules {
            for (scope, sources) in self.of_rule.get(rule).into_iter().flatten() {
                let sources = sources.iter().map(|source| &plan.rules[*rule].sources[*source]);
                for (_, filter) in sources.filter_map(Source::filtered) {
                    let kinds = self.served[*scope].by(filter);
                    by_scope.entry(*scope).or_default().union_with(&kinds);
                }
            }
        }
        for (scope, kinds) in &mut by_scope {
            kinds.intersect_with(&self.served[*scope].tables());
        }
        Found { plan, by_scope }
    }

    /// Whether a predicate asks for the id of the events of some of the kinds.
    fn is_event_id(&mut self, predicate: &Predicate, found: &Found<'_>) -> bool {
        let Field::Named { name, .. } = &predicate.field else { return false };
        let mut kinds = found.by_scope.iter();
        kinds.any(|(scope, kinds)| self.served[*scope].is_event_id(name, kinds))
    }
}

/// Kinds, by their scope.
struct Found<'p> {
    plan: &'p Plan,
    by_scope: BTreeMap<usize, BitSet>,
}

impl<'p> Found<'p> {
    /// In the order of the scopes.
    fn kinds(&self) -> impl Iterator<Item = &'p ScopeKind> {
        let plan = self.plan;
        self.by_scope.iter().flat_map(move |(scope, kinds)| {
            kinds.iter().map(move |at| &*plan.scopes[*scope].kinds[at])
        })
    }
}

/// Each once.
fn in_order(mut absent: Vec<Absent>) -> Vec<Absent> {
    absent.sort();
    absent.dedup();
    absent
}
