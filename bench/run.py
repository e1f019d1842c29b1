#!/usr/bin/env python3
"""Measures what a scan costs, on any logs and rules: bench/run.py --rules RULES LOGS...

Needs Python 3.9, and Cargo unless --binary names a build. Every measurement is taken several times, by turns, and
the best is kept: what disturbs a run only ever makes it slower. Of memory the largest is kept.

The costs: seconds to read the logs alone, with every value kept; seconds to scan them with the rules; the ratio of
the two; how the scan grows when there are three times as many rules; events a second and core; seconds to load the
rules, apart; and the largest memory, with --ten-times also for ten times the logs.
"""

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main():
    options = arguments()
    binary = options.binary or build()
    with tempfile.TemporaryDirectory(prefix="rulestone-bench-") as folder:
        bench = Bench(binary, options, Path(folder))
        report = bench.report()
    print(report)
    if options.record:
        record(report, options.record)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", nargs="+", type=Path, metavar="LOGS", help="logs, or folders of them")
    parser.add_argument("--rules", "-r", required=True, action="append", type=Path, help="rules, or a folder of them")
    parser.add_argument("--binary", type=Path, help="a release build of rulestone; built when it is not given")
    parser.add_argument("--repeat", type=int, default=5, help="how often each measurement is taken (5)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="threads of the runs on all cores")
    parser.add_argument("--ten-times", action="store_true", help="also scan the logs ten times over, for the memory")
    parser.add_argument("--no-triple", action="store_true", help="leave out the runs with three times the rules")
    parser.add_argument("--record", metavar="NAME", help="write bench/runs/DATE-NAME.md")
    options = parser.parse_args()
    for place in [*options.logs, *options.rules, *([options.binary] if options.binary else [])]:
        if not place.exists():
            parser.error(f"no such file or folder: {place}")
    if options.repeat < 1 or options.jobs < 1:
        parser.error("--repeat and --jobs take at least 1")
    return options


def build():
    """Builds the release binary; returns its path."""
    say("building the release binary")
    subprocess.run(["cargo", "build", "--release", "--package", "rulestone"], cwd=ROOT, check=True)
    metadata = ["cargo", "metadata", "--no-deps", "--format-version", "1"]
    target = json.loads(subprocess.run(metadata, cwd=ROOT, check=True, capture_output=True).stdout)["target_directory"]
    return Path(target) / "release" / ("rulestone.exe" if os.name == "nt" else "rulestone")


def say(text):
    print(text, file=sys.stderr, flush=True)


class Bench:
    def __init__(self, binary, options, folder):
        self.binary = binary.resolve()
        self.options = options
        self.folder = folder
        self.measured = {}
        # Of the machine before anything was measured: others at work make the figures worthless.
        self.load = f", load average {os.getloadavg()[0]:.1f} before" if hasattr(os, "getloadavg") else ""

    def report(self):
        runs = self.runs()
        # By turns, so that a machine that slows down does so for all of them.
        for turn in range(self.options.repeat):
            for name, run in runs.items():
                say(f"{turn + 1}/{self.options.repeat}: {name}")
                self.measured.setdefault(name, []).append(run())
        return Report(self).text()

    def runs(self):
        options, jobs = self.options, self.options.jobs
        rules = [argument for place in options.rules for argument in ("-r", str(place))]
        runs = {
            "read, 1 job": lambda: self.scan(["--no-rules"], 1),
            "scan, 1 job": lambda: self.scan(rules, 1),
        }
        if not options.no_triple:
            triple = ["-r", str(tripled(options.rules, self.folder / "rules"))]
            runs["scan x3, 1 job"] = lambda: self.scan(triple, 1)
        if jobs > 1:
            runs["read, all jobs"] = lambda: self.scan(["--no-rules"], jobs)
            runs["scan, all jobs"] = lambda: self.scan(rules, jobs)
            if not options.no_triple:
                runs["scan x3, all jobs"] = lambda: self.scan(triple, jobs)
        if options.ten_times:
            logs = [ten_times(options.logs, self.folder / "logs")]
            runs["scan 10 logs, 1 job"] = lambda: self.scan(rules, 1, logs)
        runs["load"] = lambda: self.run(["rules", *rules, "--format", "ndjson", "-q"])
        return runs

    def scan(self, rules, jobs, logs=None):
        sink = ["--format", "ndjson", "--output", os.devnull, "-q", "--stats"]
        logs = [str(log) for log in logs or self.options.logs]
        return self.run(["scan", *rules, "--jobs", str(jobs), *sink, *logs])

    def run(self, command):
        """Runs the binary; returns its own numbers, the seconds it took, and its largest memory."""
        with tempfile.TemporaryFile() as talk:
            started = time.perf_counter()
            process = subprocess.Popen([self.binary, *command], stdout=subprocess.DEVNULL, stderr=talk)
            peak = wait(process)
            seconds = time.perf_counter() - started
            talk.seek(0)
            said = talk.read().decode(errors="replace")
        stats = {}
        for line in said.splitlines():
            if line.startswith('{"kind":"stats"'):
                stats = json.loads(line)
        # 4: a file among the logs that is none.
        if process.returncode not in (0, 4) or (command[0] == "scan" and not stats):
            sys.exit(f"rulestone {' '.join(command)}\nended with {process.returncode}:\n{said}")
        return {**stats, "seconds": seconds, "peak": peak or stats.get("peak_rss_bytes")}

    def best(self, name, key):
        return min((run[key] for run in self.measured[name]), default=None)

    def peak(self, name):
        return max(run["peak"] or 0 for run in self.measured[name])


def wait(process):
    """Waits for a process; returns its largest memory in bytes, where the system tells."""
    if not hasattr(os, "wait4"):
        process.wait()
        return None
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class Report:
    def __init__(self, bench):
        self.bench = bench
        self.rows = []

    def text(self):
        read, scan = self.stats("read, 1 job"), self.stats("scan, 1 job")
        if not read["events"]:
            sys.exit("no events in these logs")
        head = [
            f"{read['events']:,} events in {size(read['bytes'])} of logs, decompressed",
            f"{scan['rules_loaded']:,} rules loaded, {scan['rules_able']:,} able to run on these logs, "
            f"{scan['alerts']:,} alerts",
            *self.about_triple(scan),
        ]
        self.per_jobs("1 job", 1, read["events"], read["bytes"])
        if "scan, all jobs" in self.bench.measured:
            self.per_jobs("all jobs", self.bench.options.jobs, read["events"], read["bytes"])
        self.add("load the rules alone, all cores", f"{self.bench.best('load', 'seconds'):.3f} s", "")
        if "scan 10 logs, 1 job" in self.bench.measured:
            own, ten = self.bench.peak("scan, 1 job"), self.bench.peak("scan 10 logs, 1 job")
            self.add("peak memory, logs ten times over, 1 job", size(ten), f"{ten / own:.2f} times that of once")
        return "\n".join([*head, "", *table(self.rows), "", *machine(self.bench)])

    def stats(self, name):
        return self.bench.measured[name][0]

    def about_triple(self, scan):
        if "scan x3, 1 job" not in self.bench.measured:
            return []
        triple = self.stats("scan x3, 1 job")
        loaded = triple["rules_loaded"]
        lost = "" if loaded == 3 * scan["rules_loaded"] else f", {3 * scan['rules_loaded'] - loaded:,} copies not loaded"
        return [f"x3: {loaded:,} rules, two changed copies of each{lost}; {triple['alerts']:,} alerts"]

    def per_jobs(self, label, jobs, events, amount):
        best = self.bench.best
        read, scan = best(f"read, {label}", "scan_seconds"), best(f"scan, {label}", "scan_seconds")
        label_jobs = f"{jobs} job" + ("s" if jobs > 1 else "")
        self.add(f"read alone, {label_jobs}", f"{read:.3f} s", f"{rate(amount / read)}, {events / read / jobs:,.0f} events/s/core")
        self.add(f"scan, {label_jobs}", f"{scan:.3f} s", f"{rate(amount / scan)}, {events / scan / jobs:,.0f} events/s/core")
        self.add(f"scan / read, {label_jobs}", f"{scan / read:.2f}", "")
        if f"scan x3, {label}" in self.bench.measured:
            triple = best(f"scan x3, {label}", "scan_seconds")
            self.add(f"scan with x3 rules, {label_jobs}", f"{triple:.3f} s", f"{triple / scan:.2f} times the scan")
        self.add(f"load before the scan, {label_jobs}", f"{best(f'scan, {label}', 'load_seconds'):.3f} s", "")
        self.add(f"peak memory, {label_jobs}", size(self.bench.peak(f"scan, {label}")), "")

    def add(self, *row):
        self.rows.append(row)


def table(rows):
    rows = [("Cost", "Value", ""), *rows]
    widths = [max(len(row[at]) for row in rows) for at in range(3)]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def size(count):
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.2f} GiB"


