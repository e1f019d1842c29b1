//! Tests of the own text of events, asked of its parts.
//!
//! Between the values of a text stands markup, and on both sides of each a character that no
//! escaped value has and that ends every term ([`rulestone_events::TextParts`]). So a text without
//! such characters stands in one part or nowhere, and what holds of a part holds of the whole. Of
//! other tests the parts say where they may hold: there alone the whole text is made.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use rulestone_ir::{Case, Elements, Test};
use rulestone_value::{Glob, Piece, fold};

use super::atoms::{Atoms, regex_atoms};
use super::field::{FieldMatcher, Probe, needed};

/// The tests of a field that is the events' own text.
pub(crate) struct Parted {
    /// What is asked of every part; numbered anew.
    parts: FieldMatcher,
    /// The same of tests that may hold for times: others need not be asked of what hardly ever
    /// comes twice.
    times: Option<FieldMatcher>,
    /// By the probe's id: what the parts say about it.
    says: HashMap<u32, Says, RandomState>,
}

/// What parts say about a probe.
struct Says {
    /// It holds where this holds for a part.
    holds: Option<u32>,
    /// It may hold elsewhere where of each of these lists one holds for a part; `None` where it
    /// holds nowhere else.
    may_hold: Option<Vec<Vec<u32>>>,
}

/// What a text must have for a part of a pattern to stand in it, asked of one of the text's parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Need {
    Equals(String),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
}

/// Elements of the header whose text is the same for all events of a kind, folded: it is a part of
/// the markup.
const OF_KIND: [&str; 2] = ["eventid", "channel"];

impl Parted {
    pub(crate) fn new(probes: &[Probe]) -> Parted {
        let mut builder = Builder::default();
        let mut says: HashMap<u32, Says, RandomState> = HashMap::default();
        for probe in probes {
            let (holds, needs) = asked_of_parts(&probe.test);
            let holds = holds.then(|| builder.add(probe.test.clone(), probe.case));
            let mut of_list =
                |list: Vec<Need>| list.into_iter().map(|need| builder.need(need)).collect();
            let may_hold = needs.map(|needs| needs.into_iter().map(&mut of_list).collect());
            says.insert(probe.id, Says { holds, may_hold });
        }
        let of_times = builder.probes.iter().filter(|probe| may_be_in_time(&probe.test));
        let of_times: Vec<Probe> = of_times.cloned().collect();
        Parted {
            times: (!of_times.is_empty()).then(|| FieldMatcher::new(of_times)),
            parts: FieldMatcher::new(builder.probes),
            says,
        }
    }

    /// What is asked of the parts.
    pub(crate) fn parts(&self) -> &FieldMatcher {
        &self.parts
    }

    /// What is asked of times, if anything.
    pub(crate) fn times(&self) -> Option<&FieldMatcher> {
        self.times.as_ref()
    }
}

/// Numbers what is asked of parts.
#[derive(Default)]
struct Builder {
    probes: Vec<Probe>,
    needs: HashMap<Need, u32, RandomState>,
}

impl Builder {
    fn add(&mut self, test: Test, case: Case) -> u32 {
        let id = self.probes.len() as u32;
        self.probes.push(Probe { id, test, case, elements: Elements::Any });
        id
    }

    fn need(&mut self, need: Need) -> u32 {
        if let Some(id) = self.needs.get(&need) {
            return *id;
        }
        let test = match need.clone() {
            Need::Equals(text) => Test::Equals(text),
            Need::StartsWith(text) => Test::StartsWith(text),
            Need::EndsWith(text) => Test::EndsWith(text),
            Need::Contains(text) => Test::Contains(text),
        };
        let id = self.add(test, Case::Insensitive);
        self.needs.insert(need, id);
        id
    }
}

/// Whether a test that holds for a part holds for the whole, and what the parts must have for it to
/// hold for the whole alone, `None` where that cannot be.
fn asked_of_parts(test: &Test) -> (bool, Option<Vec<Vec<Need>>>) {
    match test {
        Test::Exists => (true, None),
        Test::Contains(text) => (true, may_span(text).then(|| needs_of(text))),
        Test::Term(glob, _) if let [Piece::Text(text)] = glob.pieces() => {
            (true, may_span(text).then(|| needs_of(text)))
        }
        // Any character may be one of the markup, which goes on where a part ends.
        Test::Term(glob, _) if glob.pieces().contains(&Piece::One) => {
            (false, Some(needs_of_glob(glob)))
        }
        Test::Term(glob, _) => {
            let has_border = |piece: &Piece| match piece {
                Piece::Text(text) => has_border(text),
                // It ends where a term ends.
                Piece::One | Piece::Many => false,
            };
            (true, glob.pieces().iter().any(has_border).then(|| needs_of_glob(glob)))
        }
        Test::Wildcard(glob) => match glob.pieces() {
            [Piece::Many, Piece::Text(text), Piece::Many] => {
                (true, may_span(text).then(|| needs_of(text)))
            }
            _ => (false, Some(needs_of_glob(glob))),
        },
        Test::Regex(regex) => {
            let longest = |atom: &String| {
                let texts = atom.split(is_border).max_by_key(|text| text.len());
                Need::Contains(texts.unwrap_or_default().to_owned())
            };
            let needs = match regex_atoms(regex) {
                Atoms::OneOf(atoms) => vec![atoms.iter().map(longest).collect()],
                Atoms::Unknown => Vec::new(),
            };
            (false, Some(needs))
        }
        Test::Equals(text) | Test::StartsWith(text) | Test::EndsWith(text) => {
            (false, Some(needs_of(text)))
        }
        Test::Cidr(_) | Test::Number(..) | Test::TimePart(..) | Test::SameAs(..) => {
            (false, Some(Vec::new()))
        }
    }
}

