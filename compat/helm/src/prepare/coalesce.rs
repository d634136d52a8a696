//! Laying the values that a user gives over the defaults of a chart and its subcharts.

use std::collections::HashSet;

use gotmpl::{Map, Value};

use crate::prepare::instance::Instance;
use crate::prepare::work::{Exceeded, Preparation, ValuePath, deeper};
use crate::values::insert;

/// The key of the values that all charts of a tree share.
const GLOBAL: &str = "global";

/// Values that do not fit the chart, or that take too much together with its subcharts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoalesceError {
    /// The values of a subchart are no table.
    #[error("type mismatch on {subchart}: {value}")]
    Mismatch {
        /// The subchart.
        subchart: String,
        /// The value in the form that Go's `%t` gives to what is not a boolean.
        value: String,
    },
    /// A limit is exceeded.
    #[error("{place}: {exceeded}")]
    Limit {
        /// The file and the field that is at fault.
        place: String,
        /// The limit.
        exceeded: Exceeded,
    },
}

impl CoalesceError {
    /// A limit that values or dependencies of a chart exceed; the chart is named by the names of those above it too.
    pub(crate) fn limit(chart: &dyn std::fmt::Display, field: &str, exceeded: Exceeded) -> Self {
        const SHOWN: usize = 200;
        let mut chart = chart.to_string();
        if chart.len() > SHOWN {
            chart.truncate(chart.floor_char_boundary(SHOWN));
            chart.push_str("...");
        }
        Self::Limit {
            place: format!("{field} of chart {chart}"),
            exceeded,
        }
    }
}

/// Why a step ended early.
enum Stop {
    Mismatch(CoalesceError),
    Exceeded(Exceeded),
}

impl From<Exceeded> for Stop {
    fn from(exceeded: Exceeded) -> Self {
        Self::Exceeded(exceeded)
    }
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
/// Conflicts that Helm only warns of are noted in `work`.
pub(crate) fn coalesce(
    chart: &Instance,
    values: &Map,
    nulls: Nulls,
    work: &mut Preparation,
) -> Result<Map, CoalesceError> {
    let values = work
        .copy(values)
        .map_err(|exceeded| CoalesceError::limit(&chart.name, "the values", exceeded))?;
    Coalescer { work }.chart(chart, &values, &ValuePath::ROOT, nulls)?;
    Ok(values)
}

/// Merges one table into another, which wins.
pub(crate) fn merge_tables(target: &Map, source: &Map, work: &mut Preparation) -> Result<(), Exceeded> {
    Coalescer { work }.tables(target, source, &ValuePath::ROOT, Nulls::Keep, 0)
}

/// Lays values over defaults that are not those of a chart with subcharts; nothing of the result is shared with either.
pub(crate) fn over_defaults(
    name: &str,
    defaults: &Map,
    values: &Map,
    work: &mut Preparation,
) -> Result<Map, Exceeded> {
    let values = work.copy(values)?;
    let path = ValuePath::ROOT.below(name);
    Coalescer { work }.defaults(defaults, &HashSet::new(), &values, &path, Nulls::Remove)?;
    Ok(values)
}

/// Lays one table over another, of which a null takes entries away; nothing of the result is shared with either.
pub(crate) fn over_table(base: &Map, over: &Map, work: &mut Preparation) -> Result<Map, Exceeded> {
    let (base, over) = (work.copy(base)?, work.copy(over)?);
    Coalescer { work }.tables(&over, &base, &ValuePath::ROOT, Nulls::Remove, 0)?;
    Ok(over)
}

struct Coalescer<'w> {
    work: &'w mut Preparation,
}

