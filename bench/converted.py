#!/usr/bin/env python3
"""Holds Sigma rules against what pySigma's Splunk backend makes of them: both must hit the same events.

    bench/converted.py --binary target/release/rulestone --rules SIGMA --folder DIR LOGS...

Needs pysigma, pysigma-backend-splunk and pysigma-pipeline-sysmon in the Python that runs it. Rules about Windows are
converted into DIR/searches, one search a file under the rule's id; those and the rules themselves are run over the
logs. Printed: rules converted and refused (why), hits of each side and of both, and the events that only one side hits
by the class of the difference, with an example of each class. Where a class can be mended in the text of the search,
the searches mended (DIR/mended) are run as well, and it is said how many of the differences are gone then: that is the
proof of the class. Differences of no class are listed by rule, and end it with 1.
"""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys


def convert(rules, searches):
    from sigma.backends.splunk import SplunkBackend
    from sigma.collection import SigmaCollection
    from sigma.pipelines.splunk import splunk_windows_pipeline
    from sigma.pipelines.sysmon import sysmon_pipeline

    searches.mkdir(parents=True, exist_ok=True)
    converted, refused = {}, collections.Counter()
    for path in sorted(rules.rglob("*.yml")):
        try:
            collection = SigmaCollection.from_yaml(path.read_text())
            rule = collection.rules[0] if collection.rules else None
            if rule is None or getattr(rule, "logsource", None) is None or rule.logsource.product != "windows":
                continue
            if str(rule.status) not in ("stable", "test", "experimental"):
                continue
            backend = SplunkBackend(processing_pipeline=sysmon_pipeline() + splunk_windows_pipeline())
            search = backend.convert(collection)[0]
        except Exception as error:  # whatever a converter throws is a rule it does not convert
            refused[f"{type(error).__name__}: {error}"[:100]] += 1
            continue
        converted[str(rule.id)] = (rule.title, rule.logsource.category)
        (searches / f"{rule.id}.spl").write_text(search + "\n")
    return converted, refused


def hits(binary, rules, logs):
    """For every rule the events it hits, as they are in their logs."""
    command = [binary, "scan", "-q", "-r", str(rules), "--format", "ndjson", *logs]
    found = collections.defaultdict(dict)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            alert = json.loads(line)
            if alert.get("kind") != "alert":
                continue
            for evidence in alert["evidence"]:
                found[alert["rule"]["id"]][evidence["log"], evidence["record"]] = evidence.get("event") or {}
    return found


QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
# A backslash before `*` that no other backslash escapes.
ESCAPED_STAR = re.compile(r"(?<!\\)((?:\\\\)*)\\\*")
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


class Difference:
    """An event that only one side hits."""

    def __init__(self, search, category, event, by_search):
        self.search, self.category, self.event, self.by_search = search, category, event, by_search
        named = re.search(r'source="WinEventLog:([^"]*)"', search)
        self.channel = named and named[1].lower()

    def stands_in(self):
        own = self.event.get("channel", "").lower()
        return not self.by_search and self.category and own != self.channel and own == "security"

    def escaped(self):
        if self.by_search:
            return False
        values = " ".join(value for value in self.event.values() if isinstance(value, str))
        asked = re.sub(r"\(\?<\w+>", "", " ".join(QUOTED.findall(self.search)))
        # A script of several events matches as a whole; what it matched may be in another event than this one.
        in_pieces = self.event.get("MessageTotal", 1) > 1
        return any(character in asked and (in_pieces or character in values) for character in ENTITIES)

    def blank_in_name(self):
        names = [name.replace(" ", "") for name in self.event if " " in name]
        return any(re.search(rf"\b{re.escape(name)}(=| IN )", self.search) for name in names)

    def not_deleted(self):
        kind = str(self.event.get("EventType"))
        return self.by_search and self.category == "registry_delete" and not kind.startswith("Delete")


def escape(search):
    one = lambda found: found[0] if found[0].startswith("(?<") else ENTITIES[found[0]]
    return QUOTED.sub(lambda quoted: re.sub(r"\(\?<\w+>|[&<>]", one, quoted[0]), search)


