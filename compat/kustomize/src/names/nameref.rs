//! Name references: fields that name another object follow when that object's name or namespace changed.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use go_yaml::{Kind, Node};

use crate::budget::Budget;
use crate::config::transformers::NameReference;
use crate::edit::{expect_kind, set_field, set_scalar};
use crate::fields::fieldfilter::FieldFilter;
use crate::object::resmap::ResMap;
use crate::object::resource::{History, Previous, Resource};
use crate::{Error, FieldSpec, Gvk, ResId};

/// Updates every field that the references name, in all objects.
pub(crate) fn fix_references(
    objects: &mut ResMap,
    references: &[NameReference],
    budget: &Budget,
) -> Result<(), Error> {
    let rules = Rules::new(references);
    for object in &objects.resources {
        budget.make(object.history.previous.len() * size_of::<Previous>())?;
    }
    let candidates = Candidates::new(&objects.resources);
    for index in 0..objects.resources.len() {
        let Some(object) = objects.resources.get_mut(index) else {
            continue;
        };
        let Some(itself) = candidates.all.get(index) else {
            continue;
        };
        let mut rules = rules.of(&itself.original_type).peekable();
        if rules.peek().is_none() {
            continue;
        }
        let referrer = Referrer::new(object, itself, &candidates, budget)?;
        for rule in rules {
            let result = rule.filter.apply(&mut object.node, None, budget, &mut |node| {
                referrer.update(rule, node)
            });
            if let Err(error) = result {
                let updating = format!(
                    "updating name reference in '{}' field of '{}'",
                    rule.path, itself.id
                );
                let error = error.context(updating);
                return Err(match referrer.ambiguous.into_inner() {
                    Some(indices) => with_objects(&error, index, &indices, &objects.resources),
                    None => error,
                });
            }
        }
    }
    Ok(())
}

/// A field that names an object of a type.
struct Rule {
    target: Gvk,
    referrer: Gvk,
    path: String,
    filter: FieldFilter,
}

/// The rules by the kind of the object that has the field, so that most objects see few of them.
struct Rules {
    by_kind: HashMap<String, Vec<Rule>>,
    any_kind: Vec<Rule>,
}

impl Rules {
    fn new(references: &[NameReference]) -> Self {
        let mut rules = Self {
            by_kind: HashMap::new(),
            any_kind: Vec::new(),
        };
        for reference in references {
            for spec in &reference.referrers {
                // The type is compared with the original one, here; the walk takes whatever it is given.
                let anywhere = FieldSpec {
                    path: spec.path.clone(),
                    create: spec.create,
                    ..FieldSpec::default()
                };
                let rule = Rule {
                    target: reference.target(),
                    referrer: spec.gvk(),
                    path: spec.path.clone(),
                    filter: FieldFilter::new([anywhere]),
                };
                if spec.kind.is_empty() {
                    rules.any_kind.push(rule);
                } else {
                    rules.by_kind.entry(spec.kind.clone()).or_default().push(rule);
                }
            }
        }
        rules
    }

    fn of<'r>(&'r self, gvk: &'r Gvk) -> impl Iterator<Item = &'r Rule> {
        let of_kind = self.by_kind.get(&gvk.kind).into_iter().flatten();
        of_kind
            .chain(&self.any_kind)
            .filter(|rule| gvk.is_selected(&rule.referrer))
    }
}

/// An object as it was before references were updated.
struct Candidate {
    index: usize,
    id: ResId,
    original_type: Gvk,
    original_namespace: String,
    previous: Vec<ResId>,
    history: History,
}

struct Candidates {
    all: Vec<Candidate>,
    by_previous_name: HashMap<String, Vec<usize>>,
    by_original_namespace: HashMap<String, Vec<usize>>,
}

impl Candidates {
    fn new(resources: &[Resource]) -> Self {
        let mut candidates = Self {
            all: Vec::with_capacity(resources.len()),
            by_previous_name: HashMap::new(),
            by_original_namespace: HashMap::new(),
        };
        for (index, resource) in resources.iter().enumerate() {
            let previous = resource.previous_ids();
            let original = previous.first().cloned().unwrap_or_else(|| resource.id());
            let names: HashSet<_> = previous.iter().map(|id| id.name.clone()).collect();
            for name in names {
                candidates.by_previous_name.entry(name).or_default().push(index);
            }
            let original_namespace = original.effective_namespace().to_owned();
            candidates
                .by_original_namespace
                .entry(original_namespace.clone())
                .or_default()
                .push(index);
            candidates.all.push(Candidate {
                index,
                id: resource.id(),
                original_type: original.gvk,
                original_namespace,
                previous,
                history: resource.history.clone(),
            });
        }
        candidates
    }
}

