//! Any bytes as a Windows event log. libFuzzer would seldom find the frame by itself, so it is put
//! around the bytes: the header of a file, and chunks of full length.

use rulestone_events::{Ingest, Settings};

use super::logs::read;

const HEADER: usize = 4096;
const CHUNK: usize = 64 << 10;

/// Any bytes as the chunks of an EVTX file, and behind the magic of one.
pub fn evtx_reader(bytes: &[u8]) {
    read(&[b"ElfFile\0", bytes].concat(), &mut Ingest::new(Settings::default()));
    read(&framed(bytes), &mut Ingest::new(Settings::default()));
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    let chunks = bytes.len().div_ceil(CHUNK);
    let mut file = b"ElfFile\0".to_vec();
    let last = (chunks as u64).saturating_sub(1);
    for number in [0, last, 2] {
        file.extend(u64::to_le_bytes(number));
    }
    file.extend(u32::to_le_bytes(128));
    // Minor and major version, the size of this block, the number of chunks.
    for number in [1, 3, HEADER as u16, chunks as u16] {
        file.extend(u16::to_le_bytes(number));
    }
    file.resize(HEADER, 0);
    file.extend(bytes);
    file.resize(HEADER + chunks * CHUNK, 0);
    file
}
