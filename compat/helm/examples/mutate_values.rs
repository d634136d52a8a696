//! Writes values files that are a chart's defaults with random changes, for `cargo xtask fuzz helm`.
//!
//! `mutate_values OUT SEED COUNT CHART...` writes `OUT/<seed>.json` for each seed; the seed decides the chart (the
//! charts take turns) and the changes.

use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sprig::{Environment as _, FixedEnvironment};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [out, seed, count, charts @ ..] = arguments.as_slice() else {
        return Err(io::Error::other("usage: mutate_values OUT SEED COUNT CHART..."));
    };
    let seed: u64 = seed.parse().map_err(io::Error::other)?;
    let count: u64 = count.parse().map_err(io::Error::other)?;
    fs::create_dir_all(out)?;
    for seed in seed..seed + count {
        let Some(chart) = charts.get((seed % charts.len().max(1) as u64) as usize) else {
            continue;
        };
        let values = Mutation::new(seed).of(&defaults(Path::new(chart)));
        fs::write(format!("{out}/{seed}.json"), format!("{values:#}\n"))?;
    }
    Ok(())
}

/// The values of a chart, with those of its subcharts below their names.
fn defaults(chart: &Path) -> Map<String, Value> {
    let read = |chart: &Path| {
        let text = fs::read(chart.join("values.yaml")).unwrap_or_default();
        let values =
            go_yaml::sigs::build_any(&text, &go_yaml::Limits::default(), &mut go_yaml::ToJson::floats())
                .unwrap_or_default();
        values.as_object().cloned().unwrap_or_default()
    };
    let mut values = read(chart);
    let subcharts = fs::read_dir(chart.join("charts")).into_iter().flatten().flatten();
    for subchart in subcharts.filter(|entry| entry.path().is_dir()) {
        let name = subchart.file_name().to_string_lossy().into_owned();
        let of_parent = values
            .get(&name)
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        let mut merged = read(&subchart.path());
        merged.extend(of_parent);
        values.insert(name, Value::Object(merged));
    }
    values
}

/// What templates do not expect in a place, or only some of them.
fn odd_values() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(-1),
        json!(8080),
        json!(1.5),
        json!(1e20),
        json!(123_456_789),
        json!(""),
        json!(" "),
        json!("a"),
        json!("true"),
        json!("10"),
        json!("1.2.3"),
        json!("a: b\nc: d\n"),
        json!("{{ .Release.Name }}-x"),
        json!("{{ .Values.missing.key }}"),
        json!("über \"quoted\" \\ 'text'"),
        json!("a,b=c"),
        json!([]),
        json!(["a"]),
        json!([{"name": "a", "value": "b"}]),
        json!([1, true, null]),
        json!({}),
        json!({"a": "b"}),
        json!({"name": "a", "enabled": true}),
        json!({"a": {"b": {"c": 1}}}),
    ]
}

struct Mutation {
    random: FixedEnvironment,
    odd: Vec<Value>,
    /// How many of a thousand values change.
    rate: usize,
    /// Whether every `enabled` becomes true.
    enable: bool,
    /// Whether only what changes is kept.
    sparse: bool,
}

impl Mutation {
    fn new(seed: u64) -> Self {
        let mut mutation = Self {
            random: FixedEnvironment::new(Timestamp::UNIX_EPOCH, seed.wrapping_mul(0x2545_f491_4f6c_dd1d)),
            odd: odd_values(),
            rate: 0,
            enable: false,
            sparse: false,
        };
        mutation.rate = [0, 2, 5, 10, 30, 100][mutation.below(6)];
        mutation.enable = mutation.below(3) == 0;
        mutation.sparse = mutation.below(2) == 0;
        mutation
    }

    fn below(&self, bound: usize) -> usize {
        let mut bytes = [0; 8];
        self.random.fill_random(&mut bytes);
        (u64::from_le_bytes(bytes) % bound as u64) as usize
    }

    fn of(&self, defaults: &Map<String, Value>) -> Value {
        let whole = Value::Object(defaults.clone());
        let changed = self.change(&whole, "").unwrap_or(Value::Null);
        // At least one change, somewhere at the top.
        match changed {
            Value::Object(mut map) if self.rate == 0 && !self.enable => {
                let keys: Vec<String> = defaults.keys().cloned().collect();
                if !keys.is_empty() {
                    map.insert(keys[self.below(keys.len())].clone(), self.odd_value());
                }
                Value::Object(map)
            }
            Value::Null => json!({}),
            other => other,
        }
    }

    fn odd_value(&self) -> Value {
        self.odd[self.below(self.odd.len())].clone()
    }

    /// The value with changes; nothing if there are none and only changes are kept.
    fn change(&self, value: &Value, key: &str) -> Option<Value> {
        let is_root = key.is_empty();
        if self.enable
            && matches!(key, "enabled" | "create" | "install")
            && value.is_boolean()
            && self.below(8) > 0
        {
            return Some(json!(true));
        }
        if !is_root && self.below(1000) < self.rate {
            return Some(self.replaced(value));
        }
        match value {
            Value::Object(map) => {
                let entries = map
                    .iter()
                    .filter_map(|(key, value)| Some((key.clone(), self.change(value, key)?)));
                let entries: Map<String, Value> = entries.collect();
                (!entries.is_empty() || !self.sparse).then_some(Value::Object(entries))
            }
            Value::Array(items) => {
                let changed: Vec<Option<Value>> =
                    items.iter().map(|item| self.change(item, "item")).collect();
                if self.sparse && changed.iter().all(Option::is_none) {
                    return None;
                }
                let items = changed
                    .into_iter()
                    .zip(items)
                    .map(|(new, old)| new.unwrap_or_else(|| old.clone()));
                Some(Value::Array(items.collect()))
            }
            other => (!self.sparse).then(|| other.clone()),
        }
    }

    fn replaced(&self, value: &Value) -> Value {
        if self.below(3) == 0 {
            return self.odd_value();
        }
        match value {
            Value::Null => self.odd_value(),
            Value::Bool(on) => json!(!on),
            Value::Number(number) => match self.below(4) {
                0 => json!(number.to_string()),
                1 => json!(0),
                2 => json!(number.as_f64().unwrap_or_default() + 1.0),
                _ => json!(2_147_483_648_u64),
            },
            Value::String(text) => match self.below(6) {
                0 => json!(""),
                1 => json!(format!("{text}-{text}")),
                2 => json!(text.to_uppercase()),
                3 => json!({ text.clone(): text }),
                4 => json!([text]),
                _ => json!(format!(
                    "{{{{ \"{}\" | quote }}}}",
                    text.replace(['"', '\\', '\n'], "")
                )),
            },
            Value::Array(items) => {
                let mut items = items.clone();
                match self.below(4) {
                    0 => items.push(self.odd_value()),
                    1 => items.extend(items.clone()),
                    2 => drop(items.pop()),
                    _ => items.insert(0, json!("first")),
                }
                Value::Array(items)
            }
            Value::Object(map) => {
                let mut map = map.clone();
                match self.below(4) {
                    0 => drop(map.insert("added".into(), self.odd_value())),
                    1 => map.clear(),
                    2 => {
                        for value in map.values_mut() {
                            *value = Value::Null;
                        }
                    }
                    _ => {
                        let keys: Vec<String> = map.keys().cloned().collect();
                        if !keys.is_empty() {
                            map.remove(&keys[self.below(keys.len())]);
                        }
                    }
                }
                Value::Object(map)
            }
        }
    }
}
