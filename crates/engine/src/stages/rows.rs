//! Stages over rows of named columns: what pipelines are made of.
//!
//! One file a stage. There are two sorts of them:
//!
//! * a [`RowWise`] stage looks at one row alone. It has no state, so that several threads can use
//!   it at once;
//! * an [`OverPane`] stage looks at all rows of a pane. It keeps what it needs within the memory
//!   that the [`Run`] allows and forgets it with [`OverPane::reset`].
//!
//! What a stage means is said in [`rulestone_ir::RowStage`]; the files say how it is done and what
//! is decided where nobody documents it.

use std::fmt;
use std::sync::Arc;

use rulestone_ir::{FillFields, RowStage};
use rulestone_value::{Time, Value};

use crate::eval::Context;
use crate::order::Origin;
use crate::row::{Names, Proof, Seen, Slot, Tuple};

mod aggregate;
mod append;
mod bin;
mod combine;
mod compute;
mod dedup;
mod expand;
mod extract;
mod fill;
mod filter;
mod for_each_row;
mod join;
mod limit;
mod locate;
mod lookup;
mod measure;
#[cfg(test)]
pub(crate) mod notation;
mod project;
mod rename;
mod reverse;
mod sort;
mod totals;
mod transaction;
mod turn;
mod values;
mod window;

/// Columns that data may add to a run: names that come out of texts are not to widen every row
/// without bound.
const MOST_COLUMNS: usize = 4096;

/// Why a pane could not be worked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Stable, for machines.
    pub(crate) code: &'static str,
    /// For people.
    pub(crate) message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// What the stages of a pipeline share while they run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Run {
    /// The columns.
    pub(crate) names: Names,
    /// The time of the run.
    pub(crate) now: Option<Time>,
    /// What the stages may keep.
    pub(crate) memory: Memory,
    /// Names that were there before the first row.
    known: usize,
}

impl Run {
    /// With columns that stages know, and so many bytes for what they keep.
    pub(crate) fn new(names: Names, memory: usize) -> Run {
        let known = names.all().len();
        Run { names, now: None, memory: Memory { used: 0, most: memory }, known }
    }

    /// The slot of a name that came out of data.
    pub(crate) fn column(&mut self, name: &str) -> Result<Slot, Refusal> {
        if let Some(slot) = self.names.find(name) {
            return Ok(slot);
        }
        if self.names.all().len() >= self.known + MOST_COLUMNS {
            return Err(Refusal {
                code: "too-many-columns",
                message: format!("the data make more than {MOST_COLUMNS} columns"),
            });
        }
        Ok(self.names.slot(name))
    }

    /// What an expression may ask for at a row.
    fn context<'a>(&'a self, row: &'a Tuple) -> Context<'a> {
        // A row's ordinal is the place of the event it rests on.
        let place = row.proof.first.first().map_or(0, |seen| {
            let Origin { log, record, .. } = seen.origin;
            u64::from(log).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ record
        });
        Context { names: &self.names, values: &row.values, now: self.now, place, at: None }
    }
}

/// The columns of a row whose names pass, in the order of their names: slots are given out in an
/// order that depends on threads.
fn columns_by_name(run: &Run, row: &Tuple, passes: impl Fn(&str) -> bool) -> Vec<(Slot, Arc<str>)> {
    let columns = row.columns().map(|(slot, _)| (slot, run.names.name(slot).clone()));
    let mut columns: Vec<_> = columns.filter(|(_, name)| passes(name)).collect();
    columns.sort_unstable_by(|(_, left), (_, right)| left.cmp(right));
    columns
}

/// The bytes that the stages of a pane keep, about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    used: usize,
    most: usize,
}

impl Memory {
    /// Counts what a stage keeps from now on.
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.used += bytes;
        if self.used <= self.most {
            return Ok(());
        }
        let most = self.most / 1_048_576;
        Err(Refusal {
            code: "state-too-large",
            message: format!("the stages of one pane would keep more than {most} MiB"),
        })
    }

    /// Counts what a stage has let go.
    pub(crate) fn release(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
    }

    /// Counts a row that a stage keeps.
    pub(crate) fn hold_row(&mut self, row: &Tuple) -> Result<(), Refusal> {
        self.hold(row_bytes(row))
    }

    /// Counts a row that a stage has let go.
    pub(crate) fn release_row(&mut self, row: &Tuple) {
        self.release(row_bytes(row));
    }

    /// Nothing is kept any more.
    pub(crate) fn clear(&mut self) {
        self.used = 0;
    }
}

/// Bytes of a row, about.
pub(crate) fn row_bytes(row: &Tuple) -> usize {
    let values: usize = row.values.iter().map(value_heap).sum();
    let own = size_of::<Tuple>() + row.values.capacity() * size_of::<Value>();
    own + values + proof_heap(&row.proof)
}

