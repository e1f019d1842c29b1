//! Events that are pieces of a longer one: set aside while reading, and put together.

use std::sync::Arc;

use rulestone_value::Time;

use crate::kinds::Pieces;
use crate::readers::Records;
use crate::tokens::decode;

/// What is done with events that are pieces of a longer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fragments {
    /// Each is an event like any other.
    #[default]
    Apart,
    /// They are counted, left out of the batches, and kept for [`crate::Ingest::take_fragments`].
    Aside,
}

/// An event that is a piece of a longer one, undecoded.
#[derive(Debug, Clone)]
pub struct Fragment {
    /// What it is a piece of.
    pub whole: Whole,
    /// Which piece it is, from 1 to [`Whole::total`].
    pub number: u64,
    /// When it happened.
    pub time: Option<Time>,
    /// The log it is in.
    pub log: Arc<str>,
    /// Its number in the log, see [`crate::Event::record`].
    pub record: u64,
    /// The record as JSON, and where the token of the text is in it.
    json: Box<[u8]>,
    text: (usize, usize),
}

/// What fragments are pieces of. Equal for those that belong together, and for no others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Whole {
    /// What it is called: `PowerShell script block`.
    pub name: &'static str,
    /// The values that tell it from others, in lower case.
    pub key: Box<[String]>,
    /// How many pieces it has.
    pub total: u64,
}

impl Whole {
    /// What it is called, with the value that names it.
    pub fn label(&self) -> String {
        let id = self.key.last().map_or("", String::as_str);
        format!("{} {id}", self.name)
    }
}

/// A value of a record: its field's name, and where its token is.
pub(crate) type Named<'r> = (&'r str, (usize, usize));

impl Fragment {
    /// The fragment in a record, if it is one. A piece that lacks what it takes to find the
    /// others is an event like any other.
    pub(crate) fn read<'r>(
        pieces: &'static Pieces,
        json: &[u8],
        values: impl Iterator<Item = Named<'r>> + Clone,
    ) -> Option<(Whole, u64, (usize, usize))> {
        let find = |name: &str| values.clone().find(|(own, _)| *own == name).map(|(_, at)| at);
        let text = |name: &str| {
            let (start, end) = find(name)?;
            let text = decode(&json[start..end]).text()?.trim().to_lowercase();
            (!text.is_empty()).then_some(text)
        };
        let number = |name: &str| text(name)?.parse::<u64>().ok();
        let total = number(&pieces.total).filter(|total| *total > 1)?;
        let own = number(&pieces.number).filter(|own| (1..=total).contains(own))?;
        let key = pieces.key.iter().map(|name| text(name)).collect::<Option<Box<[String]>>>()?;
        Some((Whole { name: &pieces.name, key, total }, own, find(&pieces.text)?))
    }

    pub(crate) fn new(
        (whole, number, text): (Whole, u64, (usize, usize)),
        log: Arc<str>,
        (record, time): (u64, Option<Time>),
        json: &[u8],
    ) -> Fragment {
        Fragment { whole, number, time, log, record, json: json.into(), text }
    }

    /// Bytes of memory that it takes, about.
    pub fn size(&self) -> usize {
        let key: usize = self.whole.key.iter().map(|part| part.len() + 32).sum();
        size_of::<Fragment>() + self.json.len() + key
    }

    /// The token of its text, without quotes.
    pub fn text(&self) -> &[u8] {
        match &self.json[self.text.0..self.text.1] {
            b"null" => &[],
            [b'"', inner @ .., b'"'] => inner,
            token => token,
        }
    }

    /// What is remembered of where it is: the order that fragments are preferred in.
    pub fn place(&self) -> (Option<Time>, &Arc<str>, u64) {
        (self.time, &self.log, self.record)
    }

    /// The record as JSON.
    pub fn json(&self) -> &[u8] {
        &self.json
    }
}

/// The record of the first fragment with the texts of all of them, in their order, as its text.
pub fn join(fragments: &[Fragment]) -> Vec<u8> {
    let Some(first) = fragments.first() else { return Vec::new() };
    let texts: usize = fragments.iter().map(|fragment| fragment.text().len()).sum();
    let mut json = Vec::with_capacity(first.json.len() + texts);
    json.extend_from_slice(&first.json[..first.text.0]);
    json.push(b'"');
    // Escapes end in the token they start in, so tokens can be joined as they are.
    fragments.iter().for_each(|fragment| json.extend_from_slice(fragment.text()));
    json.push(b'"');
    json.extend_from_slice(&first.json[first.text.1..]);
    json
}

impl Records {
    /// Records out of their JSON texts, numbered from 0.
    pub fn of_texts<'t>(texts: impl Iterator<Item = std::borrow::Cow<'t, [u8]>>) -> Records {
        let (mut bytes, mut records) = (Vec::new(), Vec::new());
        for (number, text) in texts.enumerate() {
            let start = bytes.len();
            bytes.extend_from_slice(&text);
            records.push((number as u64, start..bytes.len()));
        }
        Records::cut(bytes, records)
    }
}
