//! `Lookup`: adds columns of the rows of a table that fit.
//!
//! The table is indexed once, by the column that matches by equality and has the most different
//! values; whatever else has to match is asked of the rows found. A row fits where an element of
//! each column does. Where none fits, and none is asked for at least, columns stay as they are.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;
use ipnet::IpNet;
use rulestone_ir::{Lookup, MatchType, Table};
use rulestone_value::{Glob, Value, fold};

use super::values::{address, text};
use super::{Refusal, RowWise, Run};
use crate::row::{Names, Slot, Tuple};

#[derive(Debug)]
pub(super) struct LookupStage {
    table: std::sync::Arc<Table>,
    /// What has to fit, the indexed column first.
    on: Vec<On>,
    index: Option<HashMap<Box<str>, Vec<u32>, RandomState>>,
    /// The table's column, the row's, and whether a value that is there stays.
    output: Vec<(usize, Slot, bool)>,
    most: usize,
}

/// A column that has to fit.
#[derive(Debug)]
struct On {
    column: usize,
    slot: Slot,
    fits: Fits,
}

/// What the rows of a table have in a column, by row.
#[derive(Debug)]
enum Fits {
    Text,
    Globs(Vec<Glob>),
    Networks(Vec<Option<IpNet>>),
}

impl LookupStage {
    pub(super) fn new(lookup: &Lookup, names: &mut Names) -> Self {
        let table = lookup.table.clone();
        let on = lookup.on.iter().map(|(column, row)| {
            let slot = names.slot(row);
            table.column(column).map(|column| On { column, slot, fits: fits(&table, column) })
        });
        // Without one of its columns nothing fits.
        let mut on: Vec<On> = on.collect::<Option<_>>().unwrap_or_default();
        on.sort_by_key(|on| match on.fits {
            Fits::Text => (0, table.rows.len() - different(&table, on.column)),
            _ => (1, 0),
        });
        let exact = on.first().filter(|on| matches!(on.fits, Fits::Text));
        let output = lookup.output.iter().filter_map(|output| {
            let column = table.column(&output.column)?;
            Some((column, names.slot(&output.into), output.keeps))
        });
        LookupStage {
            output: output.collect(),
            index: exact.map(|on| index(&table, on.column)),
            most: table.matching.max.map_or(usize::MAX, |max| max.max(1) as usize),
            on,
            table,
        }
    }

    /// The rows of the table that fit, in their order.
    fn matches(&self, row: &Tuple) -> Vec<u32> {
        let asked: Vec<Asked> = self.on.iter().map(|on| self.asked(row, on.slot)).collect();
        if asked.is_empty() || asked.iter().any(|asked| asked.texts.is_empty()) {
            return Vec::new();
        }
        let fits =
            |at: &u32| self.on.iter().zip(&asked).all(|(on, a)| self.fits(on, a, *at as usize));
        let Some(index) = &self.index else {
            return (0..self.table.rows.len() as u32).filter(fits).take(self.most).collect();
        };
        let mut found = BTreeSet::new();
        for text in &asked[0].texts {
            found.extend(index.get(&**text).into_iter().flatten().copied());
        }
        found.into_iter().filter(fits).take(self.most).collect()
    }

    fn asked(&self, row: &Tuple, slot: Slot) -> Asked {
        let elements = row.get(slot).elements();
        let texts = elements.iter().filter_map(text);
        Asked {
            texts: texts.map(|text| self.folded(&text).into()).collect(),
            addresses: elements.iter().filter_map(address).collect(),
        }
    }

    fn folded(&self, text: &str) -> String {
        folded(&self.table, text)
    }

    fn fits(&self, on: &On, asked: &Asked, at: usize) -> bool {
        match &on.fits {
            Fits::Text => {
                let Some(own) = self.table.rows[at].get(on.column) else { return false };
                let own = self.folded(own);
                asked.texts.iter().any(|text| **text == *own)
            }
            Fits::Globs(globs) => asked.texts.iter().any(|text| globs[at].matches(text)),
            Fits::Networks(networks) => networks[at]
                .is_some_and(|network| asked.addresses.iter().any(|a| network.contains(a))),
        }
    }
}

/// What a row has in a column.
struct Asked {
    texts: Vec<Box<str>>,
    addresses: Vec<IpAddr>,
}

fn folded(table: &Table, text: &str) -> String {
    if table.matching.ignore_case { fold(text) } else { text.to_owned() }
}

fn fits(table: &Table, column: usize) -> Fits {
    let name = &table.columns[column];
    let cells = table.rows.iter().map(|row| row.get(column).map_or("", |text| text));
    match table.matching.columns.iter().find(|(own, _)| own == name) {
        None => Fits::Text,
        Some((_, MatchType::Wildcard)) => {
            Fits::Globs(cells.map(|text| Glob::stars(&folded(table, text))).collect())
        }
        Some((_, MatchType::Cidr)) => Fits::Networks(cells.map(network).collect()),
    }
}

