//! The closing screen: everything about a scan that fits one look.

use std::io::{self, Write};

use rulestone_events::{KindTally, title};
use rulestone_ir::{Severity, Status};
use rulestone_value::Time;

use super::style::{Line, Paint, Style, bytes, clean, grouped, short_severity, short_time, width};
use super::{Renderer, no_place};
use crate::attack::{Tactic, tactics, technique};
use crate::counts::{Counts, Seen};
use crate::report::{Binding, Missing, MissingLog, MissingSort, Report};
use crate::suppress::{ExceptionUse, Idle};
use crate::{Alert, QuietAlert};

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

    fn quiet(&mut self, _: &QuietAlert<'_>) -> io::Result<()> {
        Err(no_place())
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
    let mut room = Room::default();
    let mut screen = Screen::new(style, room);
    screen.fill(report);
    let too_many = screen.lines.len().saturating_sub(LINES);
    if too_many > 0 {
        room.give_back(too_many, screen.found);
        screen = Screen::new(style, room);
        screen.fill(report);
    }
    screen.lines.iter().try_for_each(|line| writeln!(out, "{line}"))
}

/// Lines of one look. Lists get shorter until the screen fits.
const LINES: usize = 46;

/// The lists that may get shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Fired,
    Missing,
    Names,
    Kinds,
    Quiet,
    Notes,
    LeftOut,
    StandIns,
    Idle,
    Hints,
}

/// Each list with the fewest and the most entries it shows, the most important first.
const LISTS: [(List, usize, usize); 10] = [
    (List::Fired, 4, 10),
    (List::Missing, 3, 5),
    (List::Names, 2, 5),
    (List::Kinds, 2, 5),
    (List::Quiet, 1, 5),
    (List::Notes, 1, 5),
    (List::LeftOut, 2, 5),
    (List::StandIns, 1, 5),
    (List::Idle, 1, 5),
    (List::Hints, 1, 9),
];

/// How many entries each list shows. What a list leaves out takes a line too, so one entry more is
/// shown where that is the last.
#[derive(Debug, Clone, Copy)]
struct Room([usize; LISTS.len()]);

impl Default for Room {
    fn default() -> Self {
        Room(LISTS.map(|(_, _, most)| most))
    }
}

impl Room {
    /// How many of `found` entries a list shows.
    fn shown(self, list: List, found: usize) -> usize {
        let limit = self.0[place(list)];
        if found <= limit + 1 { found } else { limit }
    }

    /// Makes lists shorter by so many lines together, if they can be: the one that shows most of
    /// what it may first, of equals the least important.
    fn give_back(&mut self, lines: usize, found: [usize; LISTS.len()]) {
        for (limit, found) in self.0.iter_mut().zip(found) {
            *limit = (*limit).min(found.saturating_sub(1));
        }
        for _ in 0..lines {
            let shrinkable = (0..LISTS.len()).filter(|at| self.0[*at] > LISTS[*at].1);
            let fullest = shrinkable.max_by_key(|at| self.0[*at] * 100 / LISTS[*at].2);
            let Some(at) = fullest else { return };
            self.0[at] -= 1;
        }
    }
}

fn place(list: List) -> usize {
    LISTS.iter().position(|(own, ..)| *own == list).unwrap_or(0)
}

/// Columns that the names of the sections take.
const LABEL: usize = 11;
/// Columns that a number takes.
const NUMBER: usize = 9;
/// Between pieces of text.
const GAP: &str = "  ";
/// Columns of a bar.
const BAR: usize = 30;
/// Techniques in the line of them.
const TECHNIQUES: usize = 4;

struct Screen {
    style: Style,
    room: Room,
    /// The entries there are for each list.
    found: [usize; LISTS.len()],
    lines: Vec<String>,
}

impl Screen {
    fn new(style: Style, room: Room) -> Self {
        Screen { style, room, found: [0; LISTS.len()], lines: Vec::new() }
    }

    /// How many of `found` entries a list shows.
    fn shown(&mut self, list: List, found: usize) -> usize {
        self.found[place(list)] = found;
        self.room.shown(list, found)
    }

