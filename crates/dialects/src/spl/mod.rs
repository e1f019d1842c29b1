//! Splunk's search processing language.

pub mod ast;
