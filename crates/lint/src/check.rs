//! From a ledger to a report: every rule by itself over threads, then rules beside each other.

use std::sync::atomic::{AtomicUsize, Ordering};

use rulestone_dialects::spl::NEVER;
use rulestone_ir::{Level, Span};
use rulestone_rules::{Entry, Ledger};

use crate::checks::{case, duplicates, filters, near_miss, never, values};
use crate::prover::Prover;
use crate::report::{Ability, Remark, Report};
use crate::{Class, lint};

/// Looks at every rule of a ledger whose texts were kept.
pub fn check(ledger: &Ledger, jobs: usize) -> Report {
    let mut report = Report::default();
    for (at, (mut remarks, ability)) in each(ledger, jobs).into_iter().enumerate() {
        remarks.iter_mut().for_each(|remark| remark.entry = at);
        report.remarks.extend(remarks);
        report.abilities.push(ability);
    }
    report.remarks.extend(
        duplicates::check(ledger).into_iter().map(|(entry, diagnostic)| Remark {
            entry,
            class: Class::Suspicious,
            diagnostic,
        }),
    );
    report.remarks.sort_by_key(|remark| {
        let span = remark.diagnostic.span;
        (remark.entry, span.start, span.end, remark.diagnostic.code)
    });
    report.remarks.dedup();
    report
}

/// What a diagnostic means for a rule, where it is a remark of the lint: its code says so, or it says
/// that the rule is broken.
pub fn class_of(diagnostic: &rulestone_ir::Diagnostic) -> Option<Class> {
    let known = lint(diagnostic.code).map(|lint| lint.class);
    known.or((diagnostic.level == Level::Invalid).then_some(Class::Broken))
}

type Own = (Vec<Remark>, Ability);

/// Rules by turns over threads; results in the order of the rules.
fn each(ledger: &Ledger, jobs: usize) -> Vec<Own> {
    let next = AtomicUsize::new(0);
    let entries = &ledger.entries;
    let work = || {
        let mut prover = Prover::default();
        let mut own = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(entry) = entries.get(at) else { return own };
            own.push((at, of_entry(entry, &mut prover)));
        }
    };
    let mut all: Vec<(usize, Own)> = std::thread::scope(|scope| {
        let jobs = jobs.clamp(1, entries.len().max(1));
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect()
    });
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, own)| own).collect()
}

fn of_entry(entry: &Entry, prover: &mut Prover) -> Own {
    let said = entry.diagnostics.iter().filter_map(|diagnostic| {
        let class = match class_of(diagnostic)? {
            // What keeps an alternative silent need not keep the rule so.
            Class::NeverFires if !diagnostic.message.ends_with(NEVER) => Class::Suspicious,
            class => class,
        };
        Some(Remark { entry: 0, class, diagnostic: diagnostic.clone() })
    });
    let mut remarks: Vec<Remark> = said.collect();
    let Some(rule) = entry.runnable() else { return (remarks, Ability::NotRun) };
    let asked = filters::of(rule);
    let never::Said { ability, remarks: own } =
        never::check(rule, entry.text.as_deref().unwrap_or_default(), &asked, prover);
    // What the language found while reading is the cause, and more to the point.
    let explained = remarks.iter().any(|remark| remark.class == Class::NeverFires);
    let mut add = |class, diagnostic| remarks.push(Remark { entry: 0, class, diagnostic });
    for (class, diagnostic) in own {
        if !(explained && diagnostic.code == "never-fires") {
            add(class, diagnostic);
        }
    }
    let said: Vec<(&str, Span)> =
        entry.diagnostics.iter().map(|said| (said.code, said.span)).collect();
    for asked in asked.iter().flatten() {
        let found = [values::check(asked), case::check(asked), near_miss::check(asked)];
        found.into_iter().flatten().for_each(|diagnostic| {
            // The language sees the text, and says the same more to the point.
            let Span { start, end } = diagnostic.span;
            let same = |(code, span): &(&str, Span)| {
                *code == diagnostic.code && span.start < end && start < span.end
            };
            if said.iter().any(same) {
                return;
            }
            let class = lint(diagnostic.code).map_or(Class::Suspicious, |lint| lint.class);
            add(class, diagnostic);
        });
    }
    soften(&mut remarks, ability);
    (remarks, ability)
}

/// What never fires is a part of a rule where the rule itself may.
fn soften(remarks: &mut [Remark], ability: Ability) {
    if ability != Ability::Never {
        let never = remarks.iter_mut().filter(|remark| remark.class == Class::NeverFires);
        never.for_each(|remark| remark.class = Class::Suspicious);
    }
}
