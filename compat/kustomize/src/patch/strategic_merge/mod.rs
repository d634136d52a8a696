//! Strategic merge of a patch into an object, as kyaml's `merge2` does it.
//!
//! A value is in one of three situations, and each has its own rules about nulls and directives: it is only in the
//! object ([`Merge::keep`]), only in the patch ([`Merge::add`]), or in both ([`Merge::both`]). The whole object is walked,
//! not only what the patch names, because upstream tidies the rest as well: implicit nulls go, and lists that merge by
//! keys lose duplicates.

mod list;

use go_yaml::{Kind, Node};

use crate::Error;
use crate::budget::Budget;
use crate::edit::{expect_kind, quote_for_yaml_1_1};
use crate::openapi::{self, Schema, Shape};

/// What became of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It stays, possibly changed.
    Keep,
    /// It is to be removed.
    Remove,
}

/// Merges `patch` into `object`; the lists of types that `schema` knows are merged by their keys.
///
/// `$patch: replace` at the top of a patch changes nothing, as upstream drops its result.
pub(crate) fn merge(
    object: &mut Node,
    mut patch: Node,
    schema: &Schema,
    budget: &Budget,
) -> Result<Fate, Error> {
    let merge = Merge { schema, budget };
    if object.is_mapping() && patch.is_mapping() {
        match take_directive(&mut patch)? {
            Directive::Delete => return Ok(Fate::Remove),
            Directive::Replace => return Ok(Fate::Keep),
            Directive::Merge => {}
        }
    }
    merge.both(object, patch, None)
}

struct Merge<'s> {
    schema: &'s Schema,
    budget: &'s Budget,
}

/// What `$patch` says about a mapping or a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

const DIRECTIVE: &str = "$patch";

impl Directive {
    fn parse(word: &str) -> Result<Self, Error> {
        match word {
            "merge" => Ok(Self::Merge),
            "replace" => Ok(Self::Replace),
            "delete" => Ok(Self::Delete),
            _ => Err(Error::invalid(format!("unknown patch strategy '{word}'"))),
        }
    }
}

/// Removes the directive of a mapping from it.
fn take_directive(patch: &mut Node) -> Result<Directive, Error> {
    let Some(word) = patch.get(DIRECTIVE) else {
        return Ok(Directive::Merge);
    };
    let directive = Directive::parse(word.text())?;
    patch.remove(DIRECTIVE);
    Ok(directive)
}

/// The shape of a value: what a comment says about it, else what its place says, else what its own type says.
enum Known<'a> {
    FromComment(Shape),
    FromSchema(&'a Shape),
    Nothing,
}

impl<'a> Known<'a> {
    /// What a comment refers to; it is known even if there is no such type.
    fn of(shape: Option<&'a Shape>) -> Self {
        shape.map_or(Self::FromComment(Shape::default()), Self::FromSchema)
    }

    fn get(&self) -> Option<&Shape> {
        match self {
            Self::FromComment(shape) => Some(shape),
            Self::FromSchema(shape) => Some(shape),
            Self::Nothing => None,
        }
    }
}

