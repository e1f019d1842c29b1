//! `Locate`: adds where an address is. What is not known of it leaves its column as it was.

use std::sync::Arc;

use rulestone_value::Value;

use super::values::address;
use super::{Locate, Refusal, RowWise, Run};
use crate::row::{Names, Slot, Tuple};

/// The columns, the first five always.
const NAMES: [&str; 8] =
    ["City", "Country", "Region", "lat", "lon", "Continent", "MetroCode", "Timezone"];

pub(super) struct LocateStage {
    slot: Slot,
    columns: Vec<Slot>,
    locate: Option<Arc<dyn Locate>>,
}

impl std::fmt::Debug for LocateStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocateStage").field("slot", &self.slot).finish_non_exhaustive()
    }
}

impl LocateStage {
    pub(super) fn new(
        field: &str,
        prefix: &str,
        all_fields: bool,
        names: &mut Names,
        locate: Option<Arc<dyn Locate>>,
    ) -> Self {
        let most = if all_fields { NAMES.len() } else { 5 };
        let slot = names.slot(field);
        let columns =
            NAMES[..most].iter().map(|name| names.slot(&format!("{prefix}{name}"))).collect();
        LocateStage { slot, columns, locate }
    }
}

impl RowWise for LocateStage {
    fn apply(&self, _: &mut Run, mut row: Tuple, out: &mut Vec<Tuple>) -> Result<(), Refusal> {
        let address = row.get(self.slot).elements().iter().find_map(address);
        let place = address.zip(self.locate.as_ref()).and_then(|(a, locate)| locate.locate(a));
        if let Some(place) = place {
            let text = |text: Option<String>| text.map_or(Value::Null, Value::String);
            let number = |number: Option<f64>| number.map_or(Value::Null, Value::Float);
            let values = [
                text(place.city),
                text(place.country),
                text(place.region),
                number(place.position.map(|(latitude, _)| latitude)),
                number(place.position.map(|(_, longitude)| longitude)),
                text(place.continent),
                place.metro.map_or(Value::Null, Value::Integer),
                text(place.time_zone),
            ];
            for (slot, value) in self.columns.iter().zip(values) {
                if !value.is_null() {
                    row.set(*slot, value);
                }
            }
        }
        out.push(row);
        Ok(())
    }
}