/// Bytes of a value outside of itself, about.
pub(crate) fn value_heap(value: &Value) -> usize {
    match value {
        Value::String(text) => text.capacity(),
        Value::List(values) => {
            values.capacity() * size_of::<Value>() + values.iter().map(value_heap).sum::<usize>()
        }
        _ => 0,
    }
}

fn proof_heap(proof: &Proof) -> usize {
    proof.first.capacity() * size_of::<Seen>()
}

/// A stage that works each row alone.
pub(crate) trait RowWise: fmt::Debug + Send + Sync {
    /// Puts what becomes of a row into `out`.
    fn apply(&self, run: &mut Run, row: Tuple, out: &mut Vec<Tuple>) -> Result<(), Refusal>;
}

/// A stage that works the rows of a pane together.
///
/// Rows are pushed input by input, in any order of the inputs; then each input ends; then
/// [`OverPane::drain`] is called until it says that nothing is left.
pub(crate) trait OverPane: fmt::Debug + Send {
    /// Takes a row of an input, and puts into `out` what is certain by then.
    fn push(
        &mut self,
        run: &mut Run,
        input: usize,
        row: Tuple,
        out: &mut Vec<Tuple>,
    ) -> Result<(), Refusal>;

    /// Says that an input has no more rows.
    fn end(&mut self, run: &mut Run, input: usize, out: &mut Vec<Tuple>) -> Result<(), Refusal> {
        let _ = (run, input, out);
        Ok(())
    }

    /// Puts some of the rows that are left into `out` once all inputs have ended; whether there
    /// may be more.
    fn drain(&mut self, run: &mut Run, out: &mut Vec<Tuple>) -> Result<bool, Refusal> {
        let _ = (run, out);
        Ok(false)
    }

    /// Whether no row can come out any more, whatever else goes in.
    fn is_barren(&self) -> bool {
        false
    }

    /// Forgets the pane.
    fn reset(&mut self);
}

/// A stage that makes its result of all rows of a pane at once.
pub(crate) trait OfAllRows: fmt::Debug + Send {
    /// Whether a row counts, where so many are kept already.
    fn keeps(&self, kept: usize) -> bool {
        let _ = kept;
        true
    }

    /// What it makes of the rows: the first row of the result last.
    fn work(&mut self, run: &mut Run, rows: Vec<Tuple>) -> Result<Vec<Tuple>, Refusal>;
}

/// Keeps the rows of a pane for a stage that wants all of them.
#[derive(Debug)]
struct AllRows<S> {
    stage: S,
    rows: Vec<Tuple>,
    /// What is to come, the next one last.
    ready: Option<Vec<Tuple>>,
}

impl<S: OfAllRows> OverPane for AllRows<S> {
    fn push(
        &mut self,
        run: &mut Run,
        _: usize,
        row: Tuple,
        _: &mut Vec<Tuple>,
    ) -> Result<(), Refusal> {
        if self.stage.keeps(self.rows.len()) {
            run.memory.hold_row(&row)?;
            self.rows.push(row);
        }
        Ok(())
    }

    fn drain(&mut self, run: &mut Run, out: &mut Vec<Tuple>) -> Result<bool, Refusal> {
        if self.ready.is_none() {
            self.ready = Some(self.stage.work(run, std::mem::take(&mut self.rows))?);
        }
        let ready = &mut self.ready;
        drain_rows(&mut std::iter::from_fn(|| ready.as_mut()?.pop()), run, out)
    }

    fn reset(&mut self) {
        (self.rows, self.ready) = (Vec::new(), None);
    }
}

/// Rows that a call of [`OverPane::drain`] gives at a time: enough that the call costs nothing.
const BATCH: usize = 1024;

/// Hands over rows that a stage has kept, some at a time; whether there are more.
fn drain_rows(
    rows: &mut impl Iterator<Item = Tuple>,
    run: &mut Run,
    out: &mut Vec<Tuple>,
) -> Result<bool, Refusal> {
    for _ in 0..BATCH {
        let Some(row) = rows.next() else { return Ok(false) };
        run.memory.release_row(&row);
        out.push(row);
    }
    Ok(true)
}

/// A stage at work.
#[derive(Debug)]
pub(crate) enum Work {
    /// On each row alone.
    Row(Arc<dyn RowWise>),
    /// On the rows of a pane.
    Pane(Box<dyn OverPane>),
}

impl Work {
    fn row(stage: impl RowWise + 'static) -> Work {
        Work::Row(Arc::new(stage))
    }

    fn pane(stage: impl OverPane + 'static) -> Work {
        Work::Pane(Box::new(stage))
    }

    fn all_rows(stage: impl OfAllRows + 'static) -> Work {
        Work::pane(AllRows { stage, rows: Vec::new(), ready: None })
    }

