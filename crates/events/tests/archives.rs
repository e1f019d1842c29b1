//! Archives: which members are read under which names, and what is said about the others.

use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use rulestone_events::{Fields, Ingest, Log, LogError, Settings, Tally};
use zip::write::SimpleFileOptions;

/// What a log gave: values of `a` by log and record, ends of logs, and what was passed over.
#[derive(Debug, Default, PartialEq)]
struct Given {
    /// `LOG RECORD VALUE`
    values: Vec<String>,
    /// `LOG` or `LOG: REASON`
    ended: Vec<String>,
    /// `REASON: PLACES`
    skipped: Vec<String>,
    failure: Option<String>,
}

fn drain(mut log: Log) -> Given {
    let (mut given, mut tally) = (Given::default(), Tally::default());
    let mut ingest = Ingest::new(Settings::default());
    loop {
        let unit = log.next_unit();
        let members = log.take_members();
        tally.add(members.tally);
        given.ended.extend(members.ended.into_iter().map(|(log, end)| match end {
            Ok(()) => log.to_string(),
            Err(error) => format!("{log}: {error}"),
        }));
        let Some(unit) = unit else { break };
        let name = unit.place.log.clone();
        tally.add(ingest.read(unit.into_records(), &Fields::All, |batch| {
            for event in batch.rows.iter().map(|row| batch.event(row)) {
                let value = event.get("a").text().unwrap_or_default().into_owned();
                given.values.push(format!("{name} {} {value}", event.record));
            }
        }));
    }
    let skipped = tally.skipped.into_iter();
    given.skipped =
        skipped.map(|(why, what)| format!("{why}: {}", what.places.join(" "))).collect();
    given.failure = log.failure().map(str::to_owned);
    given
}

fn open(bytes: &[u8]) -> Result<Log, LogError> {
    Log::from_reader(Cursor::new(bytes.to_vec()), Arc::from("x"))
}

fn read(bytes: &[u8]) -> Given {
    drain(open(bytes).expect("an archive"))
}

/// Reads a file as well as a stream of the same bytes: they have to agree.
fn read_both_ways(bytes: &[u8]) -> Given {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("archive");
    std::fs::write(&path, bytes).expect("room for an archive");
    let of_file = drain(Log::open(&path, Arc::from("x")).expect("an archive"));
    assert_eq!(of_file, read(bytes));
    of_file
}

type Files<'f> = [(&'f str, &'f [u8])];

fn zip_with(files: &Files<'_>, options: SimpleFileOptions) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        if name.ends_with('/') {
            writer.add_directory(*name, options).expect("a folder");
            continue;
        }
        writer.start_file(*name, options).expect("a member");
        writer.write_all(bytes).expect("room in memory");
    }
    writer.finish().expect("a zip").into_inner()
}

fn deflated() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated)
}

fn stored() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored)
}

fn zip(files: &Files<'_>) -> Vec<u8> {
    zip_with(files, deflated())
}

fn tar(files: &Files<'_>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        if name.ends_with('/') {
            header.set_entry_type(tar::EntryType::Directory);
        }
        builder.append_data(&mut header, name, *bytes).expect("room in memory");
    }
    builder.into_inner().expect("room in memory")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("room in memory");
    encoder.finish().expect("room in memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).expect("room in memory")
}

const ONE: &[u8] = b"{\"a\":1}\n";
const TWO: &[u8] = b"{\"a\":2}\n{\"a\":3}\n";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and more";
const FORK: &[u8] = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X";

/// Files of every sort there may be in an archive.
const FILES: &Files<'_> = &[
    ("logs/", b""),
    ("logs/one.json", ONE),
    ("__MACOSX/logs/._one.json", FORK),
    ("._two.json", FORK),
    ("._not-a-fork.json", ONE),
    ("picture.png", PNG),
    ("empty", b""),
    ("two.json", TWO),
];

fn of_files() -> Given {
    let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Given {
        values: list(&[
            "x!logs/one.json 1 1",
            "x!._not-a-fork.json 1 1",
            "x!two.json 1 2",
            "x!two.json 2 3",
        ]),
        ended: list(&[
            "x!logs/one.json",
            "x!._not-a-fork.json",
            "x!picture.png: not read: PNG image",
            "x!empty",
            "x!two.json",
        ]),
        skipped: list(&["macOS resource fork in an archive: \
                         x!__MACOSX/logs/._one.json x!._two.json"]),
        failure: None,
    }
}

