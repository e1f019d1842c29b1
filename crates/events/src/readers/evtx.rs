//! Windows event logs, read with the `evtx` crate.
//!
//! The file header is not trusted for the number of chunks, nor a record header for the time:
//! chunks are looked for to the end of the file and the time is the one inside the event. Stale
//! records in the slack of a chunk are left alone.

use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use evtx::{EvtxChunkData, EvtxParser, ParserSettings};

use super::LogError;
use super::records::{Layout, Records, spare_buffer};
use crate::Tally;

/// Chunks of 64 KiB that make a unit.
const CHUNKS: usize = 8;

const CHUNK_BYTES: u64 = 64 << 10;

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
        Ok(EvtxLog { chunks: Box::new(parser.into_chunks()), settings: settings() })
    }

    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Result<Self, LogError> {
        let parser = EvtxParser::from_read_seek(Cursor::new(bytes)).map_err(broken)?;
        Ok(EvtxLog { chunks: Box::new(parser.into_chunks()), settings: settings() })
    }

    pub(crate) fn next_unit(&mut self) -> Option<EvtxUnit> {
        let chunks: Vec<Chunk> = self.chunks.by_ref().take(CHUNKS).collect();
        let settings = self.settings.clone();
        (!chunks.is_empty()).then_some(EvtxUnit { chunks, settings })
    }
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
