//! NDJSON: the contract, one alert a line.

use std::io::{self, Write};

use serde::Serialize;

use super::Renderer;
use crate::{Alert, QuietAlert, Report};

pub(super) struct Ndjson<'w> {
    out: Box<dyn Write + 'w>,
    line: Vec<u8>,
}

impl<'w> Ndjson<'w> {
    pub(super) fn new(out: Box<dyn Write + 'w>) -> Self {
        Ndjson { out, line: Vec::new() }
    }

    fn write(&mut self, object: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, object)?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }
}

impl Renderer for Ndjson<'_> {
    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn alert(&mut self, alert: &Alert) -> io::Result<()> {
        self.write(alert)
    }

    fn quiet(&mut self, quiet: &QuietAlert<'_>) -> io::Result<()> {
        self.write(quiet)
    }

    /// Every line is an alert, unless it was asked for others: whoever counts lines counts alerts.
    fn end(&mut self, _: &Report) -> io::Result<()> {
        self.out.flush()
    }
}
