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

use rulestone_ir::RowStage;
use rulestone_value::{Time, Value};

use crate::row::{Names, Proof, Seen, Slot, Tuple};

mod append;
mod limit;
mod reverse;
pub(crate) mod values;

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

    /// Bytes kept.
    pub(crate) fn used(&self) -> usize {
        self.used
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

    /// Forgets the pane.
    fn reset(&mut self);
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

    /// Makes a stage ready; the columns it names get slots.
    pub(crate) fn new(stage: &RowStage, inputs: usize, names: &mut Names, tools: &Tools) -> Work {
        let _ = (names, tools);
        match stage {
            RowStage::Limit { rows, from } => Work::pane(limit::LimitStage::new(*rows, *from)),
            RowStage::Append => Work::pane(append::AppendStage::new(inputs)),
            RowStage::AppendColumns { overwrite } => {
                Work::pane(append::ColumnsStage::new(*overwrite))
            }
            RowStage::Reverse => Work::pane(reverse::ReverseStage::default()),
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
