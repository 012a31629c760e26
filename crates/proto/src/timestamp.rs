//! Time on the two wires.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

const MILLIS_PER_SECOND: i64 = 1_000;
const NANOS_PER_MILLI: i32 = 1_000_000;

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999Z in milliseconds since the Unix epoch: the
/// range that google.protobuf.Timestamp states.
const RANGE_MILLIS: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// A point in time.
///
/// In protobuf it is `google.protobuf.Timestamp`, byte for byte. In AWS JSON it is a number of
/// seconds since the Unix epoch with milliseconds as the fraction, such as `1699999999.123`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Message)]
pub struct Timestamp {
    /// Whole seconds since the Unix epoch, rounded down.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds after that second, 0 to 999,999,999.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub fn from_millis(millis: i64) -> Self {
        let fraction = i32::try_from(millis.rem_euclid(MILLIS_PER_SECOND)).unwrap_or(0);
        Self {
            seconds: millis.div_euclid(MILLIS_PER_SECOND),
            nanos: fraction * NANOS_PER_MILLI,
        }
    }

    /// Milliseconds since the Unix epoch, rounded down. What does not fit becomes the nearest
    /// `i64`; a message from outside can carry any numbers.
    pub fn millis(&self) -> i64 {
        self.seconds
            .saturating_mul(MILLIS_PER_SECOND)
            .saturating_add(i64::from(self.nanos.div_euclid(NANOS_PER_MILLI)))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = self.millis();
        if millis % MILLIS_PER_SECOND == 0 {
            serializer.serialize_i64(millis / MILLIS_PER_SECOND)
        } else {
            // Exact to the millisecond: within the range of the type a double has the digits.
            serializer.serialize_f64(millis as f64 / MILLIS_PER_SECOND as f64)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_f64(SecondsVisitor)
    }
}

struct SecondsVisitor;

impl Visitor<'_> for SecondsVisitor {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds since 1970, in the years 1 to 9999")
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Timestamp, E> {
        seconds
            .checked_mul(MILLIS_PER_SECOND)
            .filter(|millis| RANGE_MILLIS.contains(millis))
            .map(Timestamp::from_millis)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Signed(seconds), &self))
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Timestamp, E> {
        match i64::try_from(seconds) {
            Ok(seconds) => self.visit_i64(seconds),
            Err(_) => Err(E::invalid_value(de::Unexpected::Unsigned(seconds), &self)),
        }
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Timestamp, E> {
        // The cast saturates, and NaN becomes 0, so both are looked at before it is trusted.
        let millis = (seconds * MILLIS_PER_SECOND as f64).round() as i64;
        if seconds.is_finite() && RANGE_MILLIS.contains(&millis) {
            Ok(Timestamp::from_millis(millis))
        } else {
            Err(E::invalid_value(de::Unexpected::Float(seconds), &self))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use prost::Message as _;

    #[test]
    fn json_is_epoch_seconds_with_milliseconds() {
        for (millis, json) in [
            (0, "0"),
            (1_699_999_999_000, "1699999999"),
            (1_699_999_999_123, "1699999999.123"),
            (1_700_000_000_100, "1700000000.1"),
            (1, "0.001"),
            (-1, "-0.001"),
            (-1_500, "-1.5"),
            (253_402_300_799_999, "253402300799.999"),
        ] {
            let timestamp = Timestamp::from_millis(millis);
            assert_eq!(serde_json::to_string(&timestamp).unwrap(), json);
            assert_eq!(
                serde_json::from_str::<Timestamp>(json).unwrap(),
                timestamp,
                "{json}"
            );
            assert_eq!(timestamp.millis(), millis);
        }
    }

    #[test]
    fn any_way_to_write_the_number_reads_the_same() {
        let expected = Timestamp::from_millis(1_699_999_999_000);
        for json in [
            "1699999999",
            "1699999999.0",
            "1.699999999e9",
            "1699999999.0001",
        ] {
            assert_eq!(
                serde_json::from_str::<Timestamp>(json).unwrap(),
                expected,
                "{json}"
            );
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for json in [
            "\"1699999999\"",
            "true",
            "[1]",
            "{}",
            "1e300",
            "-62135596801",
            "253402300800",
        ] {
            assert!(serde_json::from_str::<Timestamp>(json).is_err(), "{json}");
        }
        let error = serde_json::from_str::<Timestamp>("9223372036854775807").unwrap_err();
        assert!(
            error.to_string().contains("in the years 1 to 9999"),
            "{error}"
        );
    }

    #[test]
    fn protobuf_is_seconds_and_nanoseconds() {
        let timestamp = Timestamp::from_millis(-1);
        assert_eq!(
            timestamp,
            Timestamp {
                seconds: -1,
                nanos: 999_000_000
            }
        );
        assert_eq!(
            Timestamp::decode(timestamp.encode_to_vec().as_slice()).unwrap(),
            timestamp
        );
        // Field 1 varint 3, field 2 varint 1.
        assert_eq!(
            Timestamp {
                seconds: 3,
                nanos: 1
            }
            .encode_to_vec(),
            [0x08, 3, 0x10, 1]
        );
    }

    #[test]
    fn numbers_from_outside_do_not_overflow() {
        assert_eq!(
            Timestamp {
                seconds: i64::MAX,
                nanos: i32::MAX
            }
            .millis(),
            i64::MAX
        );
        assert_eq!(
            Timestamp {
                seconds: i64::MIN,
                nanos: i32::MIN
            }
            .millis(),
            i64::MIN
        );
        let extreme = Timestamp {
            seconds: i64::MIN,
            nanos: i32::MIN,
        };
        assert!(serde_json::to_string(&extreme).is_ok());
    }
}
