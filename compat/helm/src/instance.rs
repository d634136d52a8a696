//! A chart in one render: the subcharts that take part, their names there, and the defaults after imports.

use gotmpl::{Map, Value};
use serde_json::{Value as Json, json};
use sprig::semver;

use crate::Chart;
use crate::coalesce::{self, CoalesceError, Nulls};
use crate::metadata::{Dependency, Metadata};

/// A chart as it takes part in one render.
///
/// Dependency processing renames, drops and doubles subcharts, and writes imported values into the defaults, so each
/// render works on a copy of all that; the files stay with the [`Chart`].
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) chart: Chart,
    pub(crate) metadata: Metadata,
    pub(crate) values: Map,
    pub(crate) subcharts: Vec<Instance>,
}

impl Instance {
    /// Takes a chart apart and applies conditions, tags, aliases and import-values for the given values.
    pub(crate) fn new(
        chart: &Chart,
        values: &Map,
        warnings: &mut Vec<String>,
    ) -> Result<Self, CoalesceError> {
        let mut instance = Self::whole(chart);
        instance.choose(values, "", warnings)?;
        instance.import_values(warnings)?;
        Ok(instance)
    }

    fn whole(chart: &Chart) -> Self {
        Self {
            chart: chart.clone(),
            metadata: chart.metadata().clone(),
            values: chart.values().clone(),
            subcharts: chart.subcharts().iter().map(Self::whole).collect(),
        }
    }

    /// Keeps the subcharts that take part, under their aliases.
    ///
    /// `path` leads from the root values to those of this chart, with a final dot.
    fn choose(&mut self, values: &Map, path: &str, warnings: &mut Vec<String>) -> Result<(), CoalesceError> {
        let Some(mut listed) = self.metadata.dependencies.take() else {
            return Ok(());
        };
        let vendored = std::mem::take(&mut self.subcharts);
        self.subcharts.extend(
            vendored
                .iter()
                .filter(|sub| !listed.iter().any(|dep| sub.satisfies(dep)))
                .cloned(),
        );
        for dependency in &mut listed {
            if let Some(vendored) = vendored.iter().find(|sub| sub.satisfies(dependency)) {
                let mut subchart = vendored.clone();
                if !dependency.alias.is_empty() {
                    subchart.metadata.name.clone_from(&dependency.alias);
                }
                self.subcharts.push(subchart);
            }
            if !dependency.alias.is_empty() {
                dependency.name.clone_from(&dependency.alias);
            }
            dependency.enabled = true;
        }

        let values = coalesce::coalesce(self, values, Nulls::Remove, warnings)?;
        apply_tags(&mut listed, &values, warnings);
        apply_conditions(&mut listed, &values, path, warnings);

        self.subcharts.retain(|sub| {
            !listed
                .iter()
                .any(|dep| !dep.enabled && dep.name == sub.metadata.name)
        });
        let disabled: Vec<String> = listed
            .iter()
            .filter(|dep| !dep.enabled)
            .map(|dep| dep.name.clone())
            .collect();
        listed.retain(|dep| !disabled.contains(&dep.name));
        for subchart in &mut self.subcharts {
            let path = format!("{path}{}.", subchart.metadata.name);
            subchart.choose(&values, &path, warnings)?;
        }
        self.metadata.dependencies = (!listed.is_empty()).then_some(listed);
        Ok(())
    }

    fn satisfies(&self, dependency: &Dependency) -> bool {
        self.metadata.name == dependency.name && in_range(&dependency.version, &self.metadata.version)
    }

