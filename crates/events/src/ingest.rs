//! From records to batches: which kind each record is of, and the codes of the values wanted.

mod decode;
mod hosts;
mod times;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use rulestone_value::{Time, Value};

use crate::Kind;
use crate::batch::{Batch, Code, Column, Dictionary, Row, Source};
use crate::event::without_spaces;
use crate::fragments::{Fragment, Fragments};
use crate::kinds::{Condition, Marks, Pieces, Role, SHAPES};
use crate::paths::{MAX_PATHS, PathId, Paths, rand_seed};
use crate::readers::{Records, give_back};
use crate::render::Place;
use crate::tally::{KindTally, Tally};
use crate::tokens::{Cell, decode, walk_object};
use crate::unpack::{PAYLOADS, Packed};
use hosts::Hosts;
use times::time_of;

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
    /// These, and whatever the event's own text is made of.
    Text(Vec<Arc<str>>),
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
    /// Whether to note each event's host and the latest time of each, which timers ask for.
    pub hosts: bool,
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
            hosts: false,
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
    /// For each path, one more than the place in `signs` of what its presence says; 0 for nothing.
    sign_of: Vec<u16>,
    signs: Vec<Sign>,
    /// For the marks of records, the shapes they may have.
    shapes_of: HashMap<Marks, Vec<usize>, FixedState>,
    latest_marks: Option<(Marks, usize)>,
    /// Records as they are once what was packed into one of their values is taken out.
    unpacked: Vec<u8>,
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
    hosts: Hosts,
    /// The log being read.
    log: Arc<str>,
    fragments: Vec<Fragment>,
    /// Dictionaries that were forgotten, where somebody still has codes of them.
    forgotten: Option<Vec<Dictionary>>,
}

/// What a path says about the records that have it, before their shape is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sign {
    marks: Marks,
    /// Whether its value may be an event in itself.
    is_payload: bool,
}

/// What a path means in records of one shape.
#[derive(Debug, Clone)]
struct Use {
    /// The field's own name without spaces.
    key: Arc<str>,
    /// Whether the name had spaces.
    had_spaces: bool,
    role: Option<Role>,
    /// A name it is read by as well, where the record has no value of that name.
    copy: Option<Arc<str>>,
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
    /// Whether some value of the events' own text is not among the columns, or by another name.
    lacks_text: bool,
    /// Rows and columns where a record says that there is no value.
    nulls: Vec<(u32, u16)>,
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
    host: Option<(u8, &'a [u8])>,
    dataset: Option<(u8, &'a [u8])>,
    record_type: Option<(u8, &'a [u8])>,
}

/// Takes a value whose name stands further up its list than the one before.
fn prefer<'a>(best: &mut Option<(u8, &'a [u8])>, at: u8, token: &'a [u8]) {
    if best.is_none_or(|(other, _)| at < other) {
        *best = Some((at, token));
    }
}

/// Distinct sets of marks remembered.
const MAX_MARKS: usize = 4096;

/// Memory kept for records that were unpacked.
const LARGEST_UNPACKED: usize = 8 << 20;

/// How often a value that is an event may hold another in one of its own.
const MAX_PACKED: usize = 3;

impl Ingest {
    /// An ingest that remembers nothing yet.
    pub fn new(settings: Settings) -> Self {
        let hasher = FixedState::with_seed(rand_seed());
        Ingest {
            settings,
            paths: Paths::default(),
            sign_of: Vec::new(),
            signs: Vec::new(),
            shapes_of: HashMap::with_hasher(hasher.clone()),
            latest_marks: None,
            unpacked: Vec::new(),
            uses: Vec::new(),
            dictionaries: Vec::new(),
            dictionary_of: HashMap::with_hasher(hasher.clone()),
            streams: Vec::new(),
            stream_of: HashMap::with_hasher(hasher),
            cells: Vec::new(),
            more: Vec::new(),
            key: Vec::new(),
            latest: None,
            hosts: Hosts::default(),
            log: Arc::from(""),
            fragments: Vec::new(),
            forgotten: None,
        }
    }

