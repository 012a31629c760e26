//! CBOR, as RPC v2 carries it: one map, times with tag 1, bytes as bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use longshore_shapes::Shape;
use minicbor::data::{Tag, Type};
use minicbor::{Decoder, Encoder};
use serde_json::{Map, Number, Value};

use super::tree::MAX_DEPTH;
use crate::error::ApiError;

/// Seconds since 1970, RFC 8949, 3.4.2.
const EPOCH: Tag = Tag::new(1);

type Fault = minicbor::decode::Error;

/// Reads an input. No bytes are no members.
///
/// # Errors
/// SerializationException for what is not CBOR, or no map.
pub fn decode(body: &[u8]) -> Result<Value, ApiError> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let mut decoder = Decoder::new(body);
    let value = value(&mut decoder, 0)
        .map_err(|error| ApiError::serialization(format!("The body is not CBOR: {error}.")))?;
    if decoder.position() != body.len() {
        return Err(ApiError::serialization(
            "The body goes on after its CBOR value.",
        ));
    }
    match value {
        Value::Object(_) => Ok(value),
        _ => Err(ApiError::serialization("The body is not a map of members.")),
    }
}

fn value(decoder: &mut Decoder<'_>, depth: usize) -> Result<Value, Fault> {
    if depth > MAX_DEPTH {
        return Err(Fault::message("it nests too deep"));
    }
    let float = |number: f64| match Number::from_f64(number) {
        Some(number) => Ok(Value::Number(number)),
        None => Err(Fault::message("a number is not finite")),
    };
    Ok(match decoder.datatype()? {
        Type::Null | Type::Undefined => {
            decoder.skip()?;
            Value::Null
        }
        Type::Bool => decoder.bool()?.into(),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => decoder.u64()?.into(),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => decoder.i64()?.into(),
        Type::F16 => float(decoder.f16()?.into())?,
        Type::F32 => float(decoder.f32()?.into())?,
        Type::F64 => float(decoder.f64()?)?,
        Type::String | Type::StringIndef => {
            let mut text = String::new();
            for part in decoder.str_iter()? {
                text.push_str(part?);
            }
            text.into()
        }
        Type::Bytes | Type::BytesIndef => {
            let mut bytes = Vec::new();
            for part in decoder.bytes_iter()? {
                bytes.extend_from_slice(part?);
            }
            STANDARD.encode(bytes).into()
        }
        Type::Tag => {
            decoder.tag()?;
            value(decoder, depth + 1)?
        }
        Type::Array | Type::ArrayIndef => {
            let mut items = Vec::new();
            let mut left = decoder.array()?;
            while has_more(decoder, &mut left)? {
                items.push(value(decoder, depth + 1)?);
            }
            items.into()
        }
        Type::Map | Type::MapIndef => {
            let mut members = Map::new();
            let mut left = decoder.map()?;
            while has_more(decoder, &mut left)? {
                let mut name = String::new();
                for part in decoder.str_iter()? {
                    name.push_str(part?);
                }
                let member = value(decoder, depth + 1)?;
                if !member.is_null() {
                    members.insert(name, member);
                }
            }
            members.into()
        }
        other => return Err(Fault::message(format!("{other} stands for nothing here"))),
    })
}

/// Whether another item follows; takes the end of an indefinite one.
fn has_more(decoder: &mut Decoder<'_>, left: &mut Option<u64>) -> Result<bool, Fault> {
    match left {
        Some(0) => Ok(false),
        Some(left) => {
            *left -= 1;
            Ok(true)
        }
        None if decoder.datatype()? == Type::Break => {
            decoder.skip()?;
            Ok(false)
        }
        None => Ok(true),
    }
}

/// Writes an output, with the kinds of its shape where there is one.
pub fn encode(shape: Option<&Shape>, value: &Value) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    // Writing to memory cannot fail.
    let _ = put(&mut encoder, shape, value);
    encoder.into_writer()
}

