//! The fast path: predicates by distinct value, rules by distinct combination.

mod atoms;
mod field;
mod lists;
mod parted;
mod rendered;
mod texts;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;
use rulestone_events::{Batch, Code, Column, Dictionary, Event, Expr, Kind, RAW, TextFilter};
use rulestone_ir::{Case, Elements, Predicate, Test};
use rulestone_value::Value;

use crate::bind::{BoundColumn, Plan, Program, Reads};
pub(crate) use field::{FieldMatcher, Probe};
use lists::{ListId, Lists};
use texts::{PartLists, TextState};

/// Lists, values and combinations one thread remembers before it starts anew.
const MAX_LISTS: usize = 1 << 18;
const MAX_REMEMBERED: usize = 1 << 19;

/// Tests of a column that are asked one by one.
const FEW: usize = 24;

/// What one thread remembers of the values and combinations it has decided. Makes the next batch
/// faster, never different.
pub struct Matcher<'p> {
    plan: &'p Plan,
    /// Rules up to this stratum are not looked at.
    above: Option<usize>,
    /// Probes of a field that hold, by field and what is read, for values of an event's own field.
    values: HashMap<(usize, Arc<str>), ByCode, RandomState>,
    /// The same of what values put into the events' own texts.
    parts: PartLists,
    global: Lists,
    /// By the stratum that the rules are above of, and the kind.
    kinds: HashMap<Option<usize>, KindStates, RandomState>,
    remembered: usize,
}

/// For each code of a dictionary, the list of the probes that hold; `None` where nobody has looked.
#[derive(Default)]
struct ByCode {
    epoch: u64,
    lists: Vec<Option<ListId>>,
}

impl ByCode {
    /// Makes it one of a dictionary's codes.
    fn renew(&mut self, dictionary: &Dictionary) {
        if self.epoch != dictionary.epoch() {
            *self = ByCode { epoch: dictionary.epoch(), lists: Vec::new() };
        }
        self.lists.resize(dictionary.len(), None);
    }
}

type KindStates = HashMap<Arc<Kind>, KindState, RandomState>;

/// What is remembered for one kind.
struct KindState {
    program: Arc<Program>,
    columns: Vec<ColumnState>,
    /// Lists of the program's own predicates.
    lists: Lists,
    verdicts: HashMap<Box<[ListId]>, u32, RandomState>,
    rules: Vec<Verdict>,
    /// Lists of rules whose rows wait, each kept once.
    waiting: HashSet<Arc<[u32]>, RandomState>,
    held: Vec<bool>,
}

/// What holds for rows of one combination, as indices into the program's bound rules.
pub(crate) struct Verdict {
    /// All rules.
    pub(crate) rules: Box<[u32]>,
    /// Those to look at at once.
    pub(crate) now: Box<[u32]>,
    /// Those whose rows can wait as codes, each source once.
    pub(crate) waiting: Arc<[u32]>,
}

#[derive(Default)]
struct ColumnState {
    /// From lists of probes to lists of the program's own predicates.
    own: HashMap<ListId, ListId, RandomState>,
    /// For columns that read several fields: by the codes of all of them.
    by_codes: HashMap<Box<[Code]>, ListId, RandomState>,
    /// Of the dictionaries that those codes are from; 0 for a field without one.
    epochs: Vec<u64>,
    /// For a column that only decoded events have.
    filter: Option<TextFilter>,
    /// For the column of the events' own text.
    text: Option<Box<TextState>>,
}

impl<'p> Matcher<'p> {
    /// A matcher that remembers nothing yet.
    pub fn new(plan: &'p Plan) -> Self {
        Matcher {
            plan,
            above: None,
            values: HashMap::default(),
            parts: PartLists::default(),
            global: Lists::default(),
            kinds: HashMap::default(),
            remembered: 0,
        }
    }

    /// Rules up to this stratum are not looked at from now on.
    pub(crate) fn set_above(&mut self, above: Option<usize>) {
        self.above = above;
    }

    /// Calls `hit` with the row and the rules that hold for it, as indices into the program's
    /// bound rules, for every row for which one does.
    pub fn run(&mut self, batch: &Batch<'_>, mut hit: impl FnMut(usize, &Program, &[u32])) {
        self.run_verdicts(batch, |row, program, verdict| hit(row, program, &verdict.rules));
    }

