//! Rules that are about other rules: references are resolved, building blocks marked, filters
//! joined to the rules they name.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rulestone_dialects::containers::{Effect, Filter};
use rulestone_ir::{Diagnostic, Formula, Level, Rule, Scope, Source, Span, Status};

use crate::{Entry, Ledger, Skip};

impl Ledger {
    /// Brings the rules of all files together, once all of them are read.
    pub(crate) fn link(&mut self) {
        let names = Names::new(&self.entries);
        self.load_referred(&names);
        while self.refuse_unresolved(&names) {}
        self.refuse_circles(&names);
        while self.refuse_unresolved(&names) {}
        self.mark_building_blocks(&names);
        self.apply_filters();
    }

    /// A rule as if nobody built on it, and the rules it refers to as building blocks: what it
    /// takes to run it by itself.
    pub fn with_referred(&self, rule: &Rule) -> Vec<Arc<Rule>> {
        let mut own = rule.clone();
        own.trigger.building_block = false;
        let mut rules = vec![Arc::new(own)];
        let mut at = 0;
        while let Some(rule) = rules.get(at).cloned() {
            for (id, _) in references(&rule) {
                let mut entries = self.entries.iter().filter(|entry| *entry.meta.id == *id);
                let known = rules.iter().any(|rule| *rule.meta.id == *id);
                if let (false, Some(Ok(rule))) = (known, entries.next().map(|entry| &entry.rule)) {
                    let mut block = (**rule).clone();
                    block.trigger.building_block = true;
                    rules.push(Arc::new(block));
                }
            }
            at += 1;
        }
        rules
    }

    /// What a loaded rule refers to is loaded, whether or not it was asked for.
    fn load_referred(&mut self, names: &Names) {
        let mut open: Vec<usize> = (0..self.entries.len()).collect();
        while let Some(at) = open.pop() {
            let Ok(rule) = &self.entries[at].rule else { continue };
            for (name, _) in references(rule) {
                let Some(found) = names.find(&name) else { continue };
                let entry = &mut self.entries[found];
                if let (Err(Skip::Selection(_)), Some(rule)) = (&entry.rule, entry.aside.take()) {
                    entry.rule = Ok(rule);
                    open.push(found);
                }
            }
        }
    }

    /// Rules that refer to what is not there, or cannot run, cannot run either. Returns whether
    /// there was one.
    fn refuse_unresolved(&mut self, names: &Names) -> bool {
        let mut refused = false;
        for at in 0..self.entries.len() {
            let Ok(rule) = &self.entries[at].rule else { continue };
            let mut wrong = Vec::new();
            for (name, span) in references(rule) {
                let (message, help) = match names.find(&name) {
                    None => (
                        format!("no rule has the id or name `{name}`"),
                        "load the rule as well: `-r FILE`",
                    ),
                    Some(found) if self.entries[found].rule.is_err() => (
                        format!("the rule `{name}` cannot run"),
                        "see what is said about that rule",
                    ),
                    Some(_) => continue,
                };
                let code = "rule-not-loaded";
                let level = Level::Unsupported;
                wrong.push(Diagnostic::new(level, code, message, span).with_help(help));
            }
            refused |= !wrong.is_empty();
            self.refuse(at, wrong);
        }
        refused
    }

    /// Rules that read themselves, through however many others.
    fn refuse_circles(&mut self, names: &Names) {
        let reads: Vec<Vec<usize>> = self
            .entries
            .iter()
            .map(|entry| {
                let rule = entry.rule.as_ref().ok();
                let referred = rule.into_iter().flat_map(|rule| references(rule));
                referred.filter_map(|(name, _)| names.find(&name)).collect()
            })
            .collect();
        for at in 0..self.entries.len() {
            if !reads[at].is_empty() && reaches(&reads, at) {
                let span = self.entries[at]
                    .rule
                    .as_ref()
                    .ok()
                    .and_then(|rule| references(rule).first().map(|(_, span)| *span));
                let message = "this rule reads itself, or a rule that does";
                let (level, span) = (Level::Invalid, span.unwrap_or_default());
                let circle = Diagnostic::new(level, "rule-circle", message, span);
                self.refuse(at, vec![circle.with_help("remove one of the references")]);
            }
        }
    }

    fn refuse(&mut self, at: usize, wrong: Vec<Diagnostic>) {
        if wrong.is_empty() {
            return;
        }
        let entry = &mut self.entries[at];
        entry.diagnostics.extend(wrong);
        entry.status = Status::of(&entry.diagnostics);
        entry.rule = Err(Skip::Status(entry.status));
    }

