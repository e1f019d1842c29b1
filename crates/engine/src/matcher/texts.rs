//! The column of the events' own text: by its parts, each distinct value once.

use std::collections::HashMap;
use std::fmt::Write as _;

use foldhash::fast::RandomState;
use rulestone_events::{Batch, Code, Frame, TextPart, TextParts};
use rulestone_value::Value;

use super::lists::{ListId, Lists};
use super::parted::{Parted, Settling};
use super::{ByCode, FieldMatcher, KindState, Matcher};

/// For each field and what its values put into texts, what holds of that by code.
#[derive(Default)]
pub(super) struct PartLists {
    by_part: hashbrown::HashMap<String, ByCode, RandomState>,
    /// What a part is called, see [`PartLists::by_code`].
    key: String,
}

impl PartLists {
    fn by_code(&mut self, matcher: usize, part: &TextPart<'_>) -> &mut ByCode {
        self.key.clear();
        // A String takes whatever is written.
        let _ = write!(self.key, "{matcher} {}", part.key());
        self.by_part.entry_ref(self.key.as_str()).or_default()
    }
}

/// What is remembered of the texts of one kind.
pub(super) struct TextState {
    settling: Settling,
    /// Lists of what holds for parts, of that alone that matters to the kind.
    lists: Lists,
    /// From lists of all that holds for a part.
    relevant: HashMap<ListId, ListId, RandomState>,
    frames: HashMap<Frame, ListId, RandomState>,
    unions: HashMap<(ListId, ListId), ListId, RandomState>,
    /// By list: the program's own predicates, and the probes that the whole text has to be asked.
    settled: HashMap<ListId, (ListId, Box<[u32]>), RandomState>,
}

impl TextState {
    fn union(&mut self, one: ListId, other: ListId) -> ListId {
        if one == other || other == ListId::EMPTY {
            return one;
        }
        if one == ListId::EMPTY {
            return other;
        }
        *self.unions.entry((one, other)).or_insert_with(|| {
            let all = [self.lists.get(one), self.lists.get(other)].concat();
            self.lists.intern(all)
        })
    }

    fn relevant(&mut self, holding: &[u32]) -> ListId {
        let relevant = self.settling.relevant(holding).collect();
        self.lists.intern(relevant)
    }
}

