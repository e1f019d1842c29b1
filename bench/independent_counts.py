#!/usr/bin/env python3
"""Count the events in log files without using any Rulestone code.

    pip install libevtx-python
    independent_counts.py LOGS... > counts.tsv
    independent_counts.py --compare target/release/rulestone LOGS... > differences.tsv

LOGS are files and directories; directories are walked in sorted order. One
line is printed per file, with these tab-separated columns:

path        the argument joined with the path below it; a member of an archive
            (zip, tar, tar.gz) is `archive!member`, its name kept as stored
format      evtx, json, xml, auditd, wintext, csv or other, told by content; csv by its name
events      evtx: records that libevtx renders as XML
            json: objects (lines, array elements, or simply one after another)
            xml: `<Event>` elements; auditd: `type=… msg=audit(` lines; wintext: `LogName=`
            lines; csv: rows below the first
errors      evtx: records that libevtx lists and cannot render
            json: places where no object could be read
recovered   evtx: records that libevtx finds outside the list, such as slack
chunk_walk  evtx: records found by walk_chunks() below, which shares nothing
            with libevtx and ignores how many chunks the file header claims; it
            leaves a chunk at the first record that is damaged
resync      evtx: the same, but going on at the next whole record of the chunk
notes       anything odd, `; ` between the parts

The three columns before `notes` are `-` for other formats. A gzip file counts as
what is inside. Members of `__MACOSX` folders are left out.

With --compare the events are also counted by kind, and so are those that the given
program reads (`rulestone debug events`, one event a line). Printed are the logs and
kinds whose counts differ, with the columns path, kind, here, there. A kind is channel
and event id for Windows, which libevtx's XML, the XML itself or the usual keys of JSON
say; elsewhere product and dataset. Kinds are compared without case. Totals and what is
left unread stand on standard error; the exit code is 1 if anything differs.
"""

import codecs
import collections
import csv
import gzip
import io
import json
import os
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib

import pyevtx

COLUMNS = ("path", "format", "events", "errors", "recovered", "chunk_walk", "resync", "notes")
JSON_NAMES = (".json", ".jsonl", ".ndjson", ".jsoncls")

EVTX_MAGIC = b"ElfFile\0"
CHUNK_MAGIC = b"ElfChnk\0"
RECORD_MAGIC = b"**\0\0"
FILE_HEADER_SIZE = 4096
CHUNK_SIZE = 65536
CHUNK_HEADER_SIZE = 512
RECORD_MIN_SIZE = 28  # header of 24 bytes and the size again at the end


# EVTX


def count_with_libevtx(path, kinds):
    """Return (events, errors, recovered, notes); adds to the kinds."""
    log = pyevtx.file()
    try:
        log.open(path)
    except OSError as error:
        return 0, 1, 0, [f"libevtx cannot open it: {cause_of(error)}"]
    try:
        notes = ["libevtx says corrupted"] if log.is_corrupted() else []
        events, errors, reason = 0, 0, None
        for index in range(log.get_number_of_records()):
            try:
                record = log.get_record(index)
                record.get_identifier()
                xml = record.get_xml_string()
                if not xml:
                    raise OSError("empty XML")
                kinds[kind_of_xml(xml)] += 1
                events += 1
            except (OSError, MemoryError, ValueError) as error:
                errors += 1
                reason = reason or f"libevtx record {index}: {cause_of(error)}"
        if reason:
            notes.append(reason)
        return events, errors, log.get_number_of_recovered_records(), notes
    finally:
        log.close()


def cause_of(error):
    """The cause in a libevtx message, which is a call stack with the cause first."""
    calls = re.split(r"\.\s+", str(error).strip())
    return next((call for call in calls if not call.startswith("pyevtx_")), calls[0])


