//! YAML texts under construction.

use crate::random::Random;

/// A value; scalars are written as they are.
#[derive(Clone)]
pub(crate) enum Yaml {
    Raw(String),
    Map(Vec<(String, Yaml)>),
    List(Vec<Yaml>),
}

/// A scalar as it stands in the text.
pub(crate) fn raw(text: impl Into<String>) -> Yaml {
    Yaml::Raw(text.into())
}

/// A mapping.
pub(crate) fn map<const N: usize>(fields: [(&str, Yaml); N]) -> Yaml {
    Yaml::Map(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
}

impl Yaml {
    /// Adds a field, or replaces it.
    pub(crate) fn set(&mut self, key: &str, value: Yaml) {
        if let Self::Map(fields) = self {
            fields.retain(|(k, _)| k != key);
            fields.push((key.to_owned(), value));
        }
    }

    /// Block style, or now and then flow style where that is possible.
    pub(crate) fn write(&self, random: &mut Random) -> String {
        let mut out = String::new();
        self.block(&mut out, 0, random);
        if !out.ends_with('\n') {
            out.push('\n');
        }
        out
    }

    fn is_flow(&self) -> bool {
        match self {
            Self::Raw(text) => {
                !text.contains('\n') && !text.contains(['{', '[', ',', '#']) && !text.is_empty()
            }
            Self::Map(fields) => fields.iter().all(|(_, value)| value.is_flow()),
            Self::List(items) => items.iter().all(Self::is_flow),
        }
    }

    fn flow(&self) -> String {
        match self {
            Self::Raw(text) => text.clone(),
            Self::Map(fields) => {
                let fields: Vec<_> = fields.iter().map(|(k, v)| format!("{k}: {}", v.flow())).collect();
                format!("{{{}}}", fields.join(", "))
            }
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(Self::flow).collect();
                format!("[{}]", items.join(", "))
            }
        }
    }

    fn block(&self, out: &mut String, indent: usize, random: &mut Random) {
        let pad = " ".repeat(indent);
        match self {
            Self::Raw(text) => {
                // Blocks of text move to the column of their parent.
                let mut lines = text.split('\n');
                out.push_str(lines.next().unwrap_or_default());
                out.push('\n');
                for line in lines {
                    if !line.is_empty() {
                        out.push_str(&pad);
                        out.push_str(line);
                    }
                    out.push('\n');
                }
            }
            Self::Map(fields) if fields.is_empty() => out.push_str("{}\n"),
            Self::List(items) if items.is_empty() => out.push_str("[]\n"),
            Self::Map(fields) => {
                for (index, (key, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push_str(&pad);
                    }
                    out.push_str(key);
                    out.push(':');
                    value.value(out, indent, random);
                }
            }
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push_str(&pad);
                    }
                    out.push('-');
                    if matches!(item, Self::Raw(text) if text.is_empty()) {
                        out.push('\n');
                        continue;
                    }
                    out.push(' ');
                    item.block(out, indent + 2, random);
                }
            }
        }
    }

    fn value(&self, out: &mut String, indent: usize, random: &mut Random) {
        let is_nested = match self {
            Self::Raw(_) => false,
            Self::Map(fields) => !fields.is_empty(),
            Self::List(items) => !items.is_empty(),
        };
        if !is_nested {
            if !matches!(self, Self::Raw(text) if text.is_empty()) {
                out.push(' ');
            }
            self.block(out, indent + 2, random);
        } else if self.is_flow() && random.once_in(8) {
            out.push(' ');
            out.push_str(&self.flow());
            out.push('\n');
        } else {
            out.push('\n');
            out.push_str(&" ".repeat(indent + 2));
            self.block(out, indent + 2, random);
        }
    }
}