impl Matcher<'_> {
    /// Predicates on the events' own text.
    pub(super) fn fill_texts(
        &mut self,
        batch: &Batch<'_>,
        matcher: usize,
        state: &mut KindState,
        at: usize,
        signatures: &mut [ListId],
    ) {
        let field = &self.plan.fields[matcher];
        let parts = TextParts::of(batch);
        let width = state.program.columns.len();
        let mut text = state.columns[at].text.take().unwrap_or_else(|| {
            let probes = state.program.columns[at].own.keys().copied();
            Box::new(TextState::new(field.parted(), probes))
        });
        let known = text.remembered();
        let lists = parts.as_ref().map(|parts| self.of_parts(batch, parts, matcher, &mut text));
        for row in 0..batch.rows.len() {
            let of_parts = parts.as_ref().filter(|parts| parts.are_of(row));
            let list = match (of_parts, &lists) {
                (Some(_), Some(lists)) => {
                    self.settle(batch, row, lists[row], &mut text, (field, at), state)
                }
                _ => {
                    let raw = Value::String(batch.event(&batch.rows[row]).raw());
                    let list = self.global.intern(field.holding(&raw));
                    state.own_list(at, list, &self.global)
                }
            };
            signatures[row * width + at] = list;
        }
        self.remembered += text.remembered() - known;
        state.columns[at].text = Some(text);
    }

    /// For each row what holds for some part of its text.
    fn of_parts(
        &mut self,
        batch: &Batch<'_>,
        parts: &TextParts<'_>,
        matcher: usize,
        text: &mut TextState,
    ) -> Vec<ListId> {
        let parted = self.plan.fields[matcher].parted();
        let mut lists = vec![ListId::EMPTY; batch.rows.len()];
        let mut latest = (None, ListId::EMPTY);
        for (row, list) in lists.iter_mut().enumerate() {
            let frame = parts.frame(row);
            if latest.0 != Some(frame) {
                latest = (Some(frame), text.of_frame(parts, parted, frame));
            }
            *list = latest.1;
            if let (Some(times), Some(time)) = (parted.times(), parts.time_text(row)) {
                let holding = text.relevant(&times.holding(&Value::String(time)));
                *list = text.union(*list, holding);
            }
        }
        for part in parts.parts() {
            self.add_part(batch, part, matcher, text, &mut lists);
        }
        lists
    }

    fn add_part(
        &mut self,
        batch: &Batch<'_>,
        part: &TextPart<'_>,
        matcher: usize,
        text: &mut TextState,
        lists: &mut [ListId],
    ) {
        let tests = self.plan.fields[matcher].parted().parts();
        let dictionary = part.column().map(|column| batch.dictionary(column));
        let by_code = self.parts.by_code(matcher, part);
        match dictionary {
            Some(dictionary) => by_code.renew(dictionary),
            None => by_code.lists.resize(1, None),
        }
        let mut latest = (ListId::EMPTY, ListId::EMPTY);
        for (row, list) in lists.iter_mut().enumerate() {
            let code = part.column().map_or(Code::ABSENT, |column| column.codes[row]);
            if part.is_time() && batch.rows[row].time.is_some() {
                continue;
            }
            let holding = match by_code.lists[code.index()] {
                Some(list) => list,
                None => {
                    let value = dictionary.map_or(Value::Null, |all| all.value(code));
                    let texts = part.texts(&value).into_iter().map(Value::String);
                    let list = texts.flat_map(|text| tests.holding(&text)).collect();
                    let list = self.global.intern(list);
                    by_code.lists[code.index()] = Some(list);
                    list
                }
            };
            if holding == ListId::EMPTY {
                continue;
            }
            if latest.0 != holding {
                latest = (holding, text.of_part(holding, &self.global));
            }
            *list = text.union(*list, latest.1);
        }
        if !part.nulls().is_empty() {
            let texts = part.texts_of_null().into_iter().map(Value::String);
            let holding: Vec<u32> = texts.flat_map(|text| tests.holding(&text)).collect();
            let holding = text.relevant(&holding);
            for row in part.nulls() {
                lists[*row] = text.union(lists[*row], holding);
            }
        }
    }

    /// The program's own predicates that hold for a row, by what holds for the parts of its text.
    fn settle(
        &mut self,
        batch: &Batch<'_>,
        row: usize,
        list: ListId,
        text: &mut TextState,
        (field, at): (&FieldMatcher, usize),
        state: &mut KindState,
    ) -> ListId {
        let (own, open) = text.settled.entry(list).or_insert_with(|| {
            let (holding, open) = text.settling.settle(field.parted(), text.lists.get(list));
            let list = self.global.intern(holding);
            (state.own_list(at, list, &self.global), open.into())
        });
        if open.is_empty() {
            return *own;
        }
        let raw = Value::String(batch.event(&batch.rows[row]).raw());
        let more = field.holding_of(open, &raw);
        let own_of = &state.program.columns[at].own;
        let more = more.iter().filter_map(|probe| own_of.get(probe).copied());
        let all = state.lists.get(*own).iter().copied().chain(more).collect();
        state.lists.intern(all)
    }
}

impl TextState {
    fn new(parted: &Parted, probes: impl Iterator<Item = u32>) -> TextState {
        TextState {
            settling: Settling::new(parted, probes),
            lists: Lists::default(),
            relevant: HashMap::default(),
            frames: HashMap::default(),
            unions: HashMap::default(),
            settled: HashMap::default(),
        }
    }

    /// How much is remembered, which is bounded for all kinds together.
    fn remembered(&self) -> usize {
        self.lists.len() + self.frames.len() + self.unions.len() + self.settled.len()
    }

    /// What holds for the markup of a frame.
    fn of_frame(&mut self, parts: &TextParts<'_>, parted: &Parted, frame: Frame) -> ListId {
        if let Some(list) = self.frames.get(&frame) {
            return *list;
        }
        let texts = parts.frame_texts(frame).into_iter().map(Value::String);
        let holding: Vec<u32> = texts.flat_map(|text| parted.parts().holding(&text)).collect();
        let list = self.relevant(&holding);
        self.frames.insert(frame, list);
        list
    }

    /// Of what holds for a part, what matters to the kind.
    fn of_part(&mut self, holding: ListId, global: &Lists) -> ListId {
        if let Some(list) = self.relevant.get(&holding) {
            return *list;
        }
        let list = self.relevant(global.get(holding));
        self.relevant.insert(holding, list);
        list
    }
}
