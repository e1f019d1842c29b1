//! Filters of stages that can be asked of the event itself: the matcher then sees them, and what
//! they refuse makes no row.
//!
//! The stages stay where they are. What is asked of the event is necessary for a row of it to
//! come through, not more: a filter over a group's key asks for an element of the event's list.

use std::sync::Arc;

use rulestone_ir::{
    AbsentSource, Case, Elements, Field, Formula, Input, Join, JoinKind, Predicate, RowStage, Rule,
    Schema, Source, StageKind, Table, Test,
};
use rulestone_value::{Glob, Value};

use super::traced::{Column, Looked, Traced};
use crate::reference::element_passes;

/// Rows of a table that are asked of the event at most.
const MOST_ROWS: usize = 4096;

/// Stages of a table's side that are looked back over.
const DEEPEST: usize = 100;

/// What an event has to satisfy for a source to let it through that can be told from the event
/// alone: the source's filter, and what the stages behind it ask of columns that the event has.
pub(super) fn filter(rule: &Rule, source: usize) -> Option<Formula> {
    let (scope, filter) = rule.sources[source].filtered()?;
    let mut parts = vec![filter.clone()];
    if rule.is_pipeline() {
        Pushing { rule, schema: scope.schema }.behind(source, &mut parts);
    }
    Some(Formula::and(parts))
}

struct Pushing<'r> {
    rule: &'r Rule,
    schema: Schema,
}

