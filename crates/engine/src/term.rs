//! Terms: texts that stand between breakers.

use rulestone_ir::{Breakers, Case};
use rulestone_value::{Glob, fold};

/// Characters that end a term wherever they stand.
const MAJOR: &str = "[]<>(){}|!;,'\"*\n\r\t &?+";
/// Characters that end a term inside of others.
const MINOR: &str = "/:=@.-$#%\\_";

fn breaks(breakers: Breakers, c: char) -> bool {
    c.is_whitespace() || MAJOR.contains(c) || (breakers == Breakers::All && MINOR.contains(c))
}

/// Whether a pattern stands somewhere in a text with a breaker or the text's end on both sides. A
/// pattern that starts or ends with `*`, or with a breaker, needs none there.
pub(crate) fn stands(glob: &Glob, breakers: Breakers, case: Case, text: &str) -> bool {
    let _ = (glob, breakers, case, text, breaks, fold);
    todo!("helper C")
}