    /// Makes a stage ready; the columns it names get slots.
    pub(crate) fn new(stage: &RowStage, inputs: usize, names: &mut Names, tools: &Tools) -> Work {
        match stage {
            RowStage::Filter { condition } => Work::row(filter::FilterStage::new(condition, names)),
            RowStage::Extract(extract) => Work::row(extract::ExtractStage::new(extract, names)),
            RowStage::Compute { steps } => Work::row(compute::ComputeStage::new(steps, names)),
            RowStage::Project(project) => Work::row(project::ProjectStage::new(project, names)),
            RowStage::Rename { pairs, absent } => {
                Work::row(rename::RenameStage::new(pairs, *absent, names))
            }
            RowStage::Bin { field, by, into } => bin::stage(field, *by, into, names),
            RowStage::Fill { fields: FillFields::Names(fields), value } => {
                Work::row(fill::FillNamed::new(fields, value, names))
            }
            RowStage::Fill { fields: FillFields::All, value } => {
                Work::pane(fill::FillAll::new(value))
            }
            RowStage::Expand { field, limit } => {
                Work::row(expand::ExpandStage::new(field, *limit, names))
            }
            RowStage::Lookup(lookup) => Work::row(lookup::LookupStage::new(lookup, names)),
            RowStage::Locate { field, prefix, all_fields } => {
                let locate = tools.locate.clone();
                let stage = locate::LocateStage::new(field, prefix, *all_fields, names, locate);
                Work::row(stage)
            }
            _ => Self::over_pane(stage, inputs, names),
        }
    }

    fn over_pane(stage: &RowStage, inputs: usize, names: &mut Names) -> Work {
        match stage {
            RowStage::Aggregate(aggregate) => {
                Work::pane(aggregate::AggregateStage::new(aggregate, names))
            }
            RowStage::Window(window) => match window::RunningStage::new(window, names) {
                Some(running) => Work::pane(running),
                None => Work::pane(window::WholeStage::new(window, names)),
            },
            RowStage::Dedup(dedup) => Work::pane(dedup::DedupStage::new(dedup, names)),
            RowStage::Sort { keys, limit } => Work::pane(sort::SortStage::new(keys, *limit, names)),
            RowStage::Limit { rows, from } => Work::pane(limit::LimitStage::new(*rows, *from)),
            RowStage::Join(join) => join::stage(join, names),
            RowStage::AppendColumns { overwrite } => {
                Work::pane(append::ColumnsStage::new(*overwrite))
            }
            RowStage::Transaction(transaction) => {
                Work::all_rows(transaction::TransactionStage::new(transaction, names))
            }
            RowStage::ForEachRow { on, most } => {
                Work::pane(for_each_row::ForEachRowStage::new(on, *most, names))
            }
            RowStage::Pivot(pivot) => Work::pane(turn::PivotStage::new(pivot, names)),
            RowStage::Unpivot { row, name, value } => {
                Work::row(turn::UnpivotStage::new(row, name, value, names))
            }
            RowStage::Transpose { rows, header, column } => {
                Work::all_rows(turn::TransposeStage::new(*rows, header.as_ref(), column, names))
            }
            RowStage::Totals(totals) => Work::pane(totals::TotalsStage::new(totals, names)),
            RowStage::Continue { field, by } => {
                Work::all_rows(bin::ContinueStage::new(field, *by, names))
            }
            RowStage::FillDown { fields } => Work::pane(fill::FillDownStage::new(fields)),
            RowStage::Combine { field, joined } => {
                Work::pane(combine::CombineStage::new(field, joined.as_ref(), names))
            }
            RowStage::Reverse => Work::all_rows(reverse::ReverseStage),
            _ => Work::pane(append::AppendStage::new(inputs)),
        }
    }
}

/// What stages need beside the rule.
#[derive(Clone, Default)]
pub(crate) struct Tools {
    /// Where addresses are.
    pub(crate) locate: Option<Arc<dyn Locate>>,
}

impl fmt::Debug for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tools").field("locate", &self.locate.is_some()).finish()
    }
}

/// Says where addresses are.
pub trait Locate: Send + Sync {
    /// The place of an address; `None` where nothing is known.
    fn locate(&self, address: std::net::IpAddr) -> Option<Place>;
}

/// Where an address is, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Place {
    /// The city's name in English.
    pub city: Option<String>,
    /// The country's.
    pub country: Option<String>,
    /// The first part of the country.
    pub region: Option<String>,
    /// The continent's.
    pub continent: Option<String>,
    /// The time zone.
    pub time_zone: Option<String>,
    /// The code of the metropolitan area.
    pub metro: Option<i64>,
    /// Latitude and longitude.
    pub position: Option<(f64, f64)>,
}