    /// The same with what can wait apart.
    pub(crate) fn run_verdicts(
        &mut self,
        batch: &Batch<'_>,
        mut hit: impl FnMut(usize, &Arc<Program>, &Verdict),
    ) {
        if self.remembered > MAX_REMEMBERED || self.global.len() > MAX_LISTS {
            *self = Matcher { above: self.above, ..Matcher::new(self.plan) };
        }
        let mut state = match self.kinds.entry(self.above).or_default().remove(batch.kind) {
            Some(state) => state,
            None => KindState::new(self.plan.program_above(batch.kind, self.above)),
        };
        let program = state.program.clone();
        let width = program.columns.len();
        // Row by row, the lists of all columns: what decides the row.
        let mut signatures = vec![ListId::EMPTY; width * batch.rows.len()];
        for (at, column) in program.columns.iter().enumerate() {
            self.fill_column(batch, column, &mut state, at, &mut signatures);
        }
        for row in 0..batch.rows.len() {
            let signature = &signatures[row * width..(row + 1) * width];
            let verdict = state.verdict(signature, &mut self.remembered);
            let verdict = &state.rules[verdict as usize];
            if !verdict.rules.is_empty() {
                hit(row, &program, verdict);
            }
        }
        self.kinds.entry(self.above).or_default().insert(batch.kind.clone(), state);
    }

    fn fill_column(
        &mut self,
        batch: &Batch<'_>,
        column: &BoundColumn,
        state: &mut KindState,
        at: usize,
        signatures: &mut [ListId],
    ) {
        let find = |name: &Arc<str>| batch.columns.iter().find(|c| c.name == *name);
        match &column.reads {
            Reads::Value { matcher, expr } => {
                let names = expr.inputs();
                let inputs: Vec<Option<&Column>> = names.iter().map(find).collect();
                if let [Some(raw)] = inputs.as_slice() {
                    let what = (*matcher, &column.reads_text, expr);
                    self.fill_single(batch, raw, what, state, at, signatures);
                    return;
                }
                self.fill_codes(batch, &inputs, state, at, signatures, |this, values| {
                    let get = |name: &str| value_of(&names, values, name);
                    this.plan.fields[*matcher].holding(&expr.value(&get))
                });
            }
            Reads::Pair { left, right, predicate, probe } => {
                let mut names = left.inputs();
                names.extend(right.inputs());
                if names.iter().any(|name| **name == *RAW) {
                    let both = (left, right, predicate, *probe);
                    self.fill_pair_of_text(batch, both, state, at, signatures);
                    return;
                }
                let inputs: Vec<Option<&Column>> = names.iter().map(find).collect();
                self.fill_codes(batch, &inputs, state, at, signatures, |_, values| {
                    let get = |name: &str| value_of(&names, values, name);
                    let holds = same_as(predicate, &left.value(&get), &right.value(&get));
                    if holds { vec![*probe] } else { Vec::new() }
                });
            }
            Reads::Everything { matcher } => {
                let texts = |texts: Vec<String>| texts;
                let values = |event: &Event| {
                    event.fields.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>()
                };
                let asked = (*matcher, &texts as &dyn Fn(_) -> _);
                self.fill_decoded(batch, asked, state, at, signatures, values);
            }
            Reads::Text { matcher } => self.fill_texts(batch, *matcher, state, at, signatures),
            Reads::Rendered { matcher, expr } => {
                let value = |event: &Event| vec![expr.value(&|name| event.value(name))];
                let asked = (*matcher, &rendered::words as &dyn Fn(_) -> _);
                self.fill_decoded(batch, asked, state, at, signatures, value);
            }
        }
    }