def walk_chunks(data):
    """Return (records, records with resync, notes) for the used part of every chunk."""
    notes = []
    (claimed,) = struct.unpack_from("<H", data, 42)
    (flags,) = struct.unpack_from("<I", data, 120)
    (header_crc,) = struct.unpack_from("<I", data, 124)
    if flags & 1:
        notes.append("dirty")
    if zlib.crc32(data[:120]) != header_crc:
        notes.append("file header checksum differs")

    total, resynced, chunks, past_claim, bad_crc = 0, 0, 0, 0, 0
    for number, start in enumerate(range(FILE_HEADER_SIZE, len(data), CHUNK_SIZE)):
        chunk = data[start : start + CHUNK_SIZE]
        if chunk[:8] != CHUNK_MAGIC or len(chunk) < CHUNK_HEADER_SIZE:
            if number < claimed:
                notes.append(f"chunk {number}: no chunk magic")
            elif any(chunk):
                notes.append(f"chunk {number}: neither chunk nor zeros")
            continue
        chunks += 1
        first, last = struct.unpack_from("<QQ", chunk, 8)
        end, crc = struct.unpack_from("<II", chunk, 48)
        bad_crc += zlib.crc32(chunk[CHUNK_HEADER_SIZE:end]) != crc
        if len(chunk) < CHUNK_SIZE:
            notes.append(f"chunk {number}: cut off at {len(chunk)} bytes")
        found, more, problem = walk_records(chunk, min(end, len(chunk)))
        if problem:
            notes.append(f"chunk {number}: {problem}")
        stated = (last - first + 1) & 0xFFFFFFFFFFFFFFFF if found or end > CHUNK_HEADER_SIZE else 0
        if stated != found:
            notes.append(f"chunk {number}: {found} records, its header says {stated}")
        total += found
        resynced += found + more
        if number >= claimed:
            past_claim += found
    if chunks != claimed:
        notes.append(f"{chunks} chunks, header says {claimed}")
    if past_claim:
        notes.append(f"{past_claim} records past the claimed chunks")
    if bad_crc:
        notes.append(f"{bad_crc} chunks whose record checksum differs")
    return total, resynced, notes


def walk_records(chunk, end):
    """Return (records, records behind the first damage, problem) of one chunk used up to `end`."""
    found, more, problem, offset = 0, 0, None, CHUNK_HEADER_SIZE
    while 0 <= offset <= end - RECORD_MIN_SIZE:
        size, damage = record_size(chunk, offset, end)
        if damage:
            problem = problem or damage
            offset = chunk.find(RECORD_MAGIC, offset + 1)
            continue
        if problem:
            more += 1
        else:
            found += 1
        offset += size
    return found, more, problem


def record_size(chunk, offset, end):
    """Return (size, None), or (0, what is wrong)."""
    if chunk[offset : offset + 4] != RECORD_MAGIC:
        return 0, f"no record magic at {offset}, free space at {end}"
    (size,) = struct.unpack_from("<I", chunk, offset + 4)
    if size < RECORD_MIN_SIZE or offset + size > end:
        return 0, f"record of {size} bytes at {offset}, free space at {end}"
    (copy,) = struct.unpack_from("<I", chunk, offset + size - 4)
    if copy != size:
        return 0, f"record at {offset}: size {size}, then {copy}"
    return size, None


def count_evtx(data, path, kinds):
    if len(data) < 128:
        return ("evtx", 0, 1, 0, 0, 0, ["header cut off"])
    if path is None:
        with tempfile.NamedTemporaryFile(suffix=".evtx") as copy:
            copy.write(data)
            copy.flush()
            events, errors, recovered, notes = count_with_libevtx(copy.name, kinds)
    else:
        events, errors, recovered, notes = count_with_libevtx(path, kinds)
    walked, resynced, more = walk_chunks(data)
    return ("evtx", events, errors, recovered, walked, resynced, notes + more)


# JSON


def no_constant(name):
    raise ValueError(f"{name} is not JSON")


