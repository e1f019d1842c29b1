//! Queries: from what they read to what comes out.

use std::sync::Arc;

use rulestone_ir::{
    AbsentSource, Collation, Dedup, End, Expr, Input, Keep, NamePattern, Project, RowStage,
    SortKey, Source, Span,
};

use super::{Columns, Lowering, MAX_DEPTH, Rows, time};
use crate::snowflake::ast::{self, Body, ExprKind, Group, Item, Order, Query, Select};

impl Lowering<'_> {
    /// Lowers a query; its rows have the columns that come out.
    pub(super) fn query(&mut self, query: &Query) -> Rows {
        if self.depth >= MAX_DEPTH {
            self.unsupported("search-limit", "queries are nested too deep", query.span);
            return Rows::default();
        }
        self.depth += 1;
        let outer = self.named.len();
        self.named.extend(query.with.iter().cloned());
        let rows = match &query.body {
            Body::Select(select) => self.select(select, query),
            body => {
                let rows = self.body(body, query.span);
                let rows = self.sorted(rows, &query.order, query.span);
                self.limited(rows, query.limit, query.span)
            }
        };
        self.named.truncate(outer);
        self.depth -= 1;
        rows
    }

    fn body(&mut self, body: &Body, span: Span) -> Rows {
        match body {
            Body::Select(select) => {
                let query = Query {
                    with: Vec::new(),
                    body: Body::Nothing,
                    order: Vec::new(),
                    limit: None,
                    span,
                };
                self.select(select, &query)
            }
            Body::Query(query) => self.query(query),
            Body::Union { parts, distinct } => self.union(parts, *distinct, span),
            Body::Values(_) => {
                self.unsupported(
                    "unsupported-query",
                    "rows that are written out are not run",
                    span,
                );
                Rows::default()
            }
            Body::Nothing => Rows::default(),
        }
    }

    /// The rows of several queries. The names are those of the first; the others' go by their
    /// places.
    fn union(&mut self, parts: &[Body], distinct: bool, span: Span) -> Rows {
        let mut all: Vec<Rows> = Vec::new();
        for part in parts {
            let mut rows = self.body(part, span);
            if let Some(first) = all.first() {
                rows = self.as_named(
                    rows,
                    first.tables.first().and_then(|own| own.names.clone()),
                    span,
                );
            }
            all.push(rows);
        }
        let inputs = all.iter().map(|rows| rows.input.unwrap_or(Input::Source(0))).collect();
        let input = self.stage(inputs, RowStage::Append, "union", span);
        let mut columns =
            all.first().and_then(|rows| rows.tables.first()).cloned().unwrap_or_default();
        columns.alias = None;
        let rows = Rows { input: Some(input), tables: vec![columns], ..Rows::default() };
        if distinct { self.distinct(rows, span) } else { rows }
    }

    /// The same rows under other names, by their places.
    fn as_named(&mut self, rows: Rows, names: Option<Vec<String>>, span: Span) -> Rows {
        let own = rows.tables.first().and_then(|own| own.names.clone());
        let (Some(own), Some(names)) = (own, names) else { return rows };
        if own.len() != names.len() {
            let message = "the queries of a `union` have different numbers of columns";
            self.invalid("query-syntax", message, span);
            return rows;
        }
        if own == names {
            return rows;
        }
        // Over names that no query has: one may be another's.
        let made: Vec<Arc<str>> = own.iter().map(|_| self.made()).collect();
        let pair = |(old, new): (&str, &str)| (NamePattern::new(old), NamePattern::new(new));
        let there = own.iter().map(String::as_str).zip(made.iter().map(|name| &**name)).map(pair);
        let back = made.iter().map(|name| &**name).zip(names.iter().map(String::as_str)).map(pair);
        let pairs = there.chain(back).collect();
        let stage = RowStage::Rename { pairs, absent: AbsentSource::Clears };
        let mut rows = self.push(rows, stage, "union", span);
        rows.tables = vec![Columns { names: Some(names), ..Columns::default() }];
        rows
    }

    /// Lowers a `select`, and what stands behind it in its query.
    fn select(&mut self, select: &Select, query: &Query) -> Rows {
        let mut rows = match &select.from {
            Some(from) => self.from(from, select),
            None => self.source(
                Source::Nothing { rows: 1 },
                Columns { names: Some(Vec::new()), ..Columns::default() },
            ),
        };
        let alias = |item: &Item| match item {
            Item::Value(value, Some(name)) => Some((name.clone(), value.clone())),
            _ => None,
        };
        rows.aliases = Arc::new(select.items.iter().filter_map(alias).collect());
        if let Some(filter) = &select.filter {
            rows = self.narrowed(rows, filter);
        }
        let asked = Asked { select, query };
        if select.group != Group::None || asked.measures() {
            rows = self.grouped(rows, &asked);
        }
        if let Some(having) = &select.having {
            let formula = self.truth(having, true, &rows);
            rows = self.filter(rows, formula, "having", having.span);
        }
        rows = self.windows(rows, &asked);
        if let Some(qualify) = &select.qualify {
            let formula = self.truth(qualify, true, &rows);
            rows = self.filter(rows, formula, "qualify", qualify.span);
        }
        self.selected(rows, &asked)
    }

    /// Keeps the rows for which `where` is true.
    fn narrowed(&mut self, mut rows: Rows, filter: &ast::Expr) -> Rows {
        let (mut stays, mut formulas) = (Vec::new(), Vec::new());
        for part in conjuncts(filter) {
            if let Some(Input::Source(at)) = rows.input {
                // Of a join the tables' own queries say how far they look.
                time::reach(part, &mut self.reaches[at]);
                if !self.alone && time::is_settled(part) {
                    continue;
                }
            }
            match &part.kind {
                ExprKind::InQuery(..) | ExprKind::Exists(_) => stays.push(part),
                ExprKind::Not(inner)
                    if matches!(inner.kind, ExprKind::InQuery(..) | ExprKind::Exists(_)) =>
                {
                    stays.push(part);
                }
                _ => formulas.push(self.truth(part, true, &rows)),
            }
        }
        if !formulas.is_empty() {
            rows = self.filter(rows, super::filter::all(formulas), "where", filter.span);
        }
        for part in stays {
            rows = self.looked_for(rows, part);
        }
        rows
    }

    /// What comes out, in order.
    fn selected(&mut self, mut rows: Rows, asked: &Asked<'_>) -> Rows {
        let (select, query) = (asked.select, asked.query);
        let span = select.span;
        // What is ordered by is computed as long as everything is there.
        let mut order: Vec<SortKey> = Vec::new();
        let mut outputs = self.outputs(&rows, select);
        for by in &query.order {
            let field = self.order_field(&mut rows, by, &outputs, select);
            order.push(SortKey { field, descending: by.descending, collation: Collation::Auto });
        }
        let kept: Vec<Arc<str>> = order
            .iter()
            .map(|key| key.field.clone())
            .filter(|field| field.starts_with('$'))
            .collect();
        rows = self.project(rows, &mut outputs, &kept, select);
        if select.distinct {
            rows = self.distinct(rows, span);
        }
        if !order.is_empty() {
            rows = self.push(rows, RowStage::Sort { keys: order, limit: None }, "order by", span);
        }
        rows = self.limited(rows, query.limit, query.span);
        if !kept.is_empty() {
            rows = self.dropped(rows, &kept, span);
        }
        rows.known = Vec::new();
        rows.aliases = Arc::default();
        rows
    }

    /// The column that rows are ordered by: one that comes out, by its name or its place, or one
    /// that is made for it.
    fn order_field(
        &mut self,
        rows: &mut Rows,
        by: &Order,
        outputs: &Outputs,
        select: &Select,
    ) -> Arc<str> {
        if let ExprKind::Literal(place) = &by.by.kind
            && let Some(place) = place.number()
            && let Some((name, _)) = outputs.values.get((place as usize).wrapping_sub(1))
        {
            return name.clone();
        }
        if let ExprKind::Column { table: None, name } = &by.by.kind
            && let Some((name, _)) = outputs.values.iter().find(|(own, _)| **own == **name)
        {
            return name.clone();
        }
        match self.expr(&by.by, rows) {
            Expr::Field(name) if outputs.all && name.as_ref() != "_time" => name,
            expr => {
                let name = self.made();
                *rows = self.compute(
                    std::mem::take(rows),
                    vec![(name.clone(), expr)],
                    "order by",
                    select.span,
                );
                name
            }
        }
    }

    /// What is selected, lowered.
    fn outputs(&mut self, rows: &Rows, select: &Select) -> Outputs {
        let mut outputs = Outputs::default();
        for (at, item) in select.items.iter().enumerate() {
            match item {
                Item::All { of, without, renamed } => {
                    outputs.all = true;
                    outputs.without.extend(without.iter().cloned());
                    outputs.renamed.extend(renamed.iter().cloned());
                    self.all_columns(of.as_deref(), rows, without, &mut outputs);
                }
                Item::Value(value, name) => {
                    let name = match (name, &value.kind) {
                        (Some(name), _) => name.clone(),
                        (None, ExprKind::Column { name, .. }) => name.clone(),
                        (None, ExprKind::Path(_, steps)) => match steps.last() {
                            Some(ast::Step::Key(key)) => key.clone(),
                            _ => format!("column{}", at + 1),
                        },
                        (None, ExprKind::Call(call))
                            if call.name.starts_with(|c: char| c.is_ascii_alphabetic()) =>
                        {
                            call.name.clone()
                        }
                        (None, _) => format!("column{}", at + 1),
                    };
                    let expr = self.expr(value, rows);
                    outputs.values.push((name.into(), expr));
                }
            }
        }
        outputs
    }

    /// All columns of a table, by their own names where they go by others.
    fn all_columns(
        &mut self,
        of: Option<&str>,
        rows: &Rows,
        without: &[String],
        outputs: &mut Outputs,
    ) {
        let fits = |own: &&Columns| of.is_none_or(|of| own.alias.as_deref() == Some(of));
        for own in rows.tables.iter().filter(fits) {
            match &own.names {
                Some(names) => {
                    for name in names.iter().filter(|name| !without.contains(name)) {
                        let field = Expr::Field(format!("{}{name}", own.prefix).into());
                        if !outputs.values.iter().any(|(known, _)| **known == **name) {
                            outputs.values.push((name.as_str().into(), field));
                        }
                    }
                }
                None => outputs.open = true,
            }
        }
    }

    /// Sets the columns that come out, and drops the others unless all are asked for.
    fn project(
        &mut self,
        rows: Rows,
        outputs: &mut Outputs,
        kept: &[Arc<str>],
        select: &Select,
    ) -> Rows {
        let span = select.span;
        let plain =
            |(name, expr): &(Arc<str>, Expr)| matches!(expr, Expr::Field(own) if own == name);
        let values: Vec<_> = outputs.values.iter().filter(|value| !plain(value)).cloned().collect();
        // A column that is set must not be read by one that is set after it.
        let clashes = values
            .iter()
            .enumerate()
            .any(|(at, (name, _))| values[at + 1..].iter().any(|(_, later)| reads(later, name)));
        let mut rows = if clashes {
            let made: Vec<Arc<str>> = values.iter().map(|_| self.made()).collect();
            let steps =
                made.iter().cloned().zip(values.iter().map(|(_, expr)| expr.clone())).collect();
            let rows = self.compute(rows, steps, "select", span);
            let pair = |(old, (new, _)): (&Arc<str>, &(Arc<str>, Expr))| {
                (NamePattern::new(old.clone()), NamePattern::new(new.clone()))
            };
            let pairs = made.iter().zip(&values).map(pair).collect();
            self.push(
                rows,
                RowStage::Rename { pairs, absent: AbsentSource::Clears },
                "select",
                span,
            )
        } else {
            self.compute(rows, values, "select", span)
        };
        if outputs.open {
            return self.open(rows, outputs, span);
        }
        let names = outputs.values.iter().map(|(name, _)| name.clone()).chain(kept.iter().cloned());
        let project = Project {
            names: names.map(NamePattern::new).collect(),
            mode: Keep::Keep,
            internal: Keep::Keep,
            ordered: true,
        };
        rows = self.push(rows, RowStage::Project(project), "select", span);
        let names = outputs.values.iter().map(|(name, _)| name.to_string()).collect();
        rows.tables = vec![Columns { names: Some(names), ..Columns::default() }];
        rows
    }

    /// All columns of events, some of them dropped or under other names.
    fn open(&mut self, mut rows: Rows, outputs: &Outputs, span: Span) -> Rows {
        if !outputs.renamed.is_empty() {
            let pair = |(old, new): &(String, String)| {
                (NamePattern::new(old.as_str()), NamePattern::new(new.as_str()))
            };
            let pairs = outputs.renamed.iter().map(pair).collect();
            rows = self.push(
                rows,
                RowStage::Rename { pairs, absent: AbsentSource::Clears },
                "select",
                span,
            );
        }
        let without: Vec<Arc<str>> =
            outputs.without.iter().map(|name| name.as_str().into()).collect();
        rows = if without.is_empty() { rows } else { self.dropped(rows, &without, span) };
        rows.tables = vec![Columns::default()];
        rows
    }

    fn dropped(&mut self, rows: Rows, names: &[Arc<str>], span: Span) -> Rows {
        let project = Project {
            names: names.iter().cloned().map(NamePattern::new).collect(),
            mode: Keep::Drop,
            internal: Keep::Keep,
            ordered: false,
        };
        self.push(rows, RowStage::Project(project), "select", span)
    }

    fn distinct(&mut self, rows: Rows, span: Span) -> Rows {
        let Some(names) = rows.tables.first().and_then(|own| own.names.clone()) else {
            // Every event is one of its own.
            return rows;
        };
        // A row without a column equals others without it.
        let mut steps = Vec::new();
        let mut by = Vec::new();
        for name in &names {
            let marked = self.made();
            steps.push((
                marked.clone(),
                super::group::marked(Expr::Field(name.as_str().into()), self.place(span)),
            ));
            by.push(marked);
        }
        let rows = self.compute(rows, steps, "distinct", span);
        let dedup = Dedup {
            by: by.clone(),
            keep: 1,
            consecutive: false,
            null: Keep::Keep,
            keep_rows: false,
        };
        let rows = self.push(rows, RowStage::Dedup(dedup), "distinct", span);
        self.dropped(rows, &by, span)
    }

    fn sorted(&mut self, rows: Rows, order: &[Order], span: Span) -> Rows {
        if order.is_empty() {
            return rows;
        }
        let mut rows = rows;
        let mut keys = Vec::new();
        let names = rows.tables.first().and_then(|own| own.names.clone()).unwrap_or_default();
        for by in order {
            let place = match &by.by.kind {
                ExprKind::Literal(value) => value.number().map(|place| place as usize),
                _ => None,
            };
            let named = place.and_then(|place| names.get(place.wrapping_sub(1)));
            let field: Arc<str> = match named {
                Some(name) => name.as_str().into(),
                None => match self.expr(&by.by, &rows) {
                    Expr::Field(name) => name,
                    expr => {
                        let name = self.made();
                        rows = self.compute(rows, vec![(name.clone(), expr)], "order by", span);
                        name
                    }
                },
            };
            keys.push(SortKey { field, descending: by.descending, collation: Collation::Auto });
        }
        self.push(rows, RowStage::Sort { keys, limit: None }, "order by", span)
    }

    fn limited(&mut self, rows: Rows, limit: Option<u64>, span: Span) -> Rows {
        match limit {
            Some(limit) => {
                let stage = RowStage::Limit { rows: limit, from: End::Head };
                self.push(rows, stage, "limit", span)
            }
            None => rows,
        }
    }
}

