//! Sets of templates that can call each other by name.

use std::any::Any;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::error::{ExecError, ParseError};
use crate::limits::Limits;
use crate::parse::{self, Ast, NodeId};
use crate::value::func::FuncMap;
use crate::value::str::Str;
use go_std::quote;

/// What a missing map key means; Go's `missingkey` option.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// An invalid value, printed as `<no value>` ("default", "invalid").
    #[default]
    Default,
    /// The zero value of the map's element type ("zero"). Helm's choice.
    Zero,
    /// An error ("error").
    Error,
}

/// How a set parses and executes its templates.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The name of the set as a whole, which only errors show.
    pub name: String,
    /// What a missing map key means.
    pub missing_key: MissingKey,
    /// Left and right delimiter; empty ones stand for `{{` and `}}`.
    pub delims: (String, String),
    /// Bounds on parsing; those on execution come with its [`Env`](crate::Env).
    pub limits: Limits,
}

/// Parsed templates by name, which can call each other.
///
/// A set is immutable data once parsed: share it between threads, execute it many times. Clones
/// are cheap and independent: what is parsed into a clone is not seen by the original.
///
/// ```
/// use std::sync::Arc;
/// use gotmpl::{Env, FuncMap, Map, Options, TemplateSet, Value};
///
/// let mut set = TemplateSet::new(Arc::new(FuncMap::new()), Options::default());
/// set.parse("greet", r#"{{ define "who" }}{{ .name }}{{ end }}Hello, {{ template "who" . }}!"#)?;
/// let data: Map = [("name", "world")].into_iter().collect();
/// let mut out = Vec::new();
/// set.execute("greet", data.into(), &Env::default(), &mut out)?;
/// assert_eq!(out, b"Hello, world!");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TemplateSet {
    layer: Arc<Layer>,
}

/// The templates that were parsed since the set was cloned, over those of the set it came from.
#[derive(Debug)]
struct Layer {
    funcs: Arc<FuncMap>,
    options: Arc<Options>,
    templates: HashMap<Str, Arc<Template>>,
    /// How many tokens were parsed, for the layers below too.
    tokens: usize,
    /// How many layers are below.
    height: u64,
    below: Option<Arc<Layer>>,
}

/// One template of a set.
#[derive(Debug)]
pub(crate) struct Template {
    pub name: Str,
    pub ast: Arc<Ast>,
    pub root: NodeId,
}

impl TemplateSet {
    /// Makes an empty set whose templates may call `funcs`.
    pub fn new(funcs: Arc<FuncMap>, options: Options) -> Self {
        let options = Arc::new(options);
        Self {
            layer: Arc::new(Layer {
                funcs,
                options,
                templates: HashMap::new(),
                tokens: 0,
                height: 0,
                below: None,
            }),
        }
    }

    /// Parses a text as the template `name`, together with the templates that it defines.
    ///
    /// A template of the same name is replaced, unless the new body is empty; as in Go. On an
    /// error the set stays as it was.
    pub fn parse(&mut self, name: impl Into<Str>, text: impl Into<Str>) -> Result<(), ParseError> {
        self.add(&name.into(), &text.into(), false)
    }

    /// Like [`TemplateSet::parse`], but replaces a template of that name by an empty body too.
    ///
    /// Go does so for a template made by `New`, as Helm's `tpl` does for its text.
    pub fn parse_new(&mut self, name: impl Into<Str>, text: impl Into<Str>) -> Result<(), ParseError> {
        self.add(&name.into(), &text.into(), true)
    }

    fn add(&mut self, own_name: &Str, text: &Str, replace_by_empty: bool) -> Result<(), ParseError> {
        let options = Arc::clone(&self.layer.options);
        let delims = (options.delims.0.as_str(), options.delims.1.as_str());
        let limits = &options.limits;
        let parsed = parse::parse(
            own_name,
            text,
            delims,
            &self.layer.funcs,
            limits,
            self.layer.tokens,
        )?;
        self.own_layer().tokens = parsed.tokens;
        for (name, root) in parsed.templates {
            let stays = !(replace_by_empty && name == *own_name);
            if stays && parsed.ast.is_empty_list(root) && self.contains(&name) {
                continue;
            }
            let template = Template {
                name: name.clone(),
                ast: Arc::clone(&parsed.ast),
                root,
            };
            self.own_layer().templates.insert(name, Arc::new(template));
        }
        Ok(())
    }

    /// Returns the layer of this set alone, a new one of their own if others share the set.
    fn own_layer(&mut self) -> &mut Layer {
        if Arc::get_mut(&mut self.layer).is_none() {
            let layer = Layer {
                funcs: Arc::clone(&self.layer.funcs),
                options: Arc::clone(&self.layer.options),
                templates: HashMap::new(),
                tokens: self.layer.tokens,
                height: self.layer.height + 1,
                below: Some(Arc::clone(&self.layer)),
            };
            self.layer = Arc::new(layer);
        }
        // The layer is not shared here, so this never copies.
        Arc::make_mut(&mut self.layer)
    }

    /// Returns the functions that the templates may call.
    pub fn funcs(&self) -> &Arc<FuncMap> {
        &self.layer.funcs
    }

    /// Returns how the set parses and executes.
    pub fn options(&self) -> &Options {
        &self.layer.options
    }

    /// Returns how many tokens were parsed into this set and those that it was cloned from.
    pub fn tokens(&self) -> usize {
        self.layer.tokens
    }

    /// How many steps finding a template takes: one for some of the sets that this one was cloned from, each in turn.
    pub(crate) fn lookup_steps(&self) -> u64 {
        const LAYERS_PER_STEP: u64 = 8;
        self.layer.height / LAYERS_PER_STEP
    }

    /// Returns whether there is a template of that name.
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        self.find(name.as_ref()).is_some()
    }

    /// Returns the names of all templates in byte order.
    pub fn names(&self) -> Vec<Str> {
        let mut names = BTreeSet::new();
        for layer in self.layers() {
            names.extend(layer.templates.keys().cloned());
        }
        names.into_iter().collect()
    }

    /// The set as a context keeps it, which knows nothing about templates.
    pub(crate) fn erased(&self) -> Arc<dyn Any + Send + Sync> {
        Arc::clone(&self.layer) as _
    }

    /// The set that [`erased`](Self::erased) was called on.
    pub(crate) fn from_erased(erased: &Arc<dyn Any + Send + Sync>) -> Option<Self> {
        let layer = Arc::clone(erased).downcast().ok()?;
        Some(Self { layer })
    }

    pub(crate) fn lookup(&self, name: &[u8]) -> Option<Arc<Template>> {
        self.find(name).cloned()
    }

    pub(crate) fn no_template(&self, name: &[u8]) -> ExecError {
        let set = quote(self.options().name.as_bytes());
        ExecError::new(format!(
            "template: no template {} associated with template {set}",
            quote(name)
        ))
    }

    fn find(&self, name: &[u8]) -> Option<&Arc<Template>> {
        self.layers().find_map(|layer| layer.templates.get(name))
    }

    fn layers(&self) -> impl Iterator<Item = &Layer> {
        std::iter::successors(Some(self.layer.as_ref()), |layer| layer.below.as_deref())
    }
}

impl Clone for Layer {
    fn clone(&self) -> Self {
        Self {
            funcs: Arc::clone(&self.funcs),
            options: Arc::clone(&self.options),
            tokens: self.tokens,
            height: self.height,
            templates: self.templates.clone(),
            below: self.below.clone(),
        }
    }
}
