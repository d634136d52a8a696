//! Logs in the shape that `flux logs` reads: zap's JSON keys, or lines for people.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

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
        Encoding::Json => builder.event_format(ZapJson).try_init(),
        Encoding::Console => builder.try_init(),
    }
    .map_err(|error| error.to_string())
}

struct ZapJson;

impl<S, N> FormatEvent<S, N> for ZapJson
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
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
        let mut fields = JsonFields(Map::new());
        event.record(&mut fields);
        let message = fields.0.remove("message").unwrap_or_default();
        let mut line = Map::new();
        line.insert("level".into(), level.into());
        line.insert(
            "ts".into(),
            jiff::Timestamp::now()
                .strftime("%Y-%m-%dT%H:%M:%S.%3fZ")
                .to_string()
                .into(),
        );
        line.insert("msg".into(), message);
        line.extend(fields.0);
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// Fields as JSON; `kind`, `namespace` and `name` of the reconciled object are nested the way controller-runtime does.
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
        self.0.insert(field.name().into(), value.into());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().into(), format!("{value:?}").into());
    }
}
