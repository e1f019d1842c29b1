//! The own text of events in parts, so that what is asked of it can be asked of each distinct value
//! once.
//!
//! The text is markup and values. On both sides of a value stands `<`, `>` or `'`, and no value has
//! a `<` or `>` in it once it is escaped, nor one of an attribute a `'`.

use std::collections::BTreeMap;
use std::sync::Arc;

use rulestone_value::Value;

use super::RAW;
use super::windows::{
    AFTER_DATA, Place, SYSTEM_TIME, Said, around_data, before_data, data_text, header_fields,
    is_nothing, of_kind, time_text, value_text,
};
use crate::kinds::SHAPES;
use crate::{Batch, Code, Column};

/// What the own texts of a batch's events are put together from.
pub struct TextParts<'b> {
    batch: &'b Batch<'b>,
    parts: Vec<TextPart<'b>>,
    raw: Option<&'b Column>,
}

/// What one field says in the texts.
pub struct TextPart<'b> {
    name: &'b str,
    place: Place,
    column: Option<&'b Column>,
    otherwise: Option<&'b Arc<str>>,
    nulls: Vec<usize>,
}

/// Which fields the header of an event has: all its markup, and what the kind says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Frame(u32);

impl<'b> TextParts<'b> {
    /// The parts; `None` where texts are not made of values, or not all of these were read.
    pub fn of(batch: &'b Batch<'b>) -> Option<TextParts<'b>> {
        if !batch.has_text || !batch.kind.has_made_text() {
            return None;
        }
        let shape = SHAPES.get(batch.rows.first()?.shape);
        let columns = batch.columns.iter().enumerate();
        let columns = columns.map(|(at, column)| (&*column.name, (Some(at), None)));
        let mut found: BTreeMap<&str, (Option<usize>, Option<&Arc<str>>)> = columns.collect();
        for (name, text) in shape.constants() {
            found.entry(name).or_default().1 = Some(text);
        }
        let raw = found.get(RAW).and_then(|(at, _)| Some(&batch.columns[(*at)?]));
        let part = |(name, (at, otherwise))| {
            let place = Place::of(&shape.name, name);
            let is_part = match place {
                Place::Header { .. } => batch.kind.header(name).is_none(),
                Place::Data => true,
                Place::Beside => false,
            };
            let is_null = |(_, column): &&(u32, u16)| Some(usize::from(*column)) == at;
            let nulls = batch.nulls.iter().filter(is_null).map(|(row, _)| *row as usize);
            let column = at.map(|at| &batch.columns[at]);
            is_part.then(|| TextPart { name, place, column, otherwise, nulls: nulls.collect() })
        };
        let parts: Vec<TextPart<'_>> = found.into_iter().filter_map(part).collect();
        // What the shape says is not said of a field that is there without a value.
        let is_unclear = |part: &TextPart<'_>| part.otherwise.is_some() && !part.nulls.is_empty();
        (!parts.iter().any(is_unclear)).then_some(TextParts { batch, parts, raw })
    }

    /// The parts.
    pub fn parts(&self) -> &[TextPart<'b>] {
        &self.parts
    }

    /// Whether a row's text is what its parts say.
    pub fn are_of(&self, row: usize) -> bool {
        self.batch.rows[row].is_plain && self.raw.is_none_or(|raw| raw.codes[row] == Code::ABSENT)
    }

    /// Which fields a row's header has.
    pub fn frame(&self, row: usize) -> Frame {
        let mut frame = 0;
        for part in &self.parts {
            let Place::Header { at, .. } = part.place else { continue };
            let is_there = part.otherwise.is_some()
                || part.column.is_some_and(|column| column.codes[row] != Code::ABSENT);
            frame |= u32::from(is_there) << at;
        }
        if self.batch.rows[row].time.is_some() {
            frame |= 1 << header_fields().position(|(name, _)| name == SYSTEM_TIME).unwrap_or(0);
        }
        Frame(frame)
    }

    /// The texts of a frame: each starts and ends with markup, and holds what the kind says of it.
    pub fn frame_texts(&self, frame: Frame) -> Vec<String> {
        let fields: Vec<&str> = header_fields().map(|(name, _)| name).collect();
        let mut texts = before_data(|field| {
            let (_, is_attribute) = header_fields().find(|(name, _)| *name == field)?;
            match of_kind(self.batch.kind, field, is_attribute) {
                Some(said) => said.map(Said::Text),
                None => {
                    let at = fields.iter().position(|name| *name == field)?;
                    (frame.0 & (1 << at) != 0).then_some(Said::Open)
                }
            }
        })
        .into_texts();
        texts.push(AFTER_DATA.to_owned());
        texts
    }

    /// What a row says about its time, where it is not what its part says.
    pub fn time_text(&self, row: usize) -> Option<String> {
        self.batch.rows[row].time.map(time_text)
    }
}

impl TextPart<'_> {
    /// The field's name.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Equal for parts that have the same texts for equal values.
    pub fn key(&self) -> impl std::fmt::Display {
        let is_data = self.place == Place::Data;
        let otherwise = self.otherwise.map_or("", |text| text);
        std::fmt::from_fn(move |f| write!(f, "{} {is_data} {otherwise}", self.name))
    }

    /// Whether it is the time: an event that has one says that in place of the value.
    pub fn is_time(&self) -> bool {
        self.name == SYSTEM_TIME
    }

    /// The codes of the values, where events have the field.
    pub fn column(&self) -> Option<&Column> {
        self.column
    }

    /// The rows of events that say that there is no value.
    pub fn nulls(&self) -> &[usize] {
        &self.nulls
    }

    /// What their texts have of that.
    pub fn texts_of_null(&self) -> Vec<String> {
        match self.place {
            Place::Data if !is_nothing(self.name, &Value::Null) => {
                let (before, after) = around_data(self.name);
                vec![before.into_owned(), String::new(), after.to_owned()]
            }
            _ => Vec::new(),
        }
    }

    /// What the text has of a value: itself, and the markup that is there because of it alone.
    /// Null is what events without the field have.
    pub fn texts(&self, value: &Value) -> Vec<String> {
        let otherwise = self.otherwise.filter(|_| value.is_null());
        let otherwise = otherwise.map(|text| Value::string(&**text));
        let value = otherwise.as_ref().unwrap_or(value);
        match self.place {
            Place::Header { is_attribute, .. } => {
                value_text(self.name, is_attribute, value).into_iter().collect()
            }
            Place::Data if value.is_null() => Vec::new(),
            Place::Data => {
                let (before, after) = around_data(self.name);
                let elements = value.elements().iter().map(data_text);
                elements.chain([before.into_owned(), after.to_owned()]).collect()
            }
            Place::Beside => Vec::new(),
        }
    }
}
