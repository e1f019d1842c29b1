//! The closing screen: everything about a scan that fits one look.

use std::io::{self, Write};

use rulestone_events::{KindTally, title};
use rulestone_ir::{Severity, Status};
use rulestone_value::Time;

use super::Renderer;
use super::style::{Line, Paint, Style, bytes, clean, grouped, short_severity, short_time, width};
use crate::Alert;
use crate::attack::technique;
use crate::counts::{Counts, Seen};
use crate::report::{MissingSort, Report};

/// The format `summary`: the screen alone.
pub(super) struct Summary<'w> {
    style: Style,
    out: Box<dyn Write + 'w>,
}

impl<'w> Summary<'w> {
    pub(super) fn new(style: Style, out: Box<dyn Write + 'w>) -> Self {
        Summary { style, out }
    }
}

impl Renderer for Summary<'_> {
    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn alert(&mut self, _: &Alert) -> io::Result<()> {
        Ok(())
    }

    fn end(&mut self, report: &Report) -> io::Result<()> {
        write(report, self.style, &mut self.out)?;
        self.out.flush()
    }
}

/// Writes the closing screen.
///
/// # Errors
///
/// When it cannot be written.
pub fn write(report: &Report, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut screen = Screen { style, lines: Vec::new() };
    screen.read(report);
    screen.kinds(report);
    screen.rules(report);
    screen.alerts(report);
    screen.fired(report);
    screen.entities(report);
    screen.attack(report);
    screen.missing(report);
    screen.unread(report);
    screen.end(report);
    screen.lines.iter().try_for_each(|line| writeln!(out, "{line}"))
}

/// Columns that the names of the sections take.
const LABEL: usize = 11;
/// Columns that a number takes.
const NUMBER: usize = 9;
/// Columns of a bar.
const BAR: usize = 30;
/// Rules in the list of those that fired.
const FIRED: usize = 10;
/// Entries of the other lists.
const ENTRIES: usize = 5;

struct Screen {
    style: Style,
    lines: Vec<String>,
}

impl Screen {
    fn line(&self) -> Line {
        Line::new(self.style)
    }

    fn add(&mut self, line: Line) {
        self.lines.push(line.finish());
    }

    /// Pieces of text behind the name of a section, on as many lines as they need.
    fn flow(&mut self, label: &str, pieces: Vec<(Paint, String)>) {
        let mut line = self.line();
        line.cell(Paint::Bold, label, LABEL);
        for (at, (paint, text)) in pieces.iter().enumerate() {
            if at > 0 && width(text) > line.room() {
                let full = std::mem::replace(&mut line, self.line());
                self.add(full);
                line.cell(Paint::Plain, "", LABEL);
            }
            line.push(*paint, text).push(Paint::Plain, "  ");
        }
        self.add(line);
    }

    /// The same where all pieces are plain.
    fn plain(&mut self, label: &str, pieces: Vec<String>) {
        self.flow(label, pieces.into_iter().map(|text| (Paint::Plain, text)).collect());
    }

    /// A line that begins a section.
    fn section(&mut self, label: &str, text: &str) {
        self.lines.push(String::new());
        self.flow(label, vec![(Paint::Dim, text.to_owned())]);
    }

    /// An entry of a list: a number, what it counts, and what is to be said about it.
    fn entry(&mut self, number: u64, what: &str, text: &str) {
        const WHAT: usize = "records".len() + 1;
        let what = if number == 1 { what } else { &format!("{what}s") };
        let mut line = self.line();
        line.right(Paint::Bold, &grouped(number), NUMBER).push(Paint::Plain, " ");
        line.cell(Paint::Dim, what, WHAT).push(Paint::Plain, &clean(text));
        self.add(line);
    }

    /// An entry of a list that has to do with a severity.
    fn rated(&mut self, severity: Severity, number: u64, paint: Paint, text: &str) {
        let mut line = self.line();
        line.right(Paint::Plain, &grouped(number), NUMBER).push(Paint::Plain, " ");
        line.cell(Paint::Severity(severity), short_severity(severity), "critical".len() + 2);
        line.push(paint, text);
        self.add(line);
    }

    /// How many entries a list left out.
    fn more(&mut self, all: usize, shown: usize) {
        if all > shown {
            let mut line = self.line();
            line.cell(Paint::Plain, "", NUMBER + 1);
            line.push(Paint::Dim, &format!("and {} more", grouped((all - shown) as u64)));
            self.add(line);
        }
    }