/// The object whose fields are being updated.
struct Referrer<'a> {
    itself: &'a Candidate,
    candidates: &'a Candidates,
    budget: &'a Budget,
    role_ref: Option<Gvk>,
    /// Namespaces of service accounts that a RoleBinding names.
    account_namespaces: HashSet<String>,
    /// The objects between which no choice was possible, for the error about it.
    ambiguous: RefCell<Option<Vec<usize>>>,
}

impl<'a> Referrer<'a> {
    fn new(
        object: &Resource,
        itself: &'a Candidate,
        candidates: &'a Candidates,
        budget: &'a Budget,
    ) -> Result<Self, Error> {
        let account_namespaces = if object.kind() == "RoleBinding" {
            account_namespaces(object)?
        } else {
            HashSet::new()
        };
        Ok(Self {
            itself,
            candidates,
            budget,
            role_ref: role_ref(&object.node),
            account_namespaces,
            ambiguous: RefCell::default(),
        })
    }

    fn update(&self, rule: &Rule, node: &mut Node) -> Result<(), Error> {
        match node.kind() {
            _ if node.is_null() => Ok(()),
            Kind::Scalar => self.update_name(rule, node),
            Kind::Mapping => self.update_map(rule, node),
            Kind::Sequence => {
                for item in node.items_mut().into_iter().flatten() {
                    if item.is_null() {
                        continue;
                    }
                    match item.kind() {
                        Kind::Scalar => self.update_name(rule, item)?,
                        Kind::Mapping => self.update_map(rule, item)?,
                        Kind::Sequence | Kind::Alias => {
                            return Err(Error::invalid(
                                "a list item is expected to be either a string or a map of string",
                            ));
                        }
                    }
                }
                Ok(())
            }
            Kind::Alias => Err(Error::invalid("node must be a scalar, sequence or map")),
        }
    }

    fn update_name(&self, rule: &Rule, node: &mut Node) -> Result<(), Error> {
        let named = self.named(node.text(), None)?;
        match self.select(rule, named, |a, b| a.id.name == b.id.name)? {
            Some(referral) if referral.id.name != node.text() => {
                self.budget.make_text(&referral.id.name)?;
                set_scalar(node, Node::scalar(&referral.id.name))
            }
            _ => Ok(()),
        }
    }

    fn update_map(&self, rule: &Rule, node: &mut Node) -> Result<(), Error> {
        let Some(name) = node.get("name").map(|n| n.text().to_owned()) else {
            return Err(Error::invalid("path config error; no 'name' field in node"));
        };
        let named = self.named(&name, node.get("namespace").map(Node::text))?;
        let identical =
            |a: &Candidate, b: &Candidate| a.id.name == b.id.name && a.id.namespace == b.id.namespace;
        let Some(referral) = self.select(rule, named, identical)? else {
            return Ok(());
        };
        let namespace = &referral.id.namespace;
        if referral.id.name == name && namespace.is_empty() {
            return Ok(());
        }
        self.budget.make_text(&referral.id.name)?;
        self.budget.make_text(namespace)?;
        set_field(node, "name", Node::scalar(&referral.id.name))?;
        if namespace.is_empty() {
            Ok(())
        } else {
            set_field(node, "namespace", Node::scalar(namespace))
        }
    }

