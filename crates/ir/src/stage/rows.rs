//! Stages over rows of named columns: what pipelines of commands are made of.
//!
//! A row of a source has a column for every name of its schema's view. A stage reads and writes
//! columns by name; a column that is null is not there. `_time` is the time of the event, in
//! seconds since the epoch.

use std::sync::Arc;

use rulestone_value::Value;

use crate::{Duration, Expr, Formula, NullKey, Regex, Table};

/// What a stage over rows does.
#[derive(Debug, Clone, PartialEq)]
pub enum RowStage {
    /// Keeps the rows for which a formula holds.
    Filter {
        /// What has to hold.
        condition: Formula,
    },
    /// Takes columns out of a text.
    Extract(Extract),
    /// Sets columns, one after the other; each sees those before.
    Compute {
        /// What is set, and to what; null takes the column away.
        steps: Vec<(Target, Expr)>,
    },
    /// Keeps or drops columns.
    Project(Project),
    /// Renames columns, from left to right.
    Rename {
        /// Old and new; a star in the new name stands for what the same star in the old one does.
        pairs: Vec<(NamePattern, NamePattern)>,
        /// What becomes of the new column where there is no old one.
        absent: AbsentSource,
    },
    /// Puts numbers or times into bins: the floor of each.
    Bin {
        /// What is binned.
        field: Arc<str>,
        /// How wide a bin is.
        by: BinBy,
        /// Where the floor goes.
        into: Arc<str>,
    },
    /// Puts a value where there is none.
    Fill {
        /// Which columns.
        fields: FillFields,
        /// What to put there.
        value: Value,
    },
    /// Makes a row of each element of a list; a row without one stays.
    Expand {
        /// The list.
        field: Arc<str>,
        /// Rows made of one at most.
        limit: Option<u64>,
    },
    /// Adds columns of the rows of a table that fit.
    Lookup(Lookup),
    /// Adds where an address is.
    Locate {
        /// The address.
        field: Arc<str>,
        /// What stands before the names `City`, `Country`, `Region`, `lat`, `lon`.
        prefix: Arc<str>,
        /// Whether `Continent`, `MetroCode` and `Timezone` are added too.
        all_fields: bool,
    },
    /// Measures groups of rows.
    Aggregate(Aggregate),
    /// Adds to each row what is measured over rows around it.
    Window(Window),
    /// Keeps the first rows of each combination of values.
    Dedup(Dedup),
    /// Puts rows in order.
    Sort {
        /// By what, the most important first.
        keys: Vec<SortKey>,
        /// Rows kept.
        limit: Option<u64>,
    },
    /// Keeps rows at an end; the last ones come in reverse.
    Limit {
        /// How many.
        rows: u64,
        /// Which end.
        from: End,
    },
    /// Joins rows of the second input to those of the first.
    Join(Join),
    /// Rows of the inputs, one input after the other.
    Append,
    /// The columns of the inputs side by side, row by row.
    AppendColumns {
        /// Whether the second input's columns replace those of the first.
        overwrite: bool,
    },
    /// Groups events that belong together.
    Transaction(Transaction),
    /// For each row of the first input, the rows of the second that fit it.
    ForEachRow {
        /// What has to fit, by columns of the first and the second.
        on: Vec<(Arc<str>, MapTest)>,
        /// Rows of the first input that are looked at.
        most: u64,
    },
    /// Makes a column of each value of one.
    Pivot(Pivot),
    /// The opposite: a row for each column.
    Unpivot {
        /// What stays.
        row: Arc<str>,
        /// Where names go.
        name: Arc<str>,
        /// Where values go.
        value: Arc<str>,
    },
    /// Rows become columns.
    Transpose {
        /// Rows turned.
        rows: u64,
        /// Whose values become names.
        header: Option<Arc<str>>,
        /// The column of the old names.
        column: Arc<str>,
    },
    /// Adds sums.
    Totals(Totals),
    /// Adds rows where a sequence of times or numbers has gaps.
    Continue {
        /// The sequence.
        field: Arc<str>,
        /// Its step.
        by: BinBy,
    },
    /// Puts the last value where there is none.
    FillDown {
        /// Which columns; all when empty.
        fields: Vec<NamePattern>,
    },
    /// Joins the values of a column of neighbouring rows that are equal otherwise.
    Combine {
        /// Which column.
        field: Arc<str>,
        /// Whether they become one text with this between.
        joined: Option<String>,
    },
    /// Rows in reverse.
    Reverse,
}

