//! One file a verb.

pub(crate) mod check;
pub(crate) mod debug;
pub(crate) mod drilldown;
pub(crate) mod explain;
pub(crate) mod rules;
pub(crate) mod scan;
pub(crate) mod test;
