//! The chart inside a record.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gotmpl::{Map, Value};
use serde::de::Error as _;
use serde::ser::{Error as _, SerializeSeq, SerializeStruct};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::config;
use super::encoding::{self, DecodeError};
use crate::chart::metadata::RawMetadata;
use crate::record::decode_over;
use crate::{Content, Metadata, Time, values};

/// The chart that a release was made from: without its subcharts, as they stand in the manifest already.
///
/// One that was read from a record is kept as text, or in the record if that was packed, for of all that only the metadata
/// and, rarely, the values are ever looked at. It is written again as it was read.
#[derive(Debug, Clone)]
pub struct Chart {
    metadata: Arc<Metadata>,
    content: Parts,
}

#[derive(Debug, Clone)]
enum Parts {
    Stored(Arc<RawValue>),
    /// In the packed JSON of a record, whose chart has been read from it before.
    InRecord(Arc<[u8]>),
    Packed {
        chart: crate::Chart,
        values: Option<Map>,
    },
}

/// What is read of a record that holds a chart.
#[derive(Deserialize)]
struct Record<'t> {
    #[serde(borrow)]
    chart: &'t RawValue,
}

/// What is read of a stored chart.
#[derive(Deserialize)]
struct Read<'t> {
    #[serde(default)]
    metadata: Json,
    #[serde(borrow, default)]
    values: Option<&'t RawValue>,
}

impl Chart {
    /// The chart as a record keeps it after its dependencies were processed.
    ///
    /// `metadata` lists the dependencies that take part, and `values` are the defaults after imports, as
    /// [`Rendered`](crate::Rendered) tells them.
    pub fn packed(chart: &crate::Chart, metadata: Metadata, values: Option<Map>) -> Self {
        Self {
            metadata: Arc::new(metadata),
            content: Parts::Packed {
                chart: chart.clone(),
                values,
            },
        }
    }

    /// What the chart says about itself.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The chart's default values; fails if a record has something else in their place.
    pub fn values(&self) -> Result<Map, DecodeError> {
        match &self.content {
            Parts::Packed { values, .. } => Ok(values.clone().unwrap_or_default()),
            Parts::Stored(text) => stored_values(text),
            Parts::InRecord(record) => {
                let json = encoding::unpack(record)?;
                stored_values(serde_json::from_slice::<Record<'_>>(&json)?.chart)
            }
        }
    }

    /// Keeps a chart that was read from a record in that, which is given as it was packed.
    pub(super) fn keep_in(&mut self, record: Vec<u8>) {
        if let Parts::Stored(text) = &self.content
            && record.len() < text.get().len()
        {
            self.content = Parts::InRecord(record.into());
        }
    }

    /// Takes `import-values` out of the list of dependencies.
    ///
    /// Helm processes dependencies in place, and what it writes there it does not understand when it processes them
    /// again. helm-controller does so for a chart with files in `crds/`, unless its policy is to skip them.
    pub fn forget_imports(&mut self) {
        let metadata = Arc::make_mut(&mut self.metadata);
        for dependency in metadata.dependencies.iter_mut().flatten() {
            dependency.import_values.clear();
        }
    }
}

impl Serialize for Chart {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (chart, values) = match &self.content {
            Parts::Stored(text) => return text.serialize(serializer),
            Parts::InRecord(record) => {
                let json = encoding::unpack(record).map_err(S::Error::custom)?;
                let read: Record<'_> = serde_json::from_slice(&json).map_err(S::Error::custom)?;
                return read.chart.serialize(serializer);
            }
            Parts::Packed { chart, values } => (chart, values),
        };
        let mut fields = serializer.serialize_struct("Chart", 8)?;
        fields.serialize_field("metadata", &*self.metadata)?;
        fields.serialize_field("lock", &chart.lock())?;
        let templates = chart
            .templates()
            .iter()
            .map(|template| (template.name.as_str(), Ok(&*template.text), template.modified));
        fields.serialize_field("templates", &Files(templates))?;
        fields.serialize_field("values", &values.clone().map(Value::from))?;
        fields.serialize_field("schema", &chart.schema().map(Base64))?;
        fields.serialize_field("schemamodtime", &chart.schema_modified())?;
        let files = chart
            .files()
            .iter()
            .map(|file| (file.name.as_str(), bytes(&file.content), file.modified));
        fields.serialize_field("files", &Files(files))?;
        if !chart.modified().is_zero() {
            fields.serialize_field("modtime", &chart.modified())?;
        }
        fields.end()
    }
}

fn stored_values(chart: &RawValue) -> Result<Map, DecodeError> {
    let read: Read<'_> = serde_json::from_str(chart.get())?;
    let values = config::read(read.values)?;
    Ok(match values::from_json(&Json::Object(values)) {
        Value::Map(values) => values,
        _ => Map::new(),
    })
}

fn bytes(content: &Content) -> Result<&[u8], &str> {
    content.bytes().map(|bytes| &**bytes)
}

/// Files of a chart; the list is null if there are none, as Go writes it.
struct Files<I>(I);

impl<'c, I> Serialize for Files<I>
where
    I: Iterator<Item = (&'c str, Result<&'c [u8], &'c str>, Time)> + Clone,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut files = self.0.clone().peekable();
        if files.peek().is_none() {
            return serializer.serialize_none();
        }
        let mut list = serializer.serialize_seq(None)?;
        for (name, data, modified) in files {
            let data = data.map_err(S::Error::custom)?;
            list.serialize_element(&File {
                name,
                data: Base64(data),
                modtime: modified,
            })?;
        }
        list.end()
    }
}

#[derive(Serialize)]
struct File<'c> {
    name: &'c str,
    data: Base64<'c>,
    #[serde(skip_serializing_if = "Time::is_zero")]
    modtime: Time,
}

/// Bytes as Go writes them in JSON.
struct Base64<'c>(&'c [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Chart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let read: Read<'_> = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
        let mut metadata = RawMetadata::default();
        decode_over(&mut metadata, &read.metadata).map_err(D::Error::custom)?;
        Ok(Self {
            metadata: Arc::new(metadata.unchecked()),
            content: Parts::Stored(text.into()),
        })
    }
}
