//! Events decoded whole.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use rulestone_value::Value;

use crate::batch::Row;
use crate::event::without_spaces;
use crate::kinds::SHAPES;
use crate::paths::Paths;
use crate::tokens::{decode, walk_object};
use crate::{Event, Ingest, Kind};

impl Ingest {
    /// All values of a record that was read into a row.
    pub(crate) fn decode(&self, kind: &Arc<Kind>, row: &Row, record: &[u8]) -> Event {
        let mut paths = Paths::default();
        let mut cells = Vec::new();
        let shape = SHAPES.get(row.shape);
        // The record was walked before; a walk that fails now would leave it without values.
        let _ = walk_object(record, 0, &mut paths, &mut cells);
        let mut fields: Vec<(Arc<str>, Value)> = Vec::with_capacity(cells.len());
        let mut place_of: HashMap<String, usize> = HashMap::with_capacity(cells.len());
        let mut more: Vec<(usize, Value)> = Vec::new();
        for cell in &cells {
            let (name, _) = shape.field(paths.name(cell.path));
            let value = decode(cell.token(record));
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
        for cell in cells.iter().filter(|_| shape.has_copies()) {
            let Some(copy) = shape.copy(paths.name(cell.path)) else { continue };
            if let Entry::Vacant(place) = place_of.entry(copy.to_string()) {
                place.insert(fields.len());
                fields.push((copy.clone(), decode(cell.token(record))));
            }
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
        // Of others the record is what a reader made of it.
        let is_json = !kind.has_windows_header() && !["syslog", "auditd"].contains(&&*shape.name);
        Event {
            kind: kind.clone(),
            shape: &shape.name,
            time: row.time,
            record: row.record,
            fields,
            text: is_json.then(|| String::from_utf8_lossy(record).into()),
        }
    }
}
