//! Rows of pipelines that wait as codes.
//!
//! Most rows that wait are never asked for: what they were to be joined with does not come. So
//! an event waits as the codes of what any pipeline may read of it, once for all rules that it
//! passed, and [`crate::demand`] makes rows of it for the panes that come to want them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use rulestone_events::{Batch, Code, Dictionary};
use rulestone_value::Value;

use crate::bind::Program;
use crate::order::Origin;

/// Events that wait, as one thread found them.
#[derive(Default)]
pub(crate) struct Coded {
    blocks: Vec<Block>,
    /// By epoch; those that are still being filled come in last.
    dictionaries: HashMap<u64, Dictionary, RandomState>,
    bytes: usize,
}

/// Events of one batch.
struct Block {
    program: Arc<Program>,
    log: u32,
    unit: u32,
    /// For each of the program's coded fields the dictionary's epoch and the codes of all rows of
    /// the batch.
    columns: Vec<Option<(u64, Vec<Code>)>>,
    rows: Vec<CodedRow>,
    groups: Vec<Group>,
}

/// Where and when an event is.
#[derive(Clone, Copy)]
struct CodedRow {
    /// Its row in the batch.
    row: u32,
    position: u32,
    time: i64,
    record: u64,
}

/// Events that the same rules wait for.
struct Group {
    /// As indices into the program's bound rules.
    rules: Arc<[u32]>,
    /// Places in the block's rows.
    rows: Vec<u32>,
    /// The first and the last time of them.
    span: (i64, i64),
}

impl Coded {
    /// Bytes of memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Starts a batch of a unit: what [`Coded::add`] adds from now on is of it.
    pub(crate) fn begin(
        &mut self,
        batch: &Batch<'_>,
        program: &Arc<Program>,
        (log, unit): (u32, u32),
    ) {
        let column = |name: &Arc<str>| {
            let column = batch.columns.iter().find(|column| column.name == *name)?;
            Some((batch.dictionary(column).epoch(), column.codes.clone()))
        };
        let columns: Vec<_> = program.coded.iter().map(column).collect();
        self.bytes += columns.iter().flatten().map(|(_, codes)| codes.len() * 4).sum::<usize>();
        let (rows, groups) = (Vec::new(), Vec::new());
        self.blocks.push(Block { program: program.clone(), log, unit, columns, rows, groups });
    }

    /// Adds an event of the batch that was begun last.
    pub(crate) fn add(&mut self, batch: &Batch<'_>, row: usize, time: i64, rules: &Arc<[u32]>) {
        let Some(block) = self.blocks.last_mut() else { return };
        let own = &batch.rows[row];
        let at = block.rows.len() as u32;
        let position = own.position() as u32;
        block.rows.push(CodedRow { row: row as u32, position, time, record: own.record });
        self.bytes += size_of::<CodedRow>() + size_of::<u32>();
        let mut groups = block.groups.iter_mut().rev();
        match groups.find(|group| Arc::ptr_eq(&group.rules, rules)) {
            Some(group) => {
                group.rows.push(at);
                group.span = (group.span.0.min(time), group.span.1.max(time));
            }
            None => {
                let (rules, rows) = (rules.clone(), vec![at]);
                block.groups.push(Group { rules, rows, span: (time, time) });
                self.bytes += size_of::<Group>();
            }
        }
    }

    /// Takes the dictionaries that codes may be of.
    pub(crate) fn keep(&mut self, dictionaries: Vec<Dictionary>) {
        for dictionary in dictionaries.into_iter().filter(|dictionary| !dictionary.is_empty()) {
            self.bytes += dictionary.bytes_used();
            self.dictionaries.insert(dictionary.epoch(), dictionary);
        }
    }
}

/// Events that wait, of all threads, by the rules that they wait for.
#[derive(Default)]
pub(crate) struct Waiting {
    stores: Vec<Coded>,
    /// Groups of the same rules of a program.
    lists: Vec<Vec<At>>,
    /// For each rule its lists, with the place among the program's bound rules.
    by_rule: BTreeMap<usize, Vec<(usize, u32)>>,
}

/// Where a group is.
#[derive(Clone, Copy)]
struct At {
    store: usize,
    block: usize,
    group: usize,
}

/// Events of one batch that a source of a rule waits for.
#[derive(Clone, Copy)]
pub(crate) struct Stretch<'w> {
    store: &'w Coded,
    block: &'w Block,
    group: &'w Group,
    bound: u32,
}

