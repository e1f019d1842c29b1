#!/usr/bin/env python3
"""Holds Sigma rules against what pySigma's Splunk backend makes of them: both must hit the same events.

    bench/converted.py --binary target/release/rulestone --rules SIGMA --folder DIR LOGS...

Needs pysigma, pysigma-backend-splunk and pysigma-pipeline-sysmon in the Python that runs it. Rules about Windows are
converted into DIR/searches, one search a file under the rule's id; those and the rules themselves are run over the
logs. Printed: rules converted and refused (why), hits of each side, and for every rule whose hits differ how many only
one side has, with one event each.
"""

import argparse
import collections
import json
import pathlib
import subprocess


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
        converted[str(rule.id)] = rule.title
        (searches / f"{rule.id}.spl").write_text(search + "\n")
    return converted, refused


def hits(binary, rules, logs):
    command = [binary, "scan", "-q", "-r", str(rules), "--format", "ndjson", *logs]
    found = collections.defaultdict(set)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            alert = json.loads(line)
            if alert.get("kind") != "alert":
                continue
            for evidence in alert["evidence"]:
                found[alert["rule"]["id"]].add((evidence["log"], evidence["record"]))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--rules", required=True, type=pathlib.Path)
    parser.add_argument("--folder", required=True, type=pathlib.Path)
    parser.add_argument("--show", type=int, default=40, help="rules that differ to show")
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
    count = lambda found: sum(len(events) for events in found.values())
    print(f"hits: {count(native)} by Sigma, {count(spl)} as searches")

    differ = []
    for rule in sorted(set(native) | set(spl)):
        ours, theirs = native.get(rule, set()), spl.get(rule, set())
        if ours != theirs:
            differ.append((len(ours ^ theirs), rule, ours - theirs, theirs - ours))
    differ.sort(reverse=True)
    print(f"{len(differ)} rules differ")
    for _, rule, only_native, only_spl in differ[: arguments.show]:
        print(f"  {rule}  {converted.get(rule, '?')}: {len(only_native)} by Sigma alone, {len(only_spl)} as a search alone")
        for word, events in (("sigma", only_native), ("search", only_spl)):
            for log, record in sorted(events)[:1]:
                print(f"      {word}: {log} {record}")


if __name__ == "__main__":
    main()