impl Pushing<'_> {
    fn behind(&self, source: usize, parts: &mut Vec<Formula>) {
        let mut columns = Traced::of_event();
        let mut from = Input::Source(source);
        while let Some(at) = only_reader(self.rule, from) {
            let stage = &self.rule.stages[at];
            let StageKind::Rows(kind) = &stage.kind else { return };
            match kind {
                RowStage::Filter { condition } => {
                    push(parts, self.asked(condition, false, &columns))
                }
                RowStage::Join(join) if stage.inputs.first() == Some(&from) => match join.kind {
                    JoinKind::Semi => {
                        let others = stage.inputs.get(1).copied();
                        push(parts, self.looked_for(join, others, &columns));
                    }
                    JoinKind::Anti => {}
                    JoinKind::Inner | JoinKind::Left => return,
                },
                kind if stage.inputs.len() > 1 || !columns.pass(kind) => return,
                _ => {}
            }
            from = Input::Stage(at);
        }
    }

    /// What an event needs so that one of its rows can pass.
    fn asked(&self, formula: &Formula, negated: bool, columns: &Traced) -> Formula {
        let parts = |parts: &[Formula]| {
            parts.iter().map(|part| self.asked(part, negated, columns)).collect::<Vec<_>>()
        };
        match formula {
            Formula::And(all) if !negated => all_of(parts(all)),
            Formula::Or(some) if negated => all_of(parts(some)),
            Formula::And(some) | Formula::Or(some) => one_of(parts(some)),
            Formula::Not(part) => self.asked(part, !negated, columns),
            Formula::Group(group) => self.asked(&group.formula, negated, columns),
            Formula::Test(predicate) => self.tested(predicate, negated, columns),
            Formula::IsTrue(_) => Formula::TRUE,
        }
    }

    fn tested(&self, predicate: &Predicate, negated: bool, columns: &Traced) -> Formula {
        let Field::Named { schema, name } = &predicate.field else { return Formula::TRUE };
        let own = |name: &Arc<str>| Field::Named { schema: *schema, name: name.clone() };
        match columns.get(name) {
            Some(Column::Event { name, split: false, .. }) => {
                let Some(test) = self.test_of_event(&predicate.test, columns) else {
                    return Formula::TRUE;
                };
                let test =
                    Formula::Test(Predicate { field: own(&name), test, ..predicate.clone() });
                if negated { Formula::not(test) } else { test }
            }
            column if is_of_text(&predicate.test) => {
                let Predicate { test, case, .. } = predicate;
                self.element(column.as_ref(), test, *case, negated)
            }
            _ => Formula::TRUE,
        }
    }

    /// The same test of the event, where all that it reads is the event's.
    fn test_of_event(&self, test: &Test, columns: &Traced) -> Option<Test> {
        let Test::SameAs(other, relation) = test else { return Some(test.clone()) };
        let Field::Named { schema, name } = other else { return None };
        match columns.get(name)? {
            Column::Event { name, split: false, .. } => {
                Some(Test::SameAs(Field::Named { schema: *schema, name }, *relation))
            }
            _ => None,
        }
    }

    /// What an event needs so that an element of a column passes a test of its text, or fails it.
    fn element(&self, column: Option<&Column>, test: &Test, case: Case, negated: bool) -> Formula {
        match column {
            Some(Column::Event { name, fill, .. }) => {
                let ask = |test: Test, elements| {
                    let field = Field::Named { schema: self.schema, name: name.clone() };
                    let span = Default::default();
                    Formula::Test(Predicate { field, elements, test, case, span })
                };
                if negated {
                    return Formula::not(ask(test.clone(), Elements::All));
                }
                let passes = ask(test.clone(), Elements::Any);
                match fill {
                    Some(fill) if element_passes(test, case, fill) => {
                        one_of(vec![passes, Formula::not(ask(Test::Exists, Elements::Any))])
                    }
                    _ => passes,
                }
            }
            Some(Column::Looked(looked)) if !negated => self.looked_up(looked, test, case),
            _ => Formula::TRUE,
        }
    }

    /// What an event needs so that a row of a table that passes a test is found for it.
    fn looked_up(&self, looked: &Looked, test: &Test, case: Case) -> Formula {
        let table = &looked.table;
        let passes = |text: &str| element_passes(test, case, &Value::string(text));
        let default = table.matching.default.as_deref();
        if table.matching.min > 0 && default.is_some_and(passes) {
            return Formula::TRUE;
        }
        let rows = table.rows.iter();
        let rows = rows.filter(|row| row.get(looked.column).is_some_and(|text| passes(text)));
        let case = if table.matching.ignore_case { Case::Insensitive } else { Case::Sensitive };
        let mut ways = Vec::new();
        for row in rows {
            let cells = looked.on.iter().map(|(at, has_stars, column)| {
                let text = row.get(*at).map_or("", |text| text);
                self.element(Some(column), &fits(text, *has_stars), case, false)
            });
            ways.push(all_of(cells.collect()));
            if ways.len() > MOST_ROWS {
                return Formula::TRUE;
            }
        }
        if let Some(before) = &looked.before {
            // Where no row fits, the column stays what it was.
            ways.push(self.element(Some(before), test, case, false));
        }
        one_of(ways)
    }

    /// What an event needs so that it is among the rows of a table.
    fn looked_for(&self, join: &Join, others: Option<Input>, columns: &Traced) -> Formula {
        let Some((table, names)) = others.and_then(|others| self.table(others, DEEPEST)) else {
            return Formula::TRUE;
        };
        if table.rows.len() > MOST_ROWS {
            return Formula::TRUE;
        }
        let is_asked = |name: &Arc<str>| match join.on.is_empty() {
            true => !name.starts_with('_'),
            false => join.on.contains(name),
        };
        let names: Vec<_> = names.iter().filter(|(name, _)| is_asked(name)).collect();
        let case = if join.ignore_case { Case::Insensitive } else { Case::Sensitive };
        let rows = table.rows.iter().map(|row| {
            let cells = names.iter().filter_map(|(name, at)| {
                let text = row.get(*at).filter(|text| !text.is_empty())?;
                Some(self.element(columns.get(name).as_ref(), &fits(text, true), case, false))
            });
            cells.collect::<Vec<_>>()
        });
        // A row without any of the columns is not looked for.
        one_of(rows.filter(|cells| !cells.is_empty()).map(all_of).collect())
    }

    /// The table whose rows an input has, with the names that its columns have there.
    fn table(&self, input: Input, deepest: usize) -> Option<(&Table, Names)> {
        match input {
            Input::Source(at) => {
                let Source::Table { table, .. } = self.rule.sources.get(at)? else { return None };
                Some((table, table.columns.iter().cloned().zip(0..).collect()))
            }
            Input::Stage(at) => {
                let stage = self.rule.stages.get(at)?;
                let [before] = stage.inputs[..] else { return None };
                let StageKind::Rows(kind) = &stage.kind else { return None };
                let (table, mut names) = self.table(before, deepest.checked_sub(1)?)?;
                match kind {
                    RowStage::Rename { pairs, absent } => {
                        for (old, new) in pairs {
                            rename(&mut names, old.name()?, new.name()?, *absent)?;
                        }
                    }
                    RowStage::Project(project) => names.retain(|(name, _)| project.passes(name)),
                    _ => return None,
                }
                Some((table, names))
            }
        }
    }
}

/// Names with the columns of a table that they stand for.
type Names = Vec<(Arc<str>, usize)>;

