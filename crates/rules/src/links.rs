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

#[cfg(test)]
mod tests {
    use rulestone_dialects::Environment;

    use super::*;
    use crate::{Selection, load_texts};

    /// A rule about events of a log source, `product/service`, with what its condition becomes.
    fn rule(id: &str, source: &str, condition: &str) -> String {
        let (product, service) = source.split_once('/').unwrap();
        format!(
            "title: Rule {id}\nid: {id}\nname: name-{id}\n\
             logsource: {{product: {product}, service: {service}}}\n\
             detection: {{s: {{EventID: 1}}, condition: {condition}}}\n---\n"
        )
    }

    fn on_events(id: &str) -> String {
        rule(id, "windows/security", "s")
    }

    fn refers(id: &str, to: &str, more: &str) -> String {
        format!(
            "title: Rule {id}\nid: {id}\nname: name-{id}\ncorrelation: {{type: event_count, \
             rules: [{to}], timespan: 1m, condition: {{gte: 2}}{more}}}\n---\n"
        )
    }

    fn filter(rules: &str, source: &str) -> String {
        format!(
            "title: Filter\nid: filter\nlogsource: {{{source}}}\n\
             filter: {{rules: {rules}, s: {{User: adm}}, condition: not s}}\n---\n"
        )
    }

    /// What became of every rule: `id: runs`, with the codes of what is said of it.
    fn linked(text: &str, only: &[&str]) -> Vec<String> {
        let only = only.iter().map(|id| (*id).to_owned()).collect();
        let selection = Selection { only, ..Selection::default() };
        let ledger = load_texts(&[("rules.yml", text)], &Environment::default(), &selection);
        let line = |entry: &Entry| {
            let what = match &entry.rule {
                Ok(rule) if rule.trigger.building_block => "block".to_owned(),
                Ok(rule) => {
                    let filtered = |source: &Source| match source.filtered() {
                        Some((_, filter)) => matches!(filter, Formula::And(_)),
                        None => false,
                    };
                    let joined = rule.sources.iter().any(filtered);
                    if joined { "filtered" } else { "runs" }.to_owned()
                }
                Err(Skip::Selection(_)) => "not asked for".to_owned(),
                Err(Skip::Filter(rules)) => format!("filters {rules}"),
                Err(Skip::Status(status)) => status.as_str().to_owned(),
            };
            let codes: Vec<&str> = entry.diagnostics.iter().map(|said| said.code).collect();
            let line = format!("{}: {what} {}", entry.meta.id, codes.join(" "));
            line.trim_end().to_owned()
        };
        ledger.entries.iter().map(line).collect()
    }

    fn check(cases: &[(&str, String, &[&str], &[&str])]) {
        for (name, text, only, expected) in cases {
            assert_eq!(linked(text, only), *expected, "{name}");
        }
    }

    #[test]
    fn references() {
        let (a, x) = (on_events("a"), refers("x", "a", ""));
        let named = |name: &str| on_events("a") + &refers("x", name, "");
        check(&[
            ("by id", a.clone() + &x, &[], &["a: block", "x: runs"]),
            ("by name", named("name-a"), &[], &["a: block", "x: runs"]),
            ("an id in other case", named("A"), &[], &["a: block", "x: runs"]),
            (
                "a name in other case is another",
                named("Name-a"),
                &[],
                &["a: runs", "x: unsupported rule-not-loaded"],
            ),
            ("in any order", x.clone() + &a, &[], &["x: runs", "a: block"]),
            ("nothing of that name", x.clone(), &[], &["x: unsupported rule-not-loaded"]),
            (
                "a title is no name",
                named("Rule a"),
                &[],
                &["a: runs", "x: unsupported rule-not-loaded"],
            ),
            (
                "each that is missing is said",
                refers("x", "b, c", ""),
                &[],
                &["x: unsupported rule-not-loaded rule-not-loaded"],
            ),
            (
                "one that cannot run",
                rule("a", "windows/security", "t") + &x,
                &[],
                &["a: invalid unknown-identifier", "x: unsupported rule-not-loaded"],
            ),
            (
                "and whoever refers to that",
                refers("z", "y", "") + &refers("y", "x", "") + &x,
                &[],
                &[
                    "z: unsupported rule-not-loaded",
                    "y: unsupported rule-not-loaded",
                    "x: unsupported rule-not-loaded",
                ],
            ),
            (
                "a filter is no rule to refer to",
                refers("x", "filter", "") + &filter("any", "product: windows"),
                &[],
                &["x: unsupported rule-not-loaded", "filter: filters 0"],
            ),
        ]);
    }