/// A name, or a pattern of names with `*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamePattern(Arc<str>);

impl NamePattern {
    /// From the text of a rule.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        NamePattern(text.into())
    }

    /// As the rule has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, if it is one.
    pub fn name(&self) -> Option<&Arc<str>> {
        (!self.0.contains('*')).then_some(&self.0)
    }

    /// What each star stands for in a name that fits.
    pub fn stars<'n>(&self, name: &'n str) -> Option<Vec<&'n str>> {
        let mut parts = self.0.split('*');
        let mut rest = name.strip_prefix(parts.next()?)?;
        let parts: Vec<&str> = parts.collect();
        let Some((last, inner)) = parts.split_last() else {
            return rest.is_empty().then(Vec::new);
        };
        let mut stars = Vec::new();
        for part in inner {
            let at = rest.find(part)?;
            stars.push(&rest[..at]);
            rest = &rest[at + part.len()..];
        }
        stars.push(rest.strip_suffix(last)?);
        Some(stars)
    }

    /// Whether a name fits.
    pub fn matches(&self, name: &str) -> bool {
        self.stars(name).is_some()
    }

    /// The name it makes when its stars stand for these.
    pub fn fill(&self, stars: &[&str]) -> String {
        let mut out = String::new();
        for (at, part) in self.0.split('*').enumerate() {
            if at > 0 {
                out.push_str(stars.get(at - 1).copied().unwrap_or_default());
            }
            out.push_str(part);
        }
        out
    }
}

/// What a step of a Compute sets.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// The column of this name.
    Name(Arc<str>),
    /// The column whose name is in this one.
    Indirect(Arc<str>),
    /// Every column of these names that there is, with [`Expr::This`] for its value; the second is
    /// what is set, its star what the first's star stands for.
    Each(Vec<NamePattern>, NamePattern),
}

/// Takes columns out of a text, see [`RowStage::Extract`].
#[derive(Debug, Clone, PartialEq)]
pub struct Extract {
    /// The text.
    pub from: Arc<str>,
    /// How.
    pub by: Extractor,
}

/// How columns are taken out of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Extractor {
    /// A column for each named group of an expression.
    Captures {
        /// The expression.
        regex: Regex,
        /// Matches that are taken; 0 for all. More than one make a list.
        most: u64,
        /// A column for where the match of each group starts and ends.
        offsets: Option<Arc<str>>,
    },
    /// The text itself changed by a `s/…/…/g` or `y/…/…/`.
    Replace {
        /// What is replaced.
        regex: Regex,
        /// With what; `\1` stands for a group.
        with: String,
        /// How often; `None` for all.
        most: Option<u64>,
    },
    /// Characters of the first for those of the second.
    Translate(String, String),
    /// Every path of JSON or XML, named as the paths are; or one.
    Paths {
        /// Only this one, and where it goes.
        path: Option<(String, Arc<str>)>,
    },
    /// Every member of a JSON object, with this before its name; nested ones stay JSON.
    JsonMembers(Arc<str>),
    /// Every element of XML, by its name or the names above it.
    XmlValues,
    /// `name=value` pairs.
    Pairs {
        /// What stands between pairs.
        between: Option<String>,
        /// What stands between a name and its value.
        equals: Option<String>,
    },
}

/// Keeps or drops columns, see [`RowStage::Project`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Which.
    pub names: Vec<NamePattern>,
    /// Whether they are kept or dropped.
    pub mode: Keep,
    /// Whether columns with a leading `_` that are not named are kept.
    pub internal: Keep,
    /// Whether the result is a table of these columns in this order.
    pub ordered: bool,
}

impl Project {
    /// Whether a column of this name stays.
    pub fn passes(&self, name: &str) -> bool {
        let named = self.names.iter().any(|pattern| pattern.matches(name));
        match self.mode {
            Keep::Keep => named || (self.internal == Keep::Keep && name.starts_with('_')),
            Keep::Drop => !named,
        }
    }
}

/// Whether something is kept or dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Kept.
    Keep,
    /// Dropped.
    Drop,
}

