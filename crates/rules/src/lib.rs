//! From files to rules: nothing that was found disappears.
//!
//! [`load`] finds the rule files below the places a user names, reads them, and returns a
//! [`Ledger`]: one entry for each rule, with its status, what there is to say about it, and
//! whether it is loaded.

mod companions;
mod exceptions;
mod find;
mod ledger;
mod links;
mod lookups;
mod placeholders;
mod select;
mod testcase;
mod yaml;

pub use companions::{Places, read_companions};
pub use exceptions::{read_exceptions, unmatched_exceptions};
pub use find::find_rule_files;
pub use ledger::{Entry, FileProblem, Ledger, Skip, load, load_texts};
pub use placeholders::read_placeholders;
pub use rulestone_dialects::Environment;
pub use select::Selection;
pub use testcase::{Expect, TestCase, TestLog, TestProblem, find_tests};
