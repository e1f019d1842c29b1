//! The functions of `stats` and its relatives, as a table.

use rulestone_ir::Aggregator;

/// A function of `stats`.
pub struct Aggregate {
    /// Its names, in lower case.
    pub names: &'static [&'static str],
    /// What it does otherwise than Splunk's, or why it is refused; empty for nothing.
    pub limits: &'static str,
    pub(super) aggregator: Option<Aggregator>,
}

impl Aggregate {
    /// Whether it runs at all.
    pub fn runs(&self) -> bool {
        self.aggregator.is_some() || self.is_percentile()
    }

    fn is_percentile(&self) -> bool {
        self.names.first().is_some_and(|name| name.contains('<'))
    }
}

const fn aggregate(
    names: &'static [&'static str],
    aggregator: Aggregator,
    limits: &'static str,
) -> Aggregate {
    Aggregate { names, limits, aggregator: Some(aggregator) }
}

/// Values that `list` keeps.
const LISTED: u64 = 100;

/// All of them.
pub fn aggregates() -> &'static [Aggregate] {
    AGGREGATES
}

static AGGREGATES: &[Aggregate] = &[
    aggregate(&["count", "c"], Aggregator::Count, ""),
    aggregate(&["distinct_count", "dc"], Aggregator::DistinctCount, ""),
    aggregate(&["estdc"], Aggregator::DistinctCount, "counted, not estimated"),
    aggregate(&["sum"], Aggregator::Sum, ""),
    aggregate(&["sumsq"], Aggregator::SumOfSquares, ""),
    aggregate(&["avg", "mean"], Aggregator::Mean, ""),
    aggregate(&["min"], Aggregator::Min, ""),
    aggregate(&["max"], Aggregator::Max, ""),
    aggregate(&["range"], Aggregator::Range, ""),
    aggregate(&["stdev"], Aggregator::StdevSample, ""),
    aggregate(&["stdevp"], Aggregator::StdevPopulation, ""),
    aggregate(&["var"], Aggregator::VarianceSample, ""),
    aggregate(&["varp"], Aggregator::VariancePopulation, ""),
    aggregate(&["median"], Aggregator::Median, ""),
    aggregate(&["mode"], Aggregator::Mode, ""),
    aggregate(&["values"], Aggregator::Values(0), "sorted as text"),
    aggregate(&["list"], Aggregator::List(LISTED), "the first 100"),
    aggregate(&["first"], Aggregator::First, ""),
    aggregate(&["last"], Aggregator::Last, ""),
    aggregate(&["earliest"], Aggregator::Earliest, ""),
    aggregate(&["latest"], Aggregator::Latest, ""),
    aggregate(&["earliest_time"], Aggregator::EarliestTime, ""),
    aggregate(&["latest_time"], Aggregator::LatestTime, ""),
    aggregate(&["rate"], Aggregator::Rate, ""),
    Aggregate {
        names: &["p<n>", "perc<n>", "exactperc<n>", "upperperc<n>"],
        limits: "the nearest rank of all values; none is estimated",
        aggregator: None,
    },
    Aggregate { names: &["estdc_error"], limits: "nothing is estimated", aggregator: None },
    Aggregate {
        names: &["per_second", "per_minute", "per_hour", "per_day"],
        limits: "of bins of `timechart`, not run",
        aggregator: None,
    },
    Aggregate { names: &["sparkline"], limits: "a picture, left out", aggregator: None },
];

/// The function of a name: `p95` too.
pub(super) fn find(name: &str) -> Option<Aggregator> {
    let name = name.to_ascii_lowercase();
    let known = AGGREGATES.iter().find(|aggregate| aggregate.names.contains(&&*name));
    known.and_then(|aggregate| aggregate.aggregator).or_else(|| percentile(&name))
}

fn percentile(name: &str) -> Option<Aggregator> {
    const PREFIXES: [&str; 4] = ["exactperc", "upperperc", "perc", "p"];
    let number = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix))?;
    let percent: f64 = number.parse().ok()?;
    (0.0..=100.0).contains(&percent).then_some(Aggregator::Percentile(percent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let cases = [
            ("count", Some(Aggregator::Count)),
            ("DC", Some(Aggregator::DistinctCount)),
            ("p50", Some(Aggregator::Percentile(50.0))),
            ("perc99.9", Some(Aggregator::Percentile(99.9))),
            ("p101", None),
            ("per_day", None),
            ("sparkline", None),
        ];
        for (name, expected) in cases {
            assert_eq!(find(name), expected, "{name}");
        }
    }
}