    #[test]
    fn circles() {
        check(&[
            ("itself", refers("x", "x", ""), &[], &["x: invalid rule-circle"]),
            (
                "each other",
                refers("x", "y", "") + &refers("y", "name-x", ""),
                &[],
                &["x: invalid rule-circle", "y: invalid rule-circle"],
            ),
            (
                "who refers to a circle is not in it",
                refers("z", "x", "") + &refers("x", "x", "") + &on_events("a"),
                &[],
                &["z: unsupported rule-not-loaded", "x: invalid rule-circle", "a: runs"],
            ),
            (
                "two ways to one rule are no circle",
                on_events("a")
                    + &refers("x", "a", "")
                    + &refers("y", "a", "")
                    + &refers("z", "x, y", ""),
                &[],
                &["a: block", "x: block", "y: block", "z: runs"],
            ),
        ]);
    }

    #[test]
    fn what_is_referred_to_is_loaded() {
        let all = on_events("a")
            + &on_events("b")
            + &refers("x", "a", "")
            + &refers("y", "name-x", "")
            + &refers("z", "b", "");
        check(&[
            (
                "through others",
                all.clone(),
                &["y"],
                &["a: block", "b: not asked for", "x: block", "y: runs", "z: not asked for"],
            ),
            (
                "a rule alone",
                all.clone(),
                &["a"],
                &[
                    "a: runs",
                    "b: not asked for",
                    "x: not asked for",
                    "y: not asked for",
                    "z: not asked for",
                ],
            ),
            (
                "by title, and not less for being asked for beside",
                all,
                &["rule z", "b"],
                &[
                    "a: not asked for",
                    "b: block",
                    "x: not asked for",
                    "y: not asked for",
                    "z: runs",
                ],
            ),
            (
                "what cannot run is not loaded by that",
                rule("a", "windows/security", "t") + &refers("x", "a", ""),
                &["x"],
                &["a: not asked for unknown-identifier", "x: unsupported rule-not-loaded"],
            ),
        ]);
    }

    #[test]
    fn building_blocks() {
        let generates = ", generate: true";
        check(&[
            (
                "one that wants the alerts is enough",
                on_events("a") + &refers("x", "a", "") + &refers("y", "a", generates),
                &[],
                &["a: runs", "x: runs", "y: runs"],
            ),
            (
                "who wants them of one rule says nothing of others",
                on_events("a")
                    + &on_events("b")
                    + &refers("x", "a, b", "")
                    + &refers("y", "b", generates),
                &[],
                &["a: block", "b: runs", "x: runs", "y: runs"],
            ),
            (
                "a rule that cannot run silences nothing",
                on_events("a") + &refers("x", "a, gone", ""),
                &[],
                &["a: runs", "x: unsupported rule-not-loaded"],
            ),
        ]);
    }

    #[test]
    fn filters() {
        let rules =
            on_events("a") + &rule("b", "windows/system", "s") + &rule("c", "linux/auth", "s");
        let with = |rules_of: &str, source: &str| rules.clone() + &filter(rules_of, source);
        let windows = "product: windows";
        check(&[
            (
                "by id",
                with("[A]", windows),
                &[],
                &["a: filtered", "b: runs", "c: runs", "filter: filters 1"],
            ),
            (
                "by name",
                with("[name-b]", windows),
                &[],
                &["a: runs", "b: filtered", "c: runs", "filter: filters 1"],
            ),
            (
                "any of the log source",
                with("any", windows),
                &[],
                &["a: filtered", "b: filtered", "c: runs", "filter: filters 2"],
            ),
            (
                "whose log source is narrower",
                with("any", "product: windows, service: security"),
                &[],
                &["a: filtered", "b: runs", "c: runs", "filter: filters 1"],
            ),
            (
                "a named rule of another log source",
                with("[c]", windows),
                &[],
                &["a: runs", "b: runs", "c: runs", "filter: filters 0"],
            ),
            (
                "no such rule",
                with("[a, gone]", windows),
                &[],
                &["a: filtered", "b: runs", "c: runs", "filter: filters 1 filter-unused"],
            ),
            (
                "a rule that cannot run is there, and joins nothing",
                rule("a", "windows/security", "t") + &filter("[a]", windows),
                &[],
                &["a: invalid unknown-identifier", "filter: filters 0"],
            ),
            (
                "a rule that others refer to",
                on_events("a") + &refers("x", "a", "") + &filter("[a]", windows),
                &[],
                &["a: block", "x: runs", "filter: filters 1"],
            ),
        ]);
    }
}
