//! Windows event logs, read with the `evtx` crate.
//!
//! The file header is not trusted for the number of chunks, nor a record header for the time:
//! chunks are looked for to the end of the file and the time is the one inside the event. Stale
//! records in the slack of a chunk are left alone.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use evtx::{EvtxChunkData, EvtxParser, ParserSettings};

use super::LogError;
use super::records::{Layout, Records, spare_buffer};
use crate::Tally;

/// Chunks of 64 KiB that make a unit.
const CHUNKS: usize = 8;

const CHUNK_BYTES: u64 = 64 << 10;

/// The header of a file, before its first chunk.
const HEADER_BYTES: u64 = 4096;

type Chunk = evtx::err::Result<EvtxChunkData>;

pub(crate) struct EvtxLog {
    chunks: Box<dyn Iterator<Item = Chunk> + Send>,
    settings: Arc<ParserSettings>,
}

pub(crate) struct EvtxUnit {
    chunks: Vec<Chunk>,
    settings: Arc<ParserSettings>,
}

impl EvtxLog {
    pub(crate) fn from_path(path: &Path) -> Result<Self, LogError> {
        let parser = EvtxParser::from_path(path).map_err(broken)?;
        let tail = cut_chunk(&mut File::open(path)?)?;
        let chunks = Box::new(parser.into_chunks().chain(tail.map(Ok)));
        Ok(EvtxLog { chunks, settings: settings() })
    }

    pub(crate) fn from_seekable(
        mut file: impl Read + Seek + Send + 'static,
    ) -> Result<Self, LogError> {
        let tail = cut_chunk(&mut file)?;
        file.seek(SeekFrom::Start(0))?;
        let parser = EvtxParser::from_read_seek(file).map_err(broken)?;
        let chunks = Box::new(parser.into_chunks().chain(tail.map(Ok)));
        Ok(EvtxLog { chunks, settings: settings() })
    }

    pub(crate) fn next_unit(&mut self) -> Option<EvtxUnit> {
        let chunks: Vec<Chunk> = self.chunks.by_ref().take(CHUNKS).collect();
        let settings = self.settings.clone();
        (!chunks.is_empty()).then_some(EvtxUnit { chunks, settings })
    }
}

/// The chunk that a file which was cut off ends in, made whole with zeros: it gives the records
/// that are there, and an error for the one that the cut goes through.
fn cut_chunk(file: &mut (impl Read + Seek)) -> std::io::Result<Option<EvtxChunkData>> {
    let length = file.seek(SeekFrom::End(0))?;
    let there = length.saturating_sub(HEADER_BYTES) % CHUNK_BYTES;
    file.seek(SeekFrom::Start(length - there))?;
    let mut data = Vec::with_capacity(CHUNK_BYTES as usize);
    file.take(there).read_to_end(&mut data)?;
    if !data.starts_with(b"ElfChnk\0") {
        return Ok(None);
    }
    data.resize(CHUNK_BYTES as usize, 0);
    Ok(EvtxChunkData::new(data, false).ok())
}

fn settings() -> Arc<ParserSettings> {
    Arc::new(ParserSettings::new().indent(false))
}

fn broken(error: evtx::err::EvtxError) -> LogError {
    LogError::Evtx(error.to_string())
}

impl EvtxUnit {
    pub(crate) fn into_records(self, log: &Arc<str>) -> Records {
        let mut tally = Tally::default();
        let mut bytes = spare_buffer();
        let mut records = Vec::new();
        let source_bytes = self.chunks.len() as u64 * CHUNK_BYTES;
        for chunk in self.chunks {
            let mut chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => {
                    tally.skip("EVTX chunk that cannot be read", place(log, &error), CHUNK_BYTES);
                    continue;
                }
            };
            // A chunk of the parser's own has a number.
            if chunk.number.is_none() {
                tally.skip("EVTX file cut off inside a chunk", log.to_string(), 0);
            }
            let mut chunk = match chunk.parse(self.settings.clone()) {
                Ok(chunk) => chunk,
                Err(error) => {
                    tally.skip("EVTX chunk that cannot be read", place(log, &error), CHUNK_BYTES);
                    continue;
                }
            };
            for record in chunk.iter() {
                match record.and_then(evtx::EvtxRecord::into_json_bytes) {
                    Ok(record) => {
                        let start = bytes.len();
                        bytes.extend_from_slice(&record.data);
                        records.push((record.event_record_id, start..bytes.len()));
                    }
                    Err(error) => {
                        tally.skip("EVTX record that cannot be read", place(log, &error), 0);
                    }
                }
            }
        }
        Records {
            bytes,
            layout: Layout::Cut(records),
            source_bytes,
            skipped: tally.skipped,
            log: log.clone(),
        }
    }
}

fn place(log: &str, error: &dyn std::fmt::Display) -> String {
    format!("{log}: {error}")
}
