//! A rule and what its author says about it.

use std::sync::Arc;

use crate::{Attack, Clock, Source, Span, Stage};

/// A rule, lowered from its own language.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// What the author says about it.
    pub meta: Meta,
    /// Where it came from.
    pub origin: Origin,
    /// What it reads.
    pub sources: Vec<Source>,
    /// What it does with the rows, each stage after its inputs; the last one's rows are the
    /// findings. A rule without stages turns every hit into a finding.
    pub stages: Vec<Stage>,
    /// Which rows may meet in one stage.
    pub clock: Clock,
    /// What a finding turns into.
    pub trigger: Trigger,
}

/// What a finding turns into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trigger {
    /// Other rules build on it: its alerts are kept from the user, and still read by rules over
    /// alerts.
    pub building_block: bool,
}

impl Rule {
    /// The stage that has state; a rule has at most one.
    pub fn stateful(&self) -> Option<&Stage> {
        self.stages.first()
    }
}

/// What the author says about a rule.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Meta {
    /// The vendor's own id; the title where a rule has none.
    pub id: String,
    /// The title.
    pub title: String,
    /// The name by which other rules refer to it; empty for none.
    pub name: String,
    /// What it detects.
    pub description: String,
    /// Who wrote it.
    pub author: String,
    /// The vendor's word for its maturity: `stable`, `test`, `production`.
    pub maturity: String,
    /// How bad it is when it fires.
    pub severity: Severity,
    /// When it was written and last changed, as the rule has it.
    pub dates: Vec<String>,
    /// Links to read on.
    pub references: Vec<String>,
    /// What it may fire on without harm.
    pub false_positives: Vec<String>,
    /// The fields its author wants to see in an alert.
    pub fields: Vec<String>,
    /// ATT&CK as the rule says it.
    pub attack: Attack,
    /// Tags that are not ATT&CK.
    pub tags: Vec<String>,
}

/// How bad it is when a rule fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Severity {
    /// Worth recording.
    Informational,
    /// Worth a look in numbers.
    Low,
    /// Worth a look. A rule that does not say is taken for this.
    #[default]
    Medium,
    /// To be looked at soon.
    High,
    /// To be looked at now.
    Critical,
}

impl Severity {
    /// All of them, the least bad first.
    pub const ALL: [Severity; 5] = [
        Severity::Informational,
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];

    /// The word in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Informational => "informational",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    /// The risk score of a rule that gives none, 0 to 100. The steps are those Elastic's rules
    /// use for the same words.
    pub const fn risk_score(self) -> u8 {
        match self {
            Severity::Informational => 1,
            Severity::Low => 21,
            Severity::Medium => 47,
            Severity::High => 73,
            Severity::Critical => 99,
        }
    }
}

impl std::str::FromStr for Severity {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Severity::ALL.into_iter().find(|s| s.as_str().eq_ignore_ascii_case(text)).ok_or(())
    }
}

/// Where a rule came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// Whose rule it is.
    pub vendor: Vendor,
    /// The language of its logic.
    pub language: Language,
    /// The file, as the user named it.
    pub path: Arc<str>,
    /// The rule's place in the file.
    pub span: Span,
    /// The vendor's own tests of it.
    pub tests: Vec<RuleTest>,
}

/// Whose rule it is: `source` in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vendor {
    /// SigmaHQ and everyone who writes Sigma.
    Sigma,
}

impl Vendor {
    /// All of them.
    pub const ALL: [Vendor; 1] = [Vendor::Sigma];

    /// The word in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Vendor::Sigma => "sigma",
        }
    }
}

/// The language of a rule's logic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// Sigma detections, specification 2.1.
    Sigma,
}

impl Language {
    /// The word in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Language::Sigma => "sigma",
        }
    }
}

/// A test that a rule names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleTest {
    /// The file that describes it, as the rule spells it.
    pub path: String,
    /// Where the rule says so.
    pub span: Span,
}
