//! Filters of stages that can be asked of the event itself: the matcher then sees them, and what
//! they refuse makes no row.

use std::collections::BTreeSet;
use std::sync::Arc;

use rulestone_ir::{
    Extractor, Field, FillFields, Formula, Input, NamePattern, RowStage, Rule, StageKind, Target,
};

/// What an event has to satisfy for a source to let it through that can be told from the event
/// alone: the source's filter, and of the filters behind it the parts that test columns which no
/// stage between them writes. Those stages stay, since only tests move.
pub(super) fn filter(rule: &Rule, source: usize) -> Option<Formula> {
    let (_, filter) = rule.sources[source].filtered()?;
    let mut parts = vec![filter.clone()];
    if rule.is_pipeline() {
        behind(rule, source, &mut parts);
    }
    Some(Formula::and(parts))
}

fn behind(rule: &Rule, source: usize, parts: &mut Vec<Formula>) {
    let mut written = BTreeSet::new();
    let mut from = Input::Source(source);
    while let Some(at) = only_reader(rule, from) {
        let StageKind::Rows(stage) = &rule.stages[at].kind else { return };
        if rule.stages[at].inputs.len() > 1 {
            return;
        }
        match stage {
            RowStage::Filter { condition } => {
                let kept = conjuncts(condition).into_iter().filter(|part| can_move(part, &written));
                parts.extend(kept.cloned());
            }
            stage => {
                if !writes(stage, &mut written) {
                    return;
                }
            }
        }
        from = Input::Stage(at);
    }
}

/// The stage that reads an input, if only one does.
fn only_reader(rule: &Rule, input: Input) -> Option<usize> {
    let reads = |(_, stage): &(usize, &rulestone_ir::Stage)| stage.inputs.contains(&input);
    let mut readers = rule.stages.iter().enumerate().filter(reads);
    let (at, _) = readers.next()?;
    readers.next().is_none().then_some(at)
}

fn conjuncts(formula: &Formula) -> Vec<&Formula> {
    match formula {
        Formula::And(parts) => parts.iter().flat_map(conjuncts).collect(),
        other => vec![other],
    }
}

fn can_move(part: &Formula, written: &BTreeSet<Arc<str>>) -> bool {
    let mut own = true;
    part.fields(&mut |field| match field {
        Field::Named { name, .. } => own &= !written.contains(name),
        Field::Any => own = false,
    });
    own && part.is_of_tests()
}

/// Adds the columns a stage may write; false where nobody knows them, or where rows come out
/// that are none of its input.
fn writes(stage: &RowStage, written: &mut BTreeSet<Arc<str>>) -> bool {
    match stage {
        RowStage::Compute { steps } => steps.iter().all(|(target, _)| match target {
            Target::Name(name) => {
                written.insert(name.clone());
                true
            }
            Target::Indirect(_) | Target::Each(..) => false,
        }),
        RowStage::Rename { pairs, .. } => {
            let sides = pairs.iter().flat_map(|(old, new)| [old, new]);
            sides.map(NamePattern::name).all(|name| {
                written.extend(name.cloned());
                name.is_some()
            })
        }
        RowStage::Extract(extract) => match &extract.by {
            Extractor::Captures { regex, offsets, .. } => {
                written.extend(offsets.iter().cloned());
                written.extend(groups(&regex.pattern));
                true
            }
            Extractor::Replace { .. } | Extractor::Translate(..) => {
                written.insert(extract.from.clone());
                true
            }
            Extractor::Paths { path: Some((_, into)) } => {
                written.insert(into.clone());
                true
            }
            _ => false,
        },
        RowStage::Bin { into, .. } => {
            written.insert(into.clone());
            true
        }
        RowStage::Fill { fields: FillFields::Names(names), .. } => {
            written.extend(names.iter().cloned());
            true
        }
        RowStage::Expand { field, limit: None } => {
            written.insert(field.clone());
            true
        }
        RowStage::Lookup(lookup) => {
            written.extend(lookup.output.iter().map(|output| output.into.clone()));
            true
        }
        _ => false,
    }
}

/// The names of an expression's groups.
fn groups(pattern: &str) -> impl Iterator<Item = Arc<str>> {
    pattern.split("(?").skip(1).filter_map(|rest| {
        let rest = rest.strip_prefix('P').unwrap_or(rest).strip_prefix('<')?;
        rest.split_once('>').map(|(name, _)| name.into())
    })
}