impl Coalescer<'_> {
    fn chart(
        &mut self,
        chart: &Instance,
        values: &Map,
        above: &ValuePath<'_>,
        nulls: Nulls,
    ) -> Result<(), CoalesceError> {
        let path = above.below(&chart.name);
        let subcharts = chart.subcharts.iter().map(|sub| sub.name.as_bytes()).collect();
        self.defaults(&chart.values, &subcharts, values, &path, nulls)
            .map_err(|exceeded| CoalesceError::limit(&path, "values.yaml", exceeded))?;
        for subchart in &chart.subcharts {
            let table = match self.table_of(subchart, values, &path) {
                Ok(table) => table,
                Err(Stop::Mismatch(error)) => return Err(error),
                Err(Stop::Exceeded(exceeded)) => {
                    return Err(CoalesceError::limit(&path, "values.yaml: global", exceeded));
                }
            };
            self.chart(subchart, &table, &path, nulls)?;
        }
        Ok(())
    }

    /// The table of a subchart in the values of its parent, with the globals handed down.
    fn table_of(&mut self, subchart: &Instance, values: &Map, path: &ValuePath<'_>) -> Result<Map, Stop> {
        let name = &subchart.name;
        self.work.text(name.len())?;
        let table = match values.get(name) {
            None => {
                let table = Map::new();
                insert(values, name.as_str(), table.clone().into());
                table
            }
            Some(Value::Map(table)) => table,
            Some(other) => {
                let value = gotmpl::sprintf(b"%t", &[other], 1 << 20).unwrap_or_default();
                let value = String::from_utf8_lossy(&value).into_owned();
                return Err(Stop::Mismatch(CoalesceError::Mismatch {
                    subchart: name.clone(),
                    value,
                }));
            }
        };
        self.globals(&table, values, path)?;
        Ok(table)
    }

    /// Adds a chart's own defaults to the values given for it.
    fn defaults(
        &mut self,
        own: &Map,
        subcharts: &HashSet<&[u8]>,
        values: &Map,
        path: &ValuePath<'_>,
        nulls: Nulls,
    ) -> Result<(), Exceeded> {
        self.work.items(1 + subcharts.len())?;
        for (key, default) in self.work.copy(own)?.entries().iter() {
            match values.get(key) {
                Some(Value::Nil) if nulls == Nulls::Remove => {
                    values.remove(key);
                }
                Some(Value::Map(given)) => match default {
                    Value::Map(default) => {
                        // A subchart's own pass comes later and needs the nulls.
                        let nulls = if subcharts.contains(&**key) {
                            Nulls::Keep
                        } else {
                            nulls
                        };
                        if nulls == Nulls::Remove {
                            remove_nulls(default);
                        }
                        self.tables(&given, default, &path.below(&key.to_string_lossy()), nulls, 1)?;
                    }
                    Value::Nil => {}
                    _ => {
                        self.work
                            .warn_once(format!("skipped value for {path}.{key}: Not a table."))?;
                    }
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
        Ok(())
    }

    /// Hands the globals of a chart down to a subchart.
    ///
    /// The tables right below `global` are copied; what is deeper stays shared, as in Helm.
    fn globals(&mut self, subchart: &Map, chart: &Map, path: &ValuePath<'_>) -> Result<(), Exceeded> {
        let target = match subchart.get(GLOBAL) {
            None => Map::new(),
            Some(Value::Map(table)) => table,
            Some(_) => {
                return self.work.warn_once(format!(
                    "skipping globals because destination {GLOBAL} is not a table."
                ));
            }
        };
        let source = match chart.get(GLOBAL) {
            None => Map::new(),
            Some(Value::Map(table)) => table,
            Some(_) => {
                return self.work.warn_once(format!(
                    "skipping globals because source {GLOBAL} is not a table."
                ));
            }
        };
        self.work.compared(source.len())?;
        for (key, value) in source.entries().iter() {
            let current = target.get(key);
            let Value::Map(table) = value else {
                if matches!(current, Some(Value::Map(_))) {
                    self.work.warn_once(format!("key {key} is table. Skipping"))?;
                } else {
                    self.work.items(usize::from(current.is_none()))?;
                    insert(&target, key.clone(), value.clone());
                }
                continue;
            };
            self.work.table(table.len())?;
            let table: Map = table
                .entries()
                .iter()
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            match current {
                None => {}
                Some(Value::Map(current)) => {
                    let name = key.to_string_lossy();
                    self.tables(&table, &current, &path.below(&name), Nulls::Keep, 2)?;
                }
                Some(_) => {
                    self.work.warn_once(format!(
                        "Conflict: cannot merge map onto non-map for {key:?}. Skipping."
                    ))?;
                    continue;
                }
            }
            insert(&target, key.clone(), table.into());
        }
        insert(subchart, GLOBAL, target.into());
        Ok(())
    }

    /// Merges `source` into `target`, which wins; `source` is changed too, as in Helm.
    fn tables(
        &mut self,
        target: &Map,
        source: &Map,
        path: &ValuePath<'_>,
        nulls: Nulls,
        depth: usize,
    ) -> Result<(), Exceeded> {
        let depth = deeper(depth)?;
        self.work.compared(target.len() + source.len())?;
        let before = source.entries();
        for (key, value) in target.entries().iter() {
            if value.is_nil() {
                insert(source, key.clone(), Value::Nil);
            }
        }
        for (key, value) in source.entries().iter() {
            let Some(current) = target.get(key) else {
                self.work.items(1)?;
                insert(target, key.clone(), value.clone());
                continue;
            };
            let had_value = || before.get(key).is_some_and(|value| !value.is_nil());
            if nulls == Nulls::Remove && current.is_nil() && had_value() {
                target.remove(key);
                continue;
            }
            let name = key.to_string_lossy();
            let path = path.below(&name);
            match (value, &current) {
                (Value::Map(source), Value::Map(target)) => {
                    self.tables(target, source, &path, nulls, depth)?;
                }
                (Value::Map(_), _) => {
                    self.work.warn_once(format!(
                        "cannot overwrite table with non table for {path} ({value})"
                    ))?;
                }
                (Value::Nil, _) => {}
                (_, Value::Map(_)) => {
                    self.work.warn_once(format!(
                        "destination for {path} is a table. Ignoring non-table value ({value})"
                    ))?;
                }
                _ => {}
            }
        }
        Ok(())
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
