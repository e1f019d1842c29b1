//! The tables that queries read: Anvilogic's normalised ones, by the names of its views. Which
//! events are in each is a matter of the views.

/// All of them.
pub const NAMES: &[&str] = &[
    "crowdstrikefdr_process",
    "awscloudtrail",
    "okta",
    "query_history",
    "cloudflare_waf",
    "awswaf",
    "gcpaudit",
    "gsuite",
    "vpcflow",
];

/// Other names of tables.
const ALIASES: &[(&str, &str)] = &[("database_query_history", "query_history")];

/// The table of a name in lower case.
pub(super) fn find(name: &str) -> Option<&'static str> {
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name);
    NAMES.iter().find(|own| **own == name).copied()
}
