//! The commands, as a table: what each becomes, or why it is refused.

use super::ast::Command as Written;
use super::lower::commands::{
    bins, charts, compute, extract, fields, fill, filters, foreach, joins, lists, map, models,
    order, outside, stats, tables, top, totals, transaction,
};
use super::lower::{Lowering, Rows};

/// A command.
pub struct Command {
    /// Its name, in lower case.
    pub name: &'static str,
    /// What it becomes, in the words of the intermediate representation; empty for a refused one.
    pub becomes: &'static str,
    /// What it does otherwise than Splunk's, or why it is refused; empty for nothing.
    pub limits: &'static str,
    /// The code it is refused with.
    pub refused: Option<&'static str>,
    pub(super) does: Does,
}

/// What becomes of a command.
#[derive(Clone, Copy)]
pub(super) enum Does {
    /// It is lowered.
    Runs(fn(&mut Lowering<'_>, Rows, &Written) -> Rows),
    /// It is refused.
    Refused {
        /// The code of the diagnostic.
        code: &'static str,
        /// Why, behind the name of the command.
        why: &'static str,
    },
}

type Lower = fn(&mut Lowering<'_>, Rows, &Written) -> Rows;

const fn runs(
    name: &'static str,
    lower: Lower,
    becomes: &'static str,
    limits: &'static str,
) -> Command {
    Command { name, becomes, limits, refused: None, does: Does::Runs(lower) }
}

const fn refused(name: &'static str, code: &'static str, why: &'static str) -> Command {
    let does = Does::Refused { code, why };
    Command { name, becomes: "", limits: why, refused: Some(code), does }
}

/// All commands that are known.
pub fn commands() -> &'static [Command] {
    COMMANDS
}

/// The command of a name in lower case.
pub(super) fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

const ALL_ROWS: &str = "limits of time and rows are not kept: all rows are looked at";
const WRITES: &str = "nothing is written";
const SHOWN: &str = "changes how rows are shown, not what they are";
const METRICS: &str = "reads metrics, which logs do not hold";
const MODEL: &str = "needs a trained model, which is no part of the search";
const REST: &str = "asks a Splunk server about itself";
const STORE: &str = "asks what Splunk has stored, not what the events say";
const SAVED: &str = "runs a search that is stored in Splunk";
const ALGORITHM: &str = "is an algorithm whose steps are not documented";
const APP: &str = "belongs to an app, and does what its code says";
const SCRIPT: &str = "runs a script";
const NETWORK: &str = "asks another system over the network";
const NOT_YET: &str = "is not run";
const PARTS: &str = "makes parts of results for summaries";

static COMMANDS: &[Command] = &[
    // Which rows
    runs("search", filters::search, "events, filter, join semi", "`index=` is no property of logs"),
    runs("where", filters::filter, "filter", ""),
    runs("regex", filters::regex, "filter", ""),
    runs("dedup", order::dedup, "dedup", ""),
    runs("uniq", order::uniq, "dedup", "where all columns are known"),
    runs("head", order::head, "limit", "without a condition"),
    runs("tail", order::tail, "limit", ""),
    runs("sort", order::sort, "sort", "keeps all rows where no number is given, not 10,000"),
    runs("reverse", order::reverse, "reverse", ""),
    // Which columns
    runs("table", fields::table, "project", ""),
    runs("fields", fields::fields, "project", ""),
    runs("rename", fields::rename, "rename", ""),
    runs("eval", compute::eval, "compute", "no names of which a part is a field's value"),
    runs("convert", compute::convert, "compute", "in UTC"),
    runs("replace", compute::replace, "compute", ""),
    runs("strcat", compute::strcat, "compute", ""),
    runs("rangemap", compute::range_map, "compute", ""),
    runs("addinfo", compute::add_info, "compute", "`info_sid` is 0"),
    runs(
        "foreach",
        foreach::foreach,
        "compute",
        "with `eval`, over names also with `rex`; patterns of one star",
    ),
    runs(
        "bin",
        bins::bin,
        "bin",
        "`aligntime=`, `start=`, `end=` and `minspan=` are not looked at",
    ),
    runs("bucket", bins::bin, "bin", "as `bin`"),
    runs("discretize", bins::bin, "bin", "as `bin`"),
    runs("makecontinuous", bins::make_continuous, "continue", ""),
    runs("fillnull", fill::null, "fill", ""),
    runs("filldown", fill::down, "fill_down", ""),
    runs("makemv", lists::make, "compute", ""),
    runs("mvexpand", lists::expand, "expand", "no limit of memory"),
    runs("mvcombine", lists::combine, "combine", ""),
    runs("nomv", lists::join, "compute", ""),
    runs("rex", extract::rex, "extract", "`mode=sed` with the flags `g` and `i`"),
    runs("spath", extract::spath, "extract", "no limit of 5,000 characters"),
    runs("xmlkv", extract::xml, "extract", ""),
    runs("extract", extract::pairs, "extract", "without the names of transforms"),
    runs("kv", extract::pairs, "extract", "as `extract`"),
    runs("fromjson", extract::json, "extract", ""),
    runs("lookup", tables::lookup, "lookup", "of tables that are given; `dnslookup` finds nothing"),
    runs("iplocation", tables::locate, "locate", "with a database that is given"),
    // Rows together
    runs("stats", stats::stats, "aggregate", "not with `allnum=t`"),
    runs("eventstats", stats::event_stats, "window", "not with `allnum=t`"),
    runs("streamstats", stats::stream_stats, "window", "not with `allnum=t`; no limit of rows"),
    runs("accum", stats::accumulate, "window", ""),
    runs("delta", stats::delta, "window, compute", ""),
    runs("top", top::top, "aggregate, window, sort", "not with `useother=t`"),
    runs("rare", top::rare, "aggregate, window, sort", "not with `useother=t`"),
    runs(
        "transaction",
        transaction::transaction,
        "transaction",
        "not with `keeporphans`, `unifyends`",
    ),
    runs(
        "timechart",
        charts::time_chart,
        "bin, aggregate, pivot",
        "series are chosen by their sums",
    ),
    runs("chart", charts::chart, "aggregate, pivot", "series are chosen by their sums"),
    runs("xyseries", charts::xy_series, "pivot", ""),
    runs("untable", charts::untable, "unpivot", ""),
    runs("transpose", charts::transpose, "transpose", ""),
    runs("addtotals", totals::add, "totals", ""),
    runs("addcoltotals", totals::add_columns, "totals", ""),
    // Other rows
    runs(
        "tstats",
        models::tstats,
        "events, aggregate",
        "not with `prestats=t`, `append=t`; events themselves, no summaries",
    ),
    runs("from", models::from, "events", "of data models and lookups"),
    runs("datamodel", models::from, "events", "with `search` or `flat`"),
    runs("inputlookup", tables::input_lookup, "table", "of tables that are given"),
    runs("makeresults", outside::make_results, "nothing", "not with `data=`"),
    runs("join", joins::join, "join", ALL_ROWS),
    runs("append", joins::append, "append", ALL_ROWS),
    runs("appendcols", joins::append_columns, "append_columns", ALL_ROWS),
    runs("appendpipe", joins::append_pipe, "append", ""),
    runs("union", joins::append, "append", "of searches, one after the other"),
    runs("multisearch", joins::append, "append", "one after the other"),
    runs("map", map::map, "for_each_row", "searches that compare fields or terms with `$field$`"),
    runs("return", outside::return_rows, "limit, project", "of fields, not of texts of searches"),
    runs("format", outside::format, "", "within a search alone"),
    // What writes
    runs("outputlookup", outside::write, "", WRITES),
    runs("outputcsv", outside::write, "", WRITES),
    runs("outputtext", outside::write, "", WRITES),
    runs("collect", outside::write, "", WRITES),
    runs("mcollect", outside::write, "", WRITES),
    runs("meventcollect", outside::write, "", WRITES),
    runs("tscollect", outside::write, "", WRITES),
    runs("summaryindex", outside::write, "", WRITES),
    runs("sendalert", outside::write, "", WRITES),
    runs("sendemail", outside::write, "", WRITES),
    runs("stash", outside::write, "", WRITES),
    // What changes nothing
    runs("fieldformat", outside::pass, "", SHOWN),
    runs("highlight", outside::pass, "", SHOWN),
    runs("iconify", outside::pass, "", SHOWN),
    runs("abstract", outside::pass, "", SHOWN),
    runs("noop", outside::pass, "", SHOWN),
    runs("localop", outside::pass, "", SHOWN),
    runs("redistribute", outside::pass, "", SHOWN),
    runs("require", outside::pass, "", SHOWN),
    runs("tags", outside::pass, "", "tags are fields of events anyway"),
    runs("typer", outside::pass, "", "types are fields of events anyway"),
    // What needs what logs do not have
    refused("mstats", "needs-metrics-index", METRICS),
    refused("mcatalog", "needs-metrics-index", METRICS),
    refused("mpreview", "needs-metrics-index", METRICS),
    refused("msearch", "needs-metrics-index", METRICS),
    refused("apply", "needs-model", MODEL),
    refused("fit", "needs-model", MODEL),
    refused("summary", "needs-model", MODEL),
    refused("score", "needs-model", MODEL),
    refused("listmodels", "needs-model", MODEL),
    refused("deletemodel", "needs-model", MODEL),
    refused("rest", "needs-rest", REST),
    refused("audit", "needs-rest", REST),
    refused("history", "needs-rest", REST),
    refused("metadata", "needs-index-metadata", STORE),
    refused("metasearch", "needs-index-metadata", STORE),
    refused("eventcount", "needs-index-metadata", STORE),
    refused("dbinspect", "needs-index-metadata", STORE),
    refused("walklex", "needs-index-metadata", STORE),
    refused("typeahead", "needs-index-metadata", STORE),
    refused("savedsearch", "needs-saved-search", SAVED),
    refused("loadjob", "needs-saved-search", SAVED),
    refused("inputcsv", "needs-table", "reads a file that is no part of the rules"),
    refused("dbxquery", "needs-network", NETWORK),
    refused("ldapsearch", "needs-network", NETWORK),
    refused("ldapfilter", "needs-network", NETWORK),
    refused("ldapgroup", "needs-network", NETWORK),
    refused("ldapfetch", "needs-network", NETWORK),
    refused("curl", "needs-network", NETWORK),
    refused("script", "needs-script", SCRIPT),
    refused("run", "needs-script", SCRIPT),
    refused("runshellscript", "needs-script", SCRIPT),
    refused("cyberchef", "needs-app", APP),
    refused("sample", "needs-app", APP),
    refused("dnstwist", "needs-app", APP),
    refused("anomalydetection", "unknown-algorithm", ALGORITHM),
    refused("anomalies", "unknown-algorithm", ALGORITHM),
    refused("anomalousvalue", "unknown-algorithm", ALGORITHM),
    refused("outlier", "unknown-algorithm", ALGORITHM),
    refused("cluster", "unknown-algorithm", ALGORITHM),
    refused("kmeans", "unknown-algorithm", ALGORITHM),
    refused("predict", "unknown-algorithm", ALGORITHM),
    refused("x11", "unknown-algorithm", ALGORITHM),
    refused("associate", "unknown-algorithm", ALGORITHM),
    refused("arules", "unknown-algorithm", ALGORITHM),
    refused("analyzefields", "unknown-algorithm", ALGORITHM),
    refused("af", "unknown-algorithm", ALGORITHM),
    refused("findtypes", "unknown-algorithm", ALGORITHM),
    refused("typelearner", "unknown-algorithm", ALGORITHM),
    refused("erex", "unknown-algorithm", ALGORITHM),
    refused("multikv", "unknown-algorithm", ALGORITHM),
    refused("sistats", "unsupported-command", PARTS),
    refused("sichart", "unsupported-command", PARTS),
    refused("sitimechart", "unsupported-command", PARTS),
    refused("sitop", "unsupported-command", PARTS),
    refused("sirare", "unsupported-command", PARTS),
    refused("autoregress", "unsupported-command", NOT_YET),
    refused("bucketdir", "unsupported-command", NOT_YET),
    refused("contingency", "unsupported-command", NOT_YET),
    refused("correlate", "unsupported-command", NOT_YET),
    refused("diff", "unsupported-command", NOT_YET),
    refused("expand", "unsupported-command", NOT_YET),
    refused("fieldsummary", "unsupported-command", NOT_YET),
    refused("flatten", "unsupported-command", NOT_YET),
    refused("gauge", "unsupported-command", NOT_YET),
    refused("gentimes", "unsupported-command", NOT_YET),
    refused("geom", "unsupported-command", NOT_YET),
    refused("geomfilter", "unsupported-command", NOT_YET),
    refused("geostats", "unsupported-command", NOT_YET),
    refused("kvform", "unsupported-command", NOT_YET),
    refused("localize", "unsupported-command", NOT_YET),
    refused("relevancy", "unsupported-command", NOT_YET),
    refused("reltime", "unsupported-command", NOT_YET),
    refused("scrub", "unsupported-command", NOT_YET),
    refused("searchtxn", "unsupported-command", NOT_YET),
    refused("selfjoin", "unsupported-command", NOT_YET),
    refused("set", "unsupported-command", NOT_YET),
    refused("setfields", "unsupported-command", NOT_YET),
    refused("tojson", "unsupported-command", NOT_YET),
    refused("trendline", "unsupported-command", NOT_YET),
    refused("xmlunescape", "unsupported-command", NOT_YET),
    refused("xpath", "unsupported-command", NOT_YET),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_there_once() {
        let mut names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
