//! From records to batches: which kind each record is of, and the codes of the values wanted.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::fast::FixedState;
use rulestone_value::{Time, Value};

use crate::batch::{Batch, Code, Column, Dictionary, Row};
use crate::event::without_spaces;
use crate::fragments::{Fragment, Fragments};
use crate::kinds::{Pieces, Role, SHAPES};
use crate::paths::{MAX_PATHS, PathId, Paths, rand_seed};
use crate::readers::{Records, give_back};
use crate::tally::{KindTally, Tally};
use crate::tokens::{Cell, decode, walk_object};
use crate::{Event, Kind};

/// Says which fields of a kind's events are worth keeping.
pub trait Interest: Sync {
    /// The fields to keep, by the event's own names without spaces.
    fn fields(&self, kind: &Arc<Kind>) -> Fields;
}

/// The fields of a kind that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fields {
    /// Nobody looks at events of this kind: they are counted.
    None,
    /// These.
    Some(Vec<Arc<str>>),
    /// Whatever the events have.
    All,
}

/// The same fields of every kind.
impl Interest for Fields {
    fn fields(&self, _: &Arc<Kind>) -> Fields {
        self.clone()
    }
}

/// Bounds on what is read and remembered.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Events before this time are counted but not looked at.
    pub from: Option<Time>,
    /// Events after this time are counted but not looked at.
    pub to: Option<Time>,
    /// Bytes of distinct values one thread remembers before it starts anew.
    pub dictionary_bytes: usize,
    /// What is done with events that are pieces of a longer one.
    pub fragments: Fragments,
    /// Bytes of such pieces that wait for the others before the oldest are no longer waited for.
    pub fragment_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            from: None,
            to: None,
            dictionary_bytes: 24 << 20,
            fragments: Fragments::Apart,
            fragment_bytes: 256 << 20,
        }
    }
}

/// Turns the records of one unit after the other into batches. One for each thread: what it
/// remembers (paths, kinds, dictionaries) makes the next unit faster, never different.
pub struct Ingest {
    settings: Settings,
    paths: Paths,
    /// For each path, what its presence says about the shape of a record.
    marks: Vec<u64>,
    /// For each shape and path, what the value is.
    uses: Vec<Vec<Option<Use>>>,
    dictionaries: Vec<Dictionary>,
    dictionary_of: HashMap<Arc<str>, usize, FixedState>,
    streams: Vec<Stream>,
    stream_of: HashMap<Box<[u8]>, usize, FixedState>,
    cells: Vec<Cell>,
    /// Values of a record that are not the first of their column, each with its column.
    more: Vec<(usize, Cell)>,
    key: Vec<u8>,
    latest: Option<usize>,
    /// The log being read.
    log: Arc<str>,
    fragments: Vec<Fragment>,
}

/// What a path means in records of one shape.
#[derive(Debug, Clone)]
struct Use {
    /// The field's own name without spaces.
    key: Arc<str>,
    role: Option<Role>,
}

/// The events of one kind in one shape.
struct Stream {
    /// Provider, channel and event id as the records have them.
    key: Box<[u8]>,
    shape: usize,
    kind: Arc<Kind>,
    fields: Fields,
    /// What its events may be pieces of.
    pieces: Option<&'static Pieces>,
    columns: Vec<Column>,
    /// For each field: one more than its column.
    column_named: HashMap<Arc<str>, u16>,
    /// For each path: one more than its column, 0 for none, [`UNKNOWN`] where nobody has looked.
    column_of: Vec<u16>,
    /// For each path, whether a record of the current unit had it.
    seen: Vec<bool>,
    rows: Vec<Row>,
    tally: KindTally,
}

const UNKNOWN: u16 = u16::MAX;

/// The tokens of a record's header.
#[derive(Default, Clone, Copy)]
struct Header<'a> {
    provider: &'a [u8],
    channel: &'a [u8],
    event_id: &'a [u8],
    time: Option<(u8, &'a [u8])>,
}