    /// Reads the records of a unit, keeps the fields that `interest` asks for, and hands over one
    /// batch for each kind that somebody looks at. Returns what was counted.
    pub fn read(
        &mut self,
        records: Records,
        interest: &dyn Interest,
        each: impl FnMut(&Batch<'_>),
    ) -> Tally {
        self.read_where(records, interest, |_| true, each)
    }

    /// The same of those records alone whose [`Row::position`] is `wanted`.
    pub fn read_where(
        &mut self,
        records: Records,
        interest: &dyn Interest,
        wanted: impl Fn(usize) -> bool,
        mut each: impl FnMut(&Batch<'_>),
    ) -> Tally {
        let mut tally = Tally { bytes: records.source_bytes, ..Tally::default() };
        let mut cursor = records.start();
        self.log = records.log.clone();
        while let Some(place) = records.next(&mut cursor, &mut tally) {
            self.cells.clear();
            match walk_object(&records.bytes, place.start, &mut self.paths, &mut self.cells) {
                Ok(end) if !wanted(place.start) => records.pass(&mut cursor, end),
                Ok(end) => {
                    let row = Row {
                        record: place.record,
                        time: None,
                        range: place.start..end,
                        position: place.start,
                        is_unpacked: false,
                        shape: 0,
                        host: Code::ABSENT,
                        is_plain: true,
                    };
                    self.record(&records, row, interest, &mut tally);
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

    /// Keeps dictionaries that are forgotten from now on: somebody keeps codes.
    pub fn keep_dictionaries(&mut self) {
        self.forgotten.get_or_insert_default();
    }

    /// The dictionaries that were forgotten since this was last asked.
    pub fn take_forgotten(&mut self) -> Vec<Dictionary> {
        self.forgotten.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// All dictionaries: new codes are given out from now on.
    pub fn take_dictionaries(&mut self) -> Vec<Dictionary> {
        let mut all = self.take_forgotten();
        all.extend(self.dictionaries.iter_mut().map(std::mem::take));
        all
    }

    /// Takes a record in, unpacked where one of its values is an event in itself.
    fn record(
        &mut self,
        records: &Records,
        mut row: Row,
        interest: &dyn Interest,
        tally: &mut Tally,
    ) {
        let mut sign = self.sign();
        if sign.is_payload {
            let unpacked = std::mem::take(&mut self.unpacked);
            self.unpacked = self.unpack(records, unpacked, &mut row, tally);
            sign = self.sign();
        }
        let cells = std::mem::take(&mut self.cells);
        let unpacked = std::mem::take(&mut self.unpacked);
        let bytes = if row.is_unpacked { &unpacked } else { &records.bytes };
        row.shape = self.shape_of(sign.marks, &cells, bytes);
        self.row(bytes, row, &cells, interest, tally);
        self.cells = cells;
        self.unpacked = unpacked;
    }

    /// What the paths of a record say together.
    fn sign(&mut self) -> Sign {
        self.learn_paths();
        let mut all = Sign::default();
        for cell in &self.cells {
            if let Some(at) = self.sign_of[cell.path.index()].checked_sub(1) {
                let own = self.signs[usize::from(at)];
                all.marks |= own.marks;
                all.is_payload |= own.is_payload;
            }
        }
        all
    }

    /// Puts the record that is packed into a value of this one behind the others in `unpacked`, and
    /// its values into the cells.
    fn unpack(
        &mut self,
        records: &Records,
        mut unpacked: Vec<u8>,
        row: &mut Row,
        tally: &mut Tally,
    ) -> Vec<u8> {
        for _ in 0..MAX_PACKED {
            let bytes = if row.is_unpacked { &unpacked } else { &records.bytes };
            let (cells, paths, range) = (&self.cells, &self.paths, row.range.clone());
            let packed = Packed { cells, bytes, range, paths };
            let found = packed.unpack(|cell| {
                let sign = self.sign_of[cell.path.index()].checked_sub(1);
                sign.is_some_and(|at| self.signs[usize::from(at)].is_payload)
            });
            let Some(found) = found else { break };
            for failure in found.failures {
                tally.skip(failure, records.place_name(row.record), 0);
            }
            let Some(record) = found.record else { break };
            let start = unpacked.len();
            unpacked.extend_from_slice(&record);
            if let Err(reason) = self.walk_unpacked(&unpacked, start) {
                tally.skip(reason, records.place_name(row.record), 0);
                unpacked.truncate(start);
                let bytes = if row.is_unpacked { &unpacked } else { &records.bytes };
                self.cells.clear();
                // It was walked before.
                let _ = walk_object(bytes, row.range.start, &mut self.paths, &mut self.cells);
                break;
            }
            (row.range, row.is_unpacked) = (start..unpacked.len(), true);
            if !found.replaced {
                break;
            }
        }
        unpacked
    }

    fn walk_unpacked(&mut self, unpacked: &[u8], start: usize) -> Result<(), &'static str> {
        if unpacked.len() > u32::MAX as usize {
            return Err("record too long to be unpacked");
        }
        self.cells.clear();
        let walked = walk_object(unpacked, start, &mut self.paths, &mut self.cells);
        self.learn_paths();
        walked.map(|_| ()).map_err(crate::tokens::Fault::reason)
    }

    /// The shape of a record: mostly the one of the record before.
    fn shape_of(&mut self, marks: Marks, cells: &[Cell], bytes: &[u8]) -> usize {
        if let Some((latest, shape)) = self.latest_marks
            && latest == marks
        {
            return shape;
        }
        if self.shapes_of.len() > MAX_MARKS {
            self.shapes_of.clear();
        }
        let shapes = self.shapes_of.entry(marks).or_insert_with(|| SHAPES.of_marks(&marks));
        if let [shape] = shapes[..] {
            self.latest_marks = Some((marks, shape));
            return shape;
        }
        let paths = &self.paths;
        let has = |condition: &Condition| {
            cells.iter().any(|cell| condition.holds(paths.name(cell.path), cell.token(bytes)))
        };
        shapes.iter().copied().find(|shape| SHAPES.get(*shape).fits(has)).unwrap_or(0)
    }

    fn row(
        &mut self,
        bytes: &[u8],
        mut row: Row,
        cells: &[Cell],
        interest: &dyn Interest,
        tally: &mut Tally,
    ) {
        self.learn_uses(row.shape, cells);
        let header = self.header(row.shape, cells, bytes);
        row.time = header.time.and_then(|(_, token)| time_of(token));
        if let (true, Some((_, token))) = (self.settings.hosts, header.host) {
            row.host = self.hosts.note(token, row.time);
        }
        tally.events += 1;
        if self.is_outside(row.time) {
            tally.outside_time += 1;
        } else {
            let stream = self.stream(row.shape, &header, interest);
            self.keep(stream, row, cells, bytes);
        }
    }

    fn is_outside(&self, time: Option<Time>) -> bool {
        let Settings { from, to, .. } = self.settings;
        match time {
            Some(time) => from.is_some_and(|from| time < from) || to.is_some_and(|to| time > to),
            None => from.is_some() || to.is_some(),
        }
    }

    fn learn_paths(&mut self) {
        for at in self.sign_of.len()..self.paths.len() {
            let name = self.paths.name(PathId::at(at));
            let marks = SHAPES.marks(name);
            let is_payload = PAYLOADS.has(name);
            if marks.is_none() && !is_payload {
                self.sign_of.push(0);
                continue;
            }
            let sign = Sign { marks: marks.unwrap_or_default(), is_payload };
            // There are no more of them than the tables have.
            let place = self.signs.iter().position(|own| *own == sign).unwrap_or_else(|| {
                self.signs.push(sign);
                self.signs.len() - 1
            });
            self.sign_of.push(place as u16 + 1);
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
                let path = self.paths.name(cell.path);
                let (name, role) = SHAPES.get(shape).field(path);
                let copy = SHAPES.get(shape).copy(path).cloned();
                let (key, had_spaces) = match without_spaces(&name) {
                    Cow::Borrowed(_) => (name, false),
                    Cow::Owned(key) => (key.into(), true),
                };
                *slot = Some(Use { key, had_spaces, role, copy });
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
                Role::Time(at) => prefer(&mut header.time, *at, token),
                Role::Dataset(at) => prefer(&mut header.dataset, *at, token),
                Role::Type(at) => prefer(&mut header.record_type, *at, token),
                Role::DatasetAndType(dataset, record_type) => {
                    prefer(&mut header.dataset, *dataset, token);
                    prefer(&mut header.record_type, *record_type, token);
                }
                Role::Host(at) => prefer(&mut header.host, *at, token),
            }
        }
        header
    }

    /// The stream of a record: mostly the one of the record before.
    fn stream(&mut self, shape: usize, header: &Header<'_>, interest: &dyn Interest) -> usize {
        self.key.clear();
        self.key.extend_from_slice(&(shape as u16).to_le_bytes());
        if SHAPES.get(shape).is_windows() {
            for token in [header.provider, header.channel, header.event_id] {
                self.key.extend_from_slice(token);
                self.key.push(0);
            }
        } else {
            for found in [header.dataset, header.record_type] {
                self.key.extend_from_slice(found.map_or(&[], |(_, token)| token));
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
            lacks_text: false,
            nulls: Vec::new(),
            rows: Vec::new(),
            tally: KindTally::default(),
        };
        if let Fields::Some(fields) | Fields::Text(fields) = stream.fields.clone() {
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
    fn keep(&mut self, stream_at: usize, mut row: Row, cells: &[Cell], bytes: &[u8]) {
        let fragment = self.fragment(stream_at, &row, cells, bytes);
        let aside = fragment.is_some();
        self.fragments.extend(fragment);
        let stream = &mut self.streams[stream_at];
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
                stream.lacks_text |= found.had_spaces || stream.is_full();
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
                    let code = dictionary.intern(token);
                    if code == Code::ABSENT {
                        stream.nulls.push((at as u32, column_at as u16));
                    }
                    column.codes.push(code);
                }
            }
        }
        if kept && SHAPES.get(stream.shape).has_copies() {
            self.keep_copies(stream_at, at, cells, bytes);
        }
        let stream = &mut self.streams[stream_at];
        // Stable, so that elements keep their order.
        self.more.sort_by_key(|(column, _)| *column);
        for group in self.more.chunk_by(|a, b| a.0 == b.0) {
            let column = &mut stream.columns[group[0].0];
            let tokens = group.iter().map(|(_, cell)| cell.token(bytes));
            let dictionary = &mut self.dictionaries[column.dictionary];
            column.codes[at] = dictionary.intern_more(column.codes[at], tokens);
            row.is_plain &= !matches!(column.place, Place::Header { .. });
        }
        self.more.clear();
        if kept {
            stream.rows.push(row);
        }
    }

    /// Gives the columns that a record has nothing for what it has by another name.
    fn keep_copies(&mut self, stream: usize, at: usize, cells: &[Cell], bytes: &[u8]) {
        let stream = &mut self.streams[stream];
        for cell in cells {
            let Some(found) = &self.uses[stream.shape][cell.path.index()] else { continue };
            let Some(copy) = &found.copy else { continue };
            let column = stream.find_column(copy, &mut self.dictionaries, &mut self.dictionary_of);
            let Some(column) = column.checked_sub(1) else { continue };
            let column = &mut stream.columns[usize::from(column)];
            if column.codes.len() <= at {
                column.codes.resize(at, Code::ABSENT);
                column.codes.push(self.dictionaries[column.dictionary].intern(cell.token(bytes)));
            }
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
                        counted.fields.extend(found.copy.clone());
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
        tally.add(Tally { hosts: self.hosts.take(), ..Tally::default() });
        self.unpacked.clear();
        self.unpacked.shrink_to(LARGEST_UNPACKED);
        if self.paths.len() > MAX_PATHS {
            let fragments = self.take_fragments();
            let forgotten = self.forgotten.is_some().then(|| self.take_dictionaries());
            *self = Ingest { fragments, forgotten, ..Ingest::new(self.settings.clone()) };
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
            match &mut self.forgotten {
                Some(forgotten) => forgotten.push(std::mem::take(dictionary)),
                None => dictionary.clear(),
            }
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
        let unpacked = std::mem::take(&mut self.unpacked);
        let source = Source { bytes, unpacked: &unpacked };
        let nulls = std::mem::take(&mut self.streams[stream].nulls);
        each(&Batch {
            kind: &kind,
            rows: &rows,
            columns: &columns,
            has_text: self.streams[stream].has_text(),
            nulls: &nulls,
            ingest: self,
            source,
        });
        self.unpacked = unpacked;
        columns.iter_mut().for_each(|column| column.codes.clear());
        let stream = &mut self.streams[stream];
        stream.columns = columns;
        stream.rows = rows;
        stream.rows.clear();
        stream.nulls = nulls;
        stream.nulls.clear();
    }

    pub(crate) fn dictionary(&self, column: &Column) -> &Dictionary {
        &self.dictionaries[column.dictionary]
    }

    pub(crate) fn host(&self, row: &Row) -> Value {
        self.hosts.names.value(row.host)
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
        let is_wanted = match self.fields {
            Fields::All => true,
            Fields::Text(_) => {
                self.kind.has_made_text()
                    && Place::of(&SHAPES.get(self.shape).name, key) != Place::Beside
            }
            Fields::None | Fields::Some(_) => false,
        };
        if !is_wanted || self.is_full() {
            return 0;
        }
        let dictionary = dictionary(dictionaries, dictionary_of, key);
        self.add_column(key.clone(), dictionary)
    }

    /// Whether no column can be added.
    fn is_full(&self) -> bool {
        self.columns.len() + 2 >= usize::from(UNKNOWN)
    }

    /// Whether the columns have all that the events' own text is made of.
    fn has_text(&self) -> bool {
        matches!(self.fields, Fields::All | Fields::Text(_)) && !self.lacks_text
    }

    /// Adds a column; returns one more than its place.
    fn add_column(&mut self, name: Arc<str>, dictionary: usize) -> u16 {
        let place = Place::of(&SHAPES.get(self.shape).name, &name);
        self.columns.push(Column { name: name.clone(), codes: Vec::new(), dictionary, place });
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
    if !shape.is_windows() {
        let nothing: Arc<str> = Arc::from("");
        let token = |found: Option<(u8, _)>| found.map_or(&[][..], |(_, token)| token);
        return Kind {
            product: shape.product.clone(),
            dataset: shape.dataset(token(header.dataset)),
            channel: nothing.clone(),
            provider: nothing,
            event_id: shape.record_type(token(header.record_type)),
        };
    }
    let text = |name: &str, token: &[u8]| -> Arc<str> {
        match (shape.constant(name), decode(token).text()) {
            (Some(constant), _) => constant.clone(),
            (None, Some(text)) => Arc::from(text.trim()),
            (None, None) => Arc::from(""),
        }
    };
    let provider = text("Provider_Name", header.provider);
    let (product, dataset) = SHAPES.of_provider(&provider);
    let (channel, event_id) = (text("Channel", header.channel), text("EventID", header.event_id));
    Kind { product, dataset, channel, provider, event_id }
}
