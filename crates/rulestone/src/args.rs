//! What can be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Runs detection rules in their vendor's own language over event logs.
#[derive(Debug, Parser)]
#[command(name = "rulestone", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Colours: auto follows the terminal and NO_COLOR.
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(crate) color: When,
    /// Says nothing on standard error but errors.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 findings (with --fail-on) or a failed test, \
2 a rule is invalid (with --strict), 3 wrong usage, 4 input could not be read, \
5 output could not be written, 130 interrupted";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run rules over logs.
    Scan(ScanArgs),
    /// List rules: what is loaded, and why the others are not.
    Rules(RulesArgs),
    /// Say what is wrong in rules: what keeps them silent, and what they say without meaning it.
    Check(CheckArgs),
    /// Say in plain words what a rule looks for, and what keeps it from firing on logs.
    Explain(ExplainArgs),
    /// Run the tests of rules: SigmaHQ's regression data and our own test files.
    Test(TestArgs),
    /// Run the searches that a rule's author offers for looking further into an alert.
    Drilldown(DrilldownArgs),
    /// Print what a step makes: tokens, ast, ir, plan, events, view.
    Debug(DebugArgs),
}

/// Which rules, and what they need to know.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct RuleArgs {
    /// A rule file or a folder of them; may be given several times. Without it the rules that
    /// come with the program are used.
    #[arg(short, long, value_name = "RULES")]
    pub(crate) rules: Vec<PathBuf>,
    /// Only the rule with this id or title, whatever its status; may be given several times.
    #[arg(long = "rule", value_name = "ID")]
    pub(crate) only: Vec<String>,
    /// Only rules at least this severe: informational, low, medium, high, critical.
    #[arg(long, value_name = "SEVERITY")]
    pub(crate) min_severity: Option<String>,
    /// Values for the placeholders of rules: a YAML map from names to values.
    #[arg(long, value_name = "FILE")]
    pub(crate) placeholders: Option<PathBuf>,
    /// Macros that searches use, as YAML or macros.conf; may be given several times. Those beside
    /// the rules are read anyway, and these come before them.
    #[arg(long, value_name = "FILE")]
    pub(crate) macros: Vec<PathBuf>,
    /// Tables that searches look values up in: CSV files, called like the lookup, its file or its
    /// key-value collection; may be given several times. Those beside the rules are read anyway.
    #[arg(long, value_name = "DIR")]
    pub(crate) lookups: Vec<PathBuf>,
    /// A database of where addresses are (MaxMind's format), for searches that ask.
    #[arg(long, value_name = "FILE")]
    pub(crate) geoip: Option<PathBuf>,
    /// Runs searches for hunters too, whose rows are leads and no alerts.
    #[arg(long)]
    pub(crate) hunting: bool,
    /// Tables of fields and log sources that come before those built in: `DIR/<schema>/*.toml`.
    #[arg(long, value_name = "DIR")]
    pub(crate) views: Option<PathBuf>,
    /// End with 2 when a rule is invalid.
    #[arg(long)]
    pub(crate) strict: bool,
}

