//! Feature gates in the notation of stock's `--feature-gates`.

use std::collections::BTreeMap;

use crate::values::boolean;

/// Reads `Name=bool` pairs; `known` has the gates that there are.
///
/// # Errors
/// An unknown gate, or a value that is no boolean.
pub fn parse<'k>(pairs: &[String], known: &[&'k str]) -> Result<BTreeMap<&'k str, bool>, String> {
    let mut gates = BTreeMap::new();
    for pair in pairs.iter().filter(|pair| !pair.is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| format!("--feature-gates: {pair:?} is not Name=bool"))?;
        let on = boolean(value.trim())
            .map_err(|error| format!("--feature-gates: {value:?} of {name} is {error}"))?;
        let name = name.trim();
        let name = known.iter().find(|known| **known == name);
        let name = name.ok_or_else(|| format!("--feature-gates: unknown feature gate {}", pair.trim()))?;
        gates.insert(*name, on);
    }
    Ok(gates)
}