#[test]
fn members_are_logs_of_their_own() {
    let cases = [
        ("zip", zip(FILES)),
        ("zip, stored", zip_with(FILES, stored())),
        ("zip, large", zip_with(FILES, deflated().large_file(true))),
        ("zip behind something else", [b"PK\x03\x04".to_vec(), zip(FILES)].concat()),
        ("tar", tar(FILES)),
        ("tar.gz", gzip(&tar(FILES))),
        ("tar.zst", zstd(&tar(FILES))),
        ("tar.gz.zst", zstd(&gzip(&tar(FILES)))),
        ("two tars in one", [tar(&FILES[..3]), tar(&FILES[3..])].concat()),
        ("tar without its end", tar(FILES)[..tar(FILES).len() - 1024].to_vec()),
    ];
    for (what, bytes) in cases {
        assert_eq!(read_both_ways(&bytes), of_files(), "{what}");
    }
}

#[test]
fn archives_and_compressed_files_may_be_inside_one_another() {
    let inner = tar(&[("c.json", ONE), ("d.json.gz", &gzip(TWO))]);
    let outer = zip(&[("b.tar.gz", &gzip(&inner)), ("e.zip", &zip(&[("f.json", ONE)]))]);
    let given = read_both_ways(&outer);
    let values = [
        "x!b.tar.gz!c.json 1 1",
        "x!b.tar.gz!d.json.gz 1 2",
        "x!b.tar.gz!d.json.gz 2 3",
        "x!e.zip!f.json 1 1",
    ];
    assert_eq!(given.values, values);
    assert_eq!(given.ended, ["x!b.tar.gz!c.json", "x!b.tar.gz!d.json.gz", "x!e.zip!f.json"]);
    assert_eq!(given.failure, None);

    for (what, bytes) in [("gzip", gzip(ONE)), ("zstd", zstd(ONE)), ("both", gzip(&zstd(ONE)))] {
        let given = read_both_ways(&bytes);
        assert_eq!((given.values, given.ended.len()), (vec!["x 1 1".to_owned()], 0), "{what}");
    }
}

#[test]
fn nesting_has_an_end() {
    let nest = |levels: usize| (0..levels).fold(ONE.to_vec(), |file, _| zip(&[("n", &file)]));
    assert_eq!(read(&nest(4)).values, ["x!n!n!n!n 1 1"]);
    let given = read(&nest(5));
    assert_eq!(given.ended, ["x!n!n!n!n: not read: archive inside four others"]);
    let pack = |levels: usize| (0..levels).fold(ONE.to_vec(), |file, _| gzip(&file));
    assert_eq!(read(&pack(4)).values, ["x 1 1"]);
    let error = open(&pack(5)).err().expect("too deep").to_string();
    assert_eq!(error, "not read: compressed file inside four others");
}

#[test]
fn members_that_cannot_be_unpacked_are_refused_by_name() {
    let good = zip_with(&[("n", ONE), ("o", TWO)], stored());
    // What is changed in the first entry of the directory: flags at 8, method at 10.
    let cases = [
        (8, 1, "encrypted zip member"),
        (10, 9, "zip member compressed with deflate64"),
        (10, 12, "zip member compressed with bzip2"),
        (10, 77, "zip member compressed in an unknown way"),
    ];
    for (at, value, reason) in cases {
        let mut bytes = good.clone();
        let entry = memchr::memmem::find(&bytes, b"PK\x01\x02").expect("a directory");
        bytes[entry + at] = value;
        let given = read(&bytes);
        assert_eq!(given.ended, [&format!("x!n: not read: {reason}"), "x!o"]);
        assert_eq!(given.values, ["x!o 1 2", "x!o 2 3"]);
    }
}

