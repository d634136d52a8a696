//! The values of an upgrade that rests on those of the release before it.

use gotmpl::{Map, Value};

use crate::Limits;
use crate::prepare::coalesce::{self, CoalesceError};
use crate::prepare::work::{Exceeded, Preparation};
use crate::release::{DecodeError, Release};
use crate::values;

/// What `helm upgrade --reuse-values` makes of the values of a release and of new ones.
#[derive(Debug, Clone)]
pub struct Reused {
    /// The values to render with and to record: the new ones over those that the release was given.
    pub values: Map,
    /// What takes the place of the new chart's defaults: those of the old chart, without its subcharts, under the values
    /// that the release was given.
    pub defaults: Map,
}

/// Values that cannot be laid over those of a release.
#[derive(Debug, thiserror::Error)]
pub enum ReuseError {
    /// The release holds a chart that cannot be read.
    #[error("failed to rebuild old values: {0}")]
    Stored(#[from] DecodeError),
    /// There are too many of them.
    #[error(transparent)]
    Limit(#[from] CoalesceError),
}

impl Release {
    /// Lays new values over those of the release.
    pub fn reuse_values(&self, new: &Map, limits: Limits) -> Result<Reused, ReuseError> {
        let config = match values::from_json(&serde_json::Value::Object(self.config.clone())) {
            Value::Map(config) => config,
            _ => Map::new(),
        };
        let (name, defaults) = match &self.chart {
            Some(chart) => (chart.metadata().name.as_str(), chart.values()?),
            None => ("", Map::new()),
        };
        let mut work = Preparation::new(limits, Vec::new());
        let mut reused = || -> Result<Reused, Exceeded> {
            Ok(Reused {
                defaults: coalesce::over_defaults(name, &defaults, &config, &mut work)?,
                values: coalesce::over_table(&config, new, &mut work)?,
            })
        };
        Ok(
            reused()
                .map_err(|exceeded| CoalesceError::limit(&name, "the values of the release", exceeded))?,
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::release::Chart;
    use crate::{File, Metadata};

    fn map(json: &Json) -> Map {
        match values::from_json(json) {
            Value::Map(map) => map,
            _ => Map::new(),
        }
    }

    #[test]
    fn new_values_win_and_nulls_take_away() {
        let file = File::new("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n");
        let chart = crate::Chart::from_files(vec![file], &Limits::default()).unwrap();
        let defaults = json!({"a": 1, "b": {"c": 2, "d": 3}, "e": 4});
        let release = Release {
            chart: Some(Chart::packed(&chart, Metadata::default(), Some(map(&defaults)))),
            config: json!({"a": null, "b": {"c": 20}, "f": 5})
                .as_object()
                .unwrap()
                .clone(),
            ..Release::default()
        };
        let reused = release
            .reuse_values(
                &map(&json!({"b": {"d": 30}, "f": null, "g": null})),
                Limits::default(),
            )
            .unwrap();
        let json = |map: Map| serde_json::to_value(Value::from(map)).unwrap();
        assert_eq!(
            json(reused.defaults),
            json!({"b": {"c": 20.0, "d": 3.0}, "e": 4.0, "f": 5.0})
        );
        assert_eq!(
            json(reused.values),
            json!({"a": null, "b": {"c": 20.0, "d": 30.0}, "g": null})
        );
    }
}
