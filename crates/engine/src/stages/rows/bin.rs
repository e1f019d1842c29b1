//! `Bin` and `Continue`: numbers and times in bins, and bins that no row is in.
//!
//! A time stays a time. What is no number stays as it is. Where the width is not given, it is the
//! least of a list of widths that are easy to read by which all rows are in no more bins than are
//! allowed: whole seconds, minutes, hours and days for times, else 1, 2 or 5 and zeros.

use std::sync::Arc;

use rulestone_ir::BinBy;
use rulestone_value::{Civil, Time, Value};

use super::values::{float, of_float, ticks};
use super::{BATCH, OfAllRows, OverPane, Refusal, RowWise, Run};
use crate::row::{Names, Slot, Tuple};

const SECOND: i64 = 10_000_000;

/// How wide a bin is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Width {
    Ticks(i64),
    Months(u32),
    Number(f64),
    Log(f64, f64),
}

impl Width {
    fn of(by: BinBy) -> Option<Width> {
        match by {
            BinBy::Span(span) => Some(Width::Ticks(span.ticks())),
            BinBy::Months(months) => Some(Width::Months(months)),
            BinBy::Number(width) => Some(Width::Number(width)),
            BinBy::Log(factor, base) => Some(Width::Log(factor, base)),
            BinBy::Auto(_) => None,
        }
    }

    /// The floor of a value that is no list; the value itself where it has none.
    fn floor(self, value: &Value) -> Value {
        let floor = match (self, value) {
            (Width::Ticks(_) | Width::Months(_), Value::Time(time)) => {
                self.floor_ticks(time.ticks()).map(|ticks| Value::Time(Time::from_ticks(ticks)))
            }
            (Width::Ticks(_) | Width::Months(_), value) => {
                let floor = ticks(value).and_then(|ticks| self.floor_ticks(ticks));
                floor.map(|ticks| of_float(Time::from_ticks(ticks).seconds()))
            }
            (Width::Number(width), value) if width > 0.0 => {
                let floor = float(value).map(|number| (number / width).floor() * width);
                match (value, floor) {
                    (Value::Time(_), Some(seconds)) => {
                        Time::from_fraction(seconds).map(Value::Time)
                    }
                    (_, floor) => floor.map(of_float),
                }
            }
            (Width::Log(factor, base), value) => {
                float(value).and_then(|number| floor_log(number, factor, base)).map(of_float)
            }
            _ => None,
        };
        floor.unwrap_or_else(|| value.clone())
    }

    fn floor_ticks(self, ticks: i64) -> Option<i64> {
        match self {
            Width::Ticks(width) if width > 0 => ticks.checked_sub(ticks.rem_euclid(width)),
            Width::Months(months) if months > 0 => {
                let civil = Time::from_ticks(ticks).civil();
                let month = (civil.year - 1970) * 12 + civil.month - 1;
                first_of_month(month - month.rem_euclid(i64::from(months)))
            }
            _ => None,
        }
    }

    /// The bin behind the one that starts there.
    fn next(self, ticks: i64) -> Option<i64> {
        match self {
            Width::Ticks(width) if width > 0 => ticks.checked_add(width),
            Width::Months(months) if months > 0 => {
                let civil = Time::from_ticks(ticks).civil();
                first_of_month((civil.year - 1970) * 12 + civil.month - 1 + i64::from(months))
            }
            _ => None,
        }
    }
}

/// The first of a month, counted from January 1970.
fn first_of_month(month: i64) -> Option<i64> {
    let (year, month) = (1970 + month.div_euclid(12), month.rem_euclid(12) + 1);
    let civil = Civil { year, month, day: 1, hour: 0, minute: 0, second: 0, ticks: 0 };
    Time::from_civil(civil).map(Time::ticks)
}

/// The greatest `factor * base^k` that is not greater.
fn floor_log(number: f64, factor: f64, base: f64) -> Option<f64> {
    if number <= 0.0 || factor <= 0.0 || base <= 1.0 {
        return (number <= 0.0).then_some(0.0);
    }
    let mut power = ((number / factor).ln() / base.ln()).floor();
    // The logarithm may be off by a little.
    if factor * base.powf(power + 1.0) <= number {
        power += 1.0;
    } else if factor * base.powf(power) > number {
        power -= 1.0;
    }
    Some(factor * base.powf(power))
}

/// Bins whose width is given.
#[derive(Debug)]
pub(super) struct BinStage {
    from: Slot,
    into: Slot,
    width: Width,
}