/// A `select`, and the query that it is.
pub(super) struct Asked<'q> {
    pub(super) select: &'q Select,
    pub(super) query: &'q Query,
}

impl<'q> Asked<'q> {
    /// Calls `visit` with every expression behind `where`.
    pub(super) fn walk(&self, visit: &mut dyn FnMut(&'q ast::Expr)) {
        for item in &self.select.items {
            if let Item::Value(value, _) = item {
                value.walk(visit);
            }
        }
        for of in [&self.select.having, &self.select.qualify].into_iter().flatten() {
            of.walk(visit);
        }
        self.query.order.iter().for_each(|order| order.by.walk(visit));
    }

    /// Whether it measures groups.
    fn measures(&self) -> bool {
        let mut found = self.select.having.is_some();
        self.walk(&mut |part| found |= super::group::is_measure(part));
        found
    }
}

/// What comes out of a `select`.
#[derive(Default)]
struct Outputs {
    values: Vec<(Arc<str>, Expr)>,
    /// Whether there is a `*`.
    all: bool,
    /// Whether it stands for columns of events, of which there is no list.
    open: bool,
    without: Vec<String>,
    renamed: Vec<(String, String)>,
}

/// Whether an expression reads a column.
fn reads(of: &Expr, name: &Arc<str>) -> bool {
    let mut found = false;
    of.fields(&mut |own| found |= own == name);
    found
}

/// The parts of a condition that have to hold together.
pub(super) fn conjuncts(of: &ast::Expr) -> Vec<&ast::Expr> {
    match &of.kind {
        ExprKind::And(parts) => parts.iter().flat_map(conjuncts).collect(),
        _ => vec![of],
    }
}