# Name, what it means, whether a difference is of the class, and how to mend a search of which it is.
CLASSES = [
    (
        "invalid",
        "the converter wrote `search OR ...`, which is no search",
        lambda d: "| search OR " in d.search,
        None,
    ),
    (
        "no beginning",
        "the search begins with `| rex`, `| regex` or `| where`: there are no rows that it could read",
        lambda d: d.search.lstrip().startswith("|"),
        lambda search: escape("* " + search.lstrip()),
    ),
    (
        "stands in",
        "the rule's log source is also read from Security's events, while the search names Sysmon's fields or channel",
        Difference.stands_in,
        None,
    ),
    (
        "star",
        "`\\*` in a Sigma rule is a star; a search has no way to write one, and takes a backslash and anything",
        lambda d: ESCAPED_STAR.search(d.search),
        lambda search: ESCAPED_STAR.sub(r"\1*", search),
    ),
    (
        "entities",
        "the search asks for `&`, `<` or `>`, while Splunk reads values out of XML with `&amp;`, `&lt;` and `&gt;`",
        Difference.escaped,
        escape,
    ),
    (
        "blank in name",
        "the log's name of a field has a blank, for which Splunk's add-on writes `_` and the converter nothing",
        Difference.blank_in_name,
        lambda search: search.replace("SourceName=", "Source_Name="),
    ),
    (
        "not deleted",
        "rules about deleted registry keys: the search asks for event 12 alone, which also tells of keys created",
        Difference.not_deleted,
        lambda search: search.replace("EventCode=12", "EventCode=12 EventType=Delete*"),
    ),
]
UNEXPLAINED = ("unexplained", "none of these", lambda d: True, None)


def differences(converted, searches, native, spl):
    """For every class its differences: rule, log, record and side."""
    found = collections.defaultdict(list)
    for rule in sorted(set(native) | set(spl)):
        search = (searches / f"{rule}.spl").read_text()
        ours, theirs = native.get(rule, {}), spl.get(rule, {})
        for key in sorted(set(ours) ^ set(theirs)):
            one = Difference(search, converted[rule][1], ours.get(key) or theirs.get(key), key in theirs)
            name = next(c[0] for c in [*CLASSES, UNEXPLAINED] if c[2](one))
            found[name].append((rule, *key, one.by_search))
    return found


def mended(arguments, found, native):
    """For every class that can be mended, how many differences are left when it is."""
    folder = arguments.folder / "mended"
    folder.mkdir(exist_ok=True)
    left = {}
    for name, _, _, mend in CLASSES:
        rules = {rule for rule, *_ in found[name]}
        if mend is None or not rules:
            continue
        for old in folder.iterdir():
            old.unlink()
        for rule in rules:
            text = (arguments.folder / "searches" / f"{rule}.spl").read_text()
            (folder / f"{rule}.spl").write_text(mend(text))
        spl = hits(arguments.binary, folder, arguments.logs)
        keys = [(rule, (log, record)) for rule, log, record, _ in found[name]]
        left[name] = sum((key in spl.get(rule, {})) != (key in native.get(rule, {})) for rule, key in keys)
    return left


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--rules", required=True, type=pathlib.Path)
    parser.add_argument("--folder", required=True, type=pathlib.Path)
    parser.add_argument("logs", nargs="+")
    arguments = parser.parse_args()

    searches = arguments.folder / "searches"
    converted, refused = convert(arguments.rules, searches)
    print(f"{len(converted)} rules converted, {sum(refused.values())} refused by the converter")
    for reason, count in refused.most_common():
        print(f"  {count:4} {reason}")

    native = hits(arguments.binary, arguments.rules, arguments.logs)
    spl = hits(arguments.binary, searches, arguments.logs)
    native = {rule: events for rule, events in native.items() if rule in converted}
    spl = {rule: events for rule, events in spl.items() if rule in converted}
    count = lambda found: sum(len(events) for events in found.values())
    both = sum(len(set(events) & set(spl.get(rule, {}))) for rule, events in native.items())
    print(f"hits: {count(native)} by Sigma, {count(spl)} as searches, {both} by both")
    rules = set(native) | set(spl)
    equal = [rule for rule in rules if set(native.get(rule, {})) == set(spl.get(rule, {}))]
    print(f"rules with hits: {len(rules)}, of which {len(equal)} hit the same events both ways")

    found = differences(converted, searches, native, spl)
    left = mended(arguments, found, native)
    for name, meaning, _, _ in [*CLASSES, UNEXPLAINED]:
        events = found[name]
        alone = sum(by_search for *_, by_search in events)
        print(f"\n{name}: {meaning}")
        print(f"  {len({rule for rule, *_ in events})} rules, {len(events) - alone} hits by Sigma alone, {alone} as a search alone")
        if name in left:
            print(f"  {len(events) - left[name]} of them gone when the search is mended")
        for rule, log, record, by_search in events if name == UNEXPLAINED[0] else events[:1]:
            side = "search" if by_search else "Sigma"
            print(f"  {side} alone: {rule} ({converted[rule][0]}) {log} {record}")
    return 1 if found[UNEXPLAINED[0]] else 0


if __name__ == "__main__":
    sys.exit(main())
