//! Which fields each transformer changes: the defaults, and what `configurations` and `crds` files add.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use crate::budget::Budget;
use crate::config::defaults::{Table, name_references};
use crate::error::Context;
use crate::record::record;
use crate::{Error, FieldSpec, Gvk};
use go_std::record::Decoder;
use go_yaml::sigs;

/// Field specs by transformer. Lists are shared between the levels of a build until one of them adds to a list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    pub(crate) name_prefix: Specs,
    pub(crate) name_suffix: Specs,
    pub(crate) namespace: Specs,
    pub(crate) common_labels: Specs,
    pub(crate) labels: Specs,
    pub(crate) template_labels: Specs,
    pub(crate) common_annotations: Specs,
    pub(crate) name_reference: Arc<Vec<NameReference>>,
    pub(crate) var_reference: Specs,
    pub(crate) images: Specs,
    pub(crate) replicas: Specs,
}

pub(crate) type Specs = Arc<Vec<FieldSpec>>;

record! {
    /// The fields that name objects of a type.
    NameReference = "types.NameBackReferences" {
        group: String = "group",
        version: String = "version",
        kind: String = "kind",
        referrers: Vec<FieldSpec> = "fieldSpecs",
    }
}

impl NameReference {
    /// The type of the objects that are named.
    pub(crate) fn target(&self) -> Gvk {
        Gvk::new(&self.group, &self.version, &self.kind)
    }

    fn type_parts(&self) -> [&str; 3] {
        [&self.group, &self.version, &self.kind]
    }
}

record! {
    ConfigFile = "types.TransformerConfig" {
        name_prefix: Vec<FieldSpec> = "namePrefix",
        name_suffix: Vec<FieldSpec> = "nameSuffix",
        namespace: Vec<FieldSpec> = "namespace",
        common_labels: Vec<FieldSpec> = "commonLabels",
        labels: Vec<FieldSpec> = "labels",
        template_labels: Vec<FieldSpec> = "templateLabels",
        common_annotations: Vec<FieldSpec> = "commonAnnotations",
        name_reference: Vec<NameReference> = "nameReference",
        var_reference: Vec<FieldSpec> = "varReference",
        images: Vec<FieldSpec> = "images",
        replicas: Vec<FieldSpec> = "replicas",
    }
}

static DEFAULT: LazyLock<Config> = LazyLock::new(|| {
    let table = |table: Table| Arc::new(table.specs());
    let reference = |(target, referrers): (Gvk, Vec<FieldSpec>)| NameReference {
        group: target.group,
        version: target.version,
        kind: target.kind,
        referrers,
    };
    Config {
        name_prefix: table(Table::Name),
        name_suffix: table(Table::Name),
        namespace: table(Table::Namespace),
        common_labels: table(Table::CommonLabels),
        labels: Specs::default(),
        template_labels: table(Table::TemplateLabels),
        common_annotations: table(Table::CommonAnnotations),
        name_reference: Arc::new(name_references().into_iter().map(reference).collect()),
        var_reference: table(Table::VarReference),
        images: table(Table::Images),
        replicas: table(Table::Replicas),
    }
});

impl Config {
    /// What every kustomization starts with.
    pub(crate) fn built_in() -> Self {
        DEFAULT.clone()
    }

    /// The content of a `configurations` file.
    pub(crate) fn parse(content: &[u8], budget: &Budget) -> Result<Self, Error> {
        let value = sigs::to_value_strict(content, &budget.limits().yaml()).map_err(|e| Error::yaml(&e))?;
        let file: Result<ConfigFile, _> = Decoder::strict_coercing().decode(&value);
        let file = file
            .map_err(Error::from)
            .context("error unmarshaling JSON: while decoding JSON")?;
        let specs = |specs: &[FieldSpec], name: &str| {
            let mut distinct = Vec::with_capacity(specs.len());
            merge_specs(&mut distinct, specs, budget)
                .with_context(|| format!("failed to merge {name} fieldSpec"))?;
            Ok::<_, Error>(Arc::new(distinct))
        };
        let mut config = Self {
            name_prefix: specs(&file.name_prefix, "NamePrefix")?,
            name_suffix: specs(&file.name_suffix, "NameSuffix")?,
            namespace: specs(&file.namespace, "NameSpace")?,
            common_annotations: specs(&file.common_annotations, "CommonAnnotations")?,
            common_labels: specs(&file.common_labels, "CommonLabels")?,
            labels: specs(&file.labels, "Labels")?,
            template_labels: specs(&file.template_labels, "TemplateLabels")?,
            var_reference: specs(&file.var_reference, "VarReference")?,
            name_reference: Arc::new(file.name_reference),
            images: specs(&file.images, "Images")?,
            replicas: specs(&file.replicas, "Replicas")?,
        };
        config.sort();
        Ok(config)
    }

