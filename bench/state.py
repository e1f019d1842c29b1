#!/usr/bin/env python3
"""Measures rules with state: a value_count over many events and groups.

    bench/state.py --binary target/release/rulestone --folder DIR [--events N] [--keys K] [--hours H]

Writes a log of N logons by K hosts over H hours into DIR (kept for the next run), scans it with a correlation that
counts different users of a host in an hour, and prints what it took: events a second, memory, rows sorted and on disk,
findings. The log is the same for the same numbers: nothing is random but by a fixed seed.
"""

import argparse
import json
import pathlib
import random
import subprocess
import sys
import time

RULES = """title: Logon
name: logon
id: bench-logon
logsource: {{product: windows, service: security}}
detection: {{s: {{EventID: 4624}}, condition: s}}
---
title: Many Users On A Host
id: bench-many-users
correlation:
    type: value_count
    rules: [logon]
    group-by: [Computer]
    timespan: 1h
    condition: {{field: TargetUserName, gte: {least}}}
"""


SEARCH = "EventCode=4624 | stats dc(TargetUserName) as users, count by host | where users >= {least}\n"


def write_log(path, events, keys, hours):
    generator = random.Random(4711)
    start, step = 1_704_067_200.0, hours * 3600.0 / events
    with path.open("w", buffering=1 << 20) as out:
        for number in range(events):
            moment = start + number * step
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1e6):06d}Z"
            host, user = generator.randrange(keys), generator.randrange(50_000)
            out.write(
                f'{{"EventID":4624,"Channel":"Security","SourceName":"Microsoft-Windows-Security-Auditing",'
                f'"@timestamp":"{stamp}","Computer":"ws{host:07d}.corp.example","RecordNumber":{number + 1},'
                f'"TargetUserName":"user{user:05d}","LogonType":3}}\n'
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--folder", required=True, type=pathlib.Path)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--least", type=int, default=20, help="different users that make an alert")
    parser.add_argument("--memory", default="1G")
    parser.add_argument("--search", action="store_true", help="count with a search's stats in place of a correlation")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    name = f"logons-{arguments.events}-{arguments.keys}-{arguments.hours:g}h.json"
    log = arguments.folder / name
    if not log.exists():
        write_log(log.with_suffix(".part"), arguments.events, arguments.keys, arguments.hours)
        log.with_suffix(".part").rename(log)
    rules = arguments.folder / ("state.spl" if arguments.search else "state.yml")
    rules.write_text((SEARCH if arguments.search else RULES).format(least=arguments.least))
    command = [arguments.binary, "scan", "--stats", "-q", "-o", "/dev/null", "-f", "ndjson", "-r", str(rules)]
    done = subprocess.run([*command, "--memory", arguments.memory, str(log)], stderr=subprocess.PIPE, text=True)
    stats = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    if not stats:
        sys.exit(done.stderr)
    stats = stats[-1]
    print(json.dumps(stats, indent=2))
    print(f"{stats['events'] / stats['scan_seconds']:,.0f} events/s, {stats['peak_rss_bytes'] / 2**20:,.0f} MiB")


if __name__ == "__main__":
    main()
