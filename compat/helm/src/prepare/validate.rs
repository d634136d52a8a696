//! Checking the values of a chart and of its subcharts against their `values.schema.json`.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use gotmpl::{Map, Value};
use serde_json::Value as Json;

use crate::prepare::instance::Instance;
use crate::schema::compiled::{Compiled, MAX_REPORT};
use crate::{Chart, Limits};

/// Values that break the schema of a chart or of a subchart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("values don't meet the specifications of the schema(s) in the following chart(s):\n{0}")]
pub struct SchemaError(String);

/// Checks the values of a chart and of its subcharts; reports what is wrong with any of them.
pub(crate) fn check(root: &Instance, values: &Map, limits: &Limits) -> Result<(), SchemaError> {
    let mut check = Check {
        limits,
        steps_left: limits.schema_steps,
        bytes_left: limits.schema_bytes,
        seen: HashSet::new(),
        report: String::new(),
    };
    check.chart(root, values);
    if check.report.is_empty() {
        Ok(())
    } else {
        Err(SchemaError(check.report))
    }
}

/// What is wrong with the values of all charts of a render, which share the limit on steps.
struct Check<'l> {
    limits: &'l Limits,
    steps_left: u64,
    bytes_left: usize,
    /// The schemas whose bytes are counted already.
    seen: HashSet<*const [u8]>,
    report: String,
}

impl Check<'_> {
    fn chart(&mut self, chart: &Instance, values: &Map) {
        if let Some(schema) = chart.chart.schema_bytes()
            && let Err(error) = self.values(&chart.chart, schema, values)
        {
            let _ = writeln!(self.report, "{}:", chart.name);
            self.report.push_str(&error);
        }
        for subchart in &chart.subcharts {
            // What is wrong already decides, and the report should not grow for ever.
            if self.report.len() > MAX_REPORT {
                return;
            }
            let name = &subchart.name;
            match values.get(name) {
                None | Some(Value::Nil) => {}
                Some(Value::Map(values)) => self.chart(subchart, &values),
                Some(other) => {
                    let found = other.type_name();
                    let _ = writeln!(
                        self.report,
                        "{name}:\ninvalid type for values: expected object (map), got {found}"
                    );
                }
            }
        }
    }

    fn values(&mut self, chart: &Chart, schema: &Arc<[u8]>, values: &Map) -> Result<(), String> {
        if self.seen.insert(Arc::as_ptr(schema)) {
            self.bytes_left = self.bytes_left.checked_sub(schema.len()).ok_or_else(|| {
                let limit = self.limits.schema_bytes;
                format!("values.schema.json: schemas are larger than the maximum size {limit} in all")
            })?;
        }
        let compiled = chart.compiled_schema(|| Compiled::new(schema));
        let compiled = compiled.as_ref().map_err(Clone::clone)?;
        let steps = self.steps(compiled, values)?;
        let Some((json, steps)) = steps else {
            self.steps_left = 0;
            return Err(format!(
                "checking the values against values.schema.json takes more than {} steps in all; its references multiply \
                 or nest too deep",
                self.limits.schema_steps
            ));
        };
        self.steps_left = self.steps_left.saturating_sub(steps);
        compiled.validate(&json)
    }

    /// The values as JSON, and the steps of checking them, unless they are too many.
    fn steps(&self, compiled: &Compiled, values: &Map) -> Result<Option<(Json, u64)>, String> {
        // Each value is turned into JSON and looked at.
        let size = crate::values::items(values) as u64;
        let Some(left) = self.steps_left.checked_sub(size) else {
            return Ok(None);
        };
        let json = serde_json::to_value(Value::from(values.clone())).map_err(|error| error.to_string())?;
        let steps = compiled.steps(&json, left);
        Ok(steps.map(|steps| (json, size + steps)))
    }
}