impl Merge<'_> {
    /// What is known about a value that is `nodes` in the object and the patch.
    fn known<'a>(&'a self, nodes: &[&Node], from_place: Option<&'a Shape>) -> Known<'a> {
        let present = || nodes.iter().filter(|node| !node.is_null());
        if let Some(known) = present().find_map(|node| self.comment_shape(node)) {
            return known;
        }
        let own_type = || {
            present().find_map(|node| {
                let text = |field| node.get(field).map(Node::text).filter(|text| !text.is_empty());
                self.schema.of_kind(text("apiVersion")?, text("kind")?)
            })
        };
        from_place
            .or_else(own_type)
            .map_or(Known::Nothing, Known::FromSchema)
    }

    /// The shape of a field: what a comment at its value or key says, else what the schema says.
    fn known_field<'a>(&'a self, map: Option<&'a Shape>, name: &str, nodes: &[&Node]) -> Known<'a> {
        if let Some(known) = nodes.iter().find_map(|node| self.comment_shape(node)) {
            return known;
        }
        map.and_then(|map| self.schema.field(map, name))
            .map_or(Known::Nothing, Known::FromSchema)
    }

    /// The schema that a comment spells out as JSON; only the first comment of line and head is looked at.
    fn comment_shape(&self, node: &Node) -> Option<Known<'_>> {
        let comments = node.comments();
        let text = [&comments.line, &comments.head]
            .into_iter()
            .find(|text| !text.is_empty())?;
        self.budget.spend(1 + text.len() / 4);
        let value: serde_json::Value = serde_json::from_str(text.trim_start_matches('#')).ok()?;
        if value.as_object()?.is_empty() {
            return None;
        }
        Some(match openapi::shape(&value).ok()? {
            Shape::Ref(name) => Known::of(self.schema.named(&name)),
            shape => Known::FromComment(shape),
        })
    }

    /// A value that only the object has.
    fn keep(&self, node: &mut Node, from_place: Option<&Shape>) -> Result<Fate, Error> {
        if node.is_null() {
            // `key: null` stays, `key:` goes.
            return Ok(if node.text().is_empty() {
                Fate::Remove
            } else {
                Fate::Keep
            });
        }
        match node.kind() {
            Kind::Mapping => {
                let known = self.known(&[node], from_place);
                self.visit_fields(node, known.get(), |field, known| self.keep(field, known))?;
            }
            Kind::Sequence => {
                let known = self.known(&[node], from_place);
                if let Some((shape, keys)) = known.get().and_then(|shape| Some((shape, shape.merge_keys()?)))
                {
                    self.keep_elements(node, shape, keys)?;
                }
            }
            Kind::Scalar | Kind::Alias => {}
        }
        Ok(Fate::Keep)
    }

    /// Quotes what YAML 1.1 would not read as a string, for which long texts have to be read.
    fn quote(&self, value: &mut Node) {
        self.budget.spend(value.text().len());
        quote_for_yaml_1_1(value);
    }

    fn add_fields(&self, map: &mut Node, shape: Option<&Shape>) -> Result<(), Error> {
        self.visit_fields(map, shape, |field, known| self.add(field, known, true))
    }

    /// Visits the fields of a mapping that only one side has, and takes out those that are to go.
    fn visit_fields(
        &self,
        map: &mut Node,
        shape: Option<&Shape>,
        visit: impl Fn(&mut Node, Option<&Shape>) -> Result<Fate, Error>,
    ) -> Result<(), Error> {
        let Some(entries) = map.entries_mut() else {
            return Ok(());
        };
        self.budget.step(entries.len())?;
        let mut failed = None;
        entries.retain_mut(|pair| {
            if failed.is_some() {
                return true;
            }
            let known = self.known_field(shape, pair.0.text(), &[&pair.1, &pair.0]);
            match visit(&mut pair.1, known.get()) {
                Ok(Fate::Keep) => {
                    self.quote(&mut pair.1);
                    true
                }
                Ok(Fate::Remove) => false,
                Err(error) => {
                    failed = Some(error);
                    true
                }
            }
        });
        failed.map_or(Ok(()), Err)
    }

    /// A value that only the patch has; `inside` is whether that is so for the mapping or list around it as well, in
    /// which case its directives count and must be valid.
    fn add(&self, node: &mut Node, from_place: Option<&Shape>, inside: bool) -> Result<Fate, Error> {
        if node.is_null() {
            return Ok(Fate::Remove);
        }
        match node.kind() {
            Kind::Mapping => {
                match take_directive(node) {
                    Ok(Directive::Delete) => return Ok(Fate::Remove),
                    Err(error) if inside => return Err(error),
                    _ => {}
                }
                let known = self.known(&[node], from_place);
                self.add_fields(node, known.get())?;
            }
            Kind::Sequence => {
                let known = self.known(&[node], from_place);
                if let Some((shape, keys)) = known.get().and_then(|shape| Some((shape, shape.merge_keys()?)))
                {
                    return self.add_elements(node, shape, keys, inside);
                }
            }
            Kind::Scalar | Kind::Alias => {}
        }
        Ok(Fate::Keep)
    }

    /// A value that both have; what the patch says ends up in `dest`, in the style that `dest` had.
    fn both(&self, dest: &mut Node, mut patch: Node, from_place: Option<&Shape>) -> Result<Fate, Error> {
        if patch.is_null() {
            return Ok(Fate::Remove);
        }
        if dest.is_null() {
            let fate = self.add(&mut patch, from_place, false)?;
            replace(dest, patch);
            return Ok(fate);
        }
        expect_kind(&patch, dest.kind())?;
        match dest.kind() {
            Kind::Mapping => {
                let known = self.known(&[dest, &patch], from_place);
                take_comments_and_empty_style(dest, &patch);
                match take_directive(&mut patch)? {
                    Directive::Delete => return Ok(Fate::Remove),
                    Directive::Replace => {
                        self.add_fields(&mut patch, known.get())?;
                        replace(dest, patch);
                    }
                    Directive::Merge => self.both_fields(dest, patch, known.get())?,
                }
            }
            Kind::Sequence => {
                let known = self.known(&[dest, &patch], from_place);
                take_comments_and_empty_style(dest, &patch);
                match known.get().and_then(|shape| Some((shape, shape.merge_keys()?))) {
                    Some((shape, keys)) => return self.both_elements(dest, patch, shape, keys),
                    None => replace(dest, patch),
                }
            }
            Kind::Scalar | Kind::Alias => replace(dest, patch),
        }
        Ok(Fate::Keep)
    }

    fn both_fields(&self, dest: &mut Node, patch: Node, shape: Option<&Shape>) -> Result<(), Error> {
        let Some(entries) = dest.entries_mut() else {
            return Ok(());
        };
        self.budget.step(entries.len() + 2 * patch.entries().len())?;
        let places = Places::of(entries);
        let mut state = vec![Field::Untouched; entries.len()];
        for (key, mut value) in sorted_fields(patch) {
            let name = key.text();
            let found = places.find(entries, name);
            if let Some((place, pair)) = found.and_then(|place| Some((place, entries.get_mut(place)?))) {
                let known = self.known_field(shape, name, &[&pair.1, &pair.0, &value, &key]);
                let fate = self.both(&mut pair.1, value, known.get())?;
                if let Some(state) = state.get_mut(place) {
                    *state = if fate == Fate::Keep {
                        Field::Merged
                    } else {
                        Field::Removed
                    };
                }
            } else {
                let known = self.known_field(shape, name, &[&value, &key]);
                if self.add(&mut value, known.get(), false)? == Fate::Keep {
                    self.quote(&mut value);
                    entries.push((Node::scalar(name).styled(key.style()), value));
                }
            }
        }
        for (pair, state) in entries.iter_mut().zip(&mut state) {
            if *state == Field::Untouched {
                let known = self.known_field(shape, pair.0.text(), &[&pair.1, &pair.0]);
                if self.keep(&mut pair.1, known.get())? == Fate::Remove {
                    *state = Field::Removed;
                }
                self.quote(&mut pair.1);
            }
        }
        let mut states = state.into_iter();
        entries.retain(|_| states.next() != Some(Field::Removed));
        Ok(())
    }
}

