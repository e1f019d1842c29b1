//! What the parser makes of a search.
//!
//! One type a form: search expressions, in which `OR` binds tighter than `AND`, and eval
//! expressions, in which it does not, never meet. Spans are into the rule's file, through the
//! macros that a piece of text came from.

use std::sync::Arc;

use rulestone_ir::Span;

/// Something with its place in the rule's file.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned<T> {
    /// What stands there.
    pub value: T,
    /// Where.
    pub span: Span,
}

/// A name of a field, without quotes; it may have `*`.
pub type Name = Spanned<Arc<str>>;

/// Commands, each over the rows of the one before.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// The commands. A search that does not start with `|` starts with [`Syntax::Search`].
    pub commands: Vec<Command>,
    /// All of it.
    pub span: Span,
}

/// A command.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Its name as written.
    pub name: Spanned<Arc<str>>,
    /// What it is.
    pub syntax: Syntax,
    /// All of it, without the `|`.
    pub span: Span,
}

/// An option: `limit=10`.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Its name, in lower case.
    pub name: Name,
    /// Its value without quotes.
    pub value: Name,
}

/// What follows a command's name.
#[derive(Debug, Clone, PartialEq)]
pub enum Syntax {
    /// `search`, and the start of most searches.
    Search(Search),
    /// `where`.
    Where(Eval),
    /// `eval`.
    Eval(Vec<(Name, Eval)>),
    /// `stats`, `eventstats`, `streamstats`, `chart`, `timechart`, `sistats`, `geostats`, `mstats`.
    Stats(Stats),
    /// `tstats`.
    Tstats(Tstats),
    /// `from`, `datamodel`: rows of a data model.
    From {
        /// `Model.Dataset`.
        dataset: Name,
        /// The form of rows: `search`, `flat`; `datamodel` alone has one.
        form: Option<Name>,
        /// Other options.
        settings: Vec<Setting>,
    },
    /// `rename`.
    Rename(Vec<(Name, Name)>),
    /// `table`, `fields`, `dedup`, `mvexpand`, `xmlkv`, `nomv`, `reverse` …: names and options alone.
    Names(Names),
    /// `rex`.
    Rex {
        /// `field=`, `mode=`, `max_match=`, `offset_field=`.
        settings: Vec<Setting>,
        /// The expression, without its quotes.
        pattern: Name,
    },
    /// `regex`.
    Regex {
        /// The field; `_raw` where none is named.
        field: Option<Name>,
        /// `!=`.
        negated: bool,
        /// The expression, without its quotes.
        pattern: Name,
    },
    /// `bin`, `bucket`, `makecontinuous`.
    Bin {
        /// `span=`, `bins=` and others.
        settings: Vec<Setting>,
        /// The field, where one is named.
        field: Option<Name>,
        /// What the bin is called.
        alias: Option<Name>,
    },
    /// `convert`.
    Convert {
        /// `timeformat=`, `timezone=`.
        settings: Vec<Setting>,
        /// Function, field, and what the result is called.
        conversions: Vec<(Name, Name, Option<Name>)>,
    },
    /// `lookup`.
    Lookup {
        /// `local=`, `update=`.
        settings: Vec<Setting>,
        /// The table.
        table: Name,
        /// The table's column, and the row's where it has another name.
        on: Vec<(Name, Option<Name>)>,
        /// What is put out; none for everything.
        output: Option<LookupOutput>,
    },
    /// `inputlookup`.
    InputLookup {
        /// `append=`, `start=`, `max=`.
        settings: Vec<Setting>,
        /// The table.
        table: Name,
        /// The rows that are taken.
        filter: Option<Search>,
    },
    /// `outputlookup`, `collect`, `sendalert` …: what writes.
    Output {
        /// Everything behind the name.
        text: Name,
    },
    /// `sort`.
    Sort {
        /// The rows kept; `None` where none is named.
        limit: Option<Spanned<u64>>,
        /// Fields with their direction and what they compare as (`num`, `str`, `ip`, `auto`).
        keys: Vec<SortKey>,
        /// A `d` or `desc` behind all keys turns them round.
        reversed: bool,
    },
    /// `head`, `tail`.
    Limit {
        /// How many; `None` where none is named.
        rows: Option<Spanned<u64>>,
        /// `head (condition)`.
        condition: Option<Eval>,
        /// `keeplast=`, `null=`.
        settings: Vec<Setting>,
    },
    /// `top`, `rare`.
    Top {
        /// `limit=`, `showperc=`, `countfield=` and others; a bare number is `limit`.
        settings: Vec<Setting>,
        /// What is counted.
        fields: Vec<Name>,
        /// What tells groups apart.
        by: Vec<Name>,
    },
    /// `join`.
    Join {
        /// `type=`, `max=`, `overwrite=` and others.
        settings: Vec<Setting>,
        /// The fields.
        on: Vec<Name>,
        /// The other side.
        subsearch: Pipeline,
    },
    /// `append`, `appendcols`, `appendpipe`, `union`, `multisearch`.
    Append {
        /// Options.
        settings: Vec<Setting>,
        /// The other sides.
        subsearches: Vec<Pipeline>,
    },
    /// `map`.
    Map {
        /// `maxsearches=` and others.
        settings: Vec<Setting>,
        /// The search with `$field$` in it, without its quotes.
        search: Name,
    },
    /// `makemv`.
    Makemv {
        /// `delim=`, `tokenizer=`, `allowempty=`, `setsv=`.
        settings: Vec<Setting>,
        /// The field.
        field: Name,
    },
    /// `spath`.
    Spath {
        /// `input=`, `output=`, `path=`; a bare path is `path`.
        settings: Vec<Setting>,
    },
    /// `transaction`.
    Transaction {
        /// The fields.
        fields: Vec<Name>,
        /// `maxspan=`, `maxpause=` and others.
        settings: Vec<Setting>,
        /// `startswith=`.
        starts: Option<Boundary>,
        /// `endswith=`.
        ends: Option<Boundary>,
    },
    /// `foreach`.
    Foreach {
        /// The names, with `*`.
        fields: Vec<Name>,
        /// `mode=`, `fieldstr=`, `matchstr=`.
        settings: Vec<Setting>,
        /// The commands, with `<<FIELD>>` and `<<MATCHSTR>>` as they stand.
        body: Pipeline,
    },
    /// `replace`.
    Replace {
        /// What by what.
        pairs: Vec<(Name, Name)>,
        /// In which fields; all when empty.
        fields: Vec<Name>,
    },
    /// `makeresults`, `metadata`, `rest` …: what makes rows from nothing or from outside.
    Generate {
        /// Options.
        settings: Vec<Setting>,
    },
    /// A command that is known by its name alone: its arguments as they stand.
    Other {
        /// Everything behind the name.
        text: Name,
    },
}

