//! `.Files`: the files of a chart as its templates see them.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::{Context, Func, FuncError, List, Map, NamedType, Object, Signature, Str, Type, Value};

use crate::File;
use crate::chart::file::Content;
use crate::chart::glob::Glob;
use go_std::path;

/// How many characters of names a pattern is compared with in one step.
const BYTES_PER_STEP: usize = 16;

static FILES: NamedType = NamedType::new("engine.files", Type::Map(&Type::BYTES));

/// The files of a chart; contents become template values only when a template asks for them.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    by_name: Arc<BTreeMap<Str, Content>>,
}

impl Files {
    pub(crate) fn new(files: &[File]) -> Self {
        let by_name = files
            .iter()
            .map(|file| (Str::from(&file.name), file.content.clone()))
            .collect();
        Self {
            by_name: Arc::new(by_name),
        }
    }

    /// What cannot be read is empty; [`Files::failure`] then fails the render.
    fn content(&self, name: &Str) -> Str {
        self.by_name.get(name).map(text).unwrap_or_default()
    }

    /// The first file that a template asked for in vain, and why.
    pub(crate) fn failure(files: &[File]) -> Option<(&str, &str)> {
        files
            .iter()
            .find_map(|file| Some((file.name.as_str(), file.content.failure()?)))
    }

    fn glob(&self, pattern: &Str) -> Self {
        let Ok(glob) = Glob::compile(&pattern.to_string_lossy()) else {
            return self.clone();
        };
        let matching = self
            .by_name
            .iter()
            .filter(|(name, _)| glob.matches(&name.to_string_lossy()));
        Self {
            by_name: Arc::new(
                matching
                    .map(|(name, content)| (name.clone(), content.clone()))
                    .collect(),
            ),
        }
    }

    /// Prints the files by their base names, as the `data` of a config map or a secret.
    fn as_data(&self, cx: &mut Context<'_>, value: impl Fn(Str) -> Value) -> Result<Str, FuncError> {
        // Each byte takes up to four as an escape, and some more on the way there.
        let bytes = self
            .by_name
            .iter()
            .map(|(name, content)| name.len() as u64 + content.size());
        let bytes = usize::try_from(bytes.sum::<u64>()).unwrap_or(usize::MAX);
        cx.check_string(bytes)?;
        cx.charge_map(self.by_name.len())?;
        let entries = self.by_name.iter().map(|(name, content)| {
            let name = name.to_string_lossy();
            (path::base(&name).to_owned(), value(text(content)))
        });
        let yaml = go_yaml::sigs::to_string(&Value::from(entries.collect::<Map>())).unwrap_or_default();
        Ok(Str::from(yaml.strip_suffix('\n').unwrap_or(&yaml)))
    }

    fn lines(&self, name: &Str) -> Result<List, FuncError> {
        let Some(content) = self.by_name.get(name) else {
            return Ok(List::strings::<Str>([]));
        };
        let data = text(content);
        let Some((last, rest)) = data.split_last() else {
            // Helm looks at the last byte of the file without asking whether there is one.
            return Err(FuncError::new("runtime error: index out of range [-1]"));
        };
        let text = if *last == b'\n' { rest } else { &*data };
        Ok(List::strings(text.split(|b| *b == b'\n')))
    }

    fn as_map(&self) -> Map {
        let entries = self
            .by_name
            .iter()
            .map(|(name, content)| (name.clone(), Value::bytes(text(content))));
        Map::typed(Type::Named(&FILES), entries.collect())
    }
}

impl Object for Files {
    fn type_info(&self) -> &'static NamedType {
        &FILES
    }

    fn field(&self, name: &str) -> Option<Value> {
        let content = self.by_name.get(name.as_bytes());
        Some(content.map_or_else(
            || Value::List(List::nil_of(Type::BYTES)),
            |content| Value::bytes(text(content)),
        ))
    }

    fn method(&self, name: &str) -> Option<Func> {
        let files = self.clone();
        Some(match name {
            "Get" => Func::new(move |name: Str| files.content(&name)),
            "GetBytes" => method(Type::BYTES, move |_, name| Ok(Value::bytes(files.content(name)))),
            "Glob" => method(Type::Named(&FILES), move |cx, pattern| {
                // Each byte of each file name is compared with each part of the pattern, at worst.
                let bytes: usize = files.by_name.keys().map(|name| name.len()).sum();
                let work = bytes.saturating_mul(2 + pattern.len()) / BYTES_PER_STEP;
                cx.charge(work.saturating_add(2 * files.by_name.len()) as u64)?;
                Ok(Value::object(files.glob(pattern)))
            }),
            "Lines" => method(Type::STRINGS, move |cx, name| {
                let content = files.by_name.get(name).map(text).unwrap_or_default();
                cx.charge_list(memchr::memchr_iter(b'\n', &content).count())?;
                Ok(files.lines(name)?.into())
            }),
            "AsConfig" => Func::new(move |cx: &mut Context<'_>| files.as_data(cx, Value::from)),
            // Bytes serialise as base64.
            "AsSecrets" => Func::new(move |cx: &mut Context<'_>| files.as_data(cx, Value::bytes)),
            _ => return None,
        })
    }

    fn basic(&self) -> Option<Value> {
        Some(self.as_map().into())
    }

    fn truth(&self) -> bool {
        !self.by_name.is_empty()
    }
}

fn text(content: &Content) -> Str {
    content
        .bytes()
        .map(|bytes| Str::from(Arc::clone(bytes)))
        .unwrap_or_default()
}

/// Makes a method with a text as its argument, and with a result of a type that Rust types do not name.
fn method(
    returns: Type,
    body: impl Fn(&mut Context<'_>, &Str) -> Result<Value, FuncError> + Send + Sync + 'static,
) -> Func {
    Func::with_signature(
        Signature {
            params: vec![Type::String],
            variadic: false,
            returns,
        },
        move |cx, args| {
            let text = args.first().and_then(Value::as_str).cloned();
            body(cx, &text.unwrap_or_default())
        },
    )
}