#[test]
fn zstd_in_a_zip() {
    let packed = zstd(ONE);
    let mut bytes = zip_with(&[("n", &packed)], stored());
    let entry = memchr::memmem::find(&bytes, b"PK\x01\x02").expect("a directory");
    bytes[entry + 10] = 93;
    bytes[entry + 24] = ONE.len() as u8;
    let mut sum = flate2::Crc::new();
    sum.update(ONE);
    bytes[entry + 16..entry + 20].copy_from_slice(&sum.sum().to_le_bytes());
    let given = read(&bytes);
    assert_eq!((given.values, given.ended), (vec!["x!n 1 1".to_owned()], vec!["x!n".to_owned()]));
}

#[test]
fn what_is_damaged_gives_what_is_left_and_says_so() {
    let files: &Files<'_> = &[("one", ONE), ("two", TWO), ("three", ONE)];
    let (zipped, tarred) = (zip(files), tar(files));
    let packed = gzip(&tarred);
    let directory = memchr::memmem::find(&zipped, b"PK\x01\x02").expect("a directory");
    let second = memchr::memmem::find(&zipped[1..], b"PK\x03\x04").expect("a header") + 1;
    let changed = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 0x55;
        bytes
    };
    let all = ["x!one 1 1", "x!two 1 2", "x!two 2 3", "x!three 1 1"];
    let ends = [all[0], all[3]];
    let cases: Vec<(&str, Vec<u8>, &[&str], &str)> = vec![
        ("a zip without a directory", zipped[..directory].to_vec(), &all, "without a directory"),
        ("a zip cut off", zipped[..second + 20].to_vec(), &all[..1], "without a directory"),
        (
            "a zip with a broken directory",
            changed(&zipped, directory + 1),
            &all,
            "without a directory",
        ),
        ("a broken header", changed(&zipped, second), &ends, "x!two: damaged: the arch"),
        (
            "a wrong checksum",
            changed(&zipped, directory + 16),
            &all,
            "x!one: damaged: its checksum (CRC) is another",
        ),
        ("a tar cut off in a member", tarred[..1024 + 512 + 8].to_vec(), &all[..2], "is cut off"),
        ("a tar cut off in a header", tarred[..1024 + 40].to_vec(), &all[..1], "inside a header"),
        (
            "a broken tar header",
            changed(&tarred, 1024),
            &ends,
            "damaged tar archive: members behind a broken header",
        ),
        ("a gzip cut off", packed[..packed.len() - 12].to_vec(), &all, "tar archive: "),
    ];
    for (what, bytes, values, said) in cases {
        let given = read_both_ways(&bytes);
        assert_eq!(given.values, values, "{what}");
        let all = [given.ended.join("\n"), given.failure.unwrap_or_default()].join("\n");
        assert!(all.contains(said), "{what}: {all}");
        assert_ne!(all.trim(), "", "{what}");
    }
}

#[test]
fn a_streamed_zip_without_a_directory_is_read_by_its_headers() {
    let mut writer = zip::ZipWriter::new_stream(Vec::new());
    for (name, bytes) in [("one", ONE), ("two", TWO)] {
        writer.start_file(name, deflated()).expect("a member");
        writer.write_all(bytes).expect("room in memory");
    }
    let bytes = writer.finish().expect("a zip").into_inner();
    assert_eq!(read(&bytes).failure, None);
    let directory = memchr::memmem::find(&bytes, b"PK\x01\x02").expect("a directory");
    let given = read(&bytes[..directory]);
    assert_eq!(given.values, ["x!one 1 1", "x!two 1 2", "x!two 2 3"]);
    assert_eq!(given.ended, ["x!one", "x!two"]);
    assert!(given.failure.is_some());
}

#[test]
fn members_that_overlap_end_the_archive() {
    let mut bytes = zip_with(&[("a", ONE), ("b", &[b' '; 3000]), ("c", ONE)], stored());
    let big = bytes.len() - 60;
    // Every entry of the directory says that its member is as long as the archive.
    let entries: Vec<usize> = memchr::memmem::find_iter(&bytes, b"PK\x01\x02").collect();
    for entry in entries {
        bytes[entry + 20..entry + 24].copy_from_slice(&(big as u32).to_le_bytes());
    }
    let failure = read(&bytes).failure.unwrap_or_default();
    assert!(failure.contains("members overlap"), "{failure}");
}