/// What a missing column does to the one it is renamed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbsentSource {
    /// It takes it away.
    Clears,
    /// Nothing.
    Nothing,
}

/// How wide a bin is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BinBy {
    /// A length of time, from the epoch or from an offset to it.
    Span(Duration),
    /// So many months.
    Months(u32),
    /// A number.
    Number(f64),
    /// A step of a logarithm: factor and base.
    Log(f64, f64),
    /// At most so many bins over all rows, of a width that is easy to read.
    Auto(u32),
}

/// Which columns are filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FillFields {
    /// These, whether or not they are there.
    Names(Vec<Arc<str>>),
    /// Every column that a row of the pane has.
    All,
}

/// Adds columns out of a table, see [`RowStage::Lookup`].
#[derive(Debug, Clone, PartialEq)]
pub struct Lookup {
    /// The table.
    pub table: Arc<Table>,
    /// The table's column and the row's.
    pub on: Vec<(Arc<str>, Arc<str>)>,
    /// The table's column, the row's, and whether it stays as it is where it is set already.
    pub output: Vec<LookupOutput>,
}

/// A column that a lookup sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupOutput {
    /// The table's.
    pub column: Arc<str>,
    /// The row's.
    pub into: Arc<str>,
    /// Whether a value that is there stays.
    pub keeps: bool,
}

/// Measures groups, see [`RowStage::Aggregate`].
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// What tells groups apart, and what the columns are called in the result.
    pub by: Vec<(Arc<str>, Arc<str>)>,
    /// What becomes of a row that lacks one. A row is in the group of each element of a list.
    pub null: NullKey,
    /// What is measured.
    pub measures: Vec<RowMeasure>,
    /// Whether there is one row where there are no keys and no rows.
    pub empty_row: bool,
}

/// What is measured over rows.
#[derive(Debug, Clone, PartialEq)]
pub struct RowMeasure {
    /// How.
    pub function: Aggregator,
    /// Of what.
    pub of: Measured,
    /// What the result is called; its star is what the star of `of` stands for.
    pub into: NamePattern,
}

/// What a measure is of.
#[derive(Debug, Clone, PartialEq)]
pub enum Measured {
    /// The rows.
    Rows,
    /// An expression of each row.
    Expr(Expr),
    /// Rows for which an expression is true: for counting.
    Where(Expr),
    /// Each column of these names that is not a key, apart.
    Columns(NamePattern),
}

/// How rows are measured. Null values do not count; each element of a list counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aggregator {
    /// How many values, or rows.
    Count,
    /// How many different values.
    DistinctCount,
    /// The sum.
    Sum,
    /// The sum of squares.
    SumOfSquares,
    /// The mean.
    Mean,
    /// The least: as numbers where all are, else as text.
    Min,
    /// The greatest.
    Max,
    /// Greatest less least.
    Range,
    /// Standard deviation of a sample; 0 for one value.
    StdevSample,
    /// Of a population.
    StdevPopulation,
    /// Variance of a sample.
    VarianceSample,
    /// Of a population.
    VariancePopulation,
    /// The middle value, of an even number the higher of the two.
    Median,
    /// The value that this part in percent does not exceed: nearest rank.
    Percentile(f64),
    /// The most frequent value.
    Mode,
    /// Different values in the order of text, at most so many; 0 for all.
    Values(u64),
    /// All values in the order of rows, at most so many.
    List(u64),
    /// The value of the first row, in the order of rows, that has one.
    First,
    /// Of the last.
    Last,
    /// The value of the row with the least `_time` that has one.
    Earliest,
    /// With the greatest.
    Latest,
    /// That least `_time`.
    EarliestTime,
    /// That greatest.
    LatestTime,
    /// How much the value grows a second, from the row with the least `_time` to that with the
    /// greatest.
    Rate,
}

/// Adds what is measured over rows around, see [`RowStage::Window`].
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// What tells groups apart; a row that lacks one is in no group.
    pub by: Vec<Arc<str>>,
    /// What is measured.
    pub measures: Vec<RowMeasure>,
    /// Over which rows.
    pub frame: Frame,
}