    /// Predicates on what only a decoded event has: the few events that may have their texts are
    /// decoded. `texts` makes, of the texts that values need, those that the event's bytes have.
    fn fill_decoded(
        &mut self,
        batch: &Batch<'_>,
        (matcher, texts): (usize, &dyn Fn(Vec<String>) -> Vec<String>),
        state: &mut KindState,
        at: usize,
        signatures: &mut [ListId],
        values: impl Fn(&Event) -> Vec<Value>,
    ) {
        let width = state.program.columns.len();
        let field = &self.plan.fields[matcher];
        let own = &state.program.columns[at].own;
        let filter = state.columns[at].filter.get_or_insert_with(|| {
            let needed = field.texts(|probe| own.contains_key(&probe));
            // An empty text is in every event.
            let texts = needed.map_or_else(|| vec![String::new()], texts);
            TextFilter::new(texts.iter().map(String::as_str))
        });
        let may_have: Vec<usize> =
            (0..batch.rows.len()).filter(|row| batch.may_have(&batch.rows[*row], filter)).collect();
        // Of few tests each is asked by itself: the field may have thousands for other kinds.
        let few: Option<Vec<u32>> = (own.len() <= FEW).then(|| own.keys().copied().collect());
        let holding = |value: &Value| match (&few, value) {
            (_, Value::List(_)) | (None, _) => field.holding(value),
            (Some(few), value) => field.holding_of(few, value),
        };
        for row in may_have {
            let event = batch.event(&batch.rows[row]);
            let list = self.global.intern(values(&event).iter().flat_map(holding).collect());
            signatures[row * width + at] = state.own_list(at, list, &self.global);
        }
    }

    /// The event's own text compared with a field: of every event.
    fn fill_pair_of_text(
        &mut self,
        batch: &Batch<'_>,
        (left, right, predicate, probe): (&Expr, &Expr, &Predicate, u32),
        state: &mut KindState,
        at: usize,
        signatures: &mut [ListId],
    ) {
        let width = state.program.columns.len();
        let list = self.global.intern(vec![probe]);
        let holds = state.own_list(at, list, &self.global);
        for (row, own) in batch.rows.iter().enumerate() {
            let event = batch.event(own);
            let get = |name: &str| event.value(name);
            if same_as(predicate, &left.value(&get), &right.value(&get)) {
                signatures[row * width + at] = holds;
            }
        }
    }

    /// A column that is made of one field of the event: by code, without looking at any value
    /// twice.
    fn fill_single(
        &mut self,
        batch: &Batch<'_>,
        raw: &Column,
        what: (usize, &Arc<str>, &Expr),
        state: &mut KindState,
        at: usize,
        signatures: &mut [ListId],
    ) {
        let width = state.program.columns.len();
        let mut lists = vec![ListId::EMPTY; batch.rows.len()];
        self.single_lists(batch, raw, what, &mut lists);
        let mut latest = (ListId::EMPTY, ListId::EMPTY);
        for (row, list) in lists.into_iter().enumerate() {
            if list == ListId::EMPTY {
                continue;
            }
            if latest.0 != list {
                latest = (list, state.own_list(at, list, &self.global));
            }
            signatures[row * width + at] = latest.1;
        }
    }

    /// For each row, the list of the probes of a field that hold for what is read of its value of
    /// `raw`.
    fn single_lists(
        &mut self,
        batch: &Batch<'_>,
        raw: &Column,
        (matcher, what, expr): (usize, &Arc<str>, &Expr),
        out: &mut [ListId],
    ) {
        let dictionary = batch.dictionary(raw);
        let by_code = self.values.entry((matcher, what.clone())).or_default();
        by_code.renew(dictionary);
        let is_raw = matches!(expr, Expr::Raw(_));
        for (row, code) in raw.codes.iter().enumerate() {
            // What is computed may have a value where the event has none.
            if is_raw && *code == Code::ABSENT {
                continue;
            }
            out[row] = match by_code.lists[code.index()] {
                Some(list) => list,
                None => {
                    let value = dictionary.value(*code);
                    let field = &self.plan.fields[matcher];
                    let holding = if is_raw {
                        field.holding(&value)
                    } else {
                        field.holding(&expr.value(&|_| value.clone()))
                    };
                    let list = self.global.intern(holding);
                    by_code.lists[code.index()] = Some(list);
                    list
                }
            };
        }
    }