    fn fill(&mut self, report: &Report) {
        self.read(report);
        self.rules(report);
        self.alerts(report);
        self.fired(report);
        self.entities(report);
        self.attack(report);
        self.missing(report);
        self.lines.push(String::new());
        self.quiet(report);
        self.stand_ins(report);
        self.unread(report);
        self.notes(report);
        self.end(report);
    }

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
            if at > 0 && width(text) + GAP.len() > line.room() {
                let full = std::mem::replace(&mut line, self.line());
                self.add(full);
                line.cell(Paint::Plain, "", LABEL);
            } else if at > 0 {
                line.push(Paint::Plain, GAP);
            }
            line.push(*paint, text);
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
        line.cell(Paint::Dim, what, WHAT);
        let text = shortened(&clean(text), line.room());
        line.push(Paint::Plain, &text);
        self.add(line);
    }

    /// A list of such entries, the first of them behind the name of the section.
    fn list(&mut self, list: List, label: &str, entries: Vec<(u64, &str, String)>) {
        const NUMBER: usize = "99,999".len();
        const WHAT: usize = "records".len() + 1;
        let shown = self.shown(list, entries.len());
        for (at, (number, what, text)) in entries.iter().take(shown).enumerate() {
            let what = if *number == 1 { (*what).to_owned() } else { format!("{what}s") };
            let mut line = self.line();
            line.cell(Paint::Bold, if at == 0 { label } else { "" }, LABEL);
            line.right(Paint::Bold, &grouped(*number), NUMBER).push(Paint::Plain, " ");
            line.cell(Paint::Dim, &what, WHAT).push(Paint::Plain, &clean(text));
            self.add(line);
        }
        self.more(entries.len(), shown, LABEL + NUMBER + 1);
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
    fn more(&mut self, all: usize, shown: usize, indent: usize) {
        if all > shown {
            let mut line = self.line();
            line.cell(Paint::Plain, "", indent);
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
        self.kinds(report);
    }

    /// What the logs hold: the most frequent kinds with their share, the others together.
    fn kinds(&mut self, report: &Report) {
        let mut kinds: Vec<_> = report.tally().kinds.iter().collect();
        let most = |(_, counted): &(_, &KindTally)| std::cmp::Reverse(counted.events);
        kinds.sort_by_key(most);
        let (shown, others) = kinds.split_at(self.shown(List::Kinds, kinds.len()));
        let all = report.tally().events;
        for (kind, counted) in shown {
            let text = named(&kind.label(), title(kind).unwrap_or_default());
            self.share(counted.events, all, &text);
        }
        if !others.is_empty() {
            let events = others.iter().map(|(_, counted)| counted.events).sum();
            self.share(events, all, &format!("{} other kinds", grouped(others.len() as u64)));
        }
    }

    /// An entry of a list: a number and its share.
    fn share(&mut self, number: u64, all: u64, text: &str) {
        const SHARE: usize = "100 %".len();
        let percent = match number.saturating_mul(100) / all.max(1) {
            0 => "<1 %".to_owned(),
            percent => format!("{percent} %"),
        };
        let mut line = self.line();
        line.cell(Paint::Plain, "", LABEL).right(Paint::Bold, &grouped(number), NUMBER);
        line.push(Paint::Plain, " ").right(Paint::Dim, &percent, SHARE).push(Paint::Plain, "  ");
        let text = shortened(&clean(text), line.room());
        line.push(Paint::Plain, &text);
        self.add(line);
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
            pieces.push(format!("{} able to run here", grouped(binding.able)));
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
        let mut text = match report.alerts() {
            0 => "none".to_owned(),
            alerts => format!("{} from {} rules", grouped(alerts), grouped(fired.len() as u64)),
        };
        if let Some((day, count)) = report.busiest_day().filter(|_| report.alerts() > 1) {
            let part = if count == report.alerts() { "all" } else { &grouped(count) };
            text += &format!(", {part} of them on {day}");
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
        let shown = self.shown(List::Fired, fired.len());
        for rule in fired.iter().take(shown) {
            self.rated(rule.severity, rule.count, Paint::Plain, &clean(&rule.rule.meta.title));
        }
        self.more(fired.len(), shown, NUMBER + 1);
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
        let most = self.shown(List::Names, hosts.len().max(users.len()));
        let (hosts, users) = (hosts.top(most), users.top(most));
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
        let of = |tactic: &Tactic| report.tactics().get(tactic).copied().unwrap_or(0);
        // The tactic that two others took the place of is shown where rules still name it.
        let shown = tactics().iter().filter(|own| own.short != "defense-evasion" || of(own) > 0);
        let shown: Vec<(&Tactic, u64)> = shown.map(|tactic| (tactic, of(tactic))).collect();
        let most = shown.iter().map(|(_, count)| *count).max().unwrap_or(0);
        let columns = self.style.columns() - LABEL;
        let rows = shown.len().div_ceil(columns / LEAST_CELL);
        let cells = shown.len().div_ceil(rows.max(1)).max(1);
        let width = (columns / cells).min(MOST_CELL);
        self.lines.push(String::new());
        for (at, row) in shown.chunks(cells).enumerate() {
            self.heat(if at == 0 { "ATT&CK" } else { "" }, row, most, width);
        }
        self.techniques(report);
    }

    /// Three lines over each other: how hot it is, which tactic, how many alerts.
    fn heat(&mut self, label: &str, row: &[(&Tactic, u64)], most: u64, width: usize) {
        let inner = width - 1;
        let mut lines = [self.line(), self.line(), self.line()];
        for (line, label) in lines.iter_mut().zip([label, "", ""]) {
            line.cell(Paint::Bold, label, LABEL);
        }
        for (tactic, count) in row {
            let heat = heat(*count, most);
            let sign = if self.style.unicode { heat.unicode } else { heat.ascii };
            let number = if *count == 0 { String::new() } else { brief(*count) };
            let [shades, names, counts] = &mut lines;
            shades.cell(heat.paint, &sign.to_string().repeat(inner), width);
            names.cell(
                if *count == 0 { Paint::Dim } else { heat.paint },
                code(tactic, inner),
                width,
            );
            counts.cell(Paint::Plain, &number, width);
        }
        lines.into_iter().for_each(|line| self.add(line));
    }

    fn techniques(&mut self, report: &Report) {
        let mut techniques: Vec<_> = report.techniques().iter().collect();
        techniques.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let mut line = self.line();
        line.cell(Paint::Plain, "", LABEL);
        for (at, (id, count)) in techniques.iter().take(TECHNIQUES).enumerate() {
            let name = technique(id).map_or_else(String::new, |known| format!(" {}", known.name));
            let gap = if at == 0 { "" } else { "  " };
            let text = clean(&format!("{gap}{id}{name} {}", grouped(**count)));
            // One that does not fit says less than none; the first is cut.
            if at == 0 || width(&text) <= line.room() {
                line.push(Paint::Dim, &text);
            }
        }
        if !techniques.is_empty() {
            self.add(line);
        }
    }

    fn missing(&mut self, report: &Report) {
        // Without events all is missing, and what to do about it is not in this list.
        let Some(binding) = report.binding().filter(|_| report.tally().events > 0) else { return };
        let wanted = wanted(binding);
        if !wanted.is_empty() {
            let silent = grouped(report.rules().loaded.saturating_sub(binding.able));
            self.section(
                "Missing",
                &format!("{silent} rules cannot run; what most of them lack comes first"),
            );
            let shown = self.shown(List::Missing, wanted.len());
            for (rules, text) in wanted.iter().take(shown) {
                self.entry(*rules, "rule", text);
            }
            self.more(wanted.len(), shown, NUMBER + 1);
        }
    }

    /// Rules that see only events that stand in for what they mean.
    fn stand_ins(&mut self, report: &Report) {
        let stand_ins = report.binding().map_or(&[][..], |binding| &binding.stand_ins);
        let entries = stand_ins.iter().map(|(reason, rules)| (*rules, "rule", reason.clone()));
        self.list(List::StandIns, "Stand-ins", entries.collect());
    }

    /// What exceptions kept quiet, and those that kept nothing quiet.
    fn quiet(&mut self, report: &Report) {
        let exceptions = report.exceptions();
        if exceptions.is_empty() {
            return;
        }
        let (mut used, idle): (Vec<_>, Vec<_>) = exceptions.iter().partition(|own| own.kept > 0);
        used.sort_by_key(|own| std::cmp::Reverse(own.kept));
        let of_all = match idle.len() {
            0 => String::new(),
            _ => format!(" of {}", grouped(exceptions.len() as u64)),
        };
        let noun = if exceptions.len() == 1 { "exception" } else { "exceptions" };
        let (kept, by) = (grouped(report.kept_quiet()), grouped(used.len() as u64));
        self.plain("Kept quiet", vec![format!("{kept} by {by}{of_all} {noun}")]);
        let kept =
            |own: &&ExceptionUse| (own.kept, "hit", format!("{} ({})", own.reason, own.place));
        self.list(List::Quiet, "", used.iter().map(kept).collect());
        let idle = idle.iter().map(|own| {
            let why = own.idle.map_or("", Idle::as_str);
            (0, "hit", format!("{}: {why} ({})", own.place, own.reason))
        });
        self.list(List::Idle, "", idle.collect());
    }

    /// What else to know before the result is trusted.
    fn notes(&mut self, report: &Report) {
        let notes = report.notes().iter().map(|note| (note.count, "time", note.text.clone()));
        self.list(List::Notes, "To know", notes.collect());
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
        entries.sort_by_key(|(number, ..)| std::cmp::Reverse(*number));
        self.list(List::LeftOut, "Left out", entries);
    }

    fn end(&mut self, report: &Report) {
        if let Some(cost) = report.cost() {
            let speed =
                report.events_per_second().map(|n| format!("{} events/s", grouped(n as u64)));
            let peak = cost.peak_memory.map(|n| format!("{} of memory at most", bytes(n)));
            let seconds = format!("{:.1} s", cost.elapsed.as_secs_f64());
            self.plain("Took", [Some(seconds), speed, peak].into_iter().flatten().collect());
        }
        // Each takes two lines or nearly so; the first is the most useful.
        let hints = report.hints();
        let shown = self.shown(List::Hints, 2 * hints.len()) / 2;
        for (at, hint) in hints.iter().take(shown.max(1)).enumerate() {
            let mut line = self.line();
            line.cell(Paint::Bold, if at == 0 { "Next" } else { "" }, LABEL);
            line.push(Paint::Dim, &hint.purpose);
            let command = clean(&hint.command);
            // A command is there to be copied: it is never cut.
            if width(&command) + 2 <= line.room() {
                line.push(Paint::Plain, "  ").push(Paint::Plain, &command);
                self.add(line);
            } else {
                self.add(line);
                self.lines.push(format!("  {command}"));
            }
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

/// A name and what it is called, if it is called something.
fn named(name: &str, title: &str) -> String {
    if title.is_empty() { name.to_owned() } else { format!("{name}  {title}") }
}

/// The name of a channel at the start of a text without what most channels have in common, where
/// there is no room for it: the event id and the title behind it say more.
fn shortened(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let text = text.strip_prefix("Microsoft-Windows-").unwrap_or(text);
    text.replacen("/Operational", "", 1)
}

/// A title with the number of names, which may be more than are told apart.
fn headline(title: &str, counts: &Counts) -> String {
    let more = if counts.others() > 0 { " or more" } else { "" };
    format!("{title} ({}{more})", grouped(counts.len() as u64))
}

/// What would let rules run, with how many of them: logs that are not there at all, events of logs
/// that are, fields, tables.
fn wanted(binding: &Binding) -> Vec<(u64, String)> {
    let mut wanted: Vec<(u64, String)> = Vec::new();
    let mut whole = vec![false; binding.missing.len()];
    // Logs of which one will do as well as the other are one thing to switch on.
    let mut logs: Vec<(String, &MissingLog)> = Vec::new();
    for log in binding.missing_logs.iter().filter(|log| !log.here) {
        match logs.iter_mut().find(|(_, own)| own.rules == log.rules && own.events == log.events) {
            Some((names, _)) => *names = format!("{names} or {}", log.name),
            None => logs.push((log.name.clone(), log)),
        }
    }
    for (names, log) in logs {
        log.events.iter().for_each(|at| whole[*at] = true);
        let events = log.events.iter().filter_map(|at| binding.missing.get(*at));
        let events: Vec<String> = events.filter_map(id_and_title).collect();
        wanted.push((log.rules, named(&names, &events.join(", "))));
    }
    for (missing, _) in binding.missing.iter().zip(whole).filter(|(_, whole)| !whole) {
        let name = match missing.sort {
            MissingSort::Event => missing.name.clone(),
            MissingSort::Field => format!("field {}", missing.name),
            MissingSort::Table => format!("no table for {}", missing.name),
        };
        wanted.push((missing.rules, named(&name, missing.title.unwrap_or_default())));
    }
    // Stable: equals stay logs first.
    wanted.sort_by_key(|(rules, _)| std::cmp::Reverse(*rules));
    wanted
}

/// `4688 Process created` of `Security 4688`.
fn id_and_title(event: &Missing) -> Option<String> {
    let (_, id) = event.name.rsplit_once(' ')?;
    let title = event.title.unwrap_or_default();
    id.parse::<u32>().ok().map(|id| format!("{id} {title}").trim_end().to_owned())
}

/// Columns that a tactic takes, with the blank behind it.
const LEAST_CELL: usize = 4;
const MOST_CELL: usize = 8;

/// How often a tactic was seen beside the others, for eyes that do not tell the colours too.
#[derive(Clone, Copy)]
struct Heat {
    unicode: char,
    ascii: char,
    paint: Paint,
}

fn heat(count: u64, most: u64) -> Heat {
    let (unicode, ascii, paint) = match count.saturating_mul(100) / most.max(1) {
        _ if count == 0 => ('·', '.', Paint::Dim),
        67.. => ('█', '#', Paint::Severity(Severity::Critical)),
        34.. => ('▓', '*', Paint::Severity(Severity::High)),
        10.. => ('▒', '+', Paint::Severity(Severity::Medium)),
        _ => ('░', ':', Paint::Severity(Severity::Low)),
    };
    Heat { unicode, ascii, paint }
}

/// Columns of the longest of the longer names.
const LONG_CODE: usize = 6;

/// What tactics are called in three and in six columns.
const CODES: [(&str, &str, &str); 16] = [
    ("reconnaissance", "Rec", "Recon"),
    ("resource-development", "Res", "Resour"),
    ("initial-access", "Ini", "Initl"),
    ("execution", "Exe", "Exec"),
    ("persistence", "Per", "Persis"),
    ("privilege-escalation", "Prv", "Privil"),
    ("defense-evasion", "Eva", "Evade"),
    ("stealth", "Ste", "Stlth"),
    ("defense-impairment", "Imr", "Impair"),
    ("credential-access", "Crd", "Creds"),
    ("discovery", "Dis", "Discov"),
    ("lateral-movement", "Lat", "Latrl"),
    ("collection", "Col", "Collec"),
    ("command-and-control", "C2", "C2"),
    ("exfiltration", "Exf", "Exfil"),
    ("impact", "Imp", "Impact"),
];

/// What a tactic is called in so many columns.
fn code(tactic: &Tactic, columns: usize) -> &'static str {
    let own = CODES.iter().find(|(short, ..)| *short == tactic.short);
    own.map_or("?", |(_, brief, long)| if columns >= LONG_CODE { long } else { brief })
}

/// A number in three columns: `999`, `12k`, `.3M`; no more than `99G`.
fn brief(number: u64) -> String {
    match number {
        0..=999 => number.to_string(),
        1_000..=99_999 => format!("{}k", number / 1_000),
        100_000..=999_999 => format!(".{}M", number / 100_000),
        1_000_000..=99_999_999 => format!("{}M", number / 1_000_000),
        100_000_000..=999_999_999 => format!(".{}G", number / 100_000_000),
        _ => format!("{}G", (number / 1_000_000_000).min(99)),
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
    fn every_tactic_has_a_name_that_fits() {
        for (tactic, (short, brief, long)) in tactics().iter().zip(CODES) {
            assert_eq!(tactic.short, short, "in the order of the kill chain");
            assert!(width(brief) < LEAST_CELL && width(long) <= LONG_CODE, "{short}");
        }
        assert_eq!(tactics().len(), CODES.len());
    }

    #[test]
    fn lists_give_lines_back() {
        let lines = |room: Room, found: [usize; 10]| -> usize {
            let shown = LISTS.iter().zip(found).map(|((list, ..), found)| {
                let shown = room.shown(*list, found);
                shown + usize::from(shown < found)
            });
            shown.sum()
        };
        let (full, some) = ([100; 10], [100, 0, 1, 3, 0, 0, 2, 6, 7, 4]);
        for (found, most, least) in [(full, 69, 28), (some, 33, 17)] {
            let all = lines(Room::default(), found);
            assert_eq!(all, most);
            for back in 0..60 {
                let mut room = Room::default();
                room.give_back(back, found);
                assert_eq!(lines(room, found), all.saturating_sub(back).max(least), "{back}");
            }
        }
        let mut room = Room::default();
        room.give_back(1, full);
        assert_eq!(room.shown(List::Idle, 9), 5, "the most important shows most of what it may");
        assert_eq!(room.shown(List::Quiet, 6), 6, "the last one takes the line that tells of it");
    }

    #[test]
    fn channels_lose_what_they_have_in_common_where_there_is_no_room() {
        let text = "Microsoft-Windows-Sysmon/Operational 1  Process created";
        assert_eq!(shortened(text, 60), text);
        assert_eq!(shortened(text, 40), "Sysmon 1  Process created");
        assert_eq!(
            shortened("Security 4688  Process created", 9),
            "Security 4688  Process created"
        );
    }

    #[test]
    fn numbers_in_three_columns() {
        let cases = [
            (7, "7"),
            (999, "999"),
            (1_999, "1k"),
            (99_999, "99k"),
            (100_000, ".1M"),
            (999_999, ".9M"),
            (2_500_000, "2M"),
            (u64::MAX, "99G"),
        ];
        for (number, expected) in cases {
            assert_eq!(brief(number), expected);
        }
    }

    #[test]
    fn durations() {
        let cases = [(0, "less than 1 s"), (59, "59 s"), (3600, "1 h 0 min"), (90_061, "1 d 1 h")];
        let start = Time::from_ticks(0);
        for (seconds, expected) in cases {
            assert_eq!(duration(start, Time::from_seconds(seconds).unwrap()), expected);
        }
    }
}
