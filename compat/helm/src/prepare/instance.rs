//! A chart in one render.

use gotmpl::{Map, Value};
use sprig::semver;

use crate::Chart;
use crate::chart::metadata::Dependency;
use crate::prepare::work::{Exceeded, Preparation};

/// A chart as it takes part in one render.
///
/// Dependency processing renames, drops and doubles subcharts, and writes imported values into the defaults, so each
/// render has instances of its own; what does not change stays with the [`Chart`].
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) chart: Chart,
    /// The chart's name, or the alias that its parent gave it.
    pub(crate) name: String,
    /// The subcharts that it asked for and that take part.
    pub(crate) dependencies: Option<Vec<Dependency>>,
    pub(crate) values: Map,
    pub(crate) subcharts: Vec<Instance>,
}

impl Instance {
    pub(crate) fn whole(chart: &Chart, work: &mut Preparation) -> Result<Self, Exceeded> {
        work.items(chart.metadata().items())?;
        let subcharts = chart.subcharts().iter();
        Ok(Self {
            chart: chart.clone(),
            name: chart.name().to_owned(),
            dependencies: chart.metadata().dependencies.clone(),
            values: chart.values().clone(),
            subcharts: subcharts
                .map(|subchart| Self::whole(subchart, work))
                .collect::<Result<_, _>>()?,
        })
    }

    /// A copy of this chart and all below it under another name; counted before it is made.
    pub(crate) fn copy_as(&self, alias: &str, work: &mut Preparation) -> Result<Self, Exceeded> {
        work.instances(self.size())?;
        self.count_items(work)?;
        work.text(alias.len())?;
        let mut copy = self.clone();
        if !alias.is_empty() {
            alias.clone_into(&mut copy.name);
        }
        Ok(copy)
    }

    fn size(&self) -> usize {
        1 + self.subcharts.iter().map(Self::size).sum::<usize>()
    }

    fn count_items(&self, work: &mut Preparation) -> Result<(), Exceeded> {
        work.items(self.chart.metadata().items())?;
        self.subcharts.iter().try_for_each(|sub| sub.count_items(work))
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

/// The table that a dotted path leads to.
pub(crate) fn table_at(values: &Map, path: &str) -> Option<Map> {
    path.split('.')
        .try_fold(values.clone(), |table, key| match table.get(key) {
            Some(Value::Map(inner)) => Some(inner),
            _ => None,
        })
}