    /// The objects that once had the name and that this one may refer to; in a namespace if one is given.
    fn named(&self, name: &str, namespace: Option<&str>) -> Result<Vec<&'a Candidate>, Error> {
        let indices = self.candidates.by_previous_name.get(name);
        self.budget.step(1 + 4 * indices.map_or(0, Vec::len))?;
        let indices = indices.into_iter().flatten();
        let all = indices
            .filter_map(|i| self.candidates.all.get(*i))
            .filter(|c| self.may_refer_to(c));
        let Some(namespace) = namespace else {
            return Ok(all.collect());
        };
        let indices = self
            .candidates
            .by_original_namespace
            .get(namespace)
            .into_iter()
            .flatten();
        let mut originals = indices.filter_map(|i| self.candidates.all.get(*i));
        let by_original =
            namespace != crate::object::resid::NOT_A_NAMESPACE && originals.any(|c| self.may_refer_to(c));
        let named = all.filter(|c| {
            if by_original {
                c.original_namespace == namespace
            } else {
                !c.id.gvk.is_cluster_scoped() && c.id.effective_namespace() == namespace
            }
        });
        Ok(named.collect())
    }

    fn may_refer_to(&self, candidate: &Candidate) -> bool {
        let (from, to) = (&self.itself.id, &candidate.id);
        from.gvk.is_cluster_scoped()
            || to.gvk.is_cluster_scoped()
            || from.effective_namespace() == to.effective_namespace()
            || self.account_namespaces.contains(&to.namespace)
    }

    /// The one object that is meant, by type, namespace and finally by the prefixes and suffixes that both share.
    fn select(
        &self,
        rule: &Rule,
        mut candidates: Vec<&'a Candidate>,
        identical: impl Fn(&Candidate, &Candidate) -> bool,
    ) -> Result<Option<&'a Candidate>, Error> {
        let had_type = |c: &Candidate, gvk: &Gvk| c.previous.iter().any(|id| id.gvk.is_selected(gvk));
        candidates.retain(|c| had_type(c, &rule.target));
        if let Some(role_ref) = self
            .role_ref
            .as_ref()
            .filter(|_| rule.path.ends_with("roleRef/name"))
        {
            candidates.retain(|c| had_type(c, role_ref));
        }
        candidates.retain(|c| self.shares_namespace(c));
        if candidates.len() > 1 {
            candidates.retain(|c| c.history.same_context(&self.itself.history, true));
        } else if let [only] = candidates[..] {
            return Ok(Some(only));
        }
        if candidates.len() > 1 {
            candidates.retain(|c| c.history.same_context(&self.itself.history, false));
        }
        match candidates[..] {
            [] => Ok(None),
            [first, ref others @ ..] if others.iter().all(|c| identical(first, c)) => Ok(Some(first)),
            _ => Err(self.ambiguous(&candidates)),
        }
    }

    fn shares_namespace(&self, candidate: &Candidate) -> bool {
        let (from, to) = (&self.itself.id, &candidate.id);
        from.gvk.is_cluster_scoped()
            || to.gvk.is_cluster_scoped()
            || to.gvk.kind == "ServiceAccount"
            || from.effective_namespace() == to.effective_namespace()
    }

    fn ambiguous(&self, candidates: &[&Candidate]) -> Error {
        let ids: Vec<_> = candidates.iter().map(|c| c.id.to_string()).collect();
        self.ambiguous
            .replace(Some(candidates.iter().map(|c| c.index).collect()));
        Error::invalid(format!("found multiple possible referrals: {}", ids.join(", ")))
    }
}

/// The error with the objects that it is about, as upstream prints them.
fn with_objects(error: &Error, referrer: usize, candidates: &[usize], resources: &[Resource]) -> Error {
    let yaml = |index: usize| {
        let text = resources
            .get(index)
            .map(|r| go_yaml::sigs::node_to_string(&r.node));
        text.and_then(Result::ok).unwrap_or_default()
    };
    let mut text = format!(
        "{error}\n\n**** Too many possible referral targets to referrer:\n{}\n",
        yaml(referrer)
    );
    for (i, candidate) in candidates.iter().enumerate() {
        text.push_str("--- possible referral ");
        text.push_str(&i.to_string());
        text.push_str(":\n");
        text.push_str(&yaml(*candidate));
        text.push('\n');
    }
    Error::new(error.kind(), text)
}

fn role_ref(node: &Node) -> Option<Gvk> {
    let role_ref = node.get("roleRef")?;
    let (group, kind) = (role_ref.get("apiGroup")?, role_ref.get("kind")?);
    Some(Gvk::new(group.text(), "", kind.text()))
}

fn account_namespaces(object: &Resource) -> Result<HashSet<String>, Error> {
    let mut namespaces = HashSet::new();
    for subject in object.node.get("subjects").map_or(&[][..], Node::items) {
        expect_kind(subject, Kind::Mapping)?;
        let is_account = subject
            .get("kind")
            .is_some_and(|kind| kind.text() == "ServiceAccount");
        let Some(namespace) = subject.get("namespace").filter(|_| is_account) else {
            continue;
        };
        if !matches!(namespace.core_tag(), None | Some(go_yaml::Tag::Str)) || !namespace.is_scalar() {
            let id = object.id();
            return Err(Error::invalid(format!(
                "Invalid Input: namespace is blank for resource \"{id}\"\n"
            )));
        }
        namespaces.insert(namespace.text().to_owned());
    }
    Ok(namespaces)
}
