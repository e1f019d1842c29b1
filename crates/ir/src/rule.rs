//! A rule and what its author says about it.

use std::sync::Arc;

use crate::{Attack, Clock, Source, Span, Stage, StageKind};

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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trigger {
    /// Other rules build on it: its alerts are kept from the user, and still read by rules over
    /// alerts.
    pub building_block: bool,
    /// What its vendor's product makes of a finding.
    pub raises: Raises,
    /// One line for whoever reads it; `$column$` stands for the row's value.
    pub message: Option<Arc<str>>,
    /// How bad it is, 0 to 100, where the rule says so.
    pub risk_score: Option<u8>,
    /// Columns that say whom and what it is about.
    pub entities: Vec<EntityField>,
}

/// What a rule's vendor makes of its findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Raises {
    /// An alert.
    #[default]
    Alert,
    /// An alert, and risk for whom it is about.
    AlertAndRisk,
    /// Risk alone: other rules add it up.
    Risk,
    /// Nothing unless somebody asks: a search for hunters.
    OnRequest,
}

impl Raises {
    /// The words in output.
    pub const fn words(self) -> &'static [&'static str] {
        match self {
            Raises::Alert => &["notable"],
            Raises::AlertAndRisk => &["notable", "risk"],
            Raises::Risk => &["risk"],
            Raises::OnRequest => &[],
        }
    }
}

/// A column that says whom or what a finding is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityField {
    /// The column.
    pub field: Arc<str>,
    /// What it is, in the words of the output: `host`, `user`, `source_ip` …
    pub kind: Arc<str>,
    /// Its part in what happened: `victim`, `attacker`, `actor`; empty where the rule does not say.
    pub role: Arc<str>,
    /// Its risk, where it has one of its own.
    pub score: Option<u8>,
}

impl Rule {
    /// The stage that has state over time; a rule has at most one.
    pub fn stateful(&self) -> Option<&Stage> {
        self.stages.first().filter(|stage| !matches!(stage.kind, StageKind::Rows(_)))
    }

    /// Whether its stages make rows out of rows: a pipeline of commands. Such a rule has no other
    /// stages, and every stage but the last is read by a later one.
    pub fn is_pipeline(&self) -> bool {
        self.stages.first().is_some_and(|stage| matches!(stage.kind, StageKind::Rows(_)))
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
    /// The vendor's word for what sort of rule it is: `TTP`, `Hunting`.
    pub kind: String,
    /// What else the vendor says, by the names it has in output: `analytic_story`, `asset_type`,
    /// `data_source`, `how_to_implement`, `security_domain`, `version`.
    pub more: Vec<(&'static str, Vec<String>)>,
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
    /// Searches that its author offers for looking further into an alert.
    pub drilldowns: Vec<Drilldown>,
    /// The text of its logic as its author wrote it.
    pub search: Option<Arc<str>>,
}

/// A search for looking further into an alert. `$column$` in its texts stands for a value of the
/// alert's row, `%original_detection_search%` for the rule's own search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drilldown {
    /// What it shows.
    pub name: String,
    /// The search.
    pub search: String,
    /// Where its time starts: a time, a modifier such as `-7d@d`, or `$info_min_time$`.
    pub earliest: String,
    /// Where it ends.
    pub latest: String,
}

/// Whose rule it is: `source` in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vendor {
    /// SigmaHQ and everyone who writes Sigma.
    Sigma,
    /// Splunk's threat research team: Enterprise Security Content Update.
    SplunkEscu,
    /// Anvilogic's armory of searches, for Splunk and for Snowflake.
    Anvilogic,
    /// A page of Markdown that says what to hunt for, and how.
    Playbook,
    /// A search that somebody wrote for himself, without a vendor's container.
    Query,
}

impl Vendor {
    /// All of them.
    pub const ALL: [Vendor; 5] =
        [Vendor::Sigma, Vendor::SplunkEscu, Vendor::Anvilogic, Vendor::Playbook, Vendor::Query];

    /// The word in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Vendor::Sigma => "sigma",
            Vendor::SplunkEscu => "splunk-escu",
            Vendor::Anvilogic => "anvilogic",
            Vendor::Playbook => "playbook",
            Vendor::Query => "query",
        }
    }
}

/// The language of a rule's logic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// Sigma detections, specification 2.1.
    Sigma,
    /// Splunk's search processing language.
    Spl,
    /// SQL as Snowflake has it.
    Snowflake,
    /// A command or program that a page names, without a language around it.
    Indicator,
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 4] =
        [Language::Sigma, Language::Spl, Language::Snowflake, Language::Indicator];

    /// The word in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Language::Sigma => "sigma",
            Language::Spl => "spl",
            Language::Snowflake => "snowflake",
            Language::Indicator => "indicator",
        }
    }
}

/// A test that a rule names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleTest {
    /// What its author calls it; empty for none.
    pub name: String,
    /// The file that describes it, or the logs it is run on.
    pub data: Vec<TestData>,
    /// Whether its author says that it can only be run by hand, and why.
    pub manual: Option<String>,
    /// Where the rule says so.
    pub span: Span,
}

/// A file that a test of a rule names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TestData {
    /// The file, as the rule spells it.
    pub path: String,
    /// What Splunk calls where its events come from, whatever they look like.
    pub source: Option<String>,
    /// What Splunk calls their form.
    pub sourcetype: Option<String>,
    /// The host they are taken for.
    pub host: Option<String>,
}