/// What happened to a field of the object so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Untouched,
    Merged,
    Removed,
}

/// Finds the first field of a name in a mapping that only grows at its end.
struct Places {
    by_name: Option<Vec<usize>>,
}

impl Places {
    /// Below this many fields a look at each of them is faster than an index.
    const SMALL: usize = 16;

    fn of(entries: &[(Node, Node)]) -> Self {
        let by_name = (entries.len() > Self::SMALL).then(|| {
            let mut by_name: Vec<usize> = (0..entries.len()).collect();
            by_name.sort_by_key(|&place| name_at(entries, place));
            by_name
        });
        Self { by_name }
    }

    fn find(&self, entries: &[(Node, Node)], name: &str) -> Option<usize> {
        let Some(by_name) = &self.by_name else {
            return entries
                .iter()
                .take(Self::SMALL)
                .position(|(key, _)| key.text() == name);
        };
        let start = by_name.partition_point(|&place| name_at(entries, place) < name);
        by_name
            .get(start)
            .copied()
            .filter(|&place| name_at(entries, place) == name)
    }
}

fn name_at(entries: &[(Node, Node)], place: usize) -> &str {
    entries.get(place).map_or("", |(key, _)| key.text())
}

/// The fields of a mapping in byte order of their names, the first of each name.
fn sorted_fields(map: Node) -> Vec<(Node, Node)> {
    let mut fields = map.into_entries();
    fields.sort_by(|(a, _), (b, _)| a.text().cmp(b.text()));
    fields.dedup_by(|(later, _), (first, _)| later.text() == first.text());
    fields
}

/// Puts `new` in the place of `old`, in its style.
fn replace(old: &mut Node, new: Node) {
    let style = old.style();
    *old = new.styled(style);
}

/// A collection takes the comments of the patch, and its style if it was empty.
fn take_comments_and_empty_style(dest: &mut Node, patch: &Node) {
    let new = patch.comments();
    if !new.is_empty() {
        let comments = dest.comments_mut();
        for (old, new) in [
            (&mut comments.head, &new.head),
            (&mut comments.line, &new.line),
            (&mut comments.foot, &new.foot),
        ] {
            if !new.is_empty() {
                old.clone_from(new);
            }
        }
    }
    if dest.is_empty() {
        dest.set_style(patch.style());
    }
}
