//! Values as logs and rules hold them, time at 100 ns, and the folding and comparison rules by
//! name. Everything above agrees on these; nothing here knows a vendor.

mod fold;
mod glob;
mod time;
mod value;

pub use fold::{fold, fold_into};
pub use glob::{Glob, Piece};
pub use time::{Civil, Time, TimePart};
pub use value::Value;