/// A network, or an address for the network of it alone.
fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn different(table: &Table, column: usize) -> usize {
    table.rows.iter().filter_map(|row| row.get(column)).collect::<BTreeSet<_>>().len()
}

fn index(table: &Table, column: usize) -> HashMap<Box<str>, Vec<u32>, RandomState> {
    let mut index: HashMap<Box<str>, Vec<u32>, RandomState> = HashMap::default();
    for (at, row) in table.rows.iter().enumerate() {
        if let Some(text) = row.get(column) {
            index.entry(folded(table, text).into()).or_default().push(at as u32);
        }
    }
    index
}

impl RowWise for LookupStage {
    fn apply(&self, _: &mut Run, mut row: Tuple, out: &mut Vec<Tuple>) -> Result<(), Refusal> {
        let matches = self.matches(&row);
        let min = usize::try_from(self.table.matching.min).unwrap_or(usize::MAX).min(1000);
        let missing = min.saturating_sub(matches.len());
        if matches.is_empty() && missing == 0 {
            out.push(row);
            return Ok(());
        }
        let default = self.table.matching.default.as_deref().filter(|text| !text.is_empty());
        for (column, slot, keeps) in &self.output {
            if *keeps && !row.get(*slot).is_null() {
                continue;
            }
            let cells = matches.iter().filter_map(|at| self.table.rows[*at as usize].get(*column));
            let cells = cells.filter(|text| !text.is_empty()).map(|text| Value::string(&**text));
            let defaults = default.into_iter().flat_map(|text| std::iter::repeat_n(text, missing));
            row.set(*slot, Value::list(cells.chain(defaults.map(Value::string))));
        }
        out.push(row);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rulestone_ir::{Lookup, LookupOutput, MatchType, Matching, RowStage, Table};

    use crate::stages::rows::notation::{check, names};

    fn table(columns: &str, rows: &[&str], matching: Matching) -> Arc<Table> {
        let cells = |row: &&str| row.split('|').map(Arc::from).collect();
        let rows = rows.iter().map(cells).collect();
        Arc::new(Table { name: Arc::from("t"), columns: names(columns), rows, matching })
    }

    fn lookup(table: &Arc<Table>, on: &str, output: &str, keeps: bool) -> RowStage {
        let into = |name: Arc<str>| LookupOutput { column: name.clone(), into: name, keeps };
        RowStage::Lookup(Lookup {
            table: table.clone(),
            on: names(on).into_iter().map(|name| (name.clone(), name)).collect(),
            output: names(output).into_iter().map(into).collect(),
        })
    }

    #[test]
    fn by_equality() {
        let rows = ["x|1|p", "x|2|q", "Y|1|", "x|1|r"];
        let plain = table("k n v", &rows, Matching::default());
        let input = "k=x n=1 v=old\nk=y v=old\nk=[z,Y]\nn=1";
        for (stage, expected) in [
            (lookup(&plain, "k", "v", false), "k=x n=1 v=[p,q,r]\nk=y v=old\nk=[z,Y]\nn=1"),
            (lookup(&plain, "k n", "v", false), "k=x n=1 v=[p,r]\nk=y v=old\nk=[z,Y]\nn=1"),
            (lookup(&plain, "k", "v", true), input),
            (lookup(&plain, "absent", "v", false), input),
        ] {
            check(stage, input, expected);
        }
        let one = Matching { ignore_case: true, max: Some(1), ..Matching::default() };
        let one = table("k n v", &rows, one);
        check(
            lookup(&one, "k", "n v", false),
            input,
            "k=x n='1' v=p\nk=y n='1'\nk=[z,Y] n='1'\nn=1",
        );
        let filled = Matching { min: 1, default: Some("none".to_owned()), ..Matching::default() };
        let filled = table("k n v", &rows, filled);
        check(lookup(&filled, "k", "v", false), "k=z\nk=x", "k=z v=none\nk=x v=[p,q,r]");
    }

    #[test]
    fn by_patterns_and_networks() {
        let matching = |kind| Matching {
            columns: vec![(Arc::from("k"), kind)],
            ignore_case: true,
            max: Some(1),
            ..Matching::default()
        };
        let globs = table("k v", &["*/Net.exe|net", "net*|starts"], matching(MatchType::Wildcard));
        check(
            lookup(&globs, "k", "v", false),
            "k='C:/net.exe'\nk=NETSTAT\nk=other\n-",
            "k='C:/net.exe' v=net\nk=NETSTAT v=starts\nk=other\n-",
        );
        let nets = ["10.0.0.0/8|inside", "2001:db8::/32|six", "1.2.3.4|one"];
        let nets = table("k v", &nets, matching(MatchType::Cidr));
        check(
            lookup(&nets, "k", "v", false),
            "k='10.1.1.1'\nk=['9.9.9.9','1.2.3.4']\nk='2001:db8::1'\nk=host",
            "k='10.1.1.1' v=inside\nk=['9.9.9.9','1.2.3.4'] v=one\nk='2001:db8::1' v=six\nk=host",
        );
    }
}
