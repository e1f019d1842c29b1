//! What functions need ready: patterns that do not depend on the row.

use rulestone_ir::Function;

use super::Node;

/// What a call needs ready.
#[derive(Debug)]
pub(super) enum Ready {
    /// Nothing, or its pattern depends on the row.
    Nothing,
}

impl Ready {
    pub(super) fn new(_function: Function, _arguments: &[Node]) -> Ready {
        Ready::Nothing
    }
}