    /// Makes values of subcharts the defaults of their parents, from the leaves up.
    fn import_values(&mut self, warnings: &mut Vec<String>) -> Result<(), CoalesceError> {
        for subchart in &mut self.subcharts {
            subchart.import_values(warnings)?;
        }
        let Some(mut listed) = self.metadata.dependencies.take() else {
            return Ok(());
        };
        let values = coalesce::coalesce(self, &Map::new(), Nulls::Keep, warnings)?;
        let imported = Map::new();
        for dependency in &mut listed {
            let mut rewritten = Vec::new();
            for import in &dependency.import_values {
                let (child, parent) = match import {
                    Json::Object(entries) => (text(entries.get("child")), text(entries.get("parent"))),
                    Json::String(export) => (format!("exports.{export}"), ".".to_owned()),
                    _ => continue,
                };
                rewritten.push(json!({ "child": child, "parent": parent }));
                match table_at(&values, &format!("{}.{child}", dependency.name)) {
                    Some(table) => coalesce::merge_tables(&imported, &nest(&parent, table), warnings),
                    None => warnings.push(format!(
                        "ImportValues missing table {child} of chart {}",
                        dependency.name
                    )),
                }
            }
            dependency.import_values = rewritten;
        }
        // Imports and values may share tables by now; the copy parts them.
        let merged = crate::values::copy_table(&values);
        coalesce::merge_tables(&merged, &imported, warnings);
        self.values = merged;
        self.metadata.dependencies = Some(listed);
        Ok(())
    }
}

/// Whether a version lies in a range; false if either is malformed.
pub(crate) fn in_range(constraint: &str, version: &str) -> bool {
    let (Ok(version), Ok(constraint)) = (
        semver::Version::parse(version),
        semver::Constraints::parse(constraint),
    ) else {
        return false;
    };
    constraint.check(&version)
}

fn apply_tags(listed: &mut [Dependency], values: &Map, warnings: &mut Vec<String>) {
    let Some(Value::Map(tags)) = values.get("tags") else {
        return;
    };
    for dependency in listed {
        let (mut some_on, mut some_off) = (false, false);
        for tag in &dependency.tags {
            match tags.get(tag) {
                Some(Value::Bool(true)) => some_on = true,
                Some(Value::Bool(false)) => some_off = true,
                Some(_) => warnings.push(format!("tag {tag} of chart {} is not a boolean", dependency.name)),
                None => {}
            }
        }
        dependency.enabled = some_on || !some_off;
    }
}

fn apply_conditions(listed: &mut [Dependency], values: &Map, path: &str, warnings: &mut Vec<String>) {
    for dependency in listed {
        for condition in dependency
            .condition
            .trim()
            .split(',')
            .filter(|condition| !condition.is_empty())
        {
            match scalar_at(values, &format!("{path}{condition}")) {
                Some(Value::Bool(enabled)) => {
                    dependency.enabled = enabled;
                    break;
                }
                Some(_) => warnings.push(format!(
                    "condition {condition} of chart {} is not a boolean",
                    dependency.name
                )),
                None => {}
            }
        }
    }
}

/// The table that a dotted path leads to.
pub(crate) fn table_at(values: &Map, path: &str) -> Option<Map> {
    path.split('.')
        .try_fold(values.clone(), |table, key| match table.get(key) {
            Some(Value::Map(inner)) => Some(inner),
            _ => None,
        })
}

/// The value that a dotted path leads to, unless it is a table.
fn scalar_at(values: &Map, path: &str) -> Option<Value> {
    let value = match path.rsplit_once('.') {
        Some((tables, key)) => table_at(values, tables)?.get(key)?,
        None => values.get(path)?,
    };
    (!matches!(value, Value::Map(_))).then_some(value)
}

/// Wraps a table in those that a dotted path names; `.` stands for the table itself.
fn nest(path: &str, table: Map) -> Map {
    if path == "." {
        return table;
    }
    path.rsplit('.').fold(table, |inner, key| {
        [(key, Value::from(inner))].into_iter().collect()
    })
}

/// The text of a path in the `import-values` of a dependency, as `%v` prints it.
fn text(value: Option<&Json>) -> String {
    match value {
        None | Some(Json::Null) => "<nil>".to_owned(),
        Some(Json::String(text)) => text.clone(),
        Some(other) => crate::values::from_json(other).to_string(),
    }
}
