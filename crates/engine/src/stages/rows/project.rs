//! `Project`: keeps or drops columns.

use rulestone_ir::{Keep, NamePattern, Project};

use super::{Refusal, RowWise, Run};
use crate::row::{Names, Slot, Tuple};

#[derive(Debug)]
pub(super) struct ProjectStage {
    /// By slot: whether a name without a star says so.
    named: Vec<bool>,
    patterns: Vec<NamePattern>,
    keeps: bool,
    keeps_internal: bool,
}

impl ProjectStage {
    pub(super) fn new(project: &Project, names: &mut Names) -> Self {
        let mut named = Vec::new();
        let mut patterns = Vec::new();
        for pattern in &project.names {
            match pattern.name() {
                Some(name) => {
                    let slot = names.slot(name);
                    if named.len() <= slot {
                        named.resize(slot + 1, false);
                    }
                    named[slot] = true;
                }
                None => patterns.push(pattern.clone()),
            }
        }
        ProjectStage {
            named,
            patterns,
            keeps: project.mode == Keep::Keep,
            keeps_internal: project.mode == Keep::Keep && project.internal == Keep::Keep,
        }
    }

    fn passes(&self, names: &Names, slot: Slot) -> bool {
        let name = names.name(slot);
        let meant = self.named.get(slot).copied().unwrap_or_default()
            || self.patterns.iter().any(|pattern| pattern.matches(name));
        meant == self.keeps || (self.keeps_internal && name.starts_with('_'))
    }
}

impl RowWise for ProjectStage {
    fn apply(&self, run: &mut Run, mut row: Tuple, out: &mut Vec<Tuple>) -> Result<(), Refusal> {
        for (slot, value) in row.values.iter_mut().enumerate() {
            if !value.is_null() && !self.passes(&run.names, slot) {
                *value = rulestone_value::Value::Null;
            }
        }
        let width = row.values.iter().rposition(|value| !value.is_null()).map_or(0, |at| at + 1);
        row.values.truncate(width);
        if row.values.capacity() > width * 2 {
            row.values.shrink_to_fit();
        }
        out.push(row);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rulestone_ir::{Keep, NamePattern, Project, RowStage};

    use crate::stages::rows::notation::{check, names};

    fn project(patterns: &str, mode: Keep, internal: Keep) -> RowStage {
        let names = names(patterns).into_iter().map(NamePattern::new).collect();
        RowStage::Project(Project { names, mode, internal, ordered: false })
    }

    #[test]
    fn keeps_and_drops() {
        let input = "_time=@5 a=1 ab=[1,2] b=3\nb=4";
        for (patterns, mode, internal, expected) in [
            ("a b", Keep::Keep, Keep::Drop, "a=1 b=3\nb=4"),
            ("a b", Keep::Keep, Keep::Keep, "_time=@5 a=1 b=3\nb=4"),
            ("a*", Keep::Keep, Keep::Drop, "a=1 ab=[1,2]\n-"),
            ("a*", Keep::Drop, Keep::Keep, "_time=@5 b=3\nb=4"),
            ("_time b", Keep::Drop, Keep::Keep, "a=1 ab=[1,2]\n-"),
            ("absent", Keep::Keep, Keep::Drop, "-\n-"),
        ] {
            check(project(patterns, mode, internal), input, expected);
        }
    }
}
