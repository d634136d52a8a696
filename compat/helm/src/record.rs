//! Documents that are read into Go structs, by way of `sigs.k8s.io/yaml`.

use go_std::record::{Decoder, FromGo};
use serde_json::Value as Json;

use crate::Time;

/// A value whose JSON type does not fit its field, in the words of `encoding/json`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error unmarshaling JSON: while decoding JSON: {0}")]
pub struct TypeMismatch(#[from] go_std::record::Error);

/// Reads a document; unknown fields do not count, numbers and booleans become text where text is wanted.
pub(crate) fn decode<T: FromGo + Default>(document: &Json) -> Result<T, TypeMismatch> {
    Ok(Decoder::lenient().decode(document)?)
}

/// Reads a document over what is there.
pub(crate) fn decode_over<T: FromGo>(target: &mut T, document: &Json) -> Result<(), TypeMismatch> {
    Decoder::lenient().decode_over(target, document)?;
    Ok(())
}

impl FromGo for Time {
    fn go_type() -> String {
        "time.Time".to_owned()
    }

    fn read(&mut self, value: &Json, decoder: &mut Decoder) {
        match value {
            Json::Null => {}
            Json::String(text) => match text.parse() {
                Ok(time) => *self = time,
                Err(error) => decoder.fail(format!("{error}")),
            },
            _ => decoder.fail("Time.UnmarshalJSON: input is not a JSON string"),
        }
    }
}
