//! Laying the values that a user gives over the defaults of a chart and its subcharts.

use gotmpl::{Map, Value};

use crate::instance::Instance;
use crate::values::{copy_table, insert};

/// The key of the values that all charts of a tree share.
const GLOBAL: &str = "global";

/// Values whose shape does not fit the chart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("type mismatch on {subchart}: {value}")]
pub struct CoalesceError {
    subchart: String,
    /// The value in the form that Go's `%t` gives to what is not a boolean.
    value: String,
}

/// What becomes of null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// A null that a user gives removes the default, and is gone itself.
    Remove,
    /// Nulls stay, because values are laid over defaults once more later.
    Keep,
}

/// Lays values over the defaults of a chart; nothing of the result is shared with either.
///
/// Conflicts that Helm only warns of go into `warnings`.
pub(crate) fn coalesce(
    chart: &Instance,
    values: &Map,
    nulls: Nulls,
    warnings: &mut Vec<String>,
) -> Result<Map, CoalesceError> {
    let values = copy_table(values);
    Coalescer { warnings }.chart(chart, &values, "", nulls)?;
    Ok(values)
}

/// Merges one table into another, which wins.
pub(crate) fn merge_tables(target: &Map, source: &Map, warnings: &mut Vec<String>) {
    Coalescer { warnings }.tables(target, source, "", Nulls::Keep);
}

struct Coalescer<'w> {
    warnings: &'w mut Vec<String>,
}

impl Coalescer<'_> {
    fn chart(
        &mut self,
        chart: &Instance,
        values: &Map,
        prefix: &str,
        nulls: Nulls,
    ) -> Result<(), CoalesceError> {
        self.defaults(chart, values, prefix, nulls);
        let prefix = concat(prefix, &chart.metadata.name);
        for subchart in &chart.subcharts {
            let name = &subchart.metadata.name;
            let table = match values.get(name) {
                None => {
                    let table = Map::new();
                    insert(values, name, table.clone().into());
                    table
                }
                Some(Value::Map(table)) => table,
                Some(other) => {
                    let value = gotmpl::sprintf(b"%t", &[other], 1 << 20).unwrap_or_default();
                    let value = String::from_utf8_lossy(&value).into_owned();
                    return Err(CoalesceError {
                        subchart: name.clone(),
                        value,
                    });
                }
            };
            self.globals(&table, values, &prefix);
            self.chart(subchart, &table, &prefix, nulls)?;
        }
        Ok(())
    }

    /// Adds a chart's own defaults to the values given for it.
    fn defaults(&mut self, chart: &Instance, values: &Map, prefix: &str, nulls: Nulls) {
        let prefix = concat(prefix, &chart.metadata.name);
        for (key, default) in copy_table(&chart.values).entries().iter() {
            match values.get(key) {
                Some(Value::Nil) if nulls == Nulls::Remove => {
                    values.remove(key);
                }
                Some(Value::Map(given)) => match default {
                    Value::Map(default) => {
                        // A subchart's own pass comes later and needs the nulls.
                        let is_subchart = chart
                            .subcharts
                            .iter()
                            .any(|sub| **key == *sub.metadata.name.as_bytes());
                        let nulls = if is_subchart { Nulls::Keep } else { nulls };
                        if nulls == Nulls::Remove {
                            remove_nulls(default);
                        }
                        self.tables(&given, default, &concat(&prefix, &key.to_string_lossy()), nulls);
                    }
                    Value::Nil => {}
                    _ => self.warn(format!("skipped value for {prefix}.{key}: Not a table.")),
                },
                Some(_) => {}
                None => {
                    if nulls == Nulls::Remove {
                        match default {
                            Value::Nil => continue,
                            Value::Map(table) => remove_nulls(table),
                            _ => {}
                        }
                    }
                    insert(values, key.clone(), default.clone());
                }
            }
        }
    }

    /// Hands the globals of a chart down to a subchart.
    ///
    /// The tables right below `global` are copied; what is deeper stays shared, as in Helm.
    fn globals(&mut self, subchart: &Map, chart: &Map, prefix: &str) {
        let target = match subchart.get(GLOBAL) {
            None => Map::new(),
            Some(Value::Map(table)) => table,
            Some(_) => {
                return self.warn(format!(
                    "skipping globals because destination {GLOBAL} is not a table."
                ));
            }
        };
        let source = match chart.get(GLOBAL) {
            None => Map::new(),
            Some(Value::Map(table)) => table,
            Some(_) => {
                return self.warn(format!(
                    "skipping globals because source {GLOBAL} is not a table."
                ));
            }
        };
        for (key, value) in source.entries().iter() {
            let current = target.get(key);
            let Value::Map(table) = value else {
                if matches!(current, Some(Value::Map(_))) {
                    self.warn(format!("key {key} is table. Skipping"));
                } else {
                    insert(&target, key.clone(), value.clone());
                }
                continue;
            };
            let table: Map = table
                .entries()
                .iter()
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            match current {
                None => {}
                Some(Value::Map(current)) => {
                    self.tables(
                        &table,
                        &current,
                        &concat(prefix, &key.to_string_lossy()),
                        Nulls::Keep,
                    );
                }
                Some(_) => {
                    self.warn(format!(
                        "Conflict: cannot merge map onto non-map for {key:?}. Skipping."
                    ));
                    continue;
                }
            }
            insert(&target, key.clone(), table.into());
        }
        insert(subchart, GLOBAL, target.into());
    }

    /// Merges `source` into `target`, which wins; `source` is changed too, as in Helm.
    fn tables(&mut self, target: &Map, source: &Map, prefix: &str, nulls: Nulls) {
        let before = source.entries();
        for (key, value) in target.entries().iter() {
            if value.is_nil() {
                insert(source, key.clone(), Value::Nil);
            }
        }
        for (key, value) in source.entries().iter() {
            let Some(current) = target.get(key) else {
                insert(target, key.clone(), value.clone());
                continue;
            };
            let had_value = || before.get(key).is_some_and(|value| !value.is_nil());
            if nulls == Nulls::Remove && current.is_nil() && had_value() {
                target.remove(key);
                continue;
            }
            match (value, &current) {
                (Value::Map(source), Value::Map(target)) => {
                    self.tables(target, source, &concat(prefix, &key.to_string_lossy()), nulls);
                }
                (Value::Map(_), _) => {
                    let key = concat(prefix, &key.to_string_lossy());
                    self.warn(format!(
                        "cannot overwrite table with non table for {key} ({value})"
                    ));
                }
                (Value::Nil, _) => {}
                (_, Value::Map(_)) => {
                    let key = concat(prefix, &key.to_string_lossy());
                    self.warn(format!(
                        "destination for {key} is a table. Ignoring non-table value ({value})"
                    ));
                }
                _ => {}
            }
        }
    }

    fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

fn remove_nulls(table: &Map) {
    for (key, value) in table.entries().iter() {
        match value {
            Value::Nil => {
                table.remove(key);
            }
            Value::Map(inner) => remove_nulls(inner),
            _ => {}
        }
    }
}

fn concat(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}.{name}")
    }
}
