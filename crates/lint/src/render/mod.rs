//! The formats reports are written in, but for the one of terminals.

mod json;
mod sarif;

pub use json::{json, ndjson};
pub use sarif::sarif;

use rulestone_rules::Ledger;

use crate::report::Places;
use crate::{Place, Remark, Report};

/// Calls `visit` with every remark and its place. Lines of a text are found once for all of its rules
/// that follow each other.
fn each_placed<'l>(
    ledger: &'l Ledger,
    report: &'l Report,
    mut visit: impl FnMut(&'l Remark, Place, &Places<'l>),
) {
    let mut known: Option<(&str, Places<'l>)> = None;
    for remark in &report.remarks {
        let path = &*ledger.entries[remark.entry].origin.path;
        if known.as_ref().is_none_or(|(own, _)| *own != path) {
            known = Some((path, Places::of(ledger, remark.entry)));
        }
        if let Some((_, places)) = &known {
            visit(remark, places.place(remark.diagnostic.span), places);
        }
    }
}