type Written = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

fn put(encoder: &mut Encoder<Vec<u8>>, shape: Option<&Shape>, value: &Value) -> Written {
    match (shape, value) {
        (Some(Shape::Timestamp(_)), Value::Number(number)) => {
            encoder.tag(EPOCH)?;
            match number.as_i64() {
                Some(whole) => encoder.i64(whole)?,
                None => encoder.f64(number.as_f64().unwrap_or_default())?,
            };
        }
        (Some(Shape::Blob), Value::String(text)) => {
            encoder.bytes(&STANDARD.decode(text).unwrap_or_default())?;
        }
        (Some(Shape::Double), Value::Number(number)) => {
            encoder.f64(number.as_f64().unwrap_or_default())?;
        }
        (_, Value::Null) => {
            encoder.null()?;
        }
        (_, Value::Bool(value)) => {
            encoder.bool(*value)?;
        }
        (_, Value::Number(number)) => {
            match (number.as_i64(), number.as_u64()) {
                (Some(whole), _) => encoder.i64(whole)?,
                (None, Some(whole)) => encoder.u64(whole)?,
                (None, None) => encoder.f64(number.as_f64().unwrap_or_default())?,
            };
        }
        (_, Value::String(text)) => {
            encoder.str(text)?;
        }
        (shape, Value::Array(items)) => {
            let of = match shape {
                Some(Shape::List { member, .. }) => Some(*member),
                _ => None,
            };
            encoder.array(items.len() as u64)?;
            for item in items {
                put(encoder, of, item)?;
            }
        }
        (shape, Value::Object(members)) => {
            encoder.map(members.len() as u64)?;
            for (name, value) in members {
                let of = match shape {
                    Some(Shape::Map { value, .. }) => Some(*value),
                    Some(Shape::Structure { members }) => {
                        let mut known = members.iter();
                        known
                            .find(|member| member.name == name)
                            .map(|member| member.shape)
                    }
                    _ => None,
                };
                encoder.str(name)?;
                put(encoder, of, value)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use longshore_shapes::scheduler;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_clients_send_is_read() {
        for (bytes, expected) in [
            (vec![0xa0], json!({})),
            (vec![0xbf, 0xff], json!({})),
            // {"a": null, "b": 1.5 as half, "c": indefinite text "xy"}
            (
                vec![
                    0xbf, 0x61, b'a', 0xf6, 0x61, b'b', 0xf9, 0x3e, 0x00, 0x61, b'c', 0x7f, 0x61,
                    b'x', 0x61, b'y', 0xff, 0xff,
                ],
                json!({"b": 1.5, "c": "xy"}),
            ),
            // {"t": 1(1700000000)}
            (
                vec![0xa1, 0x61, b't', 0xc1, 0x1a, 0x65, 0x53, 0xf1, 0x00],
                json!({"t": 1_700_000_000}),
            ),
        ] {
            assert_eq!(decode(&bytes).unwrap(), expected);
        }
        assert_eq!(decode(b"").unwrap(), json!({}));
        for bad in [&[0x80][..], &[0xa1], &[0xa0, 0x00], &[0x9f; 200], &[0xff]] {
            assert!(decode(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn times_are_tagged() {
        let value = json!({"ScheduleGroups": [{"CreationDate": 1_700_000_000}]});
        let bytes = encode(scheduler::LIST_SCHEDULE_GROUPS.output, &value);
        assert!(
            bytes.windows(2).any(|pair| pair == [0xc1, 0x1a]),
            "{bytes:x?}"
        );
        assert_eq!(decode(&bytes).unwrap(), value);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn what_is_written_is_read(numbers in proptest::collection::vec(any::<i64>(), 0..5), text in ".{0,20}", yes in any::<bool>()) {
            let value = json!({"n": numbers, "t": text, "b": yes, "o": {"x": 0.5}});
            prop_assert_eq!(decode(&encode(None, &value)).unwrap(), value);
        }
    }
}