impl Ingest {
    /// An ingest that remembers nothing yet.
    pub fn new(settings: Settings) -> Self {
        let hasher = FixedState::with_seed(rand_seed());
        Ingest {
            settings,
            paths: Paths::default(),
            marks: Vec::new(),
            uses: Vec::new(),
            dictionaries: Vec::new(),
            dictionary_of: HashMap::with_hasher(hasher.clone()),
            streams: Vec::new(),
            stream_of: HashMap::with_hasher(hasher),
            cells: Vec::new(),
            more: Vec::new(),
            key: Vec::new(),
            latest: None,
            log: Arc::from(""),
            fragments: Vec::new(),
        }
    }

    /// Reads the records of a unit, keeps the fields that `interest` asks for, and hands over one
    /// batch for each kind that somebody looks at. Returns what was counted.
    pub fn read(
        &mut self,
        records: Records,
        interest: &dyn Interest,
        mut each: impl FnMut(&Batch<'_>),
    ) -> Tally {
        let mut tally = Tally { bytes: records.source_bytes, ..Tally::default() };
        let mut cursor = records.start();
        self.log = records.log.clone();
        while let Some(place) = records.next(&mut cursor, &mut tally) {
            self.cells.clear();
            match walk_object(&records.bytes, place.start, &mut self.paths, &mut self.cells) {
                Ok(end) => {
                    let range = place.start..end;
                    let row = Row { record: place.record, time: None, range, shape: 0 };
                    self.row(&records.bytes, row, interest, &mut tally);
                    records.pass(&mut cursor, end);
                }
                Err(fault) => records.skip(&mut cursor, place, fault.reason(), &mut tally),
            }
        }
        tally.add(Tally { skipped: records.skipped, ..Tally::default() });
        self.finish(&records.bytes, &mut tally, &mut each);
        give_back(records.bytes);
        tally
    }

    /// The pieces of longer events that were read since this was last asked, where
    /// [`Settings::fragments`] sets them aside.
    pub fn take_fragments(&mut self) -> Vec<Fragment> {
        std::mem::take(&mut self.fragments)
    }

    fn row(&mut self, bytes: &[u8], mut row: Row, interest: &dyn Interest, tally: &mut Tally) {
        let cells = std::mem::take(&mut self.cells);
        self.learn_paths();
        let marks = cells.iter().fold(0, |marks, cell| marks | self.marks[cell.path.index()]);
        row.shape = SHAPES.of_marks(marks);
        self.learn_uses(row.shape, &cells);
        let header = self.header(row.shape, &cells, bytes);
        row.time = header.time.and_then(|(_, token)| time_of(token));
        tally.events += 1;
        if self.is_outside(row.time) {
            tally.outside_time += 1;
        } else {
            let stream = self.stream(row.shape, &header, interest);
            self.keep(stream, row, &cells, bytes);
        }
        self.cells = cells;
    }

    fn is_outside(&self, time: Option<Time>) -> bool {
        let Settings { from, to, .. } = self.settings;
        match time {
            Some(time) => from.is_some_and(|from| time < from) || to.is_some_and(|to| time > to),
            None => from.is_some() || to.is_some(),
        }
    }

    fn learn_paths(&mut self) {
        for at in self.marks.len()..self.paths.len() {
            let name = self.paths.name(PathId::at(at));
            self.marks.push(SHAPES.marks(name));
        }
    }

    fn learn_uses(&mut self, shape: usize, cells: &[Cell]) {
        if self.uses.len() <= shape {
            self.uses.resize_with(shape + 1, Vec::new);
        }
        let uses = &mut self.uses[shape];
        if uses.len() < self.paths.len() {
            uses.resize(self.paths.len(), None);
        }
        for cell in cells {
            let slot = &mut uses[cell.path.index()];
            if slot.is_none() {
                let (name, role) = SHAPES.get(shape).field(self.paths.name(cell.path));
                let key = match without_spaces(&name) {
                    Cow::Borrowed(_) => name,
                    Cow::Owned(key) => key.into(),
                };
                *slot = Some(Use { key, role });
            }
        }
    }

    fn header<'a>(&self, shape: usize, cells: &[Cell], bytes: &'a [u8]) -> Header<'a> {
        let mut header = Header::default();
        for cell in cells {
            let Some(Use { role: Some(role), .. }) = &self.uses[shape][cell.path.index()] else {
                continue;
            };
            let token = cell.token(bytes);
            if token == b"null" {
                continue;
            }
            match role {
                Role::Provider => header.provider = token,
                Role::Channel => header.channel = token,
                Role::EventId => header.event_id = token,
                Role::Time(at) => {
                    if header.time.is_none_or(|(best, _)| *at < best) {
                        header.time = Some((*at, token));
                    }
                }
            }
        }
        header
    }

    /// The stream of a record: mostly the one of the record before.
    fn stream(&mut self, shape: usize, header: &Header<'_>, interest: &dyn Interest) -> usize {
        self.key.clear();
        self.key.push(shape as u8);
        if SHAPES.get(shape).is_windows() {
            for token in [header.provider, header.channel, header.event_id] {
                self.key.extend_from_slice(token);
                self.key.push(0);
            }
        }
        if let Some(latest) = self.latest
            && *self.streams[latest].key == *self.key
        {
            return latest;
        }
        let stream = match self.stream_of.get(self.key.as_slice()) {
            Some(stream) => *stream,
            None => self.add_stream(shape, header, interest),
        };
        self.latest = Some(stream);
        stream
    }

    fn add_stream(&mut self, shape: usize, header: &Header<'_>, interest: &dyn Interest) -> usize {
        let kind = Arc::new(kind_of(shape, header));
        let fields = interest.fields(&kind);
        let pieces = match self.settings.fragments {
            Fragments::Aside if fields != Fields::None => Pieces::of(&kind),
            _ => None,
        };
        let at = self.streams.len();
        let mut stream = Stream {
            key: self.key.as_slice().into(),
            shape,
            kind,
            fields,
            pieces,
            columns: Vec::new(),
            column_named: HashMap::new(),
            column_of: Vec::new(),
            seen: Vec::new(),
            rows: Vec::new(),
            tally: KindTally::default(),
        };
        if let Fields::Some(fields) = stream.fields.clone() {
            for field in &fields {
                let dictionary = dictionary(&mut self.dictionaries, &mut self.dictionary_of, field);
                stream.add_column(field.clone(), dictionary);
            }
        }
        self.stream_of.insert(stream.key.clone(), at);
        self.streams.push(stream);
        at
    }

    /// Counts the record and puts the codes of its wanted values into the stream's columns.
    fn keep(&mut self, stream: usize, row: Row, cells: &[Cell], bytes: &[u8]) {
        let fragment = self.fragment(stream, &row, cells, bytes);
        let aside = fragment.is_some();
        self.fragments.extend(fragment);
        let stream = &mut self.streams[stream];
        stream.tally.count(row.time);
        if stream.column_of.len() < self.paths.len() {
            stream.column_of.resize(self.paths.len(), UNKNOWN);
            stream.seen.resize(self.paths.len(), false);
        }
        let kept = stream.fields != Fields::None && !aside;
        let at = stream.rows.len();
        for cell in cells {
            stream.seen[cell.path.index()] = true;
            if !kept {
                continue;
            }
            let mut column = stream.column_of[cell.path.index()];
            if column == UNKNOWN {
                let Some(found) = &self.uses[stream.shape][cell.path.index()] else { continue };
                column =
                    stream.find_column(&found.key, &mut self.dictionaries, &mut self.dictionary_of);
                stream.column_of[cell.path.index()] = column;
            }
            if column == 0 {
                continue;
            }
            let column_at = usize::from(column) - 1;
            let column = &mut stream.columns[column_at];
            let dictionary = &mut self.dictionaries[column.dictionary];
            let token = cell.token(bytes);
            match column.codes.get_mut(at) {
                // A name that stands twice, or a list: put together once the record is through.
                Some(_) => self.more.push((column_at, *cell)),
                None => {
                    column.codes.resize(at, Code::ABSENT);
                    column.codes.push(dictionary.intern(token));
                }
            }
        }
        // Stable, so that elements keep their order.
        self.more.sort_by_key(|(column, _)| *column);
        for group in self.more.chunk_by(|a, b| a.0 == b.0) {
            let column = &mut stream.columns[group[0].0];
            let tokens = group.iter().map(|(_, cell)| cell.token(bytes));
            let dictionary = &mut self.dictionaries[column.dictionary];
            column.codes[at] = dictionary.intern_more(column.codes[at], tokens);
        }
        self.more.clear();
        if kept {
            stream.rows.push(row);
        }
    }

    /// The record as a piece of a longer event, if it is one that is to be set aside.
    fn fragment(&self, stream: usize, row: &Row, cells: &[Cell], bytes: &[u8]) -> Option<Fragment> {
        let stream = &self.streams[stream];
        let (pieces, uses) = (stream.pieces?, &self.uses[stream.shape]);
        let start = row.range.start;
        let values = cells.iter().filter_map(|cell| {
            let at = (cell.start as usize - start, cell.end as usize - start);
            Some((&*uses[cell.path.index()].as_ref()?.key, at))
        });
        let json = &bytes[row.range.clone()];
        let found = Fragment::read(pieces, json, values)?;
        Some(Fragment::new(found, self.log.clone(), (row.record, row.time), json))
    }

    fn finish(&mut self, bytes: &[u8], tally: &mut Tally, each: &mut impl FnMut(&Batch<'_>)) {
        for at in 0..self.streams.len() {
            let stream = &mut self.streams[at];
            if stream.tally.events > 0 {
                let mut counted = std::mem::take(&mut stream.tally);
                let uses = &self.uses[stream.shape];
                for (path, seen) in stream.seen.iter_mut().enumerate() {
                    if std::mem::take(seen)
                        && let Some(found) = &uses[path]
                    {
                        counted.fields.insert(found.key.clone());
                    }
                }
                counted.fields.extend(
                    SHAPES.get(stream.shape).constants().map(|(name, _)| Arc::from(name.as_str())),
                );
                let kinds = [(stream.kind.clone(), counted)].into();
                tally.add(Tally { kinds, ..Tally::default() });
            }
            self.hand_over(at, bytes, each);
        }
        if self.paths.len() > MAX_PATHS {
            let fragments = self.take_fragments();
            *self = Ingest { fragments, ..Ingest::new(self.settings.clone()) };
        } else {
            self.forget_some();
        }
    }

    /// Empties the largest dictionaries once all together are too large: those of fields whose
    /// values hardly repeat, which are not worth remembering.
    fn forget_some(&mut self) {
        let mut used: usize = self.dictionaries.iter().map(Dictionary::bytes_used).sum();
        if used <= self.settings.dictionary_bytes {
            return;
        }
        let mut by_size: Vec<&mut Dictionary> = self.dictionaries.iter_mut().collect();
        by_size.sort_by_key(|dictionary| std::cmp::Reverse(dictionary.bytes_used()));
        for dictionary in by_size {
            if used <= self.settings.dictionary_bytes / 2 {
                return;
            }
            used -= dictionary.bytes_used();
            dictionary.clear();
        }
    }

    fn hand_over(&mut self, stream: usize, bytes: &[u8], each: &mut impl FnMut(&Batch<'_>)) {
        if self.streams[stream].rows.is_empty() {
            return;
        }
        let kind = self.streams[stream].kind.clone();
        let rows = std::mem::take(&mut self.streams[stream].rows);
        let mut columns = std::mem::take(&mut self.streams[stream].columns);
        for column in &mut columns {
            column.codes.resize(rows.len(), Code::ABSENT);
        }
        each(&Batch { kind: &kind, rows: &rows, columns: &columns, ingest: self, bytes });
        columns.iter_mut().for_each(|column| column.codes.clear());
        let stream = &mut self.streams[stream];
        stream.columns = columns;
        stream.rows = rows;
        stream.rows.clear();
    }

    pub(crate) fn dictionary(&self, column: &Column) -> &Dictionary {
        &self.dictionaries[column.dictionary]
    }

    /// All values of a record that was read into a row.
    pub(crate) fn decode(&self, kind: &Arc<Kind>, row: &Row, bytes: &[u8]) -> Event {
        let mut paths = Paths::default();
        let mut cells = Vec::new();
        let shape = SHAPES.get(row.shape);
        // The record was walked before; a walk that fails now would leave it without values.
        let _ = walk_object(&bytes[row.range.clone()], 0, &mut paths, &mut cells);
        let mut fields: Vec<(Arc<str>, Value)> = Vec::with_capacity(cells.len());
        let mut place_of: HashMap<String, usize> = HashMap::with_capacity(cells.len());
        let mut more: Vec<(usize, Value)> = Vec::new();
        for cell in &cells {
            let (name, _) = shape.field(paths.name(cell.path));
            let value = decode(cell.token(&bytes[row.range.clone()]));
            match place_of.entry(without_spaces(&name).into_owned()) {
                Entry::Occupied(place) => more.push((*place.get(), value)),
                Entry::Vacant(place) => {
                    place.insert(fields.len());
                    fields.push((name, value));
                }
            }
        }
        // Stable, so that elements keep their order.
        more.sort_by_key(|(place, _)| *place);
        for group in more.chunk_by(|a, b| a.0 == b.0) {
            let first = std::mem::take(&mut fields[group[0].0].1);
            let others = group.iter().map(|(_, value)| value.clone());
            fields[group[0].0].1 = Value::list(std::iter::once(first).chain(others));
        }
        for (name, value) in shape.constants() {
            if !place_of.contains_key(&*without_spaces(name)) {
                fields.push((Arc::from(name.as_str()), Value::string(&**value)));
            }
        }
        for (name, value) in &mut fields {
            if let Some(said) = kind.header(&without_spaces(name)) {
                *value = said;
            }
        }
        Event { kind: kind.clone(), shape: &shape.name, time: row.time, record: row.record, fields }
    }
}

impl Stream {
    /// One more than the column of the field, 0 when nobody wants it.
    fn find_column(
        &mut self,
        key: &Arc<str>,
        dictionaries: &mut Vec<Dictionary>,
        dictionary_of: &mut HashMap<Arc<str>, usize, FixedState>,
    ) -> u16 {
        if let Some(column) = self.column_named.get(key) {
            return *column;
        }
        if self.fields != Fields::All || self.columns.len() + 2 >= usize::from(UNKNOWN) {
            return 0;
        }
        let dictionary = dictionary(dictionaries, dictionary_of, key);
        self.add_column(key.clone(), dictionary)
    }

    /// Adds a column; returns one more than its place.
    fn add_column(&mut self, name: Arc<str>, dictionary: usize) -> u16 {
        self.columns.push(Column { name: name.clone(), codes: Vec::new(), dictionary });
        let column = self.columns.len() as u16;
        self.column_named.insert(name, column);
        column
    }
}

fn dictionary(
    dictionaries: &mut Vec<Dictionary>,
    dictionary_of: &mut HashMap<Arc<str>, usize, FixedState>,
    name: &Arc<str>,
) -> usize {
    *dictionary_of.entry(name.clone()).or_insert_with(|| {
        dictionaries.push(Dictionary::default());
        dictionaries.len() - 1
    })
}

fn kind_of(shape: usize, header: &Header<'_>) -> Kind {
    let shape = SHAPES.get(shape);
    let text = |name: &str, token: &[u8]| -> Arc<str> {
        match (shape.constant(name), decode(token).text()) {
            _ if !shape.is_windows() => Arc::from(""),
            (Some(constant), _) => constant.clone(),
            (None, Some(text)) => Arc::from(text.trim()),
            (None, None) => Arc::from(""),
        }
    };
    Kind {
        product: shape.product.clone(),
        dataset: shape.dataset.clone(),
        channel: text("Channel", header.channel),
        provider: text("Provider_Name", header.provider),
        event_id: text("EventID", header.event_id),
    }
}

/// The time in a token. The first moment Windows can write is what it writes for none.
fn time_of(token: &[u8]) -> Option<Time> {
    let time = match token {
        [b'"', inner @ .., b'"'] => match std::str::from_utf8(inner).ok().and_then(Time::parse) {
            None => decode(token).time(),
            time => time,
        },
        _ => decode(token).time(),
    };
    time.filter(|time| *time != Time::FILETIME_ZERO)
}
