//! Refuses floats that JSON cannot write, which `serde_json` would turn into null.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use crate::Error;
use crate::value::unsupported_float;

/// Fails at the first float of a value that is infinite or no number, in the words of encoding/json.
pub(crate) fn check<T: Serialize + ?Sized>(value: &T) -> Result<(), Error> {
    value.serialize(Check)
}

/// Looks at everything and keeps nothing.
#[derive(Clone, Copy)]
struct Check;

/// Methods for what holds no float.
macro_rules! harmless {
    ($($method:ident($($argument:ty),*);)*) => {
        $(fn $method(self $(, _: $argument)*) -> Result<(), Error> {
            Ok(())
        })*
    };
}

/// Methods that begin something that may hold floats.
macro_rules! compound {
    ($($method:ident($($argument:ty),*);)*) => {
        $(fn $method(self $(, _: $argument)*) -> Result<Self, Error> {
            Ok(self)
        })*
    };
}

impl Serializer for Check {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    harmless! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    compound! {
        serialize_seq(Option<usize>);
        serialize_tuple(usize);
        serialize_tuple_struct(&'static str, usize);
        serialize_tuple_variant(&'static str, u32, &'static str, usize);
        serialize_map(Option<usize>);
        serialize_struct(&'static str, usize);
        serialize_struct_variant(&'static str, u32, &'static str, usize);
    }

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        if value.is_finite() {
            Ok(())
        } else {
            Err(unsupported_float(value))
        }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        check(value)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        check(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        check(value)
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, _: &T) -> Result<(), Error> {
        Ok(())
    }
}

/// Collections: every part is checked.
macro_rules! parts {
    ($($collection:ident: $($method:ident($($name:ty)?)),*;)*) => {
        $(impl $collection for Check {
            type Ok = ();
            type Error = Error;

            $(fn $method<T: Serialize + ?Sized>(&mut self, $(_: $name,)? part: &T) -> Result<(), Error> {
                check(part)
            })*

            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        })*
    };
}

parts! {
    SerializeSeq: serialize_element();
    SerializeTuple: serialize_element();
    SerializeTupleStruct: serialize_field();
    SerializeTupleVariant: serialize_field();
    SerializeMap: serialize_key(), serialize_value();
    SerializeStruct: serialize_field(&'static str);
    SerializeStructVariant: serialize_field(&'static str);
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn floats_without_a_json_text_are_found_anywhere() {
        #[derive(serde::Serialize)]
        struct Sample {
            text: &'static str,
            list: Vec<Option<f32>>,
            inner: std::collections::BTreeMap<i8, (f64, bool)>,
        }
        let sample = |in_list, in_map| Sample {
            text: "x",
            list: vec![None, Some(in_list)],
            inner: [(1, (in_map, true))].into(),
        };
        let text = |in_list, in_map| check(&sample(in_list, in_map)).map_err(|error| error.to_string());
        assert_eq!(text(1.5, 2.0), Ok(()));
        for (in_list, in_map, expected) in [
            (f32::NAN, 0.0, "NaN"),
            (0.0, f64::INFINITY, "+Inf"),
            (0.0, f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(
                text(in_list, in_map),
                Err(format!("json: unsupported value: {expected}"))
            );
        }
    }
}
