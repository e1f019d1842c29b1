//! Snowflake SQL: text to AST to stages.
//!
//! The language as its reference has it in 2025 (<https://docs.snowflake.com/en/sql-reference>),
//! queries alone. What is known to differ:
//!
//! - Columns have no types. A text that is a number compares with numbers as one, and what is none
//!   is null where Snowflake stops with an error.
//! - A point in time is seconds since the epoch, in UTC, whatever its type was.
//! - `event_time > dateadd(hour, -2, sysdate())` is the schedule: of a query that looks at one
//!   event at a time it says nothing, for every event is looked at once; else it is the clock.
//! - JSON's null is null, and an object is the text of its JSON.
//! - Names are looked for in lower case, as the views have them; in quotes they are as written.
//! - `select *` of events has the columns of their view, and what else the event has.
//! - What Snowflake leaves open, as the order of rows without `order by`, is newest first.

use rulestone_ir::{Diagnostic, Status};

use crate::Environment;
pub use crate::text::{Lowered, Text};

pub mod ast;
mod functions;
mod lexer;
mod lower;
mod parser;
mod print;
mod tables;
mod units;

pub use functions::{SqlFunction, functions};
pub use print::{print_ast, print_tokens};
pub use tables::NAMES as TABLES;

/// Reads a query. `None` where it cannot be run; the diagnostics say why.
pub fn read(
    text: &Text<'_>,
    environment: &Environment,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Lowered> {
    let mut own = Vec::new();
    let lowered = parser::parse(text, &mut own)
        .map(|query| lower::lower(&query, text, environment, &mut own));
    let runs = Status::of(&own).runs();
    diagnostics.append(&mut own);
    lowered.filter(|_| runs)
}
