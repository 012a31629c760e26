//! Reading structures from the AWS JSON wire. Generated code in [`crate::ecs`] calls this.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de};

/// A message that is an object in JSON.
pub(crate) trait Structure: Default {
    /// Name of the shape, for error messages.
    const NAME: &'static str;
    /// Names of the members on the wire, sorted.
    const MEMBERS: &'static [&'static str];

    /// Reads the value of the member with this index in [`Self::MEMBERS`].
    fn read<'de, A: MapAccess<'de>>(&mut self, member: usize, map: &mut A) -> Result<(), A::Error>;
}

/// Reads an object; anything else, an array included, is an error.
pub(crate) fn structure<'de, T: Structure, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    deserializer.deserialize_map(StructureVisitor(PhantomData))
}

/// Reads a member's value. Null is the same as no member.
pub(crate) fn member<'de, T, A>(map: &mut A) -> Result<T, A::Error>
where
    T: Default + Deserialize<'de>,
    A: MapAccess<'de>,
{
    Ok(map.next_value::<Option<T>>()?.unwrap_or_default())
}

/// Reads over the value of an unknown member.
pub(crate) fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(drop)
}

struct StructureVisitor<T>(PhantomData<T>);

impl<'de, T: Structure> Visitor<'de> for StructureVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object ({})", T::NAME)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut value = T::default();
        while let Some(member) = map.next_key_seed(MemberSeed(T::MEMBERS))? {
            match member {
                Some(member) => value.read(member, &mut map)?,
                None => skip(&mut map)?,
            }
        }
        Ok(value)
    }
}

/// Finds a key among the members without copying it.
struct MemberSeed(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for MemberSeed {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for MemberSeed {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.binary_search(&name).ok())
    }
}
