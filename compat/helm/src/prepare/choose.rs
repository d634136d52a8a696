//! Which charts take part in a render: the subcharts, their names there, and the defaults after imports.

use std::collections::{HashMap, HashSet};

use gotmpl::{Map, Value};
use serde_json::{Value as Json, json};

use crate::Chart;
use crate::chart::metadata::Dependency;
use crate::prepare::coalesce::{self, CoalesceError, Nulls};
use crate::prepare::instance::{Instance, in_range, table_at};
use crate::prepare::work::{Exceeded, Preparation, ValuePath, deeper};

impl Instance {
    /// Takes a chart apart and applies conditions, tags, aliases and import-values for the given values.
    pub(crate) fn new(chart: &Chart, values: &Map, work: &mut Preparation) -> Result<Self, CoalesceError> {
        let whole = |work: &mut Preparation| {
            work.instances(chart.size())?;
            Self::whole(chart, work)
        };
        let mut instance = whole(work)
            .map_err(|exceeded| CoalesceError::limit(&chart.name(), "the files in charts/", exceeded))?;
        instance.choose(values, "", &ValuePath::ROOT, work)?;
        instance.import_values(&ValuePath::ROOT, work)?;
        Ok(instance)
    }

    /// Keeps the subcharts that take part, under their aliases.
    ///
    /// `path` leads from the root values to those of this chart, with a final dot.
    fn choose(
        &mut self,
        values: &Map,
        path: &str,
        above: &ValuePath<'_>,
        work: &mut Preparation,
    ) -> Result<(), CoalesceError> {
        let Some(listed) = self.dependencies.take() else {
            return Ok(());
        };
        let name = self.name.clone();
        let place = above.below(&name);
        let failed = |field: &'static str| move |exceeded| CoalesceError::limit(&place, field, exceeded);
        let mut listed = self
            .take_listed(listed, work)
            .map_err(failed("dependencies in Chart.yaml"))?;
        let values = coalesce::coalesce(self, values, Nulls::Remove, work)?;
        apply_tags(&mut listed, &values, work).map_err(failed("dependencies.tags in Chart.yaml"))?;
        apply_conditions(&mut listed, &values, path, work)
            .map_err(failed("dependencies.condition in Chart.yaml"))?;

        let disabled: HashSet<String> = listed
            .iter()
            .filter(|dependency| !dependency.enabled)
            .map(|dependency| dependency.name.clone())
            .collect();
        self.subcharts
            .retain(|subchart| !disabled.contains(&subchart.name));
        listed.retain(|dependency| !disabled.contains(&dependency.name));
        for subchart in &mut self.subcharts {
            work.text(path.len() + subchart.name.len())
                .map_err(failed("dependencies in Chart.yaml"))?;
            let path = format!("{path}{}.", subchart.name);
            subchart.choose(&values, &path, &place, work)?;
        }
        self.dependencies = (!listed.is_empty()).then_some(listed);
        Ok(())
    }

    /// Replaces the subcharts by those that the list names, once for each entry, behind those that it does not name.
    fn take_listed(
        &mut self,
        mut listed: Vec<Dependency>,
        work: &mut Preparation,
    ) -> Result<Vec<Dependency>, Exceeded> {
        let vendored = std::mem::take(&mut self.subcharts);
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, subchart) in vendored.iter().enumerate() {
            by_name.entry(&subchart.name).or_default().push(at);
        }
        let mut is_listed = vec![false; vendored.len()];
        let mut chosen = Vec::new();
        for dependency in &mut listed {
            let mut first = None;
            for &at in by_name.get(dependency.name.as_str()).into_iter().flatten() {
                let Some(subchart) = vendored.get(at) else {
                    continue;
                };
                let version = &subchart.chart.metadata().version;
                // Versions are read once more each time.
                work.items(1 + (dependency.version.len() + version.len()) / 4)?;
                if in_range(&dependency.version, version) {
                    first = first.or(Some(subchart));
                    if let Some(is_listed) = is_listed.get_mut(at) {
                        *is_listed = true;
                    }
                }
            }
            if let Some(subchart) = first {
                chosen.push(subchart.copy_as(&dependency.alias, work)?);
            }
            if !dependency.alias.is_empty() {
                dependency.name.clone_from(&dependency.alias);
            }
            dependency.enabled = true;
        }
        let others = vendored.into_iter().zip(is_listed);
        self.subcharts.extend(
            others
                .filter(|(_, is_listed)| !is_listed)
                .map(|(subchart, _)| subchart),
        );
        self.subcharts.append(&mut chosen);
        Ok(listed)
    }

    /// Makes values of subcharts the defaults of their parents, from the leaves up.
    fn import_values(&mut self, above: &ValuePath<'_>, work: &mut Preparation) -> Result<(), CoalesceError> {
        let name = self.name.clone();
        let place = above.below(&name);
        for subchart in &mut self.subcharts {
            subchart.import_values(&place, work)?;
        }
        let Some(mut listed) = self.dependencies.take() else {
            return Ok(());
        };
        let values = coalesce::coalesce(self, &Map::new(), Nulls::Keep, work)?;
        self.values = import(&mut listed, &values, work).map_err(|exceeded| {
            CoalesceError::limit(&place, "dependencies.import-values in Chart.yaml", exceeded)
        })?;
        self.dependencies = Some(listed);
        Ok(())
    }
}