/// Makes the stage of a bin.
pub(super) fn stage(field: &str, by: BinBy, into: &str, names: &mut Names) -> super::Work {
    let (from, into) = (names.slot(field), names.slot(into));
    match (Width::of(by), by) {
        (Some(width), _) => super::Work::row(BinStage { from, into, width }),
        (None, BinBy::Auto(most)) => super::Work::pane(AutoStage {
            from,
            into,
            most: most.max(1),
            rows: Vec::new(),
            next: 0,
            width: None,
        }),
        (None, _) => super::Work::row(BinStage { from, into, width: Width::Number(1.0) }),
    }
}

impl RowWise for BinStage {
    fn apply(&self, _: &mut Run, mut row: Tuple, out: &mut Vec<Tuple>) -> Result<(), Refusal> {
        put_floor(&mut row, self.from, self.into, self.width);
        out.push(row);
        Ok(())
    }
}

fn put_floor(row: &mut Tuple, from: Slot, into: Slot, width: Width) {
    let floors = row.get(from).elements().iter().map(|element| width.floor(element));
    let floors = Value::list(floors);
    row.set(into, floors);
}

/// Bins of a width that follows from all rows.
#[derive(Debug)]
struct AutoStage {
    from: Slot,
    into: Slot,
    most: u32,
    rows: Vec<Tuple>,
    next: usize,
    width: Option<Width>,
}

impl OverPane for AutoStage {
    fn push(
        &mut self,
        run: &mut Run,
        _: usize,
        row: Tuple,
        _: &mut Vec<Tuple>,
    ) -> Result<(), Refusal> {
        run.memory.hold_row(&row)?;
        self.rows.push(row);
        Ok(())
    }

    fn drain(&mut self, run: &mut Run, out: &mut Vec<Tuple>) -> Result<bool, Refusal> {
        let width = *self.width.get_or_insert_with(|| {
            let values = self.rows.iter().flat_map(|row| row.get(self.from).elements());
            easy_width(values, self.most)
        });
        let until = (self.next + BATCH).min(self.rows.len());
        for row in &mut self.rows[self.next..until] {
            let mut row = std::mem::take(row);
            run.memory.release_row(&row);
            put_floor(&mut row, self.from, self.into, width);
            out.push(row);
        }
        self.next = until;
        Ok(until < self.rows.len())
    }

    fn reset(&mut self) {
        (self.rows, self.next, self.width) = (Vec::new(), 0, None);
    }
}

/// The least width that is easy to read by which values are in at most so many bins.
fn easy_width<'v>(values: impl Iterator<Item = &'v Value>, most: u32) -> Width {
    const TIMES: [i64; 10] = [1, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 86_400];
    let mut range: Option<(f64, f64)> = None;
    let mut times = true;
    for value in values {
        let Some(number) = float(value) else { continue };
        times &= matches!(value, Value::Time(_));
        let (least, greatest) = range.get_or_insert((number, number));
        (*least, *greatest) = (least.min(number), greatest.max(number));
    }
    let Some((least, greatest)) = range else { return Width::Number(1.0) };
    let fits = |width: f64| (greatest / width).floor() - (least / width).floor() < f64::from(most);
    if times {
        let width = TIMES.iter().find(|width| fits(**width as f64));
        return width.map_or(Width::Months(1), |width| Width::Ticks(width * SECOND));
    }
    let start = ((greatest - least) / f64::from(most)).log10().floor();
    let start = if start.is_finite() { start as i32 } else { 0 };
    let widths = (start..start + 4)
        .flat_map(|zeros| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(zeros)));
    Width::Number(widths.into_iter().find(|width| fits(*width)).unwrap_or(1.0))
}

/// Bins that are filled in at most: a step that is too small for its range is refused.
const MOST_GAPS: usize = 1_000_000;

/// Adds rows for the bins that no row is in; rows come out in the order of the bins.
#[derive(Debug)]
pub(super) struct ContinueStage {
    slot: Slot,
    by: BinBy,
}

impl ContinueStage {
    pub(super) fn new(field: &Arc<str>, by: BinBy, names: &mut Names) -> Self {
        ContinueStage { slot: names.slot(field), by }
    }
}