    /// Writes the ids of rules that are referred to, and keeps the alerts of those from the user
    /// that nobody wants by themselves.
    fn mark_building_blocks(&mut self, names: &Names) {
        let (mut blocks, mut own) = (BTreeSet::new(), BTreeSet::new());
        for at in 0..self.entries.len() {
            let entry = &self.entries[at];
            let Ok(rule) = &entry.rule else { continue };
            let found: Vec<Option<usize>> =
                references(rule).iter().map(|(name, _)| names.find(name)).collect();
            if found.is_empty() {
                continue;
            }
            let into = if entry.effect == Effect::Absorbs { &mut blocks } else { &mut own };
            into.extend(found.iter().flatten().copied());
            let ids: Vec<Option<Arc<str>>> = found
                .iter()
                .map(|at| at.map(|at| Arc::from(self.entries[at].meta.id.as_str())))
                .collect();
            if let Ok(rule) = &mut self.entries[at].rule {
                write_ids(Arc::make_mut(rule), &ids);
            }
        }
        for at in blocks.difference(&own) {
            if let Ok(rule) = &mut self.entries[*at].rule {
                Arc::make_mut(rule).trigger.building_block = true;
            }
        }
    }

    fn apply_filters(&mut self) {
        for at in 0..self.entries.len() {
            let Effect::Filters(filter) = &self.entries[at].effect else { continue };
            if !self.entries[at].status.runs() {
                continue;
            }
            let filter = filter.clone();
            let joined = self.apply(&filter, at);
            self.entries[at].rule = Err(Skip::Filter(joined));
        }
    }

    /// Joins a filter to the rules it is about; returns how many.
    fn apply(&mut self, filter: &Filter, at: usize) -> usize {
        let mut joined = 0;
        let mut unused: Vec<(Arc<str>, Span)> = filter.rules.clone();
        for entry in &mut self.entries {
            let is_it = |(name, _): &(Arc<str>, Span)| is_named(entry, name);
            if !filter.rules.is_empty() && !filter.rules.iter().any(is_it) {
                continue;
            }
            unused.retain(|named| !is_it(named));
            if let Ok(rule) = &mut entry.rule {
                joined += usize::from(join(Arc::make_mut(rule), filter));
            }
        }
        for (name, span) in unused {
            let message = format!("no rule has the id or name `{name}`");
            let note = Diagnostic::new(Level::Note, "filter-unused", message, span);
            self.entries[at].diagnostics.push(note);
        }
        joined
    }
}

/// Joins a filter to the sources that have its log source.
fn join(rule: &mut Rule, filter: &Filter) -> bool {
    let has = |scope: &Scope| {
        filter.scope.keys.iter().all(|(key, value)| scope.keys.get(key) == Some(value))
    };
    let mut joined = false;
    for source in &mut rule.sources {
        if let Source::Events { scope, filter: own } | Source::Alerts { scope, filter: own } =
            source
            && has(scope)
        {
            let whole = std::mem::replace(own, Formula::TRUE);
            *own = Formula::and([whole, filter.formula.clone()]);
            joined = true;
        }
    }
    joined
}

fn is_named(entry: &Entry, name: &str) -> bool {
    entry.meta.id.eq_ignore_ascii_case(name) || (!name.is_empty() && entry.meta.name == name)
}

/// The rules a rule refers to, with the places.
fn references(rule: &Rule) -> Vec<(Arc<str>, Span)> {
    let referred = rule.sources.iter().filter_map(|source| match source {
        Source::RuleRef { rule, span, .. } => Some((rule.clone(), *span)),
        _ => None,
    });
    referred.collect()
}

fn write_ids(rule: &mut Rule, ids: &[Option<Arc<str>>]) {
    let mut ids = ids.iter();
    for source in &mut rule.sources {
        if let Source::RuleRef { rule, .. } = source
            && let Some(Some(id)) = ids.next()
        {
            *rule = id.clone();
        }
    }
}

fn reaches(reads: &[Vec<usize>], start: usize) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), reads[start].clone());
    while let Some(at) = open.pop() {
        if at == start {
            return true;
        }
        if seen.insert(at) {
            open.extend(&reads[at]);
        }
    }
    false
}

/// Rules by what others may call them. The first of several with one id or name is meant.
struct Names {
    ids: HashMap<String, usize>,
    names: HashMap<String, usize>,
}

impl Names {
    fn new(entries: &[Entry]) -> Names {
        let (mut ids, mut names) = (HashMap::new(), HashMap::new());
        for (at, entry) in entries.iter().enumerate() {
            if matches!(entry.effect, Effect::Filters(_)) {
                continue;
            }
            ids.entry(entry.meta.id.to_lowercase()).or_insert(at);
            if !entry.meta.name.is_empty() {
                names.entry(entry.meta.name.clone()).or_insert(at);
            }
        }
        Names { ids, names }
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.names.get(name).or_else(|| self.ids.get(&name.to_lowercase())).copied()
    }
}