    /// Adds what `other` has; a spec that the list covers already is left out, or conflicts if only one of them creates.
    pub(crate) fn merge(&mut self, other: &Config, budget: &Budget) -> Result<(), Error> {
        let mut changed = false;
        let mut merge = |into: &mut Specs, from: &Specs, name: &str| {
            changed |= merge_shared(into, from, budget)
                .with_context(|| format!("failed to merge {name} fieldSpec"))?;
            Ok::<_, Error>(())
        };
        merge(&mut self.name_prefix, &other.name_prefix, "NamePrefix")?;
        merge(&mut self.name_suffix, &other.name_suffix, "NameSuffix")?;
        merge(&mut self.namespace, &other.namespace, "NameSpace")?;
        merge(
            &mut self.common_annotations,
            &other.common_annotations,
            "CommonAnnotations",
        )?;
        merge(&mut self.common_labels, &other.common_labels, "CommonLabels")?;
        merge(&mut self.labels, &other.labels, "Labels")?;
        merge(
            &mut self.template_labels,
            &other.template_labels,
            "TemplateLabels",
        )?;
        merge(&mut self.var_reference, &other.var_reference, "VarReference")?;
        changed |= self
            .merge_references(other, budget)
            .context("failed to merge NameReference fieldSpec")?;
        let mut merge = |into: &mut Specs, from: &Specs, name: &str| {
            changed |= merge_shared(into, from, budget)
                .with_context(|| format!("failed to merge {name} fieldSpec"))?;
            Ok::<_, Error>(())
        };
        merge(&mut self.images, &other.images, "Images")?;
        merge(&mut self.replicas, &other.replicas, "Replicas")?;
        if changed {
            self.sort();
        }
        Ok(())
    }

    fn merge_references(&mut self, other: &Config, budget: &Budget) -> Result<bool, Error> {
        if Arc::ptr_eq(&self.name_reference, &other.name_reference) || other.name_reference.is_empty() {
            return Ok(false);
        }
        if self.name_reference.is_empty() {
            self.name_reference = Arc::clone(&other.name_reference);
            return Ok(false);
        }
        let mut changed = false;
        let references = Arc::make_mut(&mut self.name_reference);
        let mut places = HashMap::with_capacity(references.len());
        for (place, reference) in references.iter().enumerate() {
            places.entry(reference.type_parts()).or_insert(place);
        }
        // What is new is looked up as well: a target may come several times.
        let mut new: Vec<NameReference> = Vec::new();
        let known = places.len();
        let mut merges = Vec::with_capacity(other.name_reference.len());
        for incoming in other.name_reference.iter() {
            let next = references.len() + (places.len() - known);
            merges.push((*places.entry(incoming.type_parts()).or_insert(next), incoming));
        }
        drop(places);
        for (place, incoming) in merges {
            let existing = match place.checked_sub(references.len()) {
                None => references.get_mut(place),
                Some(place) => new.get_mut(place),
            };
            if let Some(existing) = existing {
                changed |= merge_specs(&mut existing.referrers, &incoming.referrers, budget)?;
            } else {
                new.push(incoming.clone());
                changed = true;
            }
        }
        references.extend(new);
        Ok(changed)
    }

    /// Puts all lists into the order of their types.
    pub(crate) fn sort(&mut self) {
        for specs in [
            &mut self.name_prefix,
            &mut self.name_suffix,
            &mut self.namespace,
            &mut self.common_labels,
            &mut self.labels,
            &mut self.template_labels,
            &mut self.common_annotations,
            &mut self.var_reference,
            &mut self.images,
            &mut self.replicas,
        ] {
            if !specs.is_sorted_by(|a, b| a.gvk().compare(&b.gvk()).is_le()) {
                Arc::make_mut(specs).sort_by_cached_key(|spec| spec.gvk().sort_key());
            }
        }
        if !self
            .name_reference
            .is_sorted_by(|a, b| a.target().compare(&b.target()).is_le())
        {
            Arc::make_mut(&mut self.name_reference).sort_by_cached_key(|r| r.target().sort_key());
        }
    }
}

/// Merges lists of which one usually is the other, or empty; says whether a sorted list may have lost its order.
fn merge_shared(into: &mut Specs, from: &Specs, budget: &Budget) -> Result<bool, Error> {
    if from.is_empty() || Arc::ptr_eq(into, from) {
        return Ok(false);
    }
    if into.is_empty() {
        // Upstream adds one by one, so duplicates inside the incoming list are dropped here too.
        let mut specs = Vec::with_capacity(from.len());
        add_specs(&mut specs, from, budget)?;
        *into = if specs.len() == from.len() {
            // Shared, so that nothing is made: each kustomization starts with what is built in.
            Arc::clone(from)
        } else {
            budget.make(specs.iter().map(FieldSpec::bytes).sum())?;
            Arc::new(specs)
        };
        return Ok(true);
    }
    merge_specs(Arc::make_mut(into), from, budget)
}