/// A search expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Search {
    /// All of them: `AND`, or nothing, between; none is true.
    And(Vec<Search>),
    /// One of them: `OR` between.
    Or(Vec<Search>),
    /// `NOT`.
    Not(Box<Search>, Span),
    /// `field=value`.
    Compare {
        /// The field.
        field: Name,
        /// How.
        operator: Spanned<Operator>,
        /// The value.
        value: SearchValue,
    },
    /// `field IN (…)`.
    In {
        /// The field.
        field: Name,
        /// The values.
        values: Vec<SearchValue>,
    },
    /// A word or phrase that stands by itself.
    Term(SearchValue),
    /// `TERM(…)`: one token, as it stands.
    Token(Name),
    /// `CASE(…)`, with or without a field before.
    Case(Option<Name>, Name),
    /// `[search …]`: what its rows say.
    Subsearch(Pipeline),
    /// Something that could not be read; there is a diagnostic.
    Broken(Span),
}

/// A value of a search expression, escapes resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchValue {
    /// The text; `*` is a wildcard whether or not it stands in quotes.
    pub text: Arc<str>,
    /// Whether it stands in quotes.
    pub quoted: bool,
    /// Where.
    pub span: Span,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `=`, `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// An eval expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Eval {
    /// A number.
    Number(f64, Span),
    /// A text in double quotes, escapes resolved.
    Text(Arc<str>, Span),
    /// A field, in single quotes or bare.
    Field(Name),
    /// `{field}` within a name: the field whose name is in this one.
    Indirect(Name),
    /// A function; the name in lower case.
    Call {
        /// Its name.
        name: Name,
        /// What it is given.
        arguments: Vec<Eval>,
        /// All of it.
        span: Span,
    },
    /// `NOT`, `!`.
    Not(Box<Eval>, Span),
    /// `-`.
    Negate(Box<Eval>, Span),
    /// Two sides.
    Binary {
        /// What is between.
        operator: Spanned<Binary>,
        /// The left one.
        left: Box<Eval>,
        /// The right one.
        right: Box<Eval>,
    },
    /// `x IN (…)`.
    In {
        /// What is asked.
        value: Box<Eval>,
        /// The values.
        values: Vec<Eval>,
        /// All of it.
        span: Span,
    },
    /// Something that could not be read; there is a diagnostic.
    Broken(Span),
}

/// What stands between two sides of an eval expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// `AND`
    And,
    /// `OR`
    Or,
    /// `XOR`
    Xor,
    /// A comparison.
    Compare(Operator),
    /// `LIKE`
    Like,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Remainder,
    /// `.`
    Concat,
}

/// What `stats` and its relatives measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// `window=`, `span=`, `limit=` and others.
    pub settings: Vec<Setting>,
    /// What is measured.
    pub measures: Vec<Measure>,
    /// `chart … OVER x`.
    pub over: Option<Name>,
    /// `BY`: the fields, with options of `chart` and `timechart` behind them.
    pub by: Vec<Name>,
    /// `where` of `mstats`, and of `chart`'s and `timechart`'s series as text.
    pub filter: Option<Search>,
}

/// One measure: `count`, `values(x) AS y`, `count(eval(…))`.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// Its function's name in lower case: `count`, `p95`, `perc95.5`.
    pub function: Name,
    /// What it is of.
    pub of: MeasureOf,
    /// What it is called.
    pub alias: Option<Name>,
    /// All of it.
    pub span: Span,
}

/// What a measure is of.
#[derive(Debug, Clone, PartialEq)]
pub enum MeasureOf {
    /// Nothing: `count`.
    Rows,
    /// A field, or with `*` several.
    Field(Name),
    /// `eval(…)`.
    Eval(Eval),
}

/// `tstats`.
#[derive(Debug, Clone, PartialEq)]
pub struct Tstats {
    /// `summariesonly=`, `fillnull_value=`, `prestats=` and others.
    pub settings: Vec<Setting>,
    /// What is measured.
    pub measures: Vec<Measure>,
    /// `from datamodel=…`, with or without `=`.
    pub datamodel: Option<Name>,
    /// `where`; `nodename=` is in it.
    pub filter: Option<Search>,
    /// `by`.
    pub by: Vec<Name>,
    /// `span=` behind `by _time`.
    pub span: Option<Name>,
}

/// Names and options.
#[derive(Debug, Clone, PartialEq)]
pub struct Names {
    /// A number before the names: `dedup 3 host`.
    pub count: Option<Spanned<u64>>,
    /// `+` or `-` before the names of `fields`.
    pub minus: bool,
    /// The names.
    pub names: Vec<Name>,
    /// Options.
    pub settings: Vec<Setting>,
    /// `sortby` of `dedup`.
    pub sort: Vec<SortKey>,
}

/// A key of a sort.
#[derive(Debug, Clone, PartialEq)]
pub struct SortKey {
    /// `-`.
    pub descending: bool,
    /// `num`, `str`, `ip`, `auto`.
    pub collation: Option<Name>,
    /// The field.
    pub field: Name,
}

/// What a lookup puts out.
#[derive(Debug, Clone, PartialEq)]
pub struct LookupOutput {
    /// `OUTPUTNEW`: values that are there stay.
    pub keeps: bool,
    /// The table's column, and the row's where it has another name.
    pub columns: Vec<(Name, Option<Name>)>,
}

/// What starts or ends a transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Boundary {
    /// `eval(…)`.
    Eval(Eval),
    /// A search in parentheses or quotes.
    Search(Search),
}