/// The characters one of which stands on both sides of every value.
fn is_border(c: char) -> bool {
    matches!(c, '<' | '>' | '\'')
}

fn has_border(text: &str) -> bool {
    text.contains(is_border)
}

/// Whether a text may stand in the whole without standing in one of the parts.
fn may_span(text: &str) -> bool {
    has_border(text) && !is_of_kind(&fold(text))
}

/// Whether a text stands in an element whose text is part of the markup, if it stands anywhere:
/// `<eventid>1`, `channel>security</channel>`.
fn is_of_kind(text: &str) -> bool {
    let Some((tag, rest)) = text.split_once('>') else { return false };
    let tag = tag.strip_prefix('<').unwrap_or(tag);
    let rest = rest.strip_suffix('>').unwrap_or(rest);
    OF_KIND.contains(&tag) && !rest.is_empty() && !rest.contains(['>', '\''])
}

fn needs_of_glob(glob: &Glob) -> Vec<Vec<Need>> {
    let text = |piece: &Piece| match piece {
        Piece::Text(text) => needs_of(text),
        Piece::One | Piece::Many => Vec::new(),
    };
    glob.pieces().iter().flat_map(text).collect()
}

/// What the parts of a text must have that has this one in it: of each list one.
fn needs_of(text: &str) -> Vec<Vec<Need>> {
    let text = fold(text);
    let mut needs = Vec::new();
    let mut before = None;
    let mut rest = text.as_str();
    let mut tag = "";
    loop {
        let end = rest.find(['<', '>']);
        let part = &rest[..end.unwrap_or(rest.len())];
        let after = end.and_then(|end| rest[end..].chars().next());
        let is_tag = before != Some('>') && after == Some('>');
        match (before, after) {
            // Nowhere in markup.
            (Some(before), Some(after)) if part.is_empty() && (before, after) != ('>', '<') => {
                needs.push(Vec::new());
            }
            _ if part.is_empty() => {}
            _ if part.contains('\'') => {
                let parts = part.split('\'').filter(|part| !part.is_empty());
                needs.extend(parts.map(|part| vec![Need::Contains(part.to_owned())]));
            }
            (Some('>'), after) if OF_KIND.contains(&tag) => {
                let after = after.map_or_else(String::new, String::from);
                needs.push(vec![Need::Contains(format!("{tag}>{part}{after}"))]);
            }
            (Some('<'), Some('>')) => needs.push(vec![Need::Contains(format!("<{part}>"))]),
            (Some('>'), Some('<')) => {
                needs.push(vec![Need::Equals(part.to_owned()), Need::Contains(format!(">{part}<"))])
            }
            (None, Some('<')) => needs
                .push(vec![Need::EndsWith(part.to_owned()), Need::Contains(format!("{part}<"))]),
            (None, Some(after)) => needs.push(vec![Need::Contains(format!("{part}{after}"))]),
            (Some('>'), None) => needs
                .push(vec![Need::StartsWith(part.to_owned()), Need::Contains(format!(">{part}"))]),
            (Some(before), None) => needs.push(vec![Need::Contains(format!("{before}{part}"))]),
            (None, None) => needs.push(vec![Need::Contains(part.to_owned())]),
            (Some(_), Some(_)) => needs.push(Vec::new()),
        }
        let Some(end) = end else { return needs };
        tag = if is_tag { part } else { "" };
        before = after;
        rest = &rest[end + 1..];
    }
}

/// Whether a test may hold for a time as it is written; tests that anything passes do not count.
fn may_be_in_time(test: &Test) -> bool {
    let of_time = |c: char| c.is_ascii_digit() || "tz:.-".contains(c);
    needed(test).is_some_and(|texts| texts.iter().any(|text| text.chars().all(of_time)))
}

/// What the parts say about some probes of a field.
pub(super) struct Settling {
    /// What is asked of the parts because of them.
    relevant: Vec<bool>,
    /// What holds of a part, and the probes that hold then.
    holding: HashMap<u32, Vec<u32>, RandomState>,
    /// What holds of a part, and the probes that may hold then.
    waking: HashMap<u32, Vec<u32>, RandomState>,
    /// Probes that may hold whatever the parts say.
    always: Vec<u32>,
}

