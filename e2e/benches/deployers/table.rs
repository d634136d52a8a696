//! Rows of figures, their medians, and the page that keeps them.

use std::fmt;

/// One measured number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Figure {
    Seconds(f64),
    Mebibytes(f64),
    Count(f64),
    Percent(f64),
}

impl Figure {
    pub(crate) fn bytes(bytes: u64) -> Self {
        Self::Mebibytes(bytes as f64 / f64::from(1 << 20))
    }

    fn value(self) -> f64 {
        let (Self::Seconds(value) | Self::Mebibytes(value) | Self::Count(value) | Self::Percent(value)) =
            self;
        value
    }

    fn with(self, value: f64) -> Self {
        match self {
            Self::Seconds(_) => Self::Seconds(value),
            Self::Mebibytes(_) => Self::Mebibytes(value),
            Self::Count(_) => Self::Count(value),
            Self::Percent(_) => Self::Percent(value),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds(value) => write!(f, "{value:.2} s"),
            Self::Mebibytes(value) => write!(f, "{value:.1} MiB"),
            Self::Count(value) => write!(f, "{value:.0}"),
            Self::Percent(value) => write!(f, "{value:+.0} %"),
        }
    }
}

/// What was measured of one contender; `None` where a column does not apply.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) figures: Vec<Option<Figure>>,
}

impl Row {
    /// How many times this row's figure is the other's.
    pub(crate) fn ratio(&self, other: &Self, column: usize) -> Option<f64> {
        let value = |row: &Self| Some(row.figures.get(column)?.as_ref()?.value());
        Some(value(self)? / value(other)?)
    }
}

/// What one run of a scenario gave.
pub(crate) struct Measured {
    pub(crate) rows: Vec<Row>,
    /// A remark below the table.
    pub(crate) note: String,
}

/// The medians of several runs, figure by figure.
pub(crate) fn median(runs: &[Measured]) -> Vec<Row> {
    let Some(first) = runs.first() else {
        return Vec::new();
    };
    let figure = |row: usize, column: usize| {
        let all = runs
            .iter()
            .filter_map(|run| run.rows.get(row)?.figures.get(column).copied()?);
        let mut values: Vec<f64> = all.map(Figure::value).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() {
            0 => None,
            odd if odd % 2 == 1 => Some(values[middle]),
            _ => Some(f64::midpoint(values[middle - 1], values[middle])),
        }
    };
    let rows = first.rows.iter().enumerate().map(|(at, row)| {
        let figures = row.figures.iter().enumerate();
        Row {
            name: row.name,
            figures: figures
                .map(|(column, sample)| Some((*sample)?.with(figure(at, column)?)))
                .collect(),
        }
    });
    rows.collect()
}

/// Rows as Markdown.
pub(crate) fn markdown(columns: &[&str], rows: &[Row]) -> String {
    let head = format!(
        "| contender | {} |\n|---|{}\n",
        columns.join(" | "),
        "---|".repeat(columns.len())
    );
    let line = |row: &Row| {
        let cells = row
            .figures
            .iter()
            .map(|figure| figure.as_ref().map(ToString::to_string).unwrap_or_default());
        format!("| {} | {} |\n", row.name, cells.collect::<Vec<_>>().join(" | "))
    };
    std::iter::once(head).chain(rows.iter().map(line)).collect()
}