/// What is kept quiet.
#[derive(Debug, clap::Args)]
pub(crate) struct ExceptionArgs {
    /// What to keep quiet, for rules of any vendor: see docs/exceptions.md; may be given several
    /// times.
    #[arg(long, value_name = "FILE")]
    pub(crate) exceptions: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ScanArgs {
    /// Logs: files, folders, or - for standard input. Formats are recognised by content.
    #[arg(required = true, value_name = "LOGS")]
    pub(crate) logs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    #[command(flatten)]
    pub(crate) exceptions: ExceptionArgs,
    /// Writes what was kept quiet among the alerts, marked: objects of kind "quiet" in NDJSON.
    #[arg(long, requires = "exceptions")]
    pub(crate) show_quiet: bool,
    /// How alerts are written: table, ndjson, json, csv, summary. A terminal gets a table, a pipe NDJSON.
    #[arg(short, long)]
    pub(crate) format: Option<String>,
    /// Writes the alerts to a file.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Only events from this time on: 2024-05-01 or 2024-05-01T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Only events up to this time.
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Threads; all processors by default.
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// Goes on reading logs that grow (JSON, XML and text; - for standard input) until Ctrl-C:
    /// alerts come as events arrive.
    #[arg(long, conflicts_with = "no_rules")]
    pub(crate) follow: bool,
    /// Memory for rules that look at several events together; past it they go to disk: 512M, 2G.
    #[arg(long, value_name = "SIZE", default_value = "1G")]
    pub(crate) memory: String,
    /// End with 1 when a rule at least this severe has fired.
    #[arg(long, value_name = "SEVERITY")]
    pub(crate) fail_on: Option<String>,
    /// Read and count only: what reading costs by itself, every value into dictionaries.
    #[arg(long, conflicts_with_all = ["rules", "only"])]
    pub(crate) no_rules: bool,
    /// Writes what took how long, and how much memory, as one JSON line to standard error.
    #[arg(long)]
    pub(crate) stats: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RulesArgs {
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    #[command(flatten)]
    pub(crate) exceptions: ExceptionArgs,
    /// How they are written: table, ndjson. A terminal gets a table, a pipe NDJSON.
    #[arg(short, long)]
    pub(crate) format: Option<String>,
    /// Only rules with this status: exact, approximate, unsupported, invalid.
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Also looks for what is wrong in the rules, as `rulestone check` does.
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    /// How remarks are written: table, json, ndjson, sarif. A terminal gets a table, a pipe NDJSON.
    #[arg(short, long)]
    pub(crate) format: Option<String>,
    /// Writes the remarks to a file.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Only remarks of this code; may be given several times.
    #[arg(long, value_name = "CODE")]
    pub(crate) code: Vec<String>,
    /// Explains a code and looks at no rules; "all" for a list of them.
    #[arg(long, value_name = "CODE", conflicts_with_all = ["rules", "fix"])]
    pub(crate) explain: Option<String>,
    /// Writes the repairs that are certain as a patch (for `patch -p0`), to standard output in the
    /// place of remarks where no file is named. The rules themselves are not touched.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    pub(crate) fix: Option<PathBuf>,
    /// End with 1 when there is a remark at least this loud: error, warning, note.
    #[arg(long, value_name = "LEVEL")]
    pub(crate) fail_on: Option<String>,
    /// Threads; all processors by default.
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<usize>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// The rule: a file, or an id or title among the rules of -r.
    #[arg(value_name = "RULE")]
    pub(crate) rule: String,
    /// Logs to look for near misses in.
    #[arg(value_name = "LOGS")]
    pub(crate) logs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    #[command(flatten)]
    pub(crate) exceptions: ExceptionArgs,
    /// How many near misses to show.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) most: usize,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DrilldownArgs {
    /// The alert's id, or the first eight or more of its characters.
    #[arg(value_name = "ALERT-ID")]
    pub(crate) alert: String,
    /// Logs to search; without them the searches are shown and not run.
    #[arg(value_name = "LOGS")]
    pub(crate) logs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    /// Alerts that a scan wrote as NDJSON: the alert is looked up there, and searches for risk read
    /// it. Without it the logs are scanned first.
    #[arg(long, value_name = "FILE")]
    pub(crate) alerts: Option<PathBuf>,
    /// Only the drilldown of this number; may be given several times.
    #[arg(short, long, value_name = "N")]
    pub(crate) number: Vec<usize>,
    /// How rows are written: table, ndjson. A terminal gets a table, a pipe NDJSON.
    #[arg(short, long)]
    pub(crate) format: Option<String>,
    /// Threads; all processors by default.
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<usize>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TestArgs {
    /// Rules and test files, or folders of both. Also takes folders of SigmaHQ's regression data.
    #[arg(value_name = "RULES")]
    pub(crate) places: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    /// A folder in which the tests' logs are looked for; may be given several times.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) data: Vec<PathBuf>,
    /// How results are written: table, json, junit.
    #[arg(short, long, default_value = "table")]
    pub(crate) format: String,
    /// Writes the results to a file.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DebugArgs {
    /// What to print.
    #[arg(value_enum)]
    pub(crate) what: What,
    /// Rule files for tokens, ast and ir; logs for plan, events and view.
    #[arg(required = true, value_name = "FILES")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    /// For events and view: only this record of the log.
    #[arg(long, value_name = "N")]
    pub(crate) record: Option<u64>,
}

/// The boxes of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// The tokens of conditions.
    Tokens,
    /// The parsed rule.
    Ast,
    /// What the rule means to the engine.
    Ir,
    /// What runs on each kind of events of the logs.
    Plan,
    /// The events of the logs, decoded.
    Events,
    /// What the rules' fields read in the events.
    View,
}