    /// A column that is made of several fields: by the combination of their codes.
    fn fill_codes(
        &mut self,
        batch: &Batch<'_>,
        inputs: &[Option<&Column>],
        state: &mut KindState,
        at: usize,
        signatures: &mut [ListId],
        holding: impl Fn(&Self, &[Value]) -> Vec<u32>,
    ) {
        let width = state.program.columns.len();
        let dictionaries = inputs.iter().map(|c| c.map(|c| batch.dictionary(c)));
        let dictionaries: Vec<_> = dictionaries.collect();
        let epochs = dictionaries.iter().map(|d| d.map_or(0, |d| d.epoch()));
        let epochs: Vec<u64> = epochs.collect();
        if state.columns[at].epochs != epochs {
            state.columns[at].by_codes.clear();
            state.columns[at].epochs = epochs;
        }
        let mut codes = vec![Code::ABSENT; inputs.len()];
        for row in 0..batch.rows.len() {
            for (code, column) in codes.iter_mut().zip(inputs) {
                *code = column.map_or(Code::ABSENT, |column| column.codes[row]);
            }
            let list = match state.columns[at].by_codes.get(codes.as_slice()) {
                Some(list) => *list,
                None => {
                    let values = codes.iter().zip(&dictionaries);
                    let values = values.map(|(c, d)| d.map_or(Value::Null, |d| d.value(*c)));
                    let values: Vec<Value> = values.collect();
                    let global = self.global.intern(holding(self, &values));
                    let list = state.own_list(at, global, &self.global);
                    state.columns[at].by_codes.insert(codes.as_slice().into(), list);
                    self.remembered += 1;
                    list
                }
            };
            signatures[row * width + at] = list;
        }
    }
}

fn value_of(names: &[Arc<str>], values: &[Value], name: &str) -> Value {
    let at = names.iter().position(|own| &**own == name);
    at.and_then(|at| values.get(at)).cloned().unwrap_or_default()
}

impl KindState {
    fn new(program: Arc<Program>) -> Self {
        KindState {
            columns: program.columns.iter().map(|_| ColumnState::default()).collect(),
            held: vec![false; program.predicates],
            program,
            lists: Lists::default(),
            verdicts: HashMap::default(),
            rules: Vec::new(),
            waiting: HashSet::default(),
        }
    }

    /// The program's own predicates among the probes of a list.
    fn own_list(&mut self, column: usize, list: ListId, global: &Lists) -> ListId {
        if let Some(own) = self.columns[column].own.get(&list) {
            return *own;
        }
        let own_of = &self.program.columns[column].own;
        let own = global.get(list).iter().filter_map(|probe| own_of.get(probe).copied()).collect();
        let own = self.lists.intern(own);
        self.columns[column].own.insert(list, own);
        own
    }

    /// The verdict on a row with these lists, decided on first sight.
    fn verdict(&mut self, signature: &[ListId], remembered: &mut usize) -> u32 {
        if let Some(verdict) = self.verdicts.get(signature) {
            return *verdict;
        }
        for list in signature {
            for predicate in self.lists.get(*list) {
                self.held[*predicate as usize] = true;
            }
        }
        let holding = signature.iter().flat_map(|list| self.lists.get(*list).iter().copied());
        let rules = self.program.decide(holding, &self.held);
        for list in signature {
            for predicate in self.lists.get(*list) {
                self.held[*predicate as usize] = false;
            }
        }
        let verdict = self.rules.len() as u32;
        let (now, waiting) = self.program.split(&rules);
        let waiting = match self.waiting.get(waiting.as_slice()) {
            Some(waiting) => waiting.clone(),
            None => {
                let waiting: Arc<[u32]> = waiting.into();
                self.waiting.insert(waiting.clone());
                waiting
            }
        };
        self.rules.push(Verdict { rules: rules.into(), now: now.into(), waiting });
        self.verdicts.insert(signature.into(), verdict);
        *remembered += 1;
        verdict
    }
}

/// Whether a test against another field holds.
pub(crate) fn same_as(predicate: &Predicate, left: &Value, right: &Value) -> bool {
    let Test::SameAs(_, relation) = &predicate.test else { return false };
    let plain = |value: &Value| {
        let text = value.text()?.into_owned();
        Some(match predicate.case {
            Case::Insensitive => rulestone_value::fold(&text),
            Case::Sensitive => text,
        })
    };
    let rights: Vec<String> = right.elements().iter().filter_map(plain).collect();
    let passes = |element: &Value| {
        plain(element).is_some_and(|left| rights.iter().any(|right| relation.holds(&left, right)))
    };
    over_elements(predicate.elements, left.elements(), passes)
}

/// Whether enough elements pass.
pub(crate) fn over_elements(
    elements: Elements,
    values: &[Value],
    passes: impl Fn(&Value) -> bool,
) -> bool {
    match elements {
        Elements::Any => values.iter().any(passes),
        Elements::All => !values.is_empty() && values.iter().all(passes),
        Elements::Single => values.len() == 1 && passes(&values[0]),
    }
}
