//! Windows: what is measured over the rows around a row.

use std::sync::Arc;

use rulestone_ir::{
    Aggregator, Collation, Duration, Expr, Frame, Function, Measured, NamePattern, RowMeasure,
    RowStage, SortKey, Span, Window,
};

use super::group::marked;
use super::select::Asked;
use super::{Lowering, Rows, time};
use crate::snowflake::ast::{self, Call, ExprKind, Order, Over};
use crate::snowflake::functions::{self, Build};
use crate::snowflake::print;

impl Lowering<'_> {
    /// Adds what every window of a query measures.
    pub(super) fn windows(&mut self, mut rows: Rows, asked: &Asked<'_>) -> Rows {
        let mut calls: Vec<&ast::Expr> = Vec::new();
        asked.walk(&mut |part| {
            if matches!(&part.kind, ExprKind::Call(call) if call.over.is_some()) {
                calls.push(part);
            }
        });
        for of in calls {
            let ExprKind::Call(call) = &of.kind else { continue };
            let text = print::expr(of);
            if rows.known.iter().any(|(own, _)| *own == text) {
                continue;
            }
            let Some(over) = &call.over else { continue };
            let (next, result) = self.window(rows, call, over, of.span);
            rows = next;
            rows.known.push((text, result));
        }
        rows
    }

    fn window(&mut self, rows: Rows, call: &Call, over: &Over, span: Span) -> (Rows, Expr) {
        let place = self.place(span);
        let inner = Call { over: None, ..call.clone() };
        let Some(work) = self.work(&inner, over, span, &rows) else {
            return (rows, Expr::Literal(rulestone_value::Value::Null));
        };
        // What tells groups apart, null equal to null.
        let mut by = Vec::new();
        let mut steps = Vec::new();
        for key in &over.by {
            let made = self.made();
            steps.push((made.clone(), marked(self.expr(key, &rows), place)));
            by.push(made);
        }
        let mut rows = self.compute(rows, steps, "partition by", span);
        if !over.order.is_empty() {
            rows = self.ordered(rows, &over.order, work.backwards, span);
        }
        let frame = self.frame(call, over, &work, span);
        let window = Window { by, measures: vec![work.measure], frame };
        (self.push(rows, RowStage::Window(window), "over", span), work.result)
    }

    fn ordered(&mut self, mut rows: Rows, order: &[Order], backwards: bool, span: Span) -> Rows {
        let mut keys = Vec::new();
        for by in order {
            let field: Arc<str> = match self.expr(&by.by, &rows) {
                Expr::Field(name) => name,
                expr => {
                    let made = self.made();
                    rows = self.compute(rows, vec![(made.clone(), expr)], "order by", span);
                    made
                }
            };
            let descending = by.descending != backwards;
            keys.push(SortKey { field, descending, collation: Collation::Auto });
        }
        self.push(rows, RowStage::Sort { keys, limit: None }, "order by", span)
    }

    fn frame(&mut self, call: &Call, over: &Over, work: &Work, span: Span) -> Frame {
        let running = |rows, time, current| Frame::Running {
            rows,
            time,
            current,
            shared: false,
            reset_on_change: false,
            reset_after: None,
            reset_before: None,
        };
        match work.frame {
            Fixed::Neighbour => return running(Some(1), None, false),
            Fixed::Whole => return Frame::Whole,
            Fixed::Running => return running(None, None, true),
            Fixed::Said => {}
        }
        match over.frame {
            ast::Frame::All => Frame::Whole,
            ast::Frame::Unsaid if over.order.is_empty() => Frame::Whole,
            ast::Frame::Unsaid => {
                let message =
                    "rows that are equal in the order count one after the other, not together";
                self.approximate("window-peers", message, call.at);
                running(None, None, true)
            }
            ast::Frame::Rows(rows) => running(rows.map(|rows| rows.saturating_add(1)), None, true),
            ast::Frame::Seconds(seconds) => {
                if !over.order.first().is_some_and(|order| time::is_time(&order.by)) {
                    let message = "a range of time is run over the time of events";
                    self.unsupported("unsupported-window", message, span);
                }
                running(None, Some(Duration::from_ticks((seconds * 1e7) as i64)), true)
            }
        }
    }

    /// What is measured, over which rows, and what is made of it.
    fn work(&mut self, call: &Call, over: &Over, span: Span, rows: &Rows) -> Option<Work> {
        let function = functions::find(&call.name);
        match function.map(|function| function.build) {
            Some(Build::Measure(_)) => {
                let measuring = self.measure(call, span, rows)?;
                Some(Work {
                    measure: measuring.measure,
                    result: measuring.result,
                    frame: Fixed::Said,
                    backwards: false,
                })
            }
            Some(Build::Window) => self.of_window(call, over, span, rows),
            Some(Build::Refused(why)) => {
                self.unsupported("unsupported-function", format!("`{}` {why}", call.name), call.at);
                None
            }
            _ => {
                let message = format!("`{}` is no function of windows", call.name);
                self.unsupported("unknown-function", message, call.at);
                None
            }
        }
    }

    fn of_window(&mut self, call: &Call, over: &Over, span: Span, rows: &Rows) -> Option<Work> {
        let place = self.place(span);
        let name = self.made();
        let field = Expr::Field(name.clone());
        let of = call.arguments.first().map(|of| self.expr(of, rows));
        let measure =
            |function, of| RowMeasure { function, of, into: NamePattern::new(name.clone()) };
        let work =
            |measure, frame, backwards| Work { measure, result: field.clone(), frame, backwards };
        Some(match &*call.name {
            "row_number" => work(measure(Aggregator::Count, Measured::Rows), Fixed::Running, false),
            "dense_rank" => {
                let [order] = &over.order[..] else {
                    let message = "`dense_rank` is run by one expression";
                    self.unsupported("unsupported-window", message, call.at);
                    return None;
                };
                let by = marked(self.expr(&order.by, rows), place);
                work(measure(Aggregator::DistinctCount, Measured::Expr(by)), Fixed::Running, false)
            }
            "first_value" => {
                work(measure(Aggregator::First, Measured::Expr(of?)), Fixed::Whole, false)
            }
            "last_value" => {
                work(measure(Aggregator::Last, Measured::Expr(of?)), Fixed::Whole, false)
            }
            "lag" | "lead" => {
                if call.arguments.get(1).is_some_and(|by| time::literal(by) != Some(1.0)) {
                    let message = format!("`{}` is run with the row next to it", call.name);
                    self.unsupported("unsupported-window", message, call.at);
                }
                let measured = measure(Aggregator::Last, Measured::Expr(of?));
                let mut work = work(measured, Fixed::Neighbour, call.name == "lead");
                if let Some(other) = call.arguments.get(2) {
                    let other = self.expr(other, rows);
                    work.result = Expr::call(Function::Coalesce, vec![work.result, other], place);
                }
                work
            }
            _ => return None,
        })
    }
}

/// What a window does.
struct Work {
    measure: RowMeasure,
    result: Expr,
    frame: Fixed,
    /// Whether it looks at rows in the opposite order.
    backwards: bool,
}

/// Over which rows.
#[derive(Clone, Copy, PartialEq)]
enum Fixed {
    /// As is said.
    Said,
    /// All up to the row.
    Running,
    /// All.
    Whole,
    /// The one before.
    Neighbour,
}
