//! Queries.

use rulestone_ir::Span;
use sqlparser::ast::{
    Distinct, Expr as SqlExpr, FunctionArg, FunctionArgExpr, GroupByExpr, Ident, Join as SqlJoin,
    JoinConstraint, JoinOperator, LimitClause, ObjectName, OrderByExpr, OrderByKind, OrderBySort,
    Query as SqlQuery, Select as SqlSelect, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    SetOperator, SetQuantifier, Spanned, TableAlias, TableFactor, TableWithJoins, TopQuantity,
    WildcardAdditionalOptions,
};

use super::Reader;
use super::expr::whole;
use crate::snowflake::ast::{
    Body, ExprKind, From, Group, Item, Join, JoinKind, Named, On, Order, Query, Select, Table,
    TableKind,
};

/// A name as it is looked for: without quotes in lower case, for that is what the views have.
/// In quotes it is what it is, but in capitals it is what it is without them.
pub(super) fn name(ident: &Ident) -> String {
    let quoted = ident.quote_style.is_some();
    let capitals = !ident.value.chars().any(|c| c.is_ascii_lowercase());
    match quoted && !capitals {
        true => ident.value.replace("\"\"", "\""),
        false => ident.value.to_ascii_lowercase(),
    }
}

/// The last part of a name with dots.
pub(super) fn last_name(object: &ObjectName) -> String {
    let last = object.0.iter().rev().find_map(|part| part.as_ident());
    last.map(name).unwrap_or_default()
}