/// The rows that a window measures.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a rule has a few at most")]
pub enum Frame {
    /// All of the group.
    Whole,
    /// Those up to the row at hand.
    Running {
        /// At most so many.
        rows: Option<u64>,
        /// At most so long before (or, in descending order, after) the row at hand.
        time: Option<Duration>,
        /// Whether the row at hand counts.
        current: bool,
        /// Whether `rows` counts those of all groups.
        shared: bool,
        /// Starts anew when the group changes.
        reset_on_change: bool,
        /// Starts anew behind a row for which this holds.
        reset_after: Option<Formula>,
        /// Starts anew before a row for which this holds.
        reset_before: Option<Formula>,
    },
}

/// Keeps the first rows of each combination, see [`RowStage::Dedup`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dedup {
    /// The columns.
    pub by: Vec<Arc<str>>,
    /// Rows kept of each.
    pub keep: u64,
    /// Whether only neighbours count.
    pub consecutive: bool,
    /// What becomes of rows that lack a column.
    pub null: Keep,
    /// Whether duplicates stay, without the columns.
    pub keep_rows: bool,
}

/// A key of a sort.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortKey {
    /// The column.
    pub field: Arc<str>,
    /// Whether the greatest comes first.
    pub descending: bool,
    /// How values compare.
    pub collation: Collation,
}

/// How values compare in a sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collation {
    /// As numbers where both are, else as text.
    Auto,
    /// As text.
    Text,
    /// As numbers.
    Number,
    /// As addresses.
    Address,
}

/// An end of a sequence of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The first.
    Head,
    /// The last.
    Tail,
}

/// Joins rows, see [`RowStage::Join`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// Which rows come out.
    pub kind: JoinKind,
    /// Equal columns of both; all that both have when empty.
    pub on: Vec<Arc<str>>,
    /// Rows of the second input joined to one of the first; `None` for all.
    pub most: Option<u64>,
    /// Whether the second input's columns replace those of the first.
    pub overwrite: bool,
    /// Whether text compares without case.
    pub ignore_case: bool,
}

/// Which rows a join lets out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    /// Pairs.
    Inner,
    /// Pairs, and rows of the first input without a partner.
    Left,
    /// Rows of the first input with a partner, as they are. A column that a row of the second
    /// lacks is not asked for; values of the second may have `*`.
    Semi,
    /// Those without.
    Anti,
}

/// Groups events, see [`RowStage::Transaction`].
#[derive(Debug, Clone, PartialEq)]
pub struct Transaction {
    /// Columns that have to agree.
    pub by: Vec<Arc<str>>,
    /// The events span less than this.
    pub max_span: Option<Duration>,
    /// The longest pause between two.
    pub max_pause: Option<Duration>,
    /// The most events of one.
    pub max_events: u64,
    /// What starts one.
    pub starts: Option<Formula>,
    /// What ends one.
    pub ends: Option<Formula>,
    /// Whether an event that lacks all columns belongs to none.
    pub connected: bool,
    /// Whether those that were not complete are kept.
    pub keep_evicted: bool,
    /// Whether lists keep every event's value in order, in place of different ones.
    pub keep_lists: bool,
}

/// What a row of the second input of a ForEachRow has to fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MapTest {
    /// Its column of this name equals, without case.
    Equals(Arc<str>),
    /// Its text has the value as a term.
    Term(Arc<str>),
}

/// Makes columns of values, see [`RowStage::Pivot`].
#[derive(Debug, Clone, PartialEq)]
pub struct Pivot {
    /// What tells the new rows apart.
    pub row: Vec<Arc<str>>,
    /// Whose values become names.
    pub column: Arc<str>,
    /// Which measures become columns: with one its name is left out.
    pub values: Vec<Arc<str>>,
    /// Columns kept, those with the greatest sums; 0 for all.
    pub most: u64,
    /// Whether the others are summed up as `OTHER`.
    pub other: bool,
    /// Whether rows without a value for the column are a column `NULL`.
    pub null: bool,
    /// What a combination that is not there is.
    pub fill: Option<Value>,
}

/// Adds sums, see [`RowStage::Totals`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// Which columns; all when empty.
    pub fields: Vec<NamePattern>,
    /// The column for the sum of each row.
    pub row: Option<Arc<str>>,
    /// Whether a row with the sum of each column comes behind.
    pub column: bool,
    /// The column of that row's label, and the label.
    pub label: Option<(Arc<str>, String)>,
}