    /// Part of a bar that stands for `value` out of `all`; what is not nothing shows.
    fn bar(&self, value: u64, all: u64, columns: usize, (unicode, ascii): (char, char)) -> String {
        let exact = value as f64 / all.max(1) as f64 * columns as f64;
        let cells = (exact.round() as usize).max(usize::from(value > 0));
        let sign = if self.style.unicode { unicode } else { ascii };
        sign.to_string().repeat(cells.min(columns))
    }

    fn read(&mut self, report: &Report) {
        let (tally, logs) = (report.tally(), report.logs());
        if let Some((first, last)) = tally.span() {
            let ends = format!("{} to {}", short_time(first), short_time(last));
            self.plain("Time (UTC)", vec![ends, format!("({})", duration(first, last))]);
        }
        let skipped: u64 = tally.skipped.values().map(|skipped| skipped.count).sum();
        let some =
            |number: u64, what: &str| (number > 0).then(|| format!("{} {what}", grouped(number)));
        let pieces = [Some(format!("{} read", grouped(logs.read))), some(logs.failed, "not read")];
        self.plain("Logs", pieces.into_iter().flatten().collect());
        let pieces = [
            Some(format!("{} read", grouped(tally.events))),
            some(tally.outside_time, "outside the time asked for"),
            some(skipped, "skipped"),
            Some(format!("({})", bytes(tally.bytes))),
        ];
        self.plain("Events", pieces.into_iter().flatten().collect());
    }

    /// What the logs hold, for whoever runs without rules or fires none of them.
    fn kinds(&mut self, report: &Report) {
        if report.alerts() > 0 {
            return;
        }
        let mut kinds: Vec<_> = report.tally().kinds.iter().collect();
        let most = |(_, counted): &(_, &KindTally)| std::cmp::Reverse(counted.events);
        kinds.sort_by_key(most);
        for (kind, counted) in kinds.iter().take(FIRED) {
            let label = format!("{}  {}", kind.label(), title(kind).unwrap_or_default());
            self.entry(counted.events, "event", &label);
        }
        self.more(kinds.len(), FIRED);
    }

    fn rules(&mut self, report: &Report) {
        let rules = report.rules();
        if rules.listed == 0 {
            return;
        }
        let fired = report.fired_rules().len() as u64;
        let mut pieces = vec![
            format!("{} listed", grouped(rules.listed)),
            format!("{} loaded", grouped(rules.loaded)),
        ];
        if let Some(binding) = report.binding() {
            pieces.push(format!("{} able to run on these logs", grouped(binding.able)));
            pieces.push(format!("{} fired", grouped(fired)));
        }
        self.plain("Rules", pieces);
        let statuses = [Status::Exact, Status::Approximate, Status::Unsupported, Status::Invalid];
        let statuses = statuses.into_iter().filter(|status| rules.of(*status) > 0);
        let texts = statuses.map(|own| format!("{} {}", grouped(rules.of(own)), own.as_str()));
        self.flow("", texts.map(|text| (Paint::Dim, text)).collect());
        if let Some(binding) = report.binding() {
            self.coverage(rules.loaded, binding.able, fired);
        }
    }

    fn coverage(&mut self, loaded: u64, able: u64, fired: u64) {
        let fired_bar = self.bar(fired, loaded, BAR, ('█', '#'));
        let able_bar =
            self.bar(able.saturating_sub(fired), loaded, BAR - width(&fired_bar), ('▒', '='));
        let rest = BAR - width(&fired_bar) - width(&able_bar);
        let rest_bar = self.bar(1, 1, rest, ('░', '.'));
        let mut line = self.line();
        line.cell(Paint::Plain, "", LABEL);
        line.push(Paint::Severity(Severity::Medium), &fired_bar).push(Paint::Green, &able_bar);
        let percent = able as f64 * 100.0 / loaded.max(1) as f64;
        line.push(Paint::Dim, &rest_bar)
            .push(Paint::Plain, &format!(" {percent:.0} % able to run"));
        self.add(line);
    }