DECODER = json.JSONDecoder(parse_constant=no_constant)
SPACE = re.compile(r"[ \t\r\n]*")
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def decode_text(data):
    """Return the text, or None if the bytes cannot be text we know."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    # A byte that is not UTF-8 becomes a lone surrogate, reported below.
    return data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")


def looks_like_json(data, name):
    """The first value must parse, unless the name says JSON."""
    head = data[:64].removeprefix(codecs.BOM_UTF8)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        head = head[2:].replace(b"\0", b"")
    head = head.lstrip(b" \t\r\n")
    if name.endswith(JSON_NAMES):
        return True
    if not head.startswith((b"{", b"[")):
        return False
    text = decode_text(data)
    try:
        DECODER.raw_decode(text, SPACE.match(text).end())
    except (ValueError, RecursionError):
        return False
    return True


def count_json(data, kinds):
    text = decode_text(data)
    notes = []
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        notes.append("utf-16")
    elif data.startswith(codecs.BOM_UTF8):
        notes.append("utf-8 with BOM")
    escaped = len(LONE_SURROGATE.findall(text))
    if escaped:
        notes.append(f"{escaped} bytes that are not UTF-8")
    halves = lone_escapes(text)
    if halves:
        notes.append(f"{halves} \\u escapes of half a surrogate pair")

    events, errors, arrays, offset = 0, 0, 0, 0
    while (offset := SPACE.match(text, offset).end()) < len(text):
        if text[offset] == "[":
            arrays += 1
            found, bad, offset, reason = count_array(text, offset, kinds)
            events, errors = events + found, errors + bad
        else:
            try:
                value, end = DECODER.raw_decode(text, offset)
                if not isinstance(value, dict):
                    raise ValueError(f"not an object at char {offset}")
                kinds[kind_of_json(value)] += 1
                events, offset, reason = events + 1, end, None
            except (ValueError, RecursionError) as error:
                errors += 1
                reason = str(error)
                offset = skip_bad(text, offset, getattr(error, "pos", offset))
        if reason and errors <= 3:
            notes.append(reason)
    if arrays:
        notes.append("array" if arrays == 1 else f"{arrays} arrays")
    return ("json", events, errors, "-", "-", "-", notes)


def skip_bad(text, start, failed_at):
    """Where to go on after a bad value: a bad line costs only that line."""
    line_end = text.find("\n", start)
    if line_end < 0:
        return len(text)
    if failed_at <= line_end:
        return line_end + 1
    # It failed further down, so the object was spread over lines: go to the
    # next line that opens an object in the first column.
    found = re.compile(r"^[{\[]", re.MULTILINE).search(text, line_end + 1)
    return found.start() if found else len(text)


def count_array(text, offset, kinds):
    """Return (objects, errors, offset behind, reason); a bad element ends it."""
    events, errors, reason = 0, 0, None
    offset = SPACE.match(text, offset + 1).end()
    if text[offset : offset + 1] == "]":
        return 0, 0, offset + 1, None
    while True:
        try:
            value, offset = DECODER.raw_decode(text, offset)
        except (ValueError, RecursionError) as error:
            return events, errors + 1, len(text), f"array ends early: {error}"
        if isinstance(value, dict):
            kinds[kind_of_json(value)] += 1
            events += 1
        else:
            errors, reason = errors + 1, "element that is not an object"
        offset = SPACE.match(text, offset).end()
        mark = text[offset : offset + 1]
        if mark == "]":
            return events, errors, offset + 1, reason
        if mark != ",":
            return events, errors + 1, len(text), f"array ends early at char {offset}"
        offset = SPACE.match(text, offset + 1).end()


def lone_escapes(text):
    """Count \\ud800-\\udfff escapes without their other half; Python accepts them."""
    lone, high_end = 0, None
    for match in re.finditer(r"\\\\|\\u([dD][89a-fA-F][0-9a-fA-F]{2})", text):
        if match[1] is None:
            continue
        if int(match[1], 16) < 0xDC00:
            lone += 1
            high_end = match.end()
        elif match.start() == high_end:
            lone -= 1
            high_end = None
        else:
            lone += 1
    return lone


# Text


TEXT_EVENT = re.compile(r"<Event[\s>].*?</Event>", re.DOTALL)
AUDIT_LINE = re.compile(r"^(?:node=\S+ )?type=(\S+) msg=audit\(", re.MULTILINE)
WINDOWS_BLOCK = re.compile(r"^LogName=(.*?)\r?$.*?^EventCode=(\d+)", re.MULTILINE | re.DOTALL)


def count_text(data, name, kinds):
    """Return the columns for XML, auditd, Windows' text, CSV; None if it is none of them."""
    text = decode_text(data)
    head = text[:4096].lstrip()
    if AUDIT_LINE.match(head):
        form, found = "auditd", [f"linux auditd {word}" for word in AUDIT_LINE.findall(text)]
    elif head.startswith("<") or WINDOWS_BLOCK.search(head):
        # Splunk writes some events of a log as XML and others as text.
        form, found = "xml" if head.startswith("<") else "wintext", []
        found += [kind_of_xml(event) for event in TEXT_EVENT.findall(text)]
        found += [" ".join(words) for words in WINDOWS_BLOCK.findall(TEXT_EVENT.sub("", text))]
    elif name.endswith(".csv"):
        rows_of = list(csv.DictReader(io.StringIO(text, newline="")))
        form, found = "csv", [kind_of_json(row) for row in rows_of]
    else:
        return None
    kinds.update(found)
    return (form, len(found), 0, "-", "-", "-", [])