impl OfAllRows for ContinueStage {
    fn work(&mut self, run: &mut Run, mut rows: Vec<Tuple>) -> Result<Vec<Tuple>, Refusal> {
        let values = || rows.iter().flat_map(|row| row.get(self.slot).elements());
        let width = Width::of(self.by).unwrap_or_else(|| match self.by {
            BinBy::Auto(most) => easy_width(values(), most.max(1)),
            _ => Width::Number(1.0),
        });
        let times = values().any(|value| matches!(value, Value::Time(_)));
        let slot = self.slot;
        let mut out: Vec<Tuple> = Vec::new();
        rows.sort_by(|a, b| {
            super::values::order(a.get(slot), b.get(slot), rulestone_ir::Collation::Auto)
        });
        for row in rows {
            if let Some(last) = out.last() {
                let gaps = gaps(last.get(slot), row.get(slot), width, times, MOST_GAPS);
                for value in gaps {
                    let mut gap = Tuple::default();
                    gap.set(slot, value);
                    run.memory.hold_row(&gap)?;
                    out.push(gap);
                }
                if out.len() > MOST_GAPS {
                    return Err(Refusal {
                        code: "state-too-large",
                        message: format!("more than {MOST_GAPS} gaps would be filled"),
                    });
                }
            }
            out.push(row);
        }
        out.reverse();
        Ok(out)
    }
}

/// The bins between two.
fn gaps(from: &Value, to: &Value, width: Width, times: bool, most: usize) -> Vec<Value> {
    let mut out = Vec::new();
    match width {
        Width::Ticks(_) | Width::Months(_) => {
            let (Some(mut at), Some(end)) = (ticks(from), ticks(to)) else { return out };
            while let Some(next) = width.next(at)
                && next < end
                && out.len() <= most
            {
                let time = Time::from_ticks(next);
                out.push(if times { Value::Time(time) } else { of_float(time.seconds()) });
                at = next;
            }
        }
        Width::Number(step) if step > 0.0 => {
            let (Some(start), Some(end)) = (float(from), float(to)) else { return out };
            let mut number = 1.0;
            // Half a step leaves room for what fractions lose.
            while start + number * step < end - step / 2.0 && out.len() <= most {
                out.push(of_float(start + number * step));
                number += 1.0;
            }
        }
        _ => {}
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rulestone_ir::{BinBy, Duration, RowStage};

    use crate::stages::rows::notation::check;

    fn bin(by: BinBy) -> RowStage {
        RowStage::Bin { field: Arc::from("a"), by, into: Arc::from("b") }
    }

    #[test]
    fn the_floor() {
        let minute = BinBy::Span(Duration::from_seconds(60));
        for (by, input, expected) in [
            (minute, "a=@119.5", "a=@119.5 b=@60"),
            (minute, "a=@-1", "a=@-1 b=@-60"),
            (minute, "a=119.5", "a=119.5 b=60"),
            (minute, "a=[@61,x]", "a=[@61,x] b=[@60,x]"),
            (minute, "b=1", "-"),
            (BinBy::Months(1), "a=@5000000", "a=@5000000 b=@2678400"),
            (BinBy::Months(12), "a=@-1", "a=@-1 b=@-31536000"),
            (BinBy::Number(10.0), "a=[19,-1,'7.5',x]", "a=[19,-1,'7.5',x] b=[10,-10,0,x]"),
            (BinBy::Number(0.0), "a=5", "a=5 b=5"),
            (BinBy::Number(300.0), "a=@700", "a=@700 b=@600"),
            (BinBy::Log(1.0, 10.0), "a=[1000,999,0,-3]", "a=[1000,999,0,-3] b=[1000,100,0,0]"),
        ] {
            check(bin(by), input, expected);
        }
    }

    #[test]
    fn a_width_that_is_easy_to_read() {
        for (most, input, expected) in [
            (3, "a=@0\na=@59\na=@119", "a=@0 b=@0\na=@59 b=@0\na=@119 b=@60"),
            (100, "a=@0\na=@59", "a=@0 b=@0\na=@59 b=@59"),
            (2, "a=0\na=19\na=x", "a=0 b=0\na=19 b=10\na=x b=x"),
            (10, "a=7", "a=7 b=7"),
            (10, "c=7", "c=7"),
        ] {
            check(bin(BinBy::Auto(most)), input, expected);
        }
    }

    #[test]
    fn gaps_are_filled() {
        let fill = |by| RowStage::Continue { field: Arc::from("a"), by };
        let minute = BinBy::Span(Duration::from_seconds(60));
        for (by, input, expected) in [
            (minute, "a=@180 n=2\na=@0 n=1", "a=@0 n=1\na=@60\na=@120\na=@180 n=2"),
            (minute, "a=@0 n=1\na=@0 n=2\na=@60\nb=1", "a=@0 n=1\na=@0 n=2\na=@60\nb=1"),
            (BinBy::Number(0.1), "a=0.3\na=0", "a=0\na=0.1\na=0.2\na=0.3"),
            (BinBy::Number(5.0), "", ""),
        ] {
            check(fill(by), input, expected);
        }
    }
}