    fn alerts(&mut self, report: &Report) {
        if report.rules().listed == 0 && report.alerts() == 0 {
            return;
        }
        let fired = report.fired_rules();
        let mut text =
            format!("{} from {} rules", grouped(report.alerts()), grouped(fired.len() as u64));
        if let Some((day, count)) = report.busiest_day().filter(|_| report.alerts() > 1) {
            text += &format!(", {} of them on {day}", grouped(count));
        }
        self.section("Alerts", &text);
        let most = Severity::ALL.into_iter().map(|own| report.alerts_of(own)).max().unwrap_or(0);
        for severity in Severity::ALL.into_iter().rev().filter(|_| most > 0) {
            let count = report.alerts_of(severity);
            let bar = self.bar(count, most, BAR, ('█', '#'));
            self.rated(severity, count, Paint::Severity(severity), &bar);
        }
    }

    fn fired(&mut self, report: &Report) {
        let fired = report.fired_rules();
        if fired.is_empty() {
            return;
        }
        self.section("Fired", "the worst first, then the most frequent");
        for rule in fired.iter().take(FIRED) {
            self.rated(rule.severity, rule.count, Paint::Plain, &clean(&rule.rule.meta.title));
        }
        self.more(fired.len(), FIRED);
    }

    /// Hosts and users side by side where there is room.
    fn entities(&mut self, report: &Report) {
        let (hosts, users) = (report.hosts(), report.users());
        if hosts.is_empty() && users.is_empty() {
            return;
        }
        self.lines.push(String::new());
        let half = self.style.columns() / 2;
        let titles = [headline("Hosts", hosts), headline("Users", users)];
        let mut line = self.line();
        line.cell(Paint::Bold, &titles[0], half).push(Paint::Bold, &titles[1]);
        self.add(line);
        let (hosts, users) = (hosts.top(ENTRIES), users.top(ENTRIES));
        for at in 0..hosts.len().max(users.len()) {
            let mut line = self.line();
            seen(&mut line, hosts.get(at), half);
            let rest = line.room();
            seen(&mut line, users.get(at), rest);
            self.add(line);
        }
    }

    fn attack(&mut self, report: &Report) {
        if report.tactics().is_empty() {
            return;
        }
        let most = report.tactics().values().max().copied().unwrap_or(0);
        let tactics = report.tactics().iter().map(|(tactic, count)| {
            let text = format!("{}{} {}", self.shade(*count, most), tactic.name, grouped(*count));
            (heat(*count, most), text)
        });
        let tactics = tactics.collect();
        self.lines.push(String::new());
        self.flow("ATT&CK", tactics);
        self.techniques(report);
    }