/// The values of a chart with what the list imports from those of its subcharts.
fn import(listed: &mut [Dependency], values: &Map, work: &mut Preparation) -> Result<Map, Exceeded> {
    let imported = Map::new();
    for dependency in listed {
        let mut rewritten = Vec::new();
        for import in &dependency.import_values {
            let (child, parent) = match import {
                Json::Object(entries) => (text(entries.get("child")), text(entries.get("parent"))),
                Json::String(export) => (format!("exports.{export}"), ".".to_owned()),
                _ => continue,
            };
            work.text(dependency.name.len() + 2 * child.len() + parent.len())?;
            match table_at(values, &format!("{}.{child}", dependency.name)) {
                Some(table) => coalesce::merge_tables(&imported, &nest(&parent, table, work)?, work)?,
                None => work.warn(format!(
                    "ImportValues missing table {child} of chart {}",
                    dependency.name
                ))?,
            }
            rewritten.push(json!({ "child": child, "parent": parent }));
        }
        dependency.import_values = rewritten;
    }
    // Imports and values may share tables by now; the copy parts them.
    let merged = work.copy(values)?;
    coalesce::merge_tables(&merged, &imported, work)?;
    Ok(merged)
}

fn apply_tags(listed: &mut [Dependency], values: &Map, work: &mut Preparation) -> Result<(), Exceeded> {
    let Some(Value::Map(tags)) = values.get("tags") else {
        return Ok(());
    };
    for dependency in listed {
        work.items(dependency.tags.len())?;
        let (mut some_on, mut some_off) = (false, false);
        for tag in &dependency.tags {
            match tags.get(tag) {
                Some(Value::Bool(true)) => some_on = true,
                Some(Value::Bool(false)) => some_off = true,
                Some(_) => work.warn(format!("tag {tag} of chart {} is not a boolean", dependency.name))?,
                None => {}
            }
        }
        dependency.enabled = some_on || !some_off;
    }
    Ok(())
}

fn apply_conditions(
    listed: &mut [Dependency],
    values: &Map,
    path: &str,
    work: &mut Preparation,
) -> Result<(), Exceeded> {
    for dependency in listed {
        for condition in dependency
            .condition
            .trim()
            .split(',')
            .filter(|condition| !condition.is_empty())
        {
            work.items(2)?;
            work.text(path.len() + condition.len())?;
            match scalar_at(values, &format!("{path}{condition}")) {
                Some(Value::Bool(enabled)) => {
                    dependency.enabled = enabled;
                    break;
                }
                Some(_) => work.warn(format!(
                    "condition {condition} of chart {} is not a boolean",
                    dependency.name
                ))?,
                None => {}
            }
        }
    }
    Ok(())
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
fn nest(path: &str, table: Map, work: &mut Preparation) -> Result<Map, Exceeded> {
    if path == "." {
        return Ok(table);
    }
    let (mut depth, mut outer) = (0, table);
    for key in path.rsplit('.') {
        depth = deeper(depth)?;
        work.items(1)?;
        outer = [(key, Value::from(outer))].into_iter().collect();
    }
    Ok(outer)
}

/// The text of a path in the `import-values` of a dependency, as `%v` prints it.
fn text(value: Option<&Json>) -> String {
    match value {
        None | Some(Json::Null) => "<nil>".to_owned(),
        Some(Json::String(text)) => text.clone(),
        Some(other) => crate::values::from_json(other).to_string(),
    }
}