def rate(count):
    return f"{count / 1e6:,.0f} MB/s"


def machine(bench):
    """What the figures were taken on."""
    version = output([bench.binary, "--version"])
    commit = output(["git", "describe", "--always", "--dirty"])
    return [
        f"{version} ({commit}), best of {bench.options.repeat}; {processor()}, {os.cpu_count()} logical cores, "
        f"{platform.system()} {platform.machine()}{bench.load}",
    ]


def processor():
    try:
        models = re.findall(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        return models[0].strip()
    except (OSError, IndexError):
        return platform.processor() or "unknown processor"


def output(command):
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def record(report, name):
    date = datetime.date.today().isoformat()
    path = ROOT / "bench" / "runs" / f"{date}-{name}.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"# {name}, {date}\n\n{report}\n", encoding="utf-8")
    say(f"written to {path.relative_to(ROOT)}")


def files(places, endings=None):
    """The files at and below places, each with its path from its place on."""
    for place in places:
        found = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
        for path in found:
            if place.is_file() or endings is None or path.suffix.lower() in endings:
                yield path, path.relative_to(place.parent)


def ten_times(places, folder):
    """A folder with every log in it ten times."""
    for number in range(10):
        for at, (path, name) in enumerate(files(places)):
            copy = folder / str(number) / str(at) / name
            copy.parent.mkdir(parents=True)
            try:
                copy.symlink_to(path.resolve())
            except OSError:
                copy.write_bytes(path.read_bytes())
    return folder


# ---- Rules, three times ---------------------------------------------------------------------------------------------

# Parts of values that stay: files would not be called otherwise.
KEPT_WORDS = {"exe", "dll", "windows", "system32"}

# Fields whose values say what an event is. Rules with others would not be looked at, and cost nothing.
KEPT_FIELDS = {"channel", "provider_name", "eventid", "eventtype", "eventsource", "eventname", "source", "type"}

# Modifiers whose values are no text.
KEPT_MODIFIERS = {"cidr", "exists", "expand", "fieldref", "gt", "gte", "lt", "lte", "minute", "hour", "day", "week"}

LINE = re.compile(r"^(?P<indent>\s*)(?P<dash>(?:-\s+)*)(?:(?P<key>[\w.|@{}$-]+|'[^']*'|\"[^\"]*\")\s*:(?=\s|$)\s*)?(?P<value>.*)$")


def tripled(places, folder):
    """A folder with every rule in it, and two copies of it with other names and other texts."""
    for at, (path, _) in enumerate(files(places, {".yml", ".yaml"})):
        text = path.read_text(encoding="utf-8", errors="replace")
        for copy in range(3):
            target = folder / str(copy) / f"{at}-{path.name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(changed(text, copy) if copy else text, encoding="utf-8")
    return folder


def changed(text, copy):
    """The rules of a file with other ids and titles, looking for other texts."""
    lines, detection, keys = [], False, []
    for line in text.splitlines():
        if re.match(r"\S", line) and not line.startswith("#"):
            detection = line.startswith("detection:")
            keys = []
        if re.match(r"id\s*:", line):
            line = f"id: {uuid.uuid5(uuid.NAMESPACE_URL, f'rulestone-bench:{copy}:{line}')}"
        elif re.match(r"title\s*:\s*[^|>\s]", line):
            line = re.sub(r"^(title\s*:\s*)(['\"]?)", rf"\g<1>\g<2>Copy {copy} of ", line)
        elif detection:
            line = changed_line(line, keys, copy)
        lines.append(line)
    return "\n".join(lines) + "\n"


def changed_line(line, keys, copy):
    """A line of a detection; `keys` are those it is inside of, with their indentation."""
    found = LINE.match(line)
    indent = len(found["indent"]) + len(found["dash"])
    if not line.strip() or line.lstrip().startswith("#"):
        return line
    while keys and keys[-1][0] >= indent and (found["key"] or keys[-1][0] > indent or not found["dash"]):
        keys.pop()
    if found["key"]:
        keys.append((indent, found["key"].strip("'\"").lower()))
    value = found["value"]
    name, *modifiers = (keys[-1][1] if keys else "").split("|")
    if not value or name in KEPT_FIELDS or name in ("condition", "timeframe") or KEPT_MODIFIERS & set(modifiers):
        return line
    start = found.start("value")
    if "re" in modifiers:
        return line[:start] + changed_regex(value, copy)
    return line[:start] + changed_value(value, copy)


def changed_value(value, copy):
    """Another text of the same length, with wildcards, escapes and punctuation where they were."""
    if re.match(r"(null|true|false|~|[|>&*!].*)$", value.strip()):
        return value
    by = 7 if copy == 1 else 11

    def other(found):
        word = found[0]
        if word.lower() in KEPT_WORDS:
            return word
        return "".join(turned(c, by) for c in word)

    # What stands behind a backslash may be an escape.
    return re.sub(r"(?<!\\)(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9]*|(?<=\\)[A-Za-z]+[0-9]*",
                  lambda found: found[0] if value.startswith('"') and found.start() and value[found.start() - 1] == "\\"
                  else other(found), value)


def turned(c, by):
    """A letter some places on in the alphabet."""
    if not ("a" <= c.lower() <= "z"):
        return c
    first = ord("a") if c.islower() else ord("A")
    return chr(first + (ord(c) - first + by) % 26)


def changed_regex(value, copy):
    """The same expression with a text behind it that no log has."""
    found = re.match(r"^(\s*)(['\"]?)(.*?)(\2)(\s*(?:#.*)?)$", value)
    if not found or value.lstrip()[:1] in ("|", ">"):
        return value
    space, quote, regex, _, rest = found.groups()
    return f"{space}{quote}(?:{regex})zq{copy}qz{quote}{rest}"


if __name__ == "__main__":
    main()