/// Renames a column of a table; `None` where rows that lack it keep what the other was.
fn rename(names: &mut Names, old: &Arc<str>, new: &Arc<str>, absent: AbsentSource) -> Option<()> {
    let at = names.iter().find(|(name, _)| name == old).map(|(_, at)| *at);
    if old == new || (absent == AbsentSource::Nothing && at.is_none()) {
        return Some(());
    }
    let replaces = names.iter().any(|(name, _)| name == new);
    if replaces && absent == AbsentSource::Nothing {
        return None;
    }
    names.retain(|(name, _)| name != old && name != new);
    names.extend(at.map(|at| (new.clone(), at)));
    Some(())
}

fn push(parts: &mut Vec<Formula>, part: Formula) {
    if part != Formula::TRUE {
        parts.push(part);
    }
}

fn all_of(mut parts: Vec<Formula>) -> Formula {
    parts.retain(|part| *part != Formula::TRUE);
    Formula::and(parts)
}

fn one_of(parts: Vec<Formula>) -> Formula {
    if parts.contains(&Formula::TRUE) { Formula::TRUE } else { Formula::or(parts) }
}

/// The test of a text in a table's cell.
fn fits(text: &str, has_stars: bool) -> Test {
    match has_stars && text.contains('*') {
        true => Test::Wildcard(Glob::stars(text)),
        false => Test::Equals(text.to_owned()),
    }
}

/// Whether a test asks for the text of one value alone: values of one text are one group.
fn is_of_text(test: &Test) -> bool {
    matches!(
        test,
        Test::Equals(_)
            | Test::StartsWith(_)
            | Test::EndsWith(_)
            | Test::Contains(_)
            | Test::Wildcard(_)
            | Test::Term(..)
            | Test::Regex(_)
    )
}

