//! JSON files of a chart.

use go_std::json::{Error, Limits, read_prefix};
use go_yaml::ToJson;
use serde_json::Value as Json;

/// How deeply a JSON file may nest, as deep as the YAML files of a chart, and what it may take in memory.
const LIMITS: Limits = Limits {
    depth: 512,
    bytes: 128 << 20,
};

/// Reads the first value of a file; what follows it does not count, as for Go's decoder. No text is null.
pub(crate) fn first_value(file: &str, text: &[u8]) -> Result<Json, String> {
    if text.trim_ascii().is_empty() {
        return Ok(Json::Null);
    }
    match read_prefix(text, &LIMITS, &mut ToJson::exact()) {
        Ok(read) => read.misfit.map_or(Ok(read.value), Err),
        Err(Error::Depth(max)) => Err(format!("{file} nests more than {max} levels deep")),
        Err(Error::Bytes(max)) => Err(format!("{file} takes more than {max} bytes of memory")),
        Err(Error::Syntax(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_and_depth_are_told() {
        let error = |text: &str| first_value("f", text.as_bytes()).unwrap_err();
        let deep = "[".repeat(513);
        assert_eq!(error(&deep), "f nests more than 512 levels deep");
        assert_eq!(
            error("[1,]"),
            "invalid character ']' looking for beginning of value"
        );
        assert_eq!(error("{"), "unexpected end of JSON input");
        assert_eq!(first_value("f", b" "), Ok(Json::Null));
        assert_eq!(first_value("f", b"{} x"), Ok(serde_json::json!({})));
        let maps = format!("[{}1]", "{\"a\":1},".repeat(300_000));
        assert_eq!(error(&maps), "f takes more than 134217728 bytes of memory");
    }
}
