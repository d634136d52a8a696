//! The template functions that need Helm itself: `include`, `tpl`, `required`, `fail`, `lookup`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use gotmpl::{Context, Env, FuncError, FuncMap, Map, Spent, Str, Value};
use sprig::Environment;

use crate::render::lookup::{Cancelled, Lookup};
use crate::render::no_value::strip_no_value;
use crate::render::template_error::{MARK_END, MARK_START};

/// How many calls of `include` for one name may be active at once, beyond the first.
const MAX_INCLUDES: usize = 1000;

/// How many steps it takes to parse a token for `tpl`, which does so each time.
const STEPS_PER_TOKEN: u64 = 12;

/// How many steps a look into the cluster counts for: enough for the host to be asked each time whether to go on.
const STEPS_PER_LOOKUP: u64 = 1 << 12;

/// What the functions of one render share.
pub(crate) struct RenderState {
    pub(crate) lookup: Arc<dyn Lookup>,
    cancelled: Option<Cancelled>,
    active_includes: RefCell<HashMap<Str, usize>>,
}

impl RenderState {
    pub(crate) fn new(lookup: Arc<dyn Lookup>, cancelled: Option<Cancelled>) -> Self {
        Self {
            lookup,
            cancelled,
            active_includes: RefCell::default(),
        }
    }
}

/// Makes Helm's function map.
pub(crate) fn func_map(environment: Arc<dyn Environment>) -> FuncMap {
    let mut funcs = sprig::functions(environment);
    funcs.add("include", |context: &mut Context<'_>, name: Str, dot: Value| {
        include(context, &name, dot)
    });
    funcs.add("tpl", |context: &mut Context<'_>, text: Str, dot: Value| {
        tpl(context, text, dot)
    });
    funcs.add("required", |message: Str, value: Value| match &value {
        Value::Nil => Err(marked(&message)),
        Value::Str(text) if text.is_empty() => Err(marked(&message)),
        _ => Ok(value),
    });
    funcs.add("fail", |message: Str| Err::<Str, FuncError>(marked(&message)));
    funcs.add(
        "lookup",
        |context: &mut Context<'_>, api_version: Str, kind: Str, namespace: Str, name: Str| {
            let state = state(context)?;
            let [api_version, kind, namespace, name] =
                [&api_version, &kind, &namespace, &name].map(|text| text.to_string_lossy().into_owned());
            context.charge(STEPS_PER_LOOKUP)?;
            let found = state
                .lookup
                .lookup(&api_version, &kind, &namespace, &name)
                .map_err(FuncError::new)?;
            if let Some(found) = &found {
                charge_live(context, found)?;
            }
            Ok::<Map, FuncError>(match found.as_ref().map(live_value) {
                Some(Value::Map(object)) => object,
                _ => Map::new(),
            })
        },
    );
    funcs
}

fn state<'r>(context: &Context<'r>) -> Result<&'r RenderState, FuncError> {
    context
        .host()
        .ok_or_else(|| FuncError::new("the function needs a chart that is being rendered"))
}

fn marked(message: &Str) -> FuncError {
    FuncError::new(format!("{MARK_START}{message}{MARK_END}"))
}

fn include(context: &mut Context<'_>, name: &Str, dot: Value) -> Result<Str, FuncError> {
    let includes = &state(context)?.active_includes;
    {
        let mut active = includes.borrow_mut();
        let active = active.entry(name.clone()).or_default();
        if *active > MAX_INCLUDES {
            return Err(FuncError::new(format!(
                "rendering template has a nested reference name: {name}: unable to execute template"
            )));
        }
        *active += 1;
    }
    let output = context.execute(name, dot);
    if let Some(active) = includes.borrow_mut().get_mut(name) {
        *active -= 1;
    }
    Ok(output?)
}

fn tpl(context: &mut Context<'_>, text: Str, dot: Value) -> Result<Str, FuncError> {
    // Text without an action is its own output.
    if memchr::memmem::find(&text, b"{{").is_none() {
        return Ok(strip_no_value(text));
    }
    let templates = context.templates();
    let mut templates = templates.ok_or_else(|| FuncError::new("tpl needs a template that is executed"))?;
    let known = templates.tokens();
    let failed = |problem, text| TplFailed { problem, text };
    templates
        .parse_new("gotpl", text.clone())
        .map_err(|error| FuncError::wrap(failed("cannot parse template", text.clone()), error))?;
    context.charge((templates.tokens() - known) as u64 * STEPS_PER_TOKEN)?;
    let output = context
        .execute_in(&templates, b"gotpl", dot)
        .map_err(|error| FuncError::wrap(failed("error during tpl function execution for", text), error))?;
    Ok(strip_no_value(output))
}

/// The beginning of an error of `tpl`, which shows the whole text that it was given.
struct TplFailed {
    problem: &'static str,
    text: Str,
}

impl fmt::Display for TplFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { problem, text } = self;
        write!(
            f,
            "{problem} {}: ",
            go_std::quote(text.to_string_lossy().as_ref())
        )
    }
}

/// Counts a live object that becomes a value towards the limits.
fn charge_live(context: &mut Context<'_>, json: &serde_json::Value) -> Result<(), FuncError> {
    use serde_json::Value as Json;
    match json {
        Json::Null | Json::Bool(_) | Json::Number(_) => context.charge(1),
        Json::String(text) => charge_text(context, text),
        Json::Array(items) => {
            context.charge_list(items.len())?;
            items.iter().try_for_each(|item| charge_live(context, item))
        }
        Json::Object(fields) => {
            context.charge_map(fields.len())?;
            fields.iter().try_for_each(|(key, value)| {
                charge_text(context, key)?;
                charge_live(context, value)
            })
        }
    }
}

fn charge_text(context: &mut Context<'_>, text: &str) -> Result<(), FuncError> {
    let items = (text.len() as u64).div_ceil(gotmpl::Limits::BYTES_PER_ITEM);
    context.charge_items(usize::try_from(items).unwrap_or(usize::MAX))
}

/// Turns a live object into a value: integers stay integers, unlike those of values files.
fn live_value(json: &serde_json::Value) -> Value {
    use serde::Deserialize;
    Value::deserialize(json).unwrap_or_default()
}

/// What a render gives to the template engine.
pub(crate) fn env<'r>(state: &'r RenderState, limits: gotmpl::Limits, spent: &'r Spent) -> Env<'r> {
    Env {
        limits,
        host: Some(state),
        spent: Some(spent),
        cancelled: state
            .cancelled
            .as_deref()
            .map(|cancelled| cancelled as &dyn Fn() -> bool),
    }
}