    /// The hotter the darker, for eyes that do not tell the colours.
    fn shade(&self, count: u64, most: u64) -> &'static str {
        match heat(count, most) {
            _ if !self.style.unicode => "",
            Paint::Severity(Severity::Critical) => "█ ",
            Paint::Severity(_) => "▒ ",
            _ => "░ ",
        }
    }

    fn techniques(&mut self, report: &Report) {
        let mut techniques: Vec<_> = report.techniques().iter().collect();
        techniques.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let texts = techniques.iter().take(ENTRIES).map(|(id, count)| {
            let name = technique(id).map_or_else(String::new, |known| format!(" {}", known.name));
            (Paint::Dim, clean(&format!("{id}{name} {}", grouped(**count))))
        });
        let texts: Vec<_> = texts.collect();
        if !texts.is_empty() {
            self.flow("", texts);
        }
    }

    fn missing(&mut self, report: &Report) {
        let Some(binding) = report.binding() else { return };
        if !binding.missing.is_empty() {
            self.section("Missing", "with these in the logs more rules could run");
            for missing in binding.missing.iter().take(ENTRIES) {
                let name = match missing.sort {
                    MissingSort::Event => missing.name.clone(),
                    MissingSort::Field => format!("field {}", missing.name),
                    MissingSort::Table => format!("no table for {}", missing.name),
                };
                let title = missing.title.unwrap_or_default();
                self.entry(missing.rules, "rule", &format!("{name}  {title}"));
            }
            self.more(binding.missing.len(), ENTRIES);
        }
        if !binding.stand_ins.is_empty() {
            self.section(
                "Stand-ins",
                "rules that run only on events that stand in for those they mean",
            );
            for (reason, rules) in binding.stand_ins.iter().take(ENTRIES) {
                self.entry(*rules, "rule", reason);
            }
            self.more(binding.stand_ins.len(), ENTRIES);
        }
    }

    /// Rules, records and logs that were not run or read, with the reasons.
    fn unread(&mut self, report: &Report) {
        let mut entries: Vec<(u64, &str, String)> = Vec::new();
        for ((status, code), reason) in &report.rules().reasons {
            if *status != Status::Approximate {
                let first = if reason.rules > 1 { ", for one: " } else { ": " };
                let text = format!("{}, {code}{first}{}", status.as_str(), reason.message);
                entries.push((reason.rules, "rule", text));
            }
        }
        for (reason, rules) in &report.rules().set_aside {
            entries.push((*rules, "rule", format!("left aside: {reason}")));
        }
        for (reason, skipped) in &report.tally().skipped {
            let place = skipped.places.first().map_or("", String::as_str);
            entries.push((skipped.count, "record", format!("{reason}, first in {place}")));
        }
        for (reason, (logs, first)) in &report.logs().reasons {
            let text = match logs {
                1 => format!("{first}: {reason}"),
                _ => format!("{reason}, for one {first}"),
            };
            entries.push((*logs, "log", text));
        }
        if entries.is_empty() {
            return;
        }
        self.section("Left out", "rules, records and logs, and why");
        entries.sort_by_key(|(number, ..)| std::cmp::Reverse(*number));
        for (number, what, text) in entries.iter().take(ENTRIES) {
            self.entry(*number, what, text);
        }
        self.more(entries.len(), ENTRIES);
    }

    fn end(&mut self, report: &Report) {
        if let Some(cost) = report.cost() {
            let speed =
                report.events_per_second().map(|n| format!("{} events/s", grouped(n as u64)));
            let peak = cost.peak_memory.map(|n| format!("{} of memory at most", bytes(n)));
            let seconds = format!("{:.1} s", cost.elapsed.as_secs_f64());
            self.lines.push(String::new());
            self.plain("Took", [Some(seconds), speed, peak].into_iter().flatten().collect());
        }
        for (at, hint) in report.hints().iter().enumerate() {
            let mut line = self.line();
            line.cell(Paint::Bold, if at == 0 { "Next" } else { "" }, LABEL);
            line.push(Paint::Dim, &hint.purpose);
            self.add(line);
            // A command is there to be copied: it is never cut.
            self.lines.push(format!("  {}", clean(&hint.command)));
        }
    }
}

/// A name and how often it was seen, in so many columns.
fn seen(line: &mut Line, seen: Option<&Seen<'_>>, columns: usize) {
    let Some(seen) = seen else {
        line.cell(Paint::Plain, "", columns);
        return;
    };
    line.right(Paint::Bold, &grouped(seen.count), NUMBER).push(Paint::Plain, "  ");
    let name = columns.saturating_sub(NUMBER + 2).min(line.room());
    line.cell(Paint::Plain, &clean(seen.name), name);
}

/// A title with the number of names, which may be more than are told apart.
fn headline(title: &str, counts: &Counts) -> String {
    let more = if counts.others() > 0 { " or more" } else { "" };
    format!("{title} ({}{more})", grouped(counts.len() as u64))
}

fn heat(count: u64, most: u64) -> Paint {
    match count.saturating_mul(100) / most.max(1) {
        50.. => Paint::Severity(Severity::Critical),
        10.. => Paint::Severity(Severity::Medium),
        _ => Paint::Plain,
    }
}

/// The time between two points, in its two largest units.
fn duration(first: Time, last: Time) -> String {
    const UNITS: [(&str, i64); 4] = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];
    let mut seconds = last.ticks().saturating_sub(first.ticks()) / 10_000_000;
    let mut parts = Vec::new();
    for (unit, length) in UNITS {
        let count = seconds / length;
        seconds %= length;
        if count > 0 || !parts.is_empty() {
            parts.push(format!("{count} {unit}"));
        }
    }
    parts.truncate(2);
    if parts.is_empty() { "less than 1 s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let cases = [(0, "less than 1 s"), (59, "59 s"), (3600, "1 h 0 min"), (90_061, "1 d 1 h")];
        let start = Time::from_ticks(0);
        for (seconds, expected) in cases {
            assert_eq!(duration(start, Time::from_seconds(seconds).unwrap()), expected);
        }
    }
}
