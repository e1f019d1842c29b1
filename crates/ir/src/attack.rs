//! References to MITRE ATT&CK as rules make them.

/// What a rule says it covers, as ids; names and tactics of techniques come from the tables of
/// the alerts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attack {
    /// Technique and sub-technique ids, upper case: `T1049`, `T1059.001`.
    pub techniques: Vec<String>,
    /// Tactics by their short name: `discovery`, `lateral-movement`.
    pub tactics: Vec<String>,
    /// Software and group ids, upper case: `S0039`, `G0007`.
    pub others: Vec<String>,
}