impl Reader<'_> {
    pub(super) fn query(&mut self, query: &SqlQuery) -> Query {
        let span = self.start(&query.body);
        let mut with = Vec::new();
        if let Some(clause) = &query.with {
            if clause.recursive {
                self.refuse("unsupported-query", "`with recursive` is not run", span);
            }
            for cte in &clause.cte_tables {
                let columns = alias_columns(&cte.alias);
                with.push(Named {
                    name: name(&cte.alias.name),
                    columns,
                    query: self.query(&cte.query),
                });
            }
        }
        let body = self.body(&query.body);
        let order = match query.order_by.as_ref().map(|order| &order.kind) {
            None => Vec::new(),
            Some(OrderByKind::Expressions(orders)) => self.orders(orders),
            Some(OrderByKind::All(_)) => {
                self.refuse("unsupported-query", "`order by all` is not run", span);
                Vec::new()
            }
        };
        let mut limit = self.limit(query);
        // `top 5` is a limit in another place.
        if let (None, SetExpr::Select(select)) = (limit, &*query.body) {
            limit = self.top(select);
        }
        Query { with, body, order, limit, span }
    }

    fn limit(&mut self, query: &SqlQuery) -> Option<u64> {
        let (limit, offset) = match (&query.limit_clause, &query.fetch) {
            (None, None) => return None,
            (None, Some(fetch)) => (fetch.quantity.as_ref(), None),
            (Some(LimitClause::LimitOffset { limit, offset, .. }), _) => {
                (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
            }
            (Some(LimitClause::OffsetCommaLimit { offset, limit }), _) => {
                (Some(limit), Some(offset))
            }
        };
        if let Some(offset) = offset.filter(|offset| whole(offset) != Some(0)) {
            let span = self.near(offset);
            self.refuse("unsupported-query", "`offset` is not run", span);
        }
        let limit = limit?;
        let number = whole(limit).and_then(|limit| u64::try_from(limit).ok());
        if number.is_none() {
            let span = self.near(limit);
            self.refuse("unsupported-query", "`limit` takes a number", span);
        }
        number
    }

    fn top(&mut self, select: &SqlSelect) -> Option<u64> {
        match &select.top.as_ref()?.quantity {
            Some(TopQuantity::Constant(rows)) => Some(*rows),
            Some(TopQuantity::Expr(rows)) => whole(rows).and_then(|rows| u64::try_from(rows).ok()),
            None => None,
        }
    }

    pub(super) fn orders(&mut self, orders: &[OrderByExpr]) -> Vec<Order> {
        let read = |order: &OrderByExpr| Order {
            by: self.expr(&order.expr),
            descending: matches!(order.options.sort, Some(OrderBySort::Desc)),
        };
        orders.iter().map(read).collect()
    }

    fn body(&mut self, body: &SetExpr) -> Body {
        match body {
            SetExpr::Select(select) => Body::Select(Box::new(self.select(select))),
            SetExpr::Query(query) => Body::Query(Box::new(self.query(query))),
            SetExpr::Values(values) => {
                let rows = values.rows.iter();
                Body::Values(
                    rows.map(|row| row.content.iter().map(|v| self.expr(v)).collect()).collect(),
                )
            }
            SetExpr::SetOperation { op: SetOperator::Union, .. } => self.union(body),
            other => {
                let span = self.start(other);
                let what = match other {
                    SetExpr::SetOperation { op, .. } => {
                        format!("`{}` is not run", op.to_string().to_lowercase())
                    }
                    _ => "only a `select` is run".to_owned(),
                };
                self.refuse("unsupported-query", what, span);
                Body::Nothing
            }
        }
    }

    /// A chain of `union`, which leans to the left: as long as all are of one sort it is one.
    fn union(&mut self, body: &SetExpr) -> Body {
        let mut rest = body;
        let mut parts = Vec::new();
        let mut all_distinct: Option<bool> = None;
        while let SetExpr::SetOperation { op: SetOperator::Union, set_quantifier, left, right } =
            rest
        {
            let distinct = match set_quantifier {
                SetQuantifier::All => false,
                SetQuantifier::Distinct | SetQuantifier::None => true,
                _ => {
                    let span = self.start(right);
                    self.refuse("unsupported-query", "`union by name` is not run", span);
                    true
                }
            };
            if all_distinct.is_some_and(|before| before != distinct) {
                break;
            }
            all_distinct = Some(distinct);
            parts.push(self.body(right));
            rest = left;
        }
        parts.push(self.body(rest));
        parts.reverse();
        Body::Union { parts, distinct: all_distinct.unwrap_or(false) }
    }

    fn select(&mut self, select: &SqlSelect) -> Select {
        let span = self.lexed.span(select.select_token.0.span);
        let refused = [
            (!select.connect_by.is_empty(), "`connect by` is not run"),
            (select.into.is_some(), "`into` is not run"),
            (!select.lateral_views.is_empty(), "`lateral view` is not run"),
            (!select.named_window.is_empty(), "`window` is not run"),
            (matches!(select.distinct, Some(Distinct::On(_))), "`distinct on` is not run"),
        ];
        for (_, message) in refused.into_iter().filter(|(has, _)| *has) {
            self.refuse("unsupported-query", message, span);
        }
        let items = select.projection.iter().map(|item| self.item(item)).collect();
        let from = self.from(&select.from);
        let group = match &select.group_by {
            GroupByExpr::All(_) => Group::All,
            GroupByExpr::Expressions(by, _) if by.is_empty() => Group::None,
            GroupByExpr::Expressions(by, _) => {
                Group::By(by.iter().map(|by| self.expr(by)).collect())
            }
        };
        Select {
            distinct: matches!(select.distinct, Some(Distinct::Distinct)),
            items,
            from,
            filter: select.selection.as_ref().map(|filter| self.expr(filter)),
            group,
            having: select.having.as_ref().map(|having| self.expr(having)),
            qualify: select.qualify.as_ref().map(|qualify| self.expr(qualify)),
            span,
        }
    }

    fn item(&mut self, item: &SelectItem) -> Item {
        match item {
            SelectItem::UnnamedExpr(expr) => Item::Value(self.expr(expr), None),
            SelectItem::ExprWithAlias { expr, alias } => {
                Item::Value(self.expr(expr), Some(name(alias)))
            }
            SelectItem::ExprWithAliases { expr, aliases } => {
                Item::Value(self.expr(expr), aliases.first().map(name))
            }
            SelectItem::Wildcard(options) => self.wildcard(None, options),
            SelectItem::QualifiedWildcard(kind, options) => match kind {
                SelectItemQualifiedWildcardKind::ObjectName(of) => {
                    self.wildcard(Some(last_name(of)), options)
                }
                SelectItemQualifiedWildcardKind::Expr(of) => {
                    let span = self.near(of);
                    self.refuse("unsupported-query", "`.*` of an expression is not run", span);
                    self.wildcard(None, options)
                }
            },
        }
    }

    fn wildcard(&mut self, of: Option<String>, options: &WildcardAdditionalOptions) -> Item {
        use sqlparser::ast::{ExcludeSelectItem, RenameSelectItem};
        if options.opt_ilike.is_some()
            || options.opt_replace.is_some()
            || options.opt_except.is_some()
        {
            let span = self.lexed.span(options.wildcard_token.0.span);
            self.refuse("unsupported-query", "`*` with `ilike` or `replace` is not run", span);
        }
        let without = match &options.opt_exclude {
            None => Vec::new(),
            Some(ExcludeSelectItem::Single(one)) => vec![last_name(one)],
            Some(ExcludeSelectItem::Multiple(many)) => many.iter().map(last_name).collect(),
        };
        let renamed = match &options.opt_rename {
            None => Vec::new(),
            Some(RenameSelectItem::Single(one)) => vec![(name(&one.ident), name(&one.alias))],
            Some(RenameSelectItem::Multiple(many)) => {
                many.iter().map(|one| (name(&one.ident), name(&one.alias))).collect()
            }
        };
        Item::All { of, without, renamed }
    }

    /// What stands behind `from`: what is separated by commas is joined without a condition.
    fn from(&mut self, tables: &[TableWithJoins]) -> Option<From> {
        let (first, others) = tables.split_first()?;
        let mut from = From { first: self.table(&first.relation), joins: Vec::new() };
        from.joins.extend(first.joins.iter().map(|join| self.join(join)));
        for other in others {
            let table = self.table(&other.relation);
            from.joins.push(Join { table, kind: JoinKind::Inner, on: On::Anything });
            from.joins.extend(other.joins.iter().map(|join| self.join(join)));
        }
        Some(from)
    }

    fn join(&mut self, join: &SqlJoin) -> Join {
        let table = self.table(&join.relation);
        let (kind, constraint) = match &join.join_operator {
            JoinOperator::Join(on) | JoinOperator::Inner(on) | JoinOperator::CrossJoin(on) => {
                (JoinKind::Inner, Some(on))
            }
            JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (JoinKind::Left, Some(on)),
            JoinOperator::Right(on) | JoinOperator::RightOuter(on) => (JoinKind::Right, Some(on)),
            _ => {
                self.refuse("unsupported-join", "this sort of join is not run", table.span);
                (JoinKind::Inner, None)
            }
        };
        let on = match constraint {
            None | Some(JoinConstraint::None) => On::Anything,
            Some(JoinConstraint::On(on)) => On::Holds(self.expr(on)),
            Some(JoinConstraint::Using(names)) => On::Using(names.iter().map(last_name).collect()),
            Some(JoinConstraint::Natural) => {
                self.refuse("unsupported-join", "a natural join is not run", table.span);
                On::Anything
            }
        };
        Join { table, kind, on }
    }

    fn table(&mut self, factor: &TableFactor) -> Table {
        let span = self.table_span(factor);
        let (kind, alias) = match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let whole: Vec<String> =
                    name.0.iter().filter_map(|part| part.as_ident()).map(self::name).collect();
                (TableKind::Name(last_name(name), whole.join(".")), alias)
            }
            TableFactor::Table { name, alias, args: Some(args), .. } => {
                (self.flatten(name, &args.args, span), alias)
            }
            TableFactor::Function { name, args, alias, .. } => {
                (self.flatten(name, args, span), alias)
            }
            TableFactor::TableFunction { expr: SqlExpr::Function(call), alias } => {
                let args = super::expr::arguments(call);
                (self.flatten(&call.name, args, span), alias)
            }
            TableFactor::Derived { subquery, alias, .. } => {
                (TableKind::Query(Box::new(self.query(subquery))), alias)
            }
            TableFactor::NestedJoin { table_with_joins, .. }
                if table_with_joins.joins.is_empty() =>
            {
                return self.table(&table_with_joins.relation);
            }
            _ => {
                self.refuse("unsupported-query", "this sort of table is not run", span);
                (TableKind::Name(String::new(), String::new()), &None)
            }
        };
        let columns = alias.as_ref().map(alias_columns).unwrap_or_default();
        Table { kind, alias: alias.as_ref().map(|alias| name(&alias.name)), columns, span }
    }

    /// Where a table stands: its name, or the `select` of it.
    fn table_span(&self, factor: &TableFactor) -> Span {
        match factor {
            TableFactor::Table { name, .. } | TableFactor::Function { name, .. } => {
                self.lexed.span(name.span())
            }
            TableFactor::TableFunction { expr, .. } => self.near(expr),
            TableFactor::Derived { subquery, .. } => self.start(&subquery.body),
            TableFactor::NestedJoin { table_with_joins, .. } => {
                self.table_span(&table_with_joins.relation)
            }
            _ => Span::default(),
        }
    }

    /// Where a query begins. The whole of it is not asked for its place: it may lean too far.
    fn start(&self, body: &SetExpr) -> Span {
        let mut rest = body;
        loop {
            match rest {
                SetExpr::Select(select) => return self.lexed.span(select.select_token.0.span),
                SetExpr::Query(query) => rest = &query.body,
                SetExpr::SetOperation { left, .. } => rest = left,
                _ => return Span::default(),
            }
        }
    }

    /// `flatten(input => x)`.
    fn flatten(&mut self, object: &ObjectName, args: &[FunctionArg], span: Span) -> TableKind {
        let function = last_name(object);
        let mut of = None;
        let mut outer = false;
        for (at, arg) in args.iter().enumerate() {
            let (named, value) = match arg {
                FunctionArg::Named { name: named, arg: FunctionArgExpr::Expr(value), .. } => {
                    (name(named), value)
                }
                FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) if at == 0 => {
                    ("input".to_owned(), value)
                }
                _ => {
                    self.refuse("unsupported-option", "this argument is not run", span);
                    continue;
                }
            };
            let value = self.expr(value);
            match &*named {
                "input" => of = Some(value),
                "outer" => {
                    outer = value.kind == ExprKind::Literal(rulestone_value::Value::Bool(true))
                }
                "mode" => {}
                _ => self.refuse(
                    "unsupported-option",
                    format!("`{named}` of `flatten` is not run"),
                    value.span,
                ),
            }
        }
        match of.filter(|_| function == "flatten") {
            Some(of) => TableKind::Flatten { of, outer },
            None => {
                let message = format!("the table `{function}(…)` is not run");
                self.refuse("unsupported-query", message, span);
                TableKind::Name(String::new(), String::new())
            }
        }
    }
}

fn alias_columns(alias: &TableAlias) -> Vec<String> {
    alias.columns.iter().map(|column| name(&column.name)).collect()
}