impl Settling {
    pub(super) fn new(parted: &Parted, probes: impl Iterator<Item = u32>) -> Settling {
        let mut settling = Settling {
            relevant: vec![false; parted.parts.size()],
            holding: HashMap::default(),
            waking: HashMap::default(),
            always: Vec::new(),
        };
        for probe in probes {
            let Some(Says { holds, may_hold }) = parted.says.get(&probe) else { continue };
            if let Some(holds) = holds {
                settling.relevant[*holds as usize] = true;
                settling.holding.entry(*holds).or_default().push(probe);
            }
            let Some(needs) = may_hold else { continue };
            for own in needs.iter().flatten() {
                settling.relevant[*own as usize] = true;
            }
            // The last says most: the first are mostly tags.
            match needs.last() {
                Some(list) => {
                    list.iter().for_each(|own| settling.waking.entry(*own).or_default().push(probe))
                }
                None => settling.always.push(probe),
            }
        }
        settling
    }

    /// Of what holds for a part, what matters to the probes.
    pub(super) fn relevant<'l>(&'l self, list: &'l [u32]) -> impl Iterator<Item = u32> + 'l {
        list.iter().copied().filter(|own| self.relevant[*own as usize])
    }

    /// The probes that hold where these hold for the parts, and those that the whole text has to
    /// be asked.
    pub(super) fn settle(&self, parted: &Parted, list: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let of = |map: &HashMap<u32, Vec<u32>, RandomState>| {
            let found = list.iter().filter_map(|own| map.get(own)).flatten().copied();
            found.collect::<Vec<u32>>()
        };
        let holding = of(&self.holding);
        let has = |own: &u32| list.binary_search(own).is_ok();
        let mut open = of(&self.waking);
        open.extend(&self.always);
        open.sort_unstable();
        open.dedup();
        open.retain(|probe| {
            let needs = parted.says.get(probe).and_then(|says| says.may_hold.as_ref());
            !holding.contains(probe)
                && needs.is_some_and(|needs| needs.iter().all(|list| list.iter().any(has)))
        });
        (holding, open)
    }
}

#[cfg(test)]
mod tests {
    use rulestone_ir::Breakers;

    use super::*;

    /// What parts are asked for a term, in words: whether it itself, and what a whole text is made
    /// for.
    fn asked(text: &str) -> String {
        let term = Test::Term(Glob::stars(text), Breakers::All);
        let (_, needs) = asked_of_parts(&term);
        let need = |need: &Need| match need {
            Need::Equals(text) => format!("= {text}"),
            Need::StartsWith(text) => format!("{text}…"),
            Need::EndsWith(text) => format!("…{text}"),
            Need::Contains(text) => format!("…{text}…"),
        };
        let list = |list: &Vec<Need>| list.iter().map(need).collect::<Vec<_>>().join(" or ");
        match needs {
            None => "itself".to_owned(),
            Some(needs) => needs.iter().map(list).collect::<Vec<_>>().join(", "),
        }
    }

    #[test]
    fn what_parts_are_asked() {
        let cases = [
            ("mimikatz", "itself"),
            ("net user", "itself"),
            ("*.exe", "itself"),
            // The id stands in the markup, in one part.
            ("<EventID>4688<", "itself"),
            ("EventID>1", "itself"),
            ("<EventID>4688</EventID>", "itself"),
            ("<EventID>", "…<eventid>…"),
            ("<Level>4<", "…<level>…, = 4 or …>4<…"),
            ("<Level>4", "…<level>…, 4… or …>4…"),
            ("exe</Data>", "…exe or …exe<…, …</data>…"),
            ("Name='Image'>C:", "…name=…, …image…, c:… or …>c:…"),
            ("it's", "…it…, …s…"),
            ("a<b", "…a or …a<…, …<b…"),
            // Nothing of the kind is in any text: there is no part that has it.
            (">>", ""),
            ("<>", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(asked(text), expected, "{text}");
        }
        let any = Test::Term(Glob::new(vec![Piece::One; 3]), Breakers::Major);
        assert_eq!(asked_of_parts(&any), (false, Some(Vec::new())));
    }

    #[test]
    fn what_parts_say() {
        let probe = |id: u32, text: &str| Probe {
            id,
            test: Test::Term(Glob::stars(text), Breakers::All),
            case: Case::Insensitive,
            elements: Elements::Any,
        };
        let parted = Parted::new(&[probe(3, "kiwi"), probe(5, "<Level>4<"), probe(9, ">>")]);
        let settling = Settling::new(&parted, [3, 5, 9].into_iter());
        let cases: [(&[&str], &[u32], &[u32]); 5] = [
            (&["a kiwi", "<Level>"], &[3], &[]),
            (&["kiwis"], &[], &[]),
            (&["<Level>", "4"], &[], &[5]),
            (&["<Level>", "41"], &[], &[]),
            (&["<Level>4</Level>", "x"], &[5], &[]),
        ];
        for (texts, holding, open) in cases {
            let texts = texts.iter().map(|text| rulestone_value::Value::string(*text));
            let mut list: Vec<u32> = texts.flat_map(|t| parted.parts().holding(&t)).collect();
            list.sort_unstable();
            list.dedup();
            let settled = settling.settle(&parted, &list);
            assert_eq!(settled, (holding.to_vec(), open.to_vec()));
        }
    }
}