impl Waiting {
    /// Brings together what threads found.
    pub(crate) fn new(stores: Vec<Coded>) -> Waiting {
        let mut lists: Vec<Vec<At>> = Vec::new();
        let mut by_rule: BTreeMap<usize, Vec<(usize, u32)>> = BTreeMap::new();
        let mut known: HashMap<(usize, &Arc<[u32]>), usize, RandomState> = HashMap::default();
        for (store, coded) in stores.iter().enumerate() {
            for (block, own) in coded.blocks.iter().enumerate() {
                for (group, Group { rules, .. }) in own.groups.iter().enumerate() {
                    let program = Arc::as_ptr(&own.program) as usize;
                    let list = *known.entry((program, rules)).or_insert_with(|| {
                        for at in &**rules {
                            let rule = own.program.rules()[*at as usize].rule;
                            by_rule.entry(rule).or_default().push((lists.len(), *at));
                        }
                        lists.push(Vec::new());
                        lists.len() - 1
                    });
                    lists[list].push(At { store, block, group });
                }
            }
        }
        drop(known);
        Waiting { stores, lists, by_rule }
    }

    /// Adds what threads found later.
    pub(crate) fn add(&mut self, stores: Vec<Coded>) {
        let stores = stores.into_iter().filter(|store| !store.blocks.is_empty());
        let mut all = std::mem::take(&mut self.stores);
        let before = all.len();
        all.extend(stores);
        match all.len() == before {
            true => self.stores = all,
            false => *self = Waiting::new(all),
        }
    }

    /// The rules that something waits for, in order.
    pub(crate) fn rules(&self) -> impl Iterator<Item = usize> {
        self.by_rule.keys().copied()
    }

    /// What waits for a rule.
    pub(crate) fn of_rule(&self, rule: usize) -> impl Iterator<Item = Stretch<'_>> {
        let lists = self.by_rule.get(&rule).into_iter().flatten();
        lists.flat_map(|(list, bound)| {
            self.lists[*list].iter().map(|at| {
                let store = &self.stores[at.store];
                let block = &store.blocks[at.block];
                Stretch { store, block, group: &block.groups[at.group], bound: *bound }
            })
        })
    }
}

impl<'w> Stretch<'w> {
    /// The rule as it is on the kind of the events.
    pub(crate) fn bound(&self) -> &'w crate::BoundRule {
        &self.block.program.rules()[self.bound as usize]
    }

    /// The first and the last time of the events.
    pub(crate) fn span(&self) -> (i64, i64) {
        self.group.span
    }

    /// The times of the events.
    pub(crate) fn times(&self) -> impl Iterator<Item = i64> {
        self.group.rows.iter().map(|at| self.block.rows[*at as usize].time)
    }

    /// Where the fields are that `names` reads.
    pub(crate) fn reading(&self, names: &[Arc<str>]) -> Reading<'w> {
        let column = |name: &Arc<str>| {
            let at = self.block.program.coded.binary_search(name).ok()?;
            let (epoch, codes) = self.block.columns[at].as_ref()?;
            Some((codes.as_slice(), self.store.dictionaries.get(epoch)?))
        };
        Reading { columns: names.iter().map(column).collect() }
    }

    /// The events: the row of the batch, when and where it is.
    pub(crate) fn events(&self) -> impl Iterator<Item = (usize, i64, Origin)> {
        let Block { log, unit, rows, .. } = self.block;
        self.group.rows.iter().map(move |at| {
            let CodedRow { row, position, time, record } = rows[*at as usize];
            (row as usize, time, Origin { log: *log, record, unit: *unit, position })
        })
    }
}

/// Fields of waiting events, in some order.
pub(crate) struct Reading<'w> {
    columns: Vec<Option<(&'w [Code], &'w Dictionary)>>,
}

impl Reading<'_> {
    /// The value of a field.
    pub(crate) fn value(&self, column: usize, row: usize) -> Value {
        let column = self.columns.get(column).and_then(Option::as_ref);
        column.map_or(Value::Null, |(codes, dictionary)| dictionary.value(codes[row]))
    }

    /// The codes of a row, each with its dictionary's epoch mixed in: equal for equal values.
    pub(crate) fn codes(&self, row: usize) -> impl Iterator<Item = u64> {
        self.columns.iter().map(move |column| match column {
            Some((codes, dictionary)) if codes[row] != Code::ABSENT => {
                (dictionary.epoch() << 32) ^ codes[row].index() as u64
            }
            _ => 0,
        })
    }
}
