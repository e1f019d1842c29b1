//! Which rules are loaded.

use rulestone_ir::{Meta, Severity, Vendor};

/// Which rules are loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only rules with one of these ids or titles; all where it is empty. A rule that is named is
    /// loaded whatever its maturity.
    pub only: Vec<String>,
    /// Only rules at least this severe.
    pub least: Option<Severity>,
}

/// The maturities that are loaded without being asked for, by vendor.
const LOADED: &[(Vendor, &[&str])] = &[(Vendor::Sigma, &["stable", "test", "experimental", ""])];

impl Selection {
    /// Why a rule is not loaded; `None` when it is.
    pub fn refuses(&self, vendor: Vendor, meta: &Meta) -> Option<String> {
        let named = |wanted: &String| {
            wanted.eq_ignore_ascii_case(&meta.id) || wanted.eq_ignore_ascii_case(&meta.title)
        };
        if !self.only.is_empty() {
            let named = self.only.iter().any(named);
            return (!named).then(|| "not one of the rules asked for".to_owned());
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
        (!known.contains(&maturity.as_str())).then(|| format!("its status is {maturity:?}"))
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
        let only = |id: &str| Selection { only: vec![id.to_owned()], least: None };
        let high = Selection { only: Vec::new(), least: Some(Severity::High) };
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
            let refused = selection.refuses(Vendor::Sigma, &rule(maturity));
            assert_eq!(refused.is_none(), loaded, "{selection:?} {maturity}");
        }
    }
}
