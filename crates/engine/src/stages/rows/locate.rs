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

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;

    use rulestone_ir::{Input, RowStage};

    use crate::pipeline::{Pipeline, PipelineSettings};
    use crate::stages::rows::notation::{named, print, rows, rule, settings, tuple};
    use crate::stages::rows::{Locate, Place, Tools};

    struct Known;

    impl Locate for Known {
        fn locate(&self, address: IpAddr) -> Option<Place> {
            (address == IpAddr::from([1, 2, 3, 4])).then(|| Place {
                city: Some("Nowhere".to_owned()),
                position: Some((1.5, -2.5)),
                metro: Some(7),
                ..Place::default()
            })
        }
    }

    #[test]
    fn what_is_known() {
        let input = "ip='1.2.3.4' City=old\nip=[x,'1.2.3.4']\nip='9.9.9.9' City=old\nCity=old";
        for (prefix, all_fields, expected) in [
            (
                "",
                false,
                "ip='1.2.3.4' City=Nowhere lat=1.5 lon=-2.5
                 ip=[x,'1.2.3.4'] City=Nowhere lat=1.5 lon=-2.5
                 ip='9.9.9.9' City=old\nCity=old",
            ),
            (
                "p_",
                true,
                "ip='1.2.3.4' City=old p_City=Nowhere p_lat=1.5 p_lon=-2.5 p_MetroCode=7
                 ip=[x,'1.2.3.4'] p_City=Nowhere p_lat=1.5 p_lon=-2.5 p_MetroCode=7
                 ip='9.9.9.9' City=old\nCity=old",
            ),
        ] {
            let stage =
                RowStage::Locate { field: Arc::from("ip"), prefix: Arc::from(prefix), all_fields };
            let rule = rule(1, vec![(stage, vec![Input::Source(0)])]);
            let tools = Tools { locate: Some(Arc::new(Known)) };
            let mut pipeline = Pipeline::whole(&rule, &PipelineSettings { tools, ..settings() });
            pipeline.begin(None);
            for row in rows(input) {
                let row = tuple(&row, pipeline.names_mut(), 0, 0);
                pipeline.push(0, row).expect("room");
            }
            let result = pipeline.finish().expect("room");
            let result: Vec<_> = result.iter().map(|row| named(row, pipeline.names())).collect();
            assert_eq!(print(&result), print(&rows(expected)), "{prefix}");
        }
    }
}
