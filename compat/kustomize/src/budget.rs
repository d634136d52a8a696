//! What a build may still do and make, shared by all its steps.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use go_yaml::{Node, Size};
use serde_json::Value;

use crate::json::{self, JsonSize};
use crate::{Error, ErrorKind, Limits, Options};

/// The allowances of one build.
///
/// Every loop whose length the input chooses pays with [`step`](Self::step), in units of some ten nanoseconds; everything
/// that is kept in an object pays with [`make`](Self::make) before it is made.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    steps: Cell<u64>,
    made: Cell<u64>,
    comparisons: Cell<usize>,
    alias_nodes: Cell<usize>,
    nodes_read: Cell<usize>,
    /// Bytes of the one JSON document that is there now.
    document: Cell<u64>,
    cancelled: Option<Arc<AtomicBool>>,
}

/// How many bytes are read or written in the time of one step.
const BYTES_PER_STEP: u64 = 16;
/// After how many steps a build looks whether it was given up.
const STEPS_PER_LOOK: u32 = 12;

impl Budget {
    /// All allowances of a build.
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            cancelled: options.cancelled.clone(),
            ..Self::within(&options.limits)
        }
    }

    /// All allowances of what nobody gives up.
    pub(crate) fn within(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            steps: Cell::default(),
            made: Cell::default(),
            comparisons: Cell::default(),
            alias_nodes: Cell::default(),
            nodes_read: Cell::default(),
            document: Cell::default(),
            cancelled: None,
        }
    }

    /// The bounds of the build.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Pays for work.
    pub(crate) fn step(&self, steps: usize) -> Result<(), Error> {
        let before = self.steps.get();
        let after = before.saturating_add(steps as u64);
        self.steps.set(after);
        if after > self.limits.steps {
            return Err(limit(format!(
                "the build takes more than {} steps",
                self.limits.steps
            )));
        }
        if before >> STEPS_PER_LOOK != after >> STEPS_PER_LOOK {
            return self.check_cancelled();
        }
        Ok(())
    }

    /// Pays for work where no error can be given: the next payment tells.
    pub(crate) fn spend(&self, steps: usize) {
        self.steps.set(self.steps.get().saturating_add(steps as u64));
    }

    /// Pays for a text that is looked at, byte by byte.
    pub(crate) fn scan(&self, bytes: usize) -> Result<(), Error> {
        self.step(1 + bytes / BYTES_PER_STEP as usize)
    }

    /// Pays for something that is about to be made.
    pub(crate) fn make(&self, bytes: usize) -> Result<(), Error> {
        let made = self.made.get().saturating_add(bytes as u64);
        self.made.set(made);
        if made > self.limits.made_bytes {
            let max = self.limits.made_bytes;
            return Err(limit(format!("the build makes more than {max} bytes")));
        }
        self.scan(bytes)
    }

    /// Refuses what would be made for a moment only, if it would not fit beside all that is kept.
    pub(crate) fn at_once(&self, bytes: usize) -> Result<(), Error> {
        let max = self.limits.made_bytes;
        if self.made.get().saturating_add(bytes as u64) > max {
            return Err(limit(format!("the build makes more than {max} bytes")));
        }
        Ok(())
    }

    /// Refuses a tree that would take too much as JSON, in which a small map takes several times what it takes here.
    pub(crate) fn as_json(&self, node: &Node) -> Result<(), Error> {
        self.at_once(node.size().value_bytes)
    }

    /// Pays for a scalar with this text.
    pub(crate) fn make_text(&self, text: &str) -> Result<(), Error> {
        self.make(Size::of_text(text))
    }

    /// A JSON document is opened, and the one before it is gone.
    pub(crate) fn open_document(&self, document: &Value) -> Result<(), Error> {
        let size = json::size(document);
        self.step(size.nodes)?;
        self.document.set((size.structure + size.texts) as u64);
        Ok(())
    }

    /// Pays for a value that goes into the JSON document. As JSON it takes several times what it takes in an object,
    /// but goes with the document; what it takes in the object stays.
    pub(crate) fn make_json(&self, size: JsonSize) -> Result<(), Error> {
        let bytes = (size.structure + size.texts) as u64;
        let document = self.document.get().saturating_add(bytes);
        self.document.set(document);
        let max = self.limits.made_bytes;
        if document > max {
            return Err(limit(format!("the build makes more than {max} bytes")));
        }
        self.make(size.nodes * Size::NODE + size.texts)
    }

    /// Pays for a copy of a tree.
    pub(crate) fn copy(&self, node: &Node) -> Result<Node, Error> {
        self.make(node.size().bytes)?;
        Ok(node.clone())
    }

    /// Pays for a walk over a tree.
    pub(crate) fn walk(&self, node: &Node) -> Result<(), Error> {
        let size = node.size();
        self.step(size.nodes)?;
        self.scan(size.bytes.saturating_sub(size.nodes * Size::NODE))
    }

    /// Pays for comparisons of two elements of lists.
    pub(crate) fn compare(&self, comparisons: usize) -> Result<(), Error> {
        let after = self.comparisons.get().saturating_add(comparisons);
        self.comparisons.set(after);
        let max = self.limits.list_comparisons;
        if after > max {
            return Err(limit(format!(
                "merging lists takes more than {max} comparisons of their elements"
            )));
        }
        self.check_cancelled()
    }

    /// What the next text of resources or patches is bounded by: what those before it have left.
    pub(crate) fn yaml(&self) -> go_yaml::Limits {
        let yaml = self.limits.yaml();
        go_yaml::Limits {
            max_nodes: yaml.max_nodes.saturating_sub(self.nodes_read.get()),
            ..yaml
        }
    }

    /// A text of resources or patches was read.
    pub(crate) fn read(&self, node: &Node) -> Result<(), Error> {
        let nodes = node.size().nodes;
        self.nodes_read.set(self.nodes_read.get().saturating_add(nodes));
        self.step(nodes)
    }

    /// Pays for what an alias stands for.
    pub(crate) fn expand(&self, size: Size) -> Result<(), Error> {
        let after = self.alias_nodes.get().saturating_add(size.nodes);
        self.alias_nodes.set(after);
        let max = self.limits.alias_nodes;
        if after > max {
            return Err(limit(format!("aliases expand to more than {max} nodes")));
        }
        self.make(size.bytes)
    }

    /// Refuses a tree that would be nested deeper than any tree of a build may be.
    pub(crate) fn check_depth(&self, depth: usize) -> Result<(), Error> {
        let max = self.limits.nesting();
        if depth > max {
            return Err(limit(format!("nested more than {max} levels deep")));
        }
        Ok(())
    }

    fn check_cancelled(&self) -> Result<(), Error> {
        let is_cancelled = |flag: &Arc<AtomicBool>| flag.load(Ordering::Relaxed);
        if self.cancelled.as_ref().is_some_and(is_cancelled) {
            return Err(Error::new(ErrorKind::Cancelled, "the build was cancelled"));
        }
        Ok(())
    }
}

fn limit(text: String) -> Error {
    Error::new(ErrorKind::Limit, text)
}
