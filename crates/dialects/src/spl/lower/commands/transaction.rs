//! `transaction`: events that belong together.

use rulestone_ir::{Duration, Formula, RowStage, Transaction};

use super::super::settings::Settings;
use super::super::{Lowering, Rows, time};
use crate::spl::ast::{Boundary, Command, Syntax};

const KNOWN: [&str; 8] = [
    "maxspan",
    "maxpause",
    "maxevents",
    "keepevicted",
    "mvlist",
    "connected",
    "keeporphans",
    "unifyends",
];

/// `transaction`
pub(in crate::spl) fn transaction(
    lowering: &mut Lowering<'_>,
    rows: Rows,
    command: &Command,
) -> Rows {
    /// Events of one where no number is given.
    const EVENTS: u64 = 1_000;
    let Syntax::Transaction { fields, settings, starts, ends } = &command.syntax else {
        return lowering.misread(rows, command);
    };
    let silent = ["delim", "mvraw", "nullstr", "maxopentxn", "maxopenevents"];
    let settings = lowering.settings(settings, &KNOWN, &silent, command);
    for option in ["keeporphans", "unifyends"] {
        if settings.flag(option, false) {
            let message = format!("`transaction` with `{option}=t` is not run");
            lowering.unsupported("unsupported-option", message, command.span);
        }
    }
    let own = Transaction {
        by: fields.iter().map(|name| name.value.clone()).collect(),
        max_span: length(lowering, &settings, "maxspan"),
        max_pause: length(lowering, &settings, "maxpause"),
        max_events: settings.number("maxevents").filter(|most| *most > 0).unwrap_or(EVENTS),
        starts: starts.as_ref().map(|own| boundary(lowering, own, &rows)),
        ends: ends.as_ref().map(|own| boundary(lowering, own, &rows)),
        connected: settings.flag("connected", true),
        keep_evicted: settings.flag("keepevicted", false),
        keep_lists: settings.flag("mvlist", false),
    };
    lowering.push(rows, RowStage::Transaction(own), command)
}

/// A length of time; below zero it is none.
fn length(lowering: &mut Lowering<'_>, settings: &Settings<'_>, name: &str) -> Option<Duration> {
    let value = settings.get(name)?;
    if value.value.starts_with('-') {
        return None;
    }
    let length = time::duration(&value.value);
    if length.is_none() {
        let message = format!("`{}` is no length of time", value.value);
        lowering.invalid("bad-span", message, value.span);
    }
    length
}

fn boundary(lowering: &mut Lowering<'_>, boundary: &Boundary, rows: &Rows) -> Formula {
    match boundary {
        Boundary::Eval(eval) => lowering.condition(eval, rows),
        Boundary::Search(search) => lowering.formula(search, rows, false),
    }
}
