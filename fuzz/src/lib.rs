//! What the fuzz targets do, apart from libFuzzer, so that the seeds also run as plain tests
//! (`xtask/tests/fuzz_seeds.rs`). A target panics when something is wrong.

mod evtx;
mod logs;
mod matching;
mod rules;

pub use evtx::evtx_reader;
pub use logs::{json_reader, text_reader, xml_reader};
pub use matching::matcher_is_reference;
pub use rules::sigma_rule;
