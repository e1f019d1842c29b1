//! Rules that can never fire, and alternatives of them that never hold: asked of the prover.

use std::collections::BTreeSet;
use std::sync::Arc;

use rulestone_ir::{Diagnostic, Formula, RowStage, Rule, Span, StageKind};

use super::filters::{Asked, conjuncts};
use super::{say, span_of, words};
use crate::Class;
use crate::facts;
use crate::prover::{Claim, Lists, Prover, Verdict, WRITTEN};
use crate::report::Ability;

/// What is said of one rule's filters.
#[derive(Debug)]
pub(crate) struct Said {
    /// Whether it can fire.
    pub(crate) ability: Ability,
    /// Remarks, each with what it means.
    pub(crate) remarks: Vec<(Class, Diagnostic)>,
}

/// Alternatives of one rule that are looked at.
const ALTERNATIVES: usize = 1_500;

/// Looks at the filters of a rule.
pub(crate) fn check(
    rule: &Rule,
    text: &str,
    asked: &[Option<Asked<'_>>],
    prover: &mut Prover,
) -> Said {
    let mut remarks = Vec::new();
    let mut abilities = Vec::new();
    // A rule with several sources may fire by the others.
    let class = if asked.len() > 1 { Class::Suspicious } else { Class::NeverFires };
    for asked in asked {
        let Some(asked) = asked else {
            abilities.push(Ability::CannotTell);
            continue;
        };
        let whole = rule.origin.span;
        abilities.push(of_source(asked, text, (class, whole), prover, &mut remarks));
    }
    let all = |wanted| !abilities.is_empty() && abilities.iter().all(|own| *own == wanted);
    let ability = if all(Ability::Never) && !makes_rows(rule) {
        remarks.iter_mut().for_each(|(class, _)| *class = Class::NeverFires);
        Ability::Never
    } else if all(Ability::Can) {
        Ability::Can
    } else {
        Ability::CannotTell
    };
    Said { ability, remarks }
}

/// Whether a rule has rows where there are no events: a count of nothing is a row.
fn makes_rows(rule: &Rule) -> bool {
    let makes = |kind: &StageKind| match kind {
        StageKind::Rows(RowStage::Aggregate(aggregate)) => aggregate.empty_row,
        StageKind::Rows(RowStage::Continue { .. }) => true,
        _ => false,
    };
    rule.stages.iter().any(|stage| makes(&stage.kind))
}

fn of_source(
    asked: &Asked<'_>,
    text: &str,
    (class, whole): (Class, Span),
    prover: &mut Prover,
    remarks: &mut Vec<(Class, Diagnostic)>,
) -> Ability {
    let (claims, formulas) = asked.all();
    let claims: Vec<&Claim> = claims.iter().collect();
    let single = |field: &str| facts::is_single(field, asked.scope);
    let plain = prover.decide_claims(&claims, Lists::Guessed(&single));
    // A row without lists is a row: what holds there can hold.
    if let Verdict::Can(_) = plain {
        dead_alternatives(asked, text, prover, remarks);
        return Ability::Can;
    }
    let full = prover.decide_claims(&claims, Lists::Known(&single));
    match (plain, full) {
        (_, Verdict::Never) => {
            let core = core(&claims, Lists::Known(&single), prover);
            remarks.push((class, never(&formulas, &core, whole)));
            Ability::Never
        }
        (Verdict::Never, _) => {
            let core = core(&claims, Lists::Guessed(&single), prover);
            let mut said = never(&formulas, &core, whole);
            let fields = fields(&core, &claims);
            said.message
                .push_str(&format!(", unless {} has several values at once", listed(&fields)));
            remarks.push((Class::Suspicious, said));
            Ability::CannotTell
        }
        (_, Verdict::Can(_)) => Ability::Can,
        _ => {
            dead_alternatives(asked, text, prover, remarks);
            Ability::CannotTell
        }
    }
}

/// The parts that cannot hold together, none of which can be left out.
fn core(claims: &[&Claim], lists: Lists<'_>, prover: &mut Prover) -> Vec<usize> {
    let mut core: Vec<usize> = (0..claims.len()).collect();
    for part in 0..claims.len() {
        let without: Vec<usize> = core.iter().copied().filter(|own| *own != part).collect();
        let asked: Vec<&Claim> = without.iter().map(|own| claims[*own]).collect();
        if prover.decide_claims(&asked, lists) == Verdict::Never {
            core = without;
        }
    }
    core
}

/// The fields that more than one part of a core asks something of.
fn fields(core: &[usize], claims: &[&Claim]) -> BTreeSet<Arc<str>> {
    let mut fields = BTreeSet::new();
    let mut shared = BTreeSet::new();
    for part in core {
        let mut own = BTreeSet::new();
        claims[*part].literals(&mut |literal| {
            own.insert(literal.field.clone());
        });
        shared.extend(own.iter().filter(|field| fields.contains(*field)).cloned());
        fields.extend(own);
    }
    if shared.is_empty() { fields } else { shared }
}

fn listed(fields: &BTreeSet<Arc<str>>) -> String {
    let names = fields.iter().map(|field| field.split(WRITTEN).next().unwrap_or_default());
    let all: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    all.join(" or ")
}

/// What is said of parts that cannot hold together.
fn never(formulas: &[&Formula], core: &[usize], whole: Span) -> Diagnostic {
    let parts: Vec<&Formula> = core.iter().map(|part| formulas[*part]).collect();
    let (outs, ins): (Vec<&Formula>, Vec<&Formula>) =
        parts.iter().partition(|part| matches!(part, Formula::Not(_)));
    let text =
        |parts: &[&Formula]| parts.iter().map(|part| words(part)).collect::<Vec<_>>().join(" and ");
    let place =
        |parts: &[&Formula]| parts.iter().rev().find_map(|part| span_of(part)).unwrap_or(whole);
    match (&*ins, &*outs) {
        ([], []) => say("never-fires", "nothing satisfies the rule", whole),
        ([one], []) | ([], [one]) if span_of(one).is_none() => {
            let message = "a filter is false for every row, or rows are grouped by what none has";
            say("never-fires", message, whole)
        }
        ([one], []) | ([], [one]) => {
            let message = format!("nothing satisfies {}", words(one));
            say("never-fires", message, span_of(one).unwrap_or(whole))
        }
        (ins, []) => {
            let message = format!("no event can satisfy all of {}", text(ins));
            say("contradiction", message, place(ins))
        }
        (ins, outs) => {
            let kept: Vec<String> = outs.iter().map(|part| words(part)).collect();
            let message = format!(
                "of what {} selects nothing is left by {}",
                if ins.is_empty() { "the rule".to_owned() } else { text(ins) },
                kept.join(" and "),
            );
            say("swallowed-selection", message, place(outs))
        }
    }
}

/// Looks for alternatives of an `or` that cannot hold beside the rest of the rule.
fn dead_alternatives(
    asked: &Asked<'_>,
    text: &str,
    prover: &mut Prover,
    remarks: &mut Vec<(Class, Diagnostic)>,
) {
    let mut walk = Walk { asked, text, prover, remarks, left: ALTERNATIVES };
    let claims: Vec<Claim> = asked.parts.iter().map(|part| Claim::of(part)).collect();
    for (at, part) in asked.parts.iter().enumerate() {
        let beside = others(&claims, at);
        walk.alternatives(part, &beside);
    }
}

fn others(claims: &[Claim], at: usize) -> Vec<&Claim> {
    claims.iter().enumerate().filter(|(own, _)| *own != at).map(|(_, claim)| claim).collect()
}

struct Walk<'w, 'r> {
    asked: &'w Asked<'r>,
    text: &'w str,
    prover: &'w mut Prover,
    remarks: &'w mut Vec<(Class, Diagnostic)>,
    left: usize,
}

impl Walk<'_, '_> {
    fn alternatives(&mut self, formula: &Formula, beside: &[&Claim]) {
        match formula {
            Formula::Group(group) => self.alternatives(&group.formula, beside),
            Formula::And(_) => {
                let parts = conjuncts(formula);
                let claims: Vec<Claim> = parts.iter().map(|part| Claim::of(part)).collect();
                for (at, part) in parts.iter().enumerate() {
                    let mut all = beside.to_vec();
                    all.extend(others(&claims, at));
                    self.alternatives(part, &all);
                }
            }
            Formula::Or(parts) => {
                for part in parts {
                    if !self.is_dead(part, beside) {
                        self.alternatives(part, beside);
                    }
                }
            }
            Formula::Test(_) | Formula::Not(_) | Formula::IsTrue(_) => {}
        }
    }

    fn is_dead(&mut self, part: &Formula, beside: &[&Claim]) -> bool {
        let Some(span) = span_of(part) else { return false };
        // What a macro stands for is not this rule's to say: one for all logs is meant to have more.
        let is_macro = self.text.get(span.start..).is_some_and(|rest| rest.starts_with('`'));
        let own = Claim::of(part);
        let related = related(&own, beside);
        let alone = related.is_empty() && matches!(part, Formula::Test(_));
        if is_macro || alone || self.left == 0 {
            return false;
        }
        self.left -= 1;
        let single = |field: &str| facts::is_single(field, self.asked.scope);
        if self.prover.decide_claims(&[&own], Lists::Guessed(&single)) == Verdict::Never {
            self.dead_by_itself(part, &own, span);
            return true;
        }
        let mut all = related;
        all.push(&own);
        if self.prover.decide_claims(&all, Lists::Guessed(&single)) != Verdict::Never {
            return false;
        }
        let sure = self.prover.decide_claims(&all, Lists::Known(&single)) == Verdict::Never;
        let mut message =
            format!("the rest of the rule lets no event take the alternative {}", words(part));
        if !sure {
            message.push_str(" but one whose field has several values at once");
        }
        self.remarks.push((Class::Suspicious, say("contradiction", message, span)));
        true
    }

    /// Says which parts of an alternative cannot hold together.
    fn dead_by_itself(&mut self, part: &Formula, own: &Claim, span: Span) {
        let single = |field: &str| facts::is_single(field, self.asked.scope);
        let inner = match part {
            Formula::Group(group) => &*group.formula,
            part => part,
        };
        let formulas = conjuncts(inner);
        let claims: Vec<Claim> = formulas.iter().map(|part| Claim::of(part)).collect();
        let claims: Vec<&Claim> = claims.iter().collect();
        let core = core(&claims, Lists::Guessed(&single), self.prover);
        let mut said = never(&formulas, &core, span);
        said.message.push_str("; so the alternative finds nothing");
        if self.prover.decide_claims(&[own], Lists::Known(&single)) != Verdict::Never {
            let fields = fields(&core, &claims);
            let unless = format!(", unless {} has several values at once", listed(&fields));
            said.message.push_str(&unless);
        }
        self.remarks.push((Class::Suspicious, said));
    }
}

/// The claims that share a field with one: others cannot rule it out.
fn related<'c>(own: &Claim, beside: &[&'c Claim]) -> Vec<&'c Claim> {
    let mut fields = BTreeSet::new();
    own.literals(&mut |literal| {
        fields.insert(literal.field.clone());
    });
    let shares = |claim: &&&Claim| {
        let mut shares = false;
        claim.literals(&mut |literal| shares |= fields.contains(&literal.field));
        shares
    };
    beside.iter().filter(shares).copied().collect()
}
