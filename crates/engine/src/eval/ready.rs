//! What functions need ready: patterns that do not depend on the row.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::OnceLock;

use fancy_regex::Regex;
use ipnet::IpNet;
use rulestone_ir::Function;
use rulestone_value::{Glob, Piece, Value};

use super::Node;
use super::functions::{path, relative, timeformat};
use super::number::text;
use crate::reference;

/// What a call needs ready.
#[derive(Debug)]
pub(super) enum Ready {
    /// Nothing, or its pattern depends on the row.
    Nothing,
    /// Compiled when the first row comes.
    Regex(String, OnceLock<Option<Box<Regex>>>),
    Like(Glob),
    Network(Option<IpNet>),
    Format(Vec<timeformat::Item>),
    Shifts(Option<Vec<relative::Shift>>),
    Path(Option<Vec<path::Step>>),
}

impl Ready {
    /// Makes ready what can be: the argument that is the function's pattern, if it is a literal.
    pub(super) fn new(function: Function, arguments: &[Node]) -> Ready {
        let literal = |at: usize| match arguments.get(at) {
            Some(Node::Literal(value)) => text(value),
            _ => None,
        };
        let at = if function == Function::CidrMatch { 0 } else { 1 };
        let Some(pattern) = literal(at) else { return Ready::Nothing };
        match function {
            Function::RegexFindAny
            | Function::ReplaceRegex
            | Function::MvFind
            | Function::MvMatches => Ready::Regex(pattern.into_owned(), OnceLock::new()),
            Function::LikeAny => Ready::Like(like(&pattern)),
            Function::CidrMatch => Ready::Network(pattern.trim().parse().ok()),
            Function::FormatTime | Function::ParseTime => {
                Ready::Format(timeformat::items(&pattern))
            }
            Function::RelativeTime => Ready::Shifts(relative::shifts(&pattern)),
            Function::JsonPath | Function::AnyPath => Ready::Path(path::steps(&pattern)),
            _ => Ready::Nothing,
        }
    }

    /// What `found` makes of the regular expression; none where it cannot be compiled.
    pub(super) fn with_regex<T>(
        &self,
        pattern: &Value,
        found: impl FnOnce(&Regex) -> Option<T>,
    ) -> Option<T> {
        match self {
            Ready::Regex(pattern, compiled) => {
                let compiled = compiled.get_or_init(|| compile(pattern, LARGEST).map(Box::new));
                found(compiled.as_deref()?)
            }
            _ => found(computed(&text(pattern)?)?.as_ref().as_ref()?),
        }
    }
}

fn compile(pattern: &str, most: usize) -> Option<Regex> {
    let pattern = pattern.to_owned();
    let (ignore_case, multi_line, dot_all) = (false, false, false);
    let regex = rulestone_ir::Regex { pattern, ignore_case, multi_line, dot_all };
    reference::compile_within(&regex, most)
}

/// Bytes that an expression of a rule may take.
const LARGEST: usize = 64 << 20;
/// Bytes that one out of a row may take: logs are not to be trusted with more.
const LARGEST_COMPUTED: usize = 1 << 20;
/// Expressions that come from rows and are kept compiled.
const KEPT: usize = 64;
/// Length of an expression out of a row: longer ones are no expressions anybody wrote.
const LONGEST: usize = 4096;

thread_local! {
    static COMPUTED: RefCell<HashMap<String, Rc<Option<Regex>>>> = RefCell::default();
}

/// A regular expression that depends on the row.
fn computed(pattern: &str) -> Option<Rc<Option<Regex>>> {
    if pattern.len() > LONGEST {
        return None;
    }
    COMPUTED.with_borrow_mut(|kept| {
        if let Some(regex) = kept.get(pattern) {
            return Some(regex.clone());
        }
        if kept.len() >= KEPT {
            kept.clear();
        }
        let regex = Rc::new(compile(pattern, LARGEST_COMPUTED));
        kept.insert(pattern.to_owned(), regex.clone());
        Some(regex)
    })
}

/// A pattern in which `%` is any text and `_` one character.
pub(super) fn like(pattern: &str) -> Glob {
    Glob::new(pattern.chars().map(|c| match c {
        '%' => Piece::Many,
        '_' => Piece::One,
        c => Piece::Text(c.to_string()),
    }))
}
