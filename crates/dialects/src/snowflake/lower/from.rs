//! What a query reads: tables, queries in brackets, joins.

use std::collections::BTreeSet;
use std::sync::Arc;

use rulestone_ir::{
    Comparison, Dedup, Expr, Formula, Function, Join, JoinKind, Keep, NamePattern, Project,
    RowStage, Scope, Source, Span,
};
use rulestone_value::Value;

use super::select::conjuncts;
use super::{Columns, Lowering, Rows};
use crate::snowflake::ast::{self, ExprKind, From, On, Query, Select, Table, TableKind};
use crate::snowflake::tables;

impl Lowering<'_> {
    /// The rows of everything behind `from`.
    pub(super) fn from(&mut self, from: &From, select: &Select) -> Rows {
        let wanted = wanted(from, select);
        // What is joined on the right is what everything else is joined to.
        if let [join] = &from.joins[..]
            && join.kind == ast::JoinKind::Right
        {
            let turned = ast::Join {
                table: from.first.clone(),
                kind: ast::JoinKind::Left,
                on: join.on.clone(),
            };
            let rows = self.table(&join.table, None);
            return self.join(rows, &turned, &wanted);
        }
        let mut rows = self.table(&from.first, None);
        for join in &from.joins {
            if join.kind == ast::JoinKind::Right {
                let message = "a right join is run where it is the only one";
                self.unsupported("unsupported-join", message, join.table.span);
            }
            rows = self.join(rows, join, &wanted);
        }
        rows
    }

    /// The rows of a table.
    fn table(&mut self, table: &Table, before: Option<Rows>) -> Rows {
        let mut rows = match &table.kind {
            TableKind::Name(last, whole) => self.named_table(last, whole, table.span),
            TableKind::Query(query) => self.query(query),
            TableKind::Flatten { of, outer } => {
                return self.flatten(before.unwrap_or_default(), table, of, *outer);
            }
        };
        let alias = match (&table.alias, &table.kind) {
            (Some(alias), _) => Some(alias.clone()),
            (None, TableKind::Name(last, _)) => Some(last.clone()),
            _ => None,
        };
        if !table.columns.is_empty() {
            rows = self.renamed(rows, &table.columns, table.span);
        }
        for columns in &mut rows.tables {
            columns.alias.clone_from(&alias);
        }
        rows
    }

    /// Rows whose columns have other names, by their places.
    fn renamed(&mut self, rows: Rows, names: &[String], span: Span) -> Rows {
        let Some(own) = rows.tables.first().and_then(|own| own.names.clone()) else { return rows };
        let pair = |(old, new): (&String, &String)| {
            (NamePattern::new(old.as_str()), NamePattern::new(new.as_str()))
        };
        let pairs = own.iter().zip(names).map(pair).collect();
        let stage = RowStage::Rename { pairs, absent: rulestone_ir::AbsentSource::Clears };
        let mut rows = self.push(rows, stage, "as", span);
        let rest = own.get(names.len()..).unwrap_or_default();
        let names = names.iter().chain(rest).cloned().collect();
        rows.tables = vec![Columns { names: Some(names), ..Columns::default() }];
        rows
    }

    /// A query with a name, a table that the user gave, or events.
    fn named_table(&mut self, last: &str, whole: &str, span: Span) -> Rows {
        let found = self.named.iter().rposition(|named| named.name == last && whole == last);
        if let Some(at) = found {
            // It sees those before it, and not itself.
            let named = self.named[at].clone();
            let hidden = self.named.split_off(at);
            let rows = self.query(&named.query);
            self.named.truncate(at);
            self.named.extend(hidden);
            return match named.columns.is_empty() {
                true => rows,
                false => self.renamed(rows, &named.columns, span),
            };
        }
        if let Some(table) = self.environment.tables.get(last).cloned() {
            let names = table.columns.iter().map(|name| name.to_ascii_lowercase()).collect();
            let place = self.place(span);
            let pair = |name: &Arc<str>| {
                (NamePattern::new(name.clone()), NamePattern::new(name.to_ascii_lowercase()))
            };
            let pairs: Vec<_> =
                table.columns.iter().map(pair).filter(|(old, new)| old != new).collect();
            let columns = Columns { names: Some(names), ..Columns::default() };
            let rows = self.source(Source::Table { table, span: place }, columns);
            if pairs.is_empty() {
                return rows;
            }
            let stage = RowStage::Rename { pairs, absent: rulestone_ir::AbsentSource::Clears };
            return self.push(rows, stage, "from", span);
        }
        let table = tables::find(last);
        if table.is_none() && !last.is_empty() {
            let near = crate::suggest::nearest(last, tables::NAMES.iter().copied());
            let message = format!("nothing is known of a table `{last}`: no event is in it");
            let mut said = rulestone_ir::Diagnostic::new(
                rulestone_ir::Level::Note,
                "unknown-table",
                message,
                self.place(span),
            );
            said.help = near.map(|near| format!("perhaps `{near}`"));
            if !self.diagnostics.contains(&said) {
                self.diagnostics.push(said);
            }
        }
        let keys = [("table".into(), table.unwrap_or(last).into())];
        let scope = Scope { schema: self.schema, keys: keys.into() };
        self.source(Source::Events { scope, filter: Formula::TRUE }, Columns::default())
    }

    /// A row for each element of a list: `value` is the element.
    fn flatten(&mut self, rows: Rows, table: &Table, of: &ast::Expr, outer: bool) -> Rows {
        let span = table.span;
        let place = self.place(of.span);
        let prefix = format!("{}.", table.alias.as_deref().unwrap_or("flatten"));
        let value: Arc<str> = format!("{prefix}value").into();
        let list = Expr::call(Function::ElementsOf, vec![self.expr(of, &rows)], place);
        let mut rows = self.compute(rows, vec![(value.clone(), list)], "flatten", span);
        if !outer {
            let there = Expr::call(Function::IsNotNull, vec![Expr::Field(value.clone())], place);
            rows = self.filter(rows, Formula::IsTrue(Box::new(there)), "flatten", span);
        }
        rows = self.push(rows, RowStage::Expand { field: value, limit: None }, "flatten", span);
        let names = Some(vec!["value".to_owned()]);
        rows.tables.push(Columns { alias: table.alias.clone(), prefix, names });
        rows
    }

    fn join(&mut self, left: Rows, join: &ast::Join, wanted: &Wanted) -> Rows {
        if let TableKind::Flatten { .. } = join.table.kind {
            return self.table(&join.table, Some(left));
        }
        let span = join.table.span;
        let right = self.table(&join.table, None);
        let (keys, rest) = self.sides(&left, &right, &join.on, span);
        if keys.is_empty() {
            let message = "a join is run where a column of one side equals one of the other";
            self.unsupported("unsupported-join", message, span);
        }
        let (lefts, rights): (Vec<ast::Expr>, Vec<ast::Expr>) = keys.into_iter().unzip();
        let (left, names) = self.keyed(left, &lefts, None, span);
        let (right, _) = self.keyed(right, &rights, Some(&names), span);
        let prefix = format!(
            "{}.",
            join.table.alias.clone().unwrap_or_else(|| match &join.table.kind {
                TableKind::Name(last, _) => last.clone(),
                _ => self.made().to_string(),
            })
        );
        let (right, columns) = self.prefixed(right, &prefix, &names, wanted, span);
        let kind = match join.kind {
            ast::JoinKind::Inner => JoinKind::Inner,
            _ => JoinKind::Left,
        };
        let mut rows = self.joined(left, &right, kind, names, span);
        rows.tables.push(columns);
        if !rest.is_empty() {
            if kind == JoinKind::Left {
                let message = "a left join is run on equal columns alone";
                self.unsupported("unsupported-join", message, span);
            }
            for part in rest {
                let formula = self.truth(&part, true, &rows);
                rows = self.filter(rows, formula, "on", part.span);
            }
        }
        rows
    }

    fn joined(
        &mut self,
        left: Rows,
        right: &Rows,
        kind: JoinKind,
        on: Vec<Arc<str>>,
        span: Span,
    ) -> Rows {
        let nothing = rulestone_ir::Input::Source(0);
        let inputs = vec![left.input.unwrap_or(nothing), right.input.unwrap_or(nothing)];
        let stage = Join { kind, on: on.clone(), most: None, overwrite: false, ignore_case: false };
        let input = self.stage(inputs, RowStage::Join(stage), "join", span);
        let rows = Rows { input: Some(input), source: None, ..left };
        let project = Project {
            names: on.into_iter().map(NamePattern::new).collect(),
            mode: Keep::Drop,
            internal: Keep::Keep,
            ordered: false,
        };
        self.push(rows, RowStage::Project(project), "join", span)
    }

    /// The pairs of expressions that have to be equal, and what else has to hold.
    fn sides(
        &mut self,
        left: &Rows,
        right: &Rows,
        on: &On,
        span: Span,
    ) -> (Vec<(ast::Expr, ast::Expr)>, Vec<ast::Expr>) {
        let (mut keys, mut rest) = (Vec::new(), Vec::new());
        match on {
            // Every row fits every other.
            On::Anything => {
                let one = ast::Expr::new(ExprKind::Literal(Value::Integer(1)), span);
                keys.push((one.clone(), one));
            }
            On::Using(names) => {
                for name in names {
                    let column = ExprKind::Column { table: None, name: name.clone() };
                    let column = ast::Expr::new(column, span);
                    keys.push((column.clone(), column));
                }
            }
            On::Holds(on) => {
                for part in conjuncts(on) {
                    match &part.kind {
                        ExprKind::Compare(Comparison::Equal, a, b) => {
                            match (side(a, left, right), side(b, left, right)) {
                                (Some(false), Some(true)) => {
                                    keys.push(((**a).clone(), (**b).clone()))
                                }
                                (Some(true), Some(false)) => {
                                    keys.push(((**b).clone(), (**a).clone()))
                                }
                                _ => rest.push(part.clone()),
                            }
                        }
                        _ => rest.push(part.clone()),
                    }
                }
            }
        }
        (keys, rest)
    }

    /// Rows with the columns that they are joined by.
    fn keyed(
        &mut self,
        rows: Rows,
        keys: &[ast::Expr],
        names: Option<&[Arc<str>]>,
        span: Span,
    ) -> (Rows, Vec<Arc<str>>) {
        let mut steps = Vec::new();
        let mut out = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            let name = match names.and_then(|names| names.get(at)) {
                Some(name) => name.clone(),
                None => self.made(),
            };
            steps.push((name.clone(), self.expr(key, &rows)));
            out.push(name);
        }
        (self.compute(rows, steps, "join", span), out)
    }

    /// Rows whose columns have a table in front of their names, and nothing else but the keys.
    fn prefixed(
        &mut self,
        rows: Rows,
        prefix: &str,
        keys: &[Arc<str>],
        wanted: &Wanted,
        span: Span,
    ) -> (Rows, Columns) {
        let own = rows.tables.first().cloned().unwrap_or_default();
        let names: Vec<String> = match &own.names {
            Some(names) => names.clone(),
            // Of events those that are asked for by the table's name.
            None => {
                let of = own.alias.clone().unwrap_or_default();
                if wanted.all.contains(&of) {
                    let message = format!("name the columns of `{of}`: there is no list of them");
                    self.unsupported("unsupported-join", message, span);
                }
                wanted
                    .named
                    .iter()
                    .filter(|(table, _)| *table == of)
                    .map(|(_, name)| name.clone())
                    .collect()
            }
        };
        let mut steps = Vec::new();
        for name in &names {
            let from = self.column(None, name, &rows, span);
            steps.push((format!("{prefix}{name}").into(), Expr::Field(from)));
        }
        let kept = steps.iter().map(|(name, _): &(Arc<str>, Expr)| name.clone());
        let project = Project {
            names: kept.chain(keys.iter().cloned()).map(NamePattern::new).collect(),
            mode: Keep::Keep,
            internal: Keep::Drop,
            ordered: true,
        };
        let rows = self.compute(rows, steps, "join", span);
        let rows = self.push(rows, RowStage::Project(project), "join", span);
        let columns = Columns { alias: own.alias, prefix: prefix.to_owned(), names: Some(names) };
        (rows, columns)
    }

    /// `in (select …)`, `exists (select …)` and their opposites: rows that have a partner, or none.
    pub(super) fn looked_for(&mut self, rows: Rows, part: &ast::Expr) -> Rows {
        let (of, wanted) = match &part.kind {
            ExprKind::Not(inner) => (&**inner, false),
            _ => (part, true),
        };
        match &of.kind {
            ExprKind::InQuery(value, query) => self.in_query(rows, value, query, wanted, part.span),
            _ => {
                let message = "`exists` is not run; `in (select …)` and joins are";
                self.unsupported("unsupported-subquery", message, part.span);
                rows
            }
        }
    }

    fn in_query(
        &mut self,
        rows: Rows,
        value: &ast::Expr,
        query: &Query,
        wanted: bool,
        span: Span,
    ) -> Rows {
        let right = self.query(query);
        let names = right.tables.first().and_then(|own| own.names.clone());
        let Some([first]) = names.as_deref() else {
            let message = "the query behind `in` selects one column";
            self.invalid("query-syntax", message, query.span);
            return rows;
        };
        let (key, mark) = (self.made(), self.made());
        let first = Expr::Field(first.as_str().into());
        let there = Expr::Literal(Value::Integer(1));
        let right =
            self.compute(right, vec![(key.clone(), first), (mark.clone(), there)], "in", span);
        let project = Project {
            names: [&key, &mark].map(|name| NamePattern::new(name.clone())).into(),
            mode: Keep::Keep,
            internal: Keep::Drop,
            ordered: true,
        };
        let right = self.push(right, RowStage::Project(project), "in", span);
        let dedup = Dedup {
            by: vec![key.clone()],
            keep: 1,
            consecutive: false,
            null: Keep::Drop,
            keep_rows: false,
        };
        let right = self.push(right, RowStage::Dedup(dedup), "in", span);
        let value = self.expr(value, &rows);
        let rows = self.compute(rows, vec![(key.clone(), value)], "in", span);
        let place = self.place(span);
        if wanted {
            let rows = self.joined(rows, &right, JoinKind::Inner, vec![key], span);
            return self.without(rows, &mark, span);
        }
        let message = "a null among what the query selects takes no row away; Snowflake would have \
            none left";
        self.approximate("not-in-nulls", message, span);
        // What is null is not known to be no partner.
        let known = Expr::call(Function::IsNotNull, vec![Expr::Field(key.clone())], place);
        let rows = self.filter(rows, Formula::IsTrue(Box::new(known)), "in", span);
        let rows = self.joined(rows, &right, JoinKind::Left, vec![key], span);
        let alone = Expr::call(Function::IsNull, vec![Expr::Field(mark.clone())], place);
        let rows = self.filter(rows, Formula::IsTrue(Box::new(alone)), "in", span);
        self.without(rows, &mark, span)
    }

    fn without(&mut self, rows: Rows, name: &Arc<str>, span: Span) -> Rows {
        let project = Project {
            names: vec![NamePattern::new(name.clone())],
            mode: Keep::Drop,
            internal: Keep::Keep,
            ordered: false,
        };
        self.push(rows, RowStage::Project(project), "in", span)
    }
}