#[test]
fn long_names_and_links_of_tar() {
    let long = format!("{}/one.json", "folder".repeat(40));
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(ONE.len() as u64);
    builder.append_data(&mut header, &long, ONE).expect("a member");
    let mut link = tar::Header::new_gnu();
    link.set_size(0);
    link.set_entry_type(tar::EntryType::Symlink);
    builder.append_link(&mut link, "link", "one.json").expect("a link");
    let pax = "31 path=a name out of pax.json\n";
    let mut extension = tar::Header::new_ustar();
    extension.set_size(pax.len() as u64);
    extension.set_entry_type(tar::EntryType::XHeader);
    extension.set_cksum();
    builder.append(&extension, pax.as_bytes()).expect("a header");
    let mut header = tar::Header::new_ustar();
    header.set_size(ONE.len() as u64);
    header.set_path("short").expect("a name");
    header.set_cksum();
    builder.append(&header, ONE).expect("a member");
    let given = read_both_ways(&builder.into_inner().expect("a tar"));
    assert_eq!(given.ended, [format!("x!{long}"), "x!a name out of pax.json".to_owned()]);
    assert_eq!(given.values.len(), 2);
    assert_eq!(given.skipped, ["link in an archive: x!link"]);
}

#[test]
fn names_do_not_steer_terminals() {
    let given = read(&zip(&[("\u{1b}[31mred\n.json", ONE)]));
    assert_eq!(given.ended, ["x!\u{fffd}[31mred\u{fffd}.json"]);
}

/// Bytes nobody chose, the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[test]
fn a_thousand_broken_archives() {
    let inner = zip(FILES);
    let files: Vec<(&str, &[u8])> = FILES.iter().copied().chain([("inner.zip", &*inner)]).collect();
    let seeds = [
        zip(&files),
        zip_with(&files, stored().large_file(true)),
        tar(&files),
        gzip(&tar(&files)),
        zstd(&tar(&files)),
    ];
    let mut dice = Dice(88_172_645_463_325_252);
    let mut events = 0;
    for round in 0..1000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..=dice.below(4) {
            let at = dice.below(bytes.len());
            match dice.below(5) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes[at] ^= 1 << dice.below(8),
                // Sizes and places that lie.
                2 => bytes[at..].iter_mut().take(4).for_each(|byte| *byte = 0xff),
                3 => bytes[at..].iter_mut().take(8).for_each(|byte| *byte = 0),
                _ => {
                    let (from, length) = (dice.below(bytes.len()), dice.below(200));
                    let piece: Vec<u8> = bytes[from..].iter().take(length).copied().collect();
                    bytes.splice(at..at, piece);
                }
            }
        }
        if let Ok(log) = open(&bytes) {
            let given = drain(log);
            events += given.values.len();
            assert!(given.values.len() < 1000, "an archive of some events gives thousands");
        }
    }
    assert!(events > 1000, "what is not broken is read: {events}");
}

#[test]
fn archives_of_the_corpora_hold_what_their_members_hold() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/events");
    if !corpora.is_dir() {
        println!("skipped: ../shared/corpora is not there");
        return;
    }
    let (files, _) = rulestone_events::find_logs(&corpora);
    let is_archive =
        |path: &&std::path::PathBuf| path.extension().is_some_and(|extension| extension == "zip");
    let (mut archives, mut compared) = (0, 0);
    for path in files.iter().filter(is_archive) {
        // Larger ones take long without optimisation.
        if std::fs::metadata(path).is_ok_and(|data| data.len() > 400_000) {
            continue;
        }
        archives += 1;
        let file = std::fs::File::open(path).expect("an archive");
        let mut archive = zip::ZipArchive::new(file).expect("an archive");
        let mut expected = Vec::new();
        for at in 0..archive.len() {
            let mut member = archive.by_index(at).expect("a member");
            let name = member.name().expect("a name").into_owned();
            let mut bytes = Vec::new();
            std::io::copy(&mut member, &mut bytes).expect("a member");
            if let Ok(log) = Log::from_reader(Cursor::new(bytes), format!("x!{name}").into()) {
                expected.extend(drain(log).values);
            }
        }
        compared += expected.len();
        let given = drain(Log::open(path, Arc::from("x")).expect("an archive"));
        assert!(given.values == expected, "{}", path.display());
    }
    println!("{archives} archives, {compared} events compared");
    assert!(archives > 50 && compared > 10_000);
}
