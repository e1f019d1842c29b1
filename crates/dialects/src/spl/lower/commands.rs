//! What each command becomes: one function a command, one file a family.

pub(in crate::spl) mod bins;
pub(in crate::spl) mod charts;
pub(in crate::spl) mod compute;
pub(in crate::spl) mod extract;
pub(in crate::spl) mod fields;
pub(in crate::spl) mod fill;
pub(in crate::spl) mod filters;
pub(in crate::spl) mod foreach;
pub(in crate::spl) mod joins;
pub(in crate::spl) mod lists;
pub(in crate::spl) mod map;
pub(in crate::spl) mod models;
pub(in crate::spl) mod order;
pub(in crate::spl) mod outside;
pub(in crate::spl) mod stats;
pub(in crate::spl) mod tables;
pub(in crate::spl) mod top;
pub(in crate::spl) mod totals;
pub(in crate::spl) mod transaction;
