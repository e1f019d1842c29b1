//! Groups: `group by`, and what is measured.

use std::sync::Arc;

use rulestone_ir::{
    Aggregate, Aggregator, Expr, Function, Measured, NamePattern, NullKey, RowMeasure, RowStage,
    Span,
};
use rulestone_value::Value;

use super::expr::many;
use super::select::Asked;
use super::{Columns, Lowering, Rows};
use crate::snowflake::ast::{self, Call, ExprKind, Group, Item};
use crate::snowflake::functions::{self, Build, Measure};
use crate::snowflake::print;

/// Whether an expression is a measure of a group.
pub(super) fn is_measure(of: &ast::Expr) -> bool {
    let ExprKind::Call(call) = &of.kind else { return false };
    call.over.is_none()
        && functions::find(&call.name).is_some_and(|own| matches!(own.build, Build::Measure(_)))
}

/// A value that is never null: where equal values are asked for, null equals null.
pub(super) fn marked(of: Expr, span: Span) -> Expr {
    Expr::call(Function::Coalesce, vec![of, Expr::text("\u{0}")], span)
}

/// What is measured, and what is made of it.
pub(super) struct Measuring {
    pub(super) measure: RowMeasure,
    pub(super) result: Expr,
}

impl Lowering<'_> {
    /// Measures groups. The rows that come out have what tells groups apart, and the measures.
    pub(super) fn grouped(&mut self, mut rows: Rows, asked: &Asked<'_>) -> Rows {
        let span = asked.select.span;
        let keys = self.keys(asked);
        let mut by: Vec<(Arc<str>, Arc<str>)> = Vec::new();
        let mut known: Vec<(String, Expr)> = Vec::new();
        let mut steps = Vec::new();
        let mut names = Vec::new();
        for key in &keys {
            let expr = self.expr(key, &rows);
            let name: Arc<str> = match &key.kind {
                ExprKind::Column { name, .. } if !names.contains(name) => name.as_str().into(),
                _ => self.made(),
            };
            let column = match expr {
                Expr::Field(column) => column,
                expr => {
                    let made = self.made();
                    steps.push((made.clone(), expr));
                    made
                }
            };
            names.push(name.to_string());
            known.push((print::expr(key), Expr::Field(name.clone())));
            by.push((column, name));
        }
        let measures = self.measures(asked, &rows, &mut known);
        rows = self.compute(rows, steps, "group by", span);
        let empty_row = by.is_empty();
        let aggregate = Aggregate { by, null: NullKey::Group, measures, empty_row };
        let mut rows = self.push(rows, RowStage::Aggregate(aggregate), "group by", span);
        let tables = std::mem::take(&mut rows.tables);
        // Columns go by the names of the tables they came from, too.
        rows.tables = tables
            .into_iter()
            .map(|own| Columns {
                alias: own.alias,
                prefix: String::new(),
                names: Some(names.clone()),
            })
            .collect();
        rows.known = known;
        rows
    }

    /// Every measure of a query, each once.
    fn measures(
        &mut self,
        asked: &Asked<'_>,
        rows: &Rows,
        known: &mut Vec<(String, Expr)>,
    ) -> Vec<RowMeasure> {
        let mut measures: Vec<RowMeasure> = Vec::new();
        let mut calls: Vec<&ast::Expr> = Vec::new();
        asked.walk(&mut |part| {
            if is_measure(part) {
                calls.push(part);
            }
        });
        for of in calls {
            let text = print::expr(of);
            let ExprKind::Call(call) = &of.kind else { continue };
            if known.iter().any(|(own, _)| *own == text) {
                continue;
            }
            if let Some(Measuring { measure, result }) = self.measure(call, of.span, rows) {
                measures.push(measure);
                known.push((text, result));
            }
        }
        measures
    }

    /// What tells groups apart, with what is selected in place of its number or name.
    fn keys(&mut self, asked: &Asked<'_>) -> Vec<ast::Expr> {
        let values = asked.select.items.iter().filter_map(|item| match item {
            Item::Value(value, name) => Some((value, name.as_deref())),
            Item::All { .. } => None,
        });
        let values: Vec<(&ast::Expr, Option<&str>)> = values.collect();
        let by = match &asked.select.group {
            Group::None => return Vec::new(),
            Group::All => {
                let plain = values.iter().filter(|(value, _)| {
                    let mut measures = false;
                    value.walk(&mut |part| measures |= is_measure(part));
                    !measures
                });
                return plain.map(|(value, _)| (*value).clone()).collect();
            }
            Group::By(by) => by,
        };
        let chosen = |key: &ast::Expr| match &key.kind {
            ExprKind::Literal(Value::Integer(place)) => {
                let at = usize::try_from(*place).ok().and_then(|place| place.checked_sub(1));
                at.and_then(|at| values.get(at)).map(|(value, _)| (*value).clone())
            }
            _ => Some(key.clone()),
        };
        let mut out = Vec::new();
        for key in by {
            match chosen(key) {
                Some(key) => out.push(key),
                None => self.invalid("absent-field", "there is no column at this place", key.span),
            }
        }
        out
    }

    /// What a call measures over rows.
    pub(super) fn measure(&mut self, call: &Call, span: Span, rows: &Rows) -> Option<Measuring> {
        let function = functions::find(&call.name)?;
        let Build::Measure(measure) = function.build else { return None };
        if !function.arguments.contains(&call.arguments.len()) {
            let message =
                format!("`{}` does not take {} arguments", call.name, call.arguments.len());
            self.invalid("bad-arguments", message, call.at);
            return None;
        }
        let place = self.place(span);
        let name = self.made();
        let field = Expr::Field(name.clone());
        let row_measure =
            |function, of| RowMeasure { function, of, into: NamePattern::new(name.clone()) };
        let first = call.arguments.first()?;
        let is_star = first.kind == ExprKind::Star;
        let of_first =
            if is_star { Expr::Literal(Value::Bool(true)) } else { self.expr(first, rows) };
        let (measure, result) = match measure {
            Measure::Count if is_star => (row_measure(Aggregator::Count, Measured::Rows), field),
            Measure::Count | Measure::CountDistinct => {
                let of = self.counted(call, of_first, place, rows);
                let distinct = call.distinct || measure == Measure::CountDistinct;
                let function = if distinct { Aggregator::DistinctCount } else { Aggregator::Count };
                (row_measure(function, Measured::Expr(of)), field)
            }
            Measure::CountIf => (row_measure(Aggregator::Count, Measured::Where(of_first)), field),
            Measure::AnyTrue | Measure::AllTrue => self.truths(measure, of_first, &name, place),
            Measure::ListAgg => self.list(call, of_first, &name, place, rows),
            Measure::ArrayAgg => {
                let function =
                    if call.distinct { Aggregator::Values(0) } else { Aggregator::List(0) };
                self.check_order(call, first);
                (row_measure(function, Measured::Expr(of_first)), field)
            }
            Measure::Percentile => {
                let part = super::time::literal(call.arguments.get(1)?).unwrap_or(0.5);
                let message =
                    "a percentile is the value that this part of the values does not exceed";
                self.approximate("percentile-meaning", message, call.at);
                (row_measure(Aggregator::Percentile(part * 100.0), Measured::Expr(of_first)), field)
            }
            Measure::Plain(function) => {
                if function == Aggregator::Median {
                    let message =
                        "of an even number of values the median is the higher of the middle two";
                    self.approximate("percentile-meaning", message, call.at);
                }
                let of = if call.distinct && function == Aggregator::Sum {
                    self.unsupported("unsupported-option", "`sum(distinct …)` is not run", call.at);
                    Expr::Literal(Value::Null)
                } else {
                    of_first
                };
                (row_measure(function, Measured::Expr(of)), field)
            }
        };
        Some(Measuring { measure, result })
    }

    /// What is counted: several arguments together, where all are there.
    fn counted(&mut self, call: &Call, first: Expr, span: Span, rows: &Rows) -> Expr {
        if call.arguments.len() == 1 {
            return first;
        }
        let mut parts = vec![first];
        for argument in &call.arguments[1..] {
            parts.extend([Expr::text("\u{0}"), self.expr(argument, rows)]);
        }
        many(Function::Concat, parts, span)
    }

    /// Whether a condition is true of one row, or of all: by how often it is true, or false.
    fn truths(
        &mut self,
        measure: Measure,
        of: Expr,
        name: &Arc<str>,
        span: Span,
    ) -> (RowMeasure, Expr) {
        let any = measure == Measure::AnyTrue;
        let counted = if any { of } else { Expr::call(Function::Not3, vec![of], span) };
        let measure = RowMeasure {
            function: Aggregator::Count,
            of: Measured::Where(counted),
            into: NamePattern::new(name.clone()),
        };
        let function = if any { Function::GtAny } else { Function::EqAny };
        let zero = Expr::Literal(Value::Integer(0));
        (measure, Expr::call(function, vec![Expr::Field(name.clone()), zero], span))
    }

    fn list(
        &mut self,
        call: &Call,
        of: Expr,
        name: &Arc<str>,
        span: Span,
        rows: &Rows,
    ) -> (RowMeasure, Expr) {
        let function = if call.distinct { Aggregator::Values(0) } else { Aggregator::List(0) };
        let measure =
            RowMeasure { function, of: Measured::Expr(of), into: NamePattern::new(name.clone()) };
        let between = match call.arguments.get(1) {
            Some(between) => self.expr(between, rows),
            None => Expr::text(""),
        };
        let mut list = Expr::Field(name.clone());
        if call
            .order
            .first()
            .is_some_and(|order| !order.descending && order.by == call.arguments[0])
        {
            list = Expr::call(Function::MvSort, vec![list], span);
        } else {
            self.check_order(call, &call.arguments[0]);
        }
        let text = Expr::call(Function::MvJoin, vec![list, between], span);
        // Of nothing it is an empty text.
        (measure, Expr::call(Function::Coalesce, vec![text, Expr::text("")], span))
    }

    fn check_order(&mut self, call: &Call, first: &ast::Expr) {
        let Some(order) = call.order.first() else { return };
        let own = print::expr(&order.by) == print::expr(first) && !order.descending;
        if !(own && call.distinct) {
            let message = "values are listed in the order of rows, newest first";
            self.approximate("list-order", message, call.at);
        }
    }
}