# Kinds


def kind_of_xml(xml):
    """Channel and event id; the provider where there is no channel."""
    def between(pattern):
        found = re.search(pattern, xml)
        return found[1].strip() if found else ""

    channel = between(r"<Channel>([^<]*)</Channel>")
    provider = between(r"<Provider\b[^>]*?\bName=[\"']([^\"']*)")
    return f"{channel or provider} {between(r'<EventID[^>]*>([^<]*)</EventID>')}"


# Where JSON of Windows events has channel and event id.
WINDOWS_KEYS = (
    ("Channel", "EventID"),
    ("winlog.channel", "winlog.event_id"),
    ("log_name", "event_id"),
    ("Event.System.Channel", "Event.System.EventID"),
)

# Keys that others have, and the kind they tell; what is in braces is the value there.
OTHER_KEYS = (
    (("eventVersion", "eventSource", "eventName"), "aws cloudtrail"),
    (("event_simpleName",), "crowdstrike fdr {}"),
    (("event.event_simpleName",), "crowdstrike fdr {}"),
    (("metadata.event_simpleName",), "crowdstrike fdr {}"),
    (("agent.type", "event.dataset", "process.entity_id"), "elastic process"),
    (("RemoteIp", "Direction", "ProcessName", "TenantId"), "azure connections"),
)


def kind_of_json(value):
    for channel, event_id in WINDOWS_KEYS:
        channel, event_id = at(value, channel), at(value, event_id)
        if channel and event_id is not None:
            return f"{channel} {event_id}"
    for keys, kind in OTHER_KEYS:
        values = [at(value, key) for key in keys]
        if None not in values:
            return kind.format(values[0])
    # Sysmon's own properties without the channel: nothing else has these two.
    if "EventId" in value and "UtcTime" in value:
        return f"Microsoft-Windows-Sysmon/Operational {value['EventId']}"
    payload = next((text for text in value.values() if isinstance(text, str) and "<Event" in text[:4096]), None)
    if payload:
        return kind_of_xml(payload)
    return "json"


def at(value, path):
    """What stands at a path of keys; None if nothing does."""
    if path in value:
        return value[path]
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


# Files and archives


def count_bytes(data, name, path, kinds):
    """Return the columns behind the path for one file's content."""
    name = name.lower()
    if data.startswith(b"\x1f\x8b"):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            return ("other", 0, 1, "-", "-", "-", [f"gzip: {error}"])
        name, path = name.removesuffix(".gz"), None
    if data.startswith(EVTX_MAGIC):
        return count_evtx(data, path, kinds)
    if looks_like_json(data, name):
        return count_json(data, kinds)
    return count_text(data, name, kinds) or ("other", 0, 0, "-", "-", "-", [])


def rows(shown, data, name, kinds, path=None):
    """Yield one row, or one row per member if the content is an archive.

    `kinds` has a counter of kinds for each log.
    """
    if data.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for info in sorted(archive.infolist(), key=lambda info: info.filename):
                    if not info.is_dir() and not is_macosx(info.filename):
                        yield from member(shown, info.filename, archive.read, info, kinds)
        except zipfile.BadZipFile as error:
            yield (shown, "other", 0, 1, "-", "-", "-", [f"zip: {error}"])
    elif is_tar(data):
        try:
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                for info in sorted(archive.getmembers(), key=lambda info: info.name):
                    if info.isfile() and not is_macosx(info.name):
                        yield from member(shown, info.name, lambda tar: archive.extractfile(tar).read(), info, kinds)
        except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
            yield (shown, "other", 0, 1, "-", "-", "-", [f"tar: {error}"])
    else:
        yield (shown, *count_bytes(data, name, path, kinds[shown]))