/// The stage that reads an input, if only one does.
fn only_reader(rule: &Rule, input: Input) -> Option<usize> {
    let reads = |(_, stage): &(usize, &rulestone_ir::Stage)| stage.inputs.contains(&input);
    let mut readers = rule.stages.iter().enumerate().filter(reads);
    let (at, _) = readers.next()?;
    readers.next().is_none().then_some(at)
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use rulestone_ir::{Aggregate, Lookup, LookupOutput, Matching, NamePattern, NullKey, Span};

    use super::*;
    use crate::reference::row_holds;
    use crate::stages::rows::notation::{Row, names, print, rows, rule, run};

    struct Named(Row);

    impl crate::reference::Row for Named {
        fn value(&self, _: Schema, name: &Arc<str>) -> Rc<Value> {
            let value = self.0.iter().find(|(own, _)| **own == **name);
            Rc::new(value.map(|(_, value)| value.clone()).unwrap_or_default())
        }

        fn any(&self, passes: &mut dyn FnMut(&Value) -> bool) -> bool {
            self.0.iter().any(|(_, value)| passes(value))
        }
    }

    fn is(name: &str, text: &str) -> Formula {
        Formula::Test(Predicate {
            field: Field::Named { schema: Schema::Raw, name: name.into() },
            elements: Elements::Any,
            test: fits(text, true),
            case: Case::Insensitive,
            span: Span::default(),
        })
    }

    fn filter(condition: Formula) -> RowStage {
        RowStage::Filter { condition }
    }

    fn groups(by: &str, null: NullKey) -> RowStage {
        let by = names(by).into_iter().map(|name| (name.clone(), format!("m.{name}").into()));
        let (by, measures) = (by.collect(), Vec::new());
        RowStage::Aggregate(Aggregate { by, null, measures, empty_row: false })
    }

    fn rename(old: &str, new: &str, absent: AbsentSource) -> RowStage {
        let pairs = vec![(NamePattern::new(old), NamePattern::new(new))];
        RowStage::Rename { pairs, absent }
    }

    fn table(columns: &str, rows: &[&str], matching: Matching) -> Arc<Table> {
        let cells = |row: &&str| row.split('|').map(Arc::from).collect();
        let rows = rows.iter().map(cells).collect();
        Arc::new(Table { name: "t".into(), columns: names(columns), rows, matching })
    }

    fn lookup(matching: Matching) -> RowStage {
        let name: Arc<str> = "v".into();
        RowStage::Lookup(Lookup {
            table: table("k v", &["x|yes", "y|no", "z*|yes"], matching),
            on: vec![("k".into(), "k".into())],
            output: vec![LookupOutput { column: name.clone(), into: name, keeps: false }],
        })
    }

    /// Holds the rows that a rule's source lets through against those expected; what comes out of
    /// them has to be what comes out of all.
    #[track_caller]
    fn check(rule: &Arc<Rule>, input: &str, expected: &str) {
        let asked = filter_of(rule);
        let all = rows(input).into_iter().map(Named);
        let through: Vec<Row> = all.filter(|row| row_holds(&asked, row)).map(|row| row.0).collect();
        let through = print(&through);
        assert_eq!(through, print(&rows(expected)), "{:?}", rule.stages);
        let sources = |first| vec![first, ""];
        let sources = |first| sources(first)[..rule.sources.len()].to_vec();
        assert_eq!(run(rule, &sources(input)), run(rule, &sources(&through)), "{:?}", rule.stages);
    }

    fn filter_of(rule: &Rule) -> Formula {
        super::filter(rule, 0).expect("a source of events")
    }

    fn chain(stages: Vec<RowStage>) -> Arc<Rule> {
        let input = |at: usize| if at == 0 { Input::Source(0) } else { Input::Stage(at - 1) };
        let stages = stages.into_iter().enumerate().map(|(at, stage)| (stage, vec![input(at)]));
        rule(1, stages.collect())
    }

    #[test]
    fn what_is_asked_behind_a_group_is_asked_of_the_event() {
        let fill = || NullKey::Fill("null".into());
        let short = || rename("m.*", "*", AbsentSource::Clears);
        let input = "k=x h=1\nk=[y,x] h=2\nk=y\nh=3";
        for (stages, expected) in [
            (vec![groups("k", fill()), short(), filter(is("k", "x"))], "k=x h=1\nk=[y,x] h=2"),
            (vec![groups("k", fill()), filter(is("m.k", "n*"))], "h=3"),
            (
                vec![groups("k", NullKey::Drop), short(), filter(Formula::not(is("k", "x")))],
                "k=[y,x] h=2\nk=y\nh=3",
            ),
            (
                vec![
                    groups("k h", fill()),
                    short(),
                    filter(Formula::or([is("k", "y"), is("h", "3")])),
                ],
                "k=[y,x] h=2\nk=y\nh=3",
            ),
            // A name that nobody knows any more says nothing.
            (vec![groups("k", fill()), short(), filter(is("m.k", "x"))], input),
            (vec![groups("h", fill()), short(), filter(is("k", "x"))], input),
            (vec![rename("k", "h", AbsentSource::Nothing), filter(is("h", "1"))], input),
            (
                vec![rename("k", "h", AbsentSource::Clears), filter(is("h", "x"))],
                "k=x h=1\nk=[y,x] h=2",
            ),
            // What is kept of some rows depends on the others.
            (
                vec![
                    RowStage::Limit { rows: 1, from: rulestone_ir::End::Head },
                    filter(is("k", "y")),
                ],
                input,
            ),
        ] {
            check(&chain(stages), input, expected);
        }
    }

    #[test]
    fn what_is_asked_of_a_table_is_asked_of_the_event() {
        let stars = vec![("k".into(), rulestone_ir::MatchType::Wildcard)];
        let stars = Matching { columns: stars, ..Matching::default() };
        let default = Matching { min: 1, default: Some("yes".to_owned()), ..Matching::default() };
        let input = "k=x\nk=X\nk=y\nk=zz\nk=y v=yes\nv=no";
        for (matching, expected) in [
            (Matching::default(), "k=x\nk=y v=yes"),
            (Matching { ignore_case: true, ..Matching::default() }, "k=x\nk=X\nk=y v=yes"),
            (stars, "k=x\nk=zz\nk=y v=yes"),
            (default, input),
        ] {
            check(&chain(vec![lookup(matching), filter(is("v", "yes"))]), input, expected);
        }
        let not = Formula::not(is("v", "yes"));
        check(&chain(vec![lookup(Matching::default()), filter(not)]), input, input);
    }

    #[test]
    fn rows_of_a_table_are_asked_of_the_event() {
        let join = |kind, on: &str| {
            RowStage::Join(Join {
                kind,
                on: names(on),
                most: None,
                overwrite: true,
                ignore_case: true,
            })
        };
        let input = "k=X h=1\nk=[a,zoo] h=2\nk=y h=1\nh=3";
        for (kind, on, expected) in [
            (JoinKind::Semi, "", "k=X h=1\nk=[a,zoo] h=2"),
            (JoinKind::Semi, "h", "k=X h=1\nk=y h=1"),
            (JoinKind::Anti, "", input),
            (JoinKind::Left, "h", input),
        ] {
            let stages = vec![
                (rename("n", "k", AbsentSource::Clears), vec![Input::Source(1)]),
                (join(kind, on), vec![Input::Source(0), Input::Stage(0)]),
            ];
            let mut own = (*rule(2, stages)).clone();
            let table = table("n h", &["x|1", "z*|", "|"], Matching::default());
            own.sources[1] = Source::Table { table, span: Span::default() };
            check(&Arc::new(own), input, expected);
        }
    }
}