/// Whether an expression is of the right side of a join; none where it is of both or of neither.
fn side(of: &ast::Expr, left: &Rows, right: &Rows) -> Option<bool> {
    let (mut of_left, mut of_right) = (false, false);
    of.walk(&mut |part| {
        let ExprKind::Column { table, name } = &part.kind else { return };
        let has = |rows: &Rows, sure: bool| {
            rows.tables.iter().any(|own| match table {
                Some(table) => own.alias.as_ref() == Some(table),
                None => own.has(name) && (!sure || own.names.is_some()),
            })
        };
        match (has(left, true), has(right, true)) {
            (true, _) => of_left = true,
            (false, true) => of_right = true,
            (false, false) if has(left, false) => of_left = true,
            _ => of_right |= has(right, false),
        }
    });
    (of_left != of_right).then_some(of_right)
}

/// Which columns a `select` names with their tables.
struct Wanted {
    named: BTreeSet<(String, String)>,
    /// Tables all of whose columns are asked for.
    all: BTreeSet<String>,
}

fn wanted(from: &From, select: &Select) -> Wanted {
    let mut wanted = Wanted { named: BTreeSet::new(), all: BTreeSet::new() };
    let mut visit = |part: &ast::Expr| {
        if let ExprKind::Column { table: Some(table), name } = &part.kind {
            wanted.named.insert((table.clone(), name.clone()));
        }
    };
    for item in &select.items {
        match item {
            ast::Item::Value(value, _) => value.walk(&mut visit),
            ast::Item::All { .. } => {}
        }
    }
    let mut parts: Vec<&ast::Expr> = Vec::new();
    parts.extend([&select.filter, &select.having, &select.qualify].into_iter().flatten());
    if let ast::Group::By(by) = &select.group {
        parts.extend(by);
    }
    for join in &from.joins {
        match &join.on {
            On::Holds(on) => parts.push(on),
            On::Using(_) | On::Anything => {}
        }
        if let TableKind::Flatten { of, .. } = &join.table.kind {
            parts.push(of);
        }
    }
    parts.into_iter().for_each(|part| part.walk(&mut visit));
    for item in &select.items {
        if let ast::Item::All { of: Some(of), .. } = item {
            wanted.all.insert(of.clone());
        }
    }
    wanted
}
