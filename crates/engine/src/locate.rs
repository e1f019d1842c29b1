//! Where addresses are, out of a database in MaxMind's format that the user supplies.

use std::net::IpAddr;

use maxminddb::{Reader, geoip2};

pub use crate::stages::rows::{Locate, Place};

/// A database of places.
#[derive(Debug)]
pub struct Places(Reader<Vec<u8>>);

impl Places {
    /// Reads a database; what is wrong with it otherwise.
    pub fn new(bytes: Vec<u8>) -> Result<Places, String> {
        Reader::from_source(bytes).map(Places).map_err(|error| error.to_string())
    }

    /// What the database calls itself: `GeoLite2-City`.
    pub fn kind(&self) -> &str {
        &self.0.metadata().database_type
    }
}

impl Locate for Places {
    fn locate(&self, address: IpAddr) -> Option<Place> {
        let found = self.0.lookup(address).ok()?.decode::<geoip2::City<'_>>().ok()??;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Some(Place {
            city: owned(found.city.names.english),
            country: owned(found.country.names.english),
            region: found.subdivisions.first().and_then(|region| owned(region.names.english)),
            continent: owned(found.continent.names.english),
            time_zone: owned(found.location.time_zone),
            metro: found.location.metro_code.map(i64::from),
            position: found.location.latitude.zip(found.location.longitude),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text, map or number as the format has it.
    fn text(text: &str) -> Vec<u8> {
        let mut out = vec![0x40 | text.len() as u8];
        out.extend(text.as_bytes());
        out
    }

    fn map(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut out = vec![0xe0 | members.len() as u8];
        for (name, value) in members {
            out.extend(text(name));
            out.extend(value);
        }
        out
    }

    fn double(number: f64) -> Vec<u8> {
        [&[0x68][..], &number.to_be_bytes()].concat()
    }

    fn short(number: u16) -> Vec<u8> {
        [&[0xa2][..], &number.to_be_bytes()].concat()
    }

    fn list(elements: &[Vec<u8>]) -> Vec<u8> {
        [&[elements.len() as u8, 4][..], &elements.concat()].concat()
    }

    /// A database of one address: a node for each of its bits.
    fn database(address: [u8; 4], record: &[u8]) -> Vec<u8> {
        let record_at = |number: u32| number.to_be_bytes()[1..].to_vec();
        let mut out = Vec::new();
        for bit in 0..32_u32 {
            let next = if bit == 31 { 32 + 16 } else { bit + 1 };
            let (mut left, mut right) = (next, 32);
            if u32::from_be_bytes(address) >> (31 - bit) & 1 == 1 {
                (left, right) = (right, left);
            }
            out.extend([record_at(left), record_at(right)].concat());
        }
        out.extend([0; 16]);
        out.extend(record);
        out.extend(b"\xab\xcd\xefMaxMind.com");
        out.extend(map(&[
            ("binary_format_major_version", short(2)),
            ("binary_format_minor_version", short(0)),
            ("build_epoch", vec![1, 2, 1]),
            ("database_type", text("Test-City")),
            ("description", map(&[])),
            ("ip_version", short(4)),
            ("languages", list(&[])),
            ("node_count", vec![0xc1, 32]),
            ("record_size", short(24)),
        ]));
        out
    }

    #[test]
    fn what_is_known_of_an_address() {
        let named = |name: &str| map(&[("names", map(&[("en", text(name))]))]);
        let record = map(&[
            ("city", named("Nowhere")),
            ("country", named("Erewhon")),
            ("subdivisions", list(&[named("North"), named("North of it")])),
            ("location", map(&[("latitude", double(1.5)), ("longitude", double(-2.5))])),
        ]);
        let places = Places::new(database([1, 2, 3, 4], &record)).expect("a database");
        assert_eq!(places.kind(), "Test-City");
        let expected = Place {
            city: Some("Nowhere".to_owned()),
            country: Some("Erewhon".to_owned()),
            region: Some("North".to_owned()),
            position: Some((1.5, -2.5)),
            ..Place::default()
        };
        assert_eq!(places.locate(IpAddr::from([1, 2, 3, 4])), Some(expected));
        for other in ["1.2.3.5", "9.9.9.9", "2001:db8::1"] {
            assert_eq!(places.locate(other.parse().expect("an address")), None, "{other}");
        }
    }

    #[test]
    fn no_database() {
        assert!(Places::new(Vec::new()).is_err());
        assert!(Places::new(b"something else".to_vec()).is_err());
    }
}