/// Adds the specs that the list does not cover yet; says whether there were any.
pub(crate) fn merge_specs(
    into: &mut Vec<FieldSpec>,
    from: &[FieldSpec],
    budget: &Budget,
) -> Result<bool, Error> {
    let before = into.len();
    add_specs(into, from, budget)?;
    let added = into.iter().skip(before);
    budget.make(added.map(FieldSpec::bytes).sum())?;
    Ok(into.len() != before)
}

fn add_specs(into: &mut Vec<FieldSpec>, from: &[FieldSpec], budget: &Budget) -> Result<(), Error> {
    let mut covering = Covering::of(into, from);
    for spec in from {
        budget.step(covering.cost(into, spec))?;
        match covering.find(into, spec) {
            Some(have) if have.create == spec.create => {}
            Some(_) => return Err(Error::invalid("conflicting fieldspecs")),
            None => {
                covering.push(spec, into.len());
                into.push(spec.clone());
            }
        }
    }
    Ok(())
}

/// Finds the first spec of a list that covers another one; long lists by path and kind.
enum Covering {
    Short,
    Long(HashMap<String, HashMap<String, Vec<usize>>>),
}

impl Covering {
    /// Below this many comparisons an index does not pay.
    const SHORT: usize = 1 << 14;

    fn of(into: &[FieldSpec], from: &[FieldSpec]) -> Self {
        if (into.len() + from.len()) * from.len() < Self::SHORT {
            return Self::Short;
        }
        let mut covering = Self::Long(HashMap::new());
        for (place, spec) in into.iter().enumerate() {
            covering.push(spec, place);
        }
        covering
    }

    fn push(&mut self, spec: &FieldSpec, place: usize) {
        if let Self::Long(by_path) = self {
            let by_kind = by_path.entry(spec.path.clone()).or_default();
            by_kind.entry(spec.kind.clone()).or_default().push(place);
            if !spec.kind.is_empty() {
                // A spec without a kind is covered by those of every kind.
                by_kind.entry(String::new()).or_default().push(place);
            }
        }
    }

    fn places(&self, spec: &FieldSpec) -> &[usize] {
        match self {
            Self::Short => &[],
            Self::Long(by_path) => by_path
                .get(&spec.path)
                .and_then(|by_kind| by_kind.get(&spec.kind))
                .map_or(&[], Vec::as_slice),
        }
    }

    fn cost(&self, into: &[FieldSpec], spec: &FieldSpec) -> usize {
        match self {
            Self::Short => into.len() / 8,
            // One without version and group is covered by the first.
            Self::Long(_) if spec.version.is_empty() && spec.group.is_empty() => 1,
            Self::Long(_) => self.places(spec).len(),
        }
    }

    fn find<'i>(&self, into: &'i [FieldSpec], spec: &FieldSpec) -> Option<&'i FieldSpec> {
        match self {
            Self::Short => into.iter().find(|have| have.covers(spec)),
            Self::Long(_) => {
                let mut places = self.places(spec).iter().filter_map(|place| into.get(*place));
                places.find(|have| have.covers(spec))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(kind: &str, path: &str, create: bool) -> FieldSpec {
        FieldSpec {
            kind: kind.into(),
            path: path.into(),
            create,
            ..FieldSpec::default()
        }
    }

    #[test]
    fn broader_specs_are_covered_by_narrower_ones() {
        let budget = Budget::within(&crate::Limits::default());
        let mut specs = vec![spec("Deployment", "a/b", true)];
        assert_eq!(
            merge_specs(&mut specs, &[spec("", "a/b", true)], &budget),
            Ok(false)
        );
        assert_eq!(
            merge_specs(&mut specs, &[spec("Job", "a/b", false)], &budget),
            Ok(true)
        );
        let conflict = merge_specs(&mut specs, &[spec("", "a/b", false)], &budget);
        assert_eq!(
            conflict.map_err(|e| e.to_string()),
            Err("conflicting fieldspecs".to_owned())
        );
    }

    #[test]
    fn merging_the_defaults_into_themselves_shares() {
        let budget = Budget::within(&crate::Limits::default());
        let mut config = Config::built_in();
        assert_eq!(config.merge(&Config::built_in(), &budget), Ok(()));
        assert!(Arc::ptr_eq(
            &config.common_labels,
            &Config::built_in().common_labels
        ));
    }
}
