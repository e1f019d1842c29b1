//! JSON: one document, written as the alerts come.

use std::io::{self, Write};

use super::{Renderer, no_place};
use crate::{Alert, QuietAlert, Report};

pub(super) struct Json<'w> {
    out: Box<dyn Write + 'w>,
    /// What stands between the alerts.
    separator: &'static [u8],
}

impl<'w> Json<'w> {
    pub(super) fn new(out: Box<dyn Write + 'w>) -> Self {
        Json { out, separator: b"\n" }
    }
}

impl Renderer for Json<'_> {
    fn begin(&mut self) -> io::Result<()> {
        self.out.write_all(b"{\"alerts\":[")
    }

    fn alert(&mut self, alert: &Alert) -> io::Result<()> {
        self.out.write_all(self.separator)?;
        self.separator = b",\n";
        self.out.write_all(&serde_json::to_vec(alert)?)
    }

    fn quiet(&mut self, _: &QuietAlert<'_>) -> io::Result<()> {
        Err(no_place())
    }

    fn end(&mut self, report: &Report) -> io::Result<()> {
        self.out.write_all(b"\n],\"summary\":")?;
        self.out.write_all(&serde_json::to_vec(report)?)?;
        self.out.write_all(b"}\n")?;
        self.out.flush()
    }
}
