//! Rule languages and the containers their vendors publish them in: text to IR, nothing else.
//!
//! ```text
//! rule file ──containers──► Ast ──lower──► Rule (rulestone_ir)
//! ```
//!
//! A *container* is the file format rules come in ([`containers`]): it finds the rules of a file,
//! reads what their authors say about them and hands the logic to its *language* ([`sigma`]).
//! Each language has a lexer, a parser, an AST and a lowering to the IR, and knows no other.
//!
//! No function here reads a file, the clock or the network, and none panics on what it is given:
//! whatever is wrong with a rule comes back as a diagnostic with its place in the text. What the
//! diagnostics mean is in `docs/diagnostics.md`.

pub mod conf;
pub mod containers;
mod environment;
pub mod indicator;
mod regex;
pub mod sigma;
pub mod snowflake;
pub mod spl;
mod suggest;
mod text;

pub use environment::{Environment, Macro};
pub use suggest::nearest;
pub use text::{Lowered, Quoting, Text, Written};
