//! Logs in the shape that `flux logs` reads: zap's JSON keys, or lines for people.

use std::fmt;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, Scope};

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// One JSON object a line.
    Json,
    /// Lines for people.
    Console,
}

/// Starts logging to standard error at `level` (`trace`, `debug`, `info` or `error`).
///
/// Libraries below log at `warn` unless the level is `trace`.
///
/// # Errors
/// The level is none of these, or logging was started before.
pub fn init(level: &str, encoding: Encoding) -> Result<(), String> {
    let filter = match level {
        "trace" => "trace".to_owned(),
        "debug" | "info" | "error" => {
            format!(
                "{level},kube=warn,kube_client=warn,kube_runtime=error,hyper=warn,hyper_util=warn,rustls=warn,tower=warn"
            )
        }
        other => {
            return Err(format!(
                "log level {other:?} is not one of trace, debug, info, error"
            ));
        }
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(filter).map_err(|error| error.to_string())?)
        .with_writer(std::io::stderr);
    match encoding {
        Encoding::Json => builder.fmt_fields(JsonSpans).event_format(ZapJson).try_init(),
        Encoding::Console => builder.try_init(),
    }
    .map_err(|error| error.to_string())
}

struct ZapJson;

impl<S> FormatEvent<S, JsonSpans> for ZapJson
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonSpans>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            // zap has no warnings in Flux; what is worth one is worth being seen at info.
            Level::WARN | Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        let mut fields = JsonFields::default();
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            let extensions = span.extensions();
            let formatted = extensions.get::<FormattedFields<JsonSpans>>();
            let known =
                formatted.and_then(|formatted| serde_json::from_str::<Map<_, _>>(&formatted.fields).ok());
            fields.0.extend(known.into_iter().flatten());
        }
        event.record(&mut fields);
        let time = jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%S.%3fZ")
            .to_string();
        writeln!(writer, "{}", line(level, time, fields.0))
    }
}

/// The line of an entry: zap's keys, and the reconciled object the way controller-runtime has it.
fn line(level: &str, time: String, mut fields: Map<String, Value>) -> Value {
    let mut line = Map::new();
    line.insert("level".into(), level.into());
    line.insert("ts".into(), time.into());
    line.insert("msg".into(), fields.remove("message").unwrap_or_default());
    if let (Some(Value::String(kind)), Some(namespace), Some(name)) = (
        fields.get("controllerKind"),
        fields.get("namespace"),
        fields.get("name"),
    ) {
        line.insert(kind.clone(), json!({"name": name, "namespace": namespace}));
    }
    line.extend(fields);
    Value::Object(line)
}

/// The fields of spans as JSON, for the entries within them.
struct JsonSpans;

impl<'writer> FormatFields<'writer> for JsonSpans {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut json = JsonFields::default();
        fields.record(&mut json);
        write!(writer, "{}", Value::Object(json.0))
    }
}

/// Ends the name of a field whose text is JSON, for values that are more than a text.
const JSON_SUFFIX: &str = ".json";

/// Fields as JSON.
#[derive(Default)]
struct JsonFields(Map<String, Value>);

impl Visit for JsonFields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        let (name, value) = match field.name().strip_suffix(JSON_SUFFIX) {
            Some(name) => (name, serde_json::from_str(value).unwrap_or_else(|_| value.into())),
            None => (field.name(), value.into()),
        };
        self.0.insert(name.into(), value);
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;
        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn an_entry_within_a_run_names_its_object() {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(JsonSpans)
            .event_format(ZapJson)
            .with_writer(lines.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::error_span!(
                "run",
                controllerKind = "Kustomization",
                namespace = "apps",
                name = "web"
            );
            let _within = span.enter();
            tracing::warn!(count = 3, output.json = r#"{"a": "created"}"#, "retried");
        });
        let mut line: Value = serde_json::from_slice(&lines.0.lock()).expect("one line of JSON");
        line["ts"] = Value::Null;
        let expected = json!({
            "level": "info", "ts": null, "msg": "retried", "count": 3, "output": {"a": "created"},
            "controllerKind": "Kustomization", "Kustomization": {"name": "web", "namespace": "apps"},
            "namespace": "apps", "name": "web",
        });
        assert_eq!(line, expected);
    }
}
