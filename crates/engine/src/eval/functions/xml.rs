//! XML in text.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use rulestone_value::Value;

use super::path::Step;

/// Elements of a text. What is not XML to its end has none.
#[derive(Debug, Default)]
pub(crate) struct Document<'t> {
    roots: Vec<Element<'t>>,
}

/// An element.
#[derive(Debug)]
pub(crate) struct Element<'t> {
    name: String,
    attributes: Vec<(String, String)>,
    /// Its own text, entities resolved.
    text: String,
    /// Everything between its tags, as it stands there.
    inner: &'t str,
    children: Vec<Element<'t>>,
}

/// Elements inside of each other; deeper ones are not read.
const DEEPEST: usize = 128;

/// Reads the elements of a text.
pub(crate) fn parse(text: &str) -> Option<Document<'_>> {
    let mut reader = quick_xml::Reader::from_str(text);
    reader.config_mut().allow_dangling_amp = true;
    // Each with where its inside starts.
    let mut open: Vec<(Element<'_>, usize)> = Vec::new();
    let mut roots = Vec::new();
    loop {
        let before = reader.buffer_position() as usize;
        match reader.read_event().ok()? {
            Event::Start(start) if open.len() < DEEPEST => {
                open.push((element(&start)?, reader.buffer_position() as usize));
            }
            Event::Start(_) => return None,
            Event::Empty(start) => {
                open.last_mut()
                    .map_or(&mut roots, |(parent, _)| &mut parent.children)
                    .push(element(&start)?);
            }
            Event::End(_) => {
                let (mut element, from) = open.pop()?;
                element.inner = text.get(from..before).unwrap_or_default();
                open.last_mut()
                    .map_or(&mut roots, |(parent, _)| &mut parent.children)
                    .push(element);
            }
            Event::Text(text) => add(&mut open, &text.xml10_content()),
            Event::CData(text) => add(&mut open, &text.xml10_content()),
            Event::GeneralRef(entity) => match entity.resolve_char_ref().ok()? {
                Some(c) => add(&mut open, c.encode_utf8(&mut [0; 4])),
                None => add(&mut open, predefined(&entity.xml10_content())),
            },
            Event::Eof => {
                return (open.is_empty() && !roots.is_empty()).then_some(Document { roots });
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

fn element<'t>(start: &BytesStart<'_>) -> Option<Element<'t>> {
    let mut attributes = Vec::new();
    // Looking for a name that stands twice would take quadratic time.
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.ok()?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
        attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    let name = start.name().as_ref().to_owned();
    Some(Element { name, attributes, text: String::new(), inner: "", children: Vec::new() })
}

fn add(open: &mut [(Element<'_>, usize)], text: &str) {
    if let Some((element, _)) = open.last_mut() {
        element.text.push_str(text);
    }
}

/// What the entities stand for that need no declaration; no other can be declared.
fn predefined(entity: &str) -> &'static str {
    match entity {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "quot" => "\"",
        "apos" => "'",
        _ => "",
    }
}

impl Document<'_> {
    /// The values at a path: the text of an element that has no others in it, else all in it.
    pub(crate) fn at(&self, steps: &[Step]) -> Vec<String> {
        let mut found: Vec<&Element<'_>> = Vec::new();
        let mut started = false;
        let mut steps = steps.iter().peekable();
        while let Some(step) = steps.next() {
            found = match step {
                Step::Each => continue,
                Step::Index(_) => continue,
                Step::Attribute(name) => {
                    let values = found.iter().flat_map(|element| element.attributes.iter());
                    let values = values.filter(|(own, _)| own == name);
                    return values.map(|(_, value)| value.clone()).collect();
                }
                Step::Name(name) => {
                    let index = match steps.peek() {
                        Some(Step::Index(index)) => Some(*index),
                        _ => None,
                    };
                    let lists: Vec<&[Element<'_>]> = match started {
                        false => vec![&self.roots],
                        true => found.iter().map(|element| element.children.as_slice()).collect(),
                    };
                    started = true;
                    lists.into_iter().flat_map(|list| named(list, name, index)).collect()
                }
            };
        }
        found.into_iter().map(Element::value).collect()
    }

    /// Every text and attribute with its name: elements behind dots, attributes in braces. A name
    /// that is there several times has its values in order.
    pub(crate) fn leaves(&self, found: &mut dyn FnMut(&str, Value)) {
        self.roots.iter().for_each(|root| root.leaves(&mut String::new(), found));
    }
}

/// The elements of a name, or the one at a place from 1.
fn named<'e, 't>(
    elements: &'e [Element<'t>],
    name: &str,
    index: Option<i64>,
) -> Vec<&'e Element<'t>> {
    let all = elements.iter().filter(|element| element.name == name);
    match index {
        None => all.collect(),
        Some(index) => {
            let at = usize::try_from(index).ok().and_then(|at| at.checked_sub(1));
            at.and_then(|at| all.into_iter().nth(at)).into_iter().collect()
        }
    }
}

impl Element<'_> {
    fn value(&self) -> String {
        match self.children.is_empty() {
            true => self.text.trim().to_owned(),
            false => self.inner.trim().to_owned(),
        }
    }

    fn leaves(&self, name: &mut String, found: &mut dyn FnMut(&str, Value)) {
        let length = name.len();
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&self.name);
        let own = name.len();
        for (attribute, value) in &self.attributes {
            name.push_str(&format!("{{@{attribute}}}"));
            found(name, Value::string(value));
            name.truncate(own);
        }
        let text = self.text.trim();
        if !text.is_empty() {
            found(name, Value::string(text));
        }
        self.children.iter().for_each(|child| child.leaves(name, found));
        name.truncate(length);
    }
}
