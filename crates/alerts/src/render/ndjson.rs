//! NDJSON: the contract, one alert a line.

use std::io::{self, Write};

use super::Renderer;
use crate::{Alert, Report};

pub(super) struct Ndjson<'w> {
    out: Box<dyn Write + 'w>,
    line: Vec<u8>,
}

impl<'w> Ndjson<'w> {
    pub(super) fn new(out: Box<dyn Write + 'w>) -> Self {
        Ndjson { out, line: Vec::new() }
    }
}

impl Renderer for Ndjson<'_> {
    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn alert(&mut self, alert: &Alert) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, alert)?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }

    /// Every line is an alert: whoever counts lines counts alerts.
    fn end(&mut self, _: &Report) -> io::Result<()> {
        self.out.flush()
    }
}
