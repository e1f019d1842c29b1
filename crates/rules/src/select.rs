//! Which rules are loaded.

use rulestone_ir::{Meta, Severity, Vendor};

/// Which rules are loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only rules with one of these ids or titles; all where it is empty. A rule that is named is
    /// loaded whatever its maturity and sort.
    pub only: Vec<String>,
    /// Only rules at least this severe.
    pub least: Option<Severity>,
    /// Searches for hunters too, whose alerts nobody gets unless he asks.
    pub hunting: bool,
    /// Keeps the text of every file, for whoever looks for what is wrong in rules that say
    /// nothing of it themselves.
    pub texts: bool,
}

/// The maturities that are loaded without being asked for, by vendor.
const LOADED: &[(Vendor, &[&str])] = &[
    (Vendor::Sigma, &["stable", "test", "experimental", ""]),
    (Vendor::SplunkEscu, &["production", "experimental", "validation", ""]),
    (Vendor::Anvilogic, &[""]),
    (Vendor::Playbook, &[""]),
    (Vendor::Query, &[""]),
];

/// Sorts of rules that are not loaded without being asked for, by vendor, and why.
const ASIDE: &[(Vendor, &str, &str)] = &[
    (Vendor::SplunkEscu, "baseline", "a baseline: it fills a lookup"),
    (Vendor::SplunkEscu, "investigation", "an investigation: it is run for one alert"),
];

/// The sort of rules that [`Selection::hunting`] is about, whoever wrote them.
const HUNTING: &str = "hunting";

impl Selection {
    /// Why a rule is not loaded; `None` when it is. `named` says whether its file was named itself,
    /// not a folder of rules: whoever does that wants to see what it finds.
    pub fn refuses(&self, vendor: Vendor, meta: &Meta, named: bool) -> Option<String> {
        let is_it = |wanted: &String| {
            wanted.eq_ignore_ascii_case(&meta.id) || wanted.eq_ignore_ascii_case(&meta.title)
        };
        if !self.only.is_empty() {
            let wanted = self.only.iter().any(is_it);
            return (!wanted).then(|| "not one of the rules asked for".to_owned());
        }
        if let Some(least) = self.least
            && meta.severity < least
        {
            return Some(format!(
                "severity {} is below {}",
                meta.severity.as_str(),
                least.as_str()
            ));
        }
        let known = LOADED.iter().find(|(own, _)| *own == vendor).map_or(&[][..], |(_, m)| m);
        let maturity = meta.maturity.to_lowercase();
        if !known.contains(&maturity.as_str()) {
            return Some(format!("its status is {maturity:?}"));
        }
        let kind = meta.kind.to_lowercase();
        if kind == HUNTING && !self.hunting && !named {
            return Some("a hunting search: --hunting runs it".to_owned());
        }
        let aside = ASIDE.iter().find(|(own, sort, _)| (*own, *sort) == (vendor, &*kind));
        aside.map(|(_, _, reason)| (*reason).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections() {
        let rule = |maturity: &str| Meta {
            id: "1f3a".to_owned(),
            title: "A rule".to_owned(),
            maturity: maturity.to_owned(),
            severity: Severity::Low,
            ..Meta::default()
        };
        let all = Selection::default();
        let only = |id: &str| Selection { only: vec![id.to_owned()], ..Selection::default() };
        let high = Selection { least: Some(Severity::High), ..Selection::default() };
        let cases = [
            (&all, "test", true),
            (&all, "", true),
            (&all, "deprecated", false),
            (&only("1F3A"), "deprecated", true),
            (&only("a rule"), "test", true),
            (&only("other"), "test", false),
            (&high, "test", false),
        ];
        for (selection, maturity, loaded) in cases {
            let refused = selection.refuses(Vendor::Sigma, &rule(maturity), false);
            assert_eq!(refused.is_none(), loaded, "{selection:?} {maturity}");
        }
    }
    #[test]
    fn sorts_of_rules() {
        let all = Selection::default();
        let only = Selection { only: vec!["1f3a".to_owned()], ..Selection::default() };
        let hunting = Selection { hunting: true, ..Selection::default() };
        let (escu, query, page) = (Vendor::SplunkEscu, Vendor::Query, Vendor::Playbook);
        let cases = [
            (&all, escu, "production", "TTP", false, None),
            (&all, escu, "experimental", "Anomaly", false, None),
            (&all, escu, "deprecated", "TTP", false, Some("its status is \"deprecated\"")),
            (
                &all,
                escu,
                "production",
                "Hunting",
                false,
                Some("a hunting search: --hunting runs it"),
            ),
            (&all, escu, "production", "Hunting", true, None),
            (&hunting, escu, "production", "Hunting", false, None),
            (&only, escu, "deprecated", "Hunting", false, None),
            (&hunting, escu, "", "Baseline", true, Some("a baseline: it fills a lookup")),
            (&only, escu, "", "Baseline", false, None),
            (&all, query, "", "", false, None),
            (&all, page, "", "", false, None),
            (&all, page, "", "Hunting", false, Some("a hunting search: --hunting runs it")),
            (&hunting, page, "", "Hunting", false, None),
            (&all, query, "disabled", "", false, Some("its status is \"disabled\"")),
        ];
        for (selection, vendor, maturity, kind, named, expected) in cases {
            let (id, maturity) = ("1f3a".to_owned(), maturity.to_owned());
            let meta = Meta { id, maturity, kind: kind.to_owned(), ..Meta::default() };
            let refused = selection.refuses(vendor, &meta, named);
            assert_eq!(refused.as_deref(), expected, "{selection:?} {meta:?}");
        }
    }
}