def member(shown, name, read, info, kinds):
    shown = f"{shown}!{name}"
    try:
        data = read(info)
    except (RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        yield (shown, "other", 0, 1, "-", "-", "-", [str(error)])
        return
    yield from rows(shown, data, name, kinds)


def is_macosx(name):
    return "__MACOSX" in re.split(r"[/\\]", name)


def is_tar(data):
    """A tar has `ustar` at 257; behind gzip the first block is enough to tell."""
    if data.startswith(b"\x1f\x8b"):
        try:
            data = gzip.GzipFile(fileobj=io.BytesIO(data)).read(512)
        except (OSError, EOFError, zlib.error):
            return False
    return data[257:262] == b"ustar"


def files_in(argument):
    if not os.path.isdir(argument):
        return [argument]
    return sorted(os.path.join(top, name) for top, _, names in os.walk(argument) for name in names)


# Comparing


EVENT_LINE = re.compile(rb'\{"log":("(?:[^"\\]|\\.)*"),"record":\d+,"time":[^,]*,"kind":("(?:[^"\\]|\\.)*")')


def read_by(program, logs):
    """Return the counter of kinds of each log, as the program reads them."""
    kinds = collections.defaultdict(collections.Counter)
    process = subprocess.Popen([program, "debug", "events", "-q", *logs], stdout=subprocess.PIPE)
    for line in process.stdout:
        found = EVENT_LINE.match(line)
        if not found:
            sys.exit(f"{program} printed a line that is no event: {line[:200]!r}")
        kinds[found[1]][found[2]] += 1
    process.wait()
    return {json.loads(log): {json.loads(kind): n for kind, n in of_log.items()} for log, of_log in kinds.items()}


def scanned_by(program, logs):
    """Return (events by kind, the report) of a scan of all logs at once."""
    command = [program, "scan", "--no-rules", "-q", "--format", "json", *logs]
    report = json.loads(subprocess.run(command, stdout=subprocess.PIPE).stdout)["summary"]
    kinds = collections.Counter()
    for kind in report["events"]["kinds"]:
        kinds[kind["kind"]] += kind["events"]
    return kinds, report


def differences(own, other):
    """Yield (log, kind, here, there) where counts differ, without case of kinds."""
    for log in sorted(own.keys() | other.keys()):
        here, there = folded(own.get(log, {})), folded(other.get(log, {}))
        for kind in sorted(here.keys() | there.keys()):
            if here[kind] != there[kind]:
                yield log, kind, here[kind], there[kind]


def folded(kinds):
    counter = collections.Counter()
    for kind, count in kinds.items():
        counter[kind.casefold()] += count
    return counter


def compare(program, logs):
    own = collections.defaultdict(collections.Counter)
    all_rows = [row for path in logs for row in rows_of_file(path, own)]
    other = read_by(program, logs)
    print("path", "kind", "here", "there", sep="\t")
    found = list(differences(own, other))
    for row in found:
        print(*row, sep="\t")
    total = lambda kinds: sum(sum(of_log.values()) for of_log in kinds.values())
    say(f"{len(all_rows):,} logs in {len(logs):,} files; {total(own):,} events here, {total(other):,} there; "
        f"{len({log for log, *_ in found}):,} logs differ")
    for form, count in sorted(collections.Counter(row[1] for row in all_rows).items()):
        say(f"  {form}: {count:,} logs")
    scanned, report = scanned_by(program, logs)
    by_kind = collections.Counter()
    for of_log in other.values():
        by_kind.update(of_log)
    same = "the same counts by kind" if scanned == by_kind else "OTHER COUNTS BY KIND"
    say(f"scanned at once: {report['events']['read']:,} events, {same}; {report['logs']['read']:,} logs read")
    for skipped in report["events"]["skipped"]:
        say(f"  {skipped['count']:,} records: {skipped['reason']}")
    for failed in report["logs"]["reasons"]:
        say(f"  {failed['logs']:,} logs: {failed['reason']}")
    return int(bool(found) or scanned != by_kind)


def say(text):
    print(text, file=sys.stderr)


def rows_of_file(path, kinds):
    with open(path, "rb") as file:
        data = file.read()
    yield from rows(path, data, os.path.basename(path), kinds, path)


def main(arguments):
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__.strip(), file=sys.stderr)
        return 0 if arguments else 2
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    if arguments[0] == "--compare":
        return compare(arguments[1], [path for argument in arguments[2:] for path in files_in(argument)])
    print(*COLUMNS, sep="\t")
    status = 0
    for argument in arguments:
        for path in files_in(argument):
            try:
                for row in rows_of_file(path, collections.defaultdict(collections.Counter)):
                    cells = [*row[:-1], "; ".join(row[-1])]
                    print(*(re.sub(r"[\t\r\n]+", " ", str(cell)) for cell in cells), sep="\t")
            except OSError as error:
                print(f"{path}: {error}", file=sys.stderr)
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
