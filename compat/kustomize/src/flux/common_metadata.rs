//! Labels and annotations for every object of a stream, without a kustomization.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::budget::Budget;
use crate::build::{Object, Output};
use crate::object::resmap::ResMap;
use crate::object::resource::Reader;
use crate::transform::{MapTransformer, Transformer};
use crate::{Error, FieldSpec, Limits};

/// Sets labels and annotations in the metadata of every object of a stream of documents, and prints the objects.
///
/// It is what helm-controller does to a release: kustomize's label and annotation transformers with the one field
/// `metadata/labels` or `metadata/annotations`. Lists are taken apart, no two objects may have the same id, and the
/// text is that of `kustomize build`.
pub fn set_common_metadata(
    stream: &[u8],
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
    limits: &Limits,
) -> Result<String, Error> {
    let budget = Rc::new(Budget::within(limits));
    let mut objects = ResMap::from_resources(Reader::new(Rc::clone(&budget)).resources(stream)?)?;
    objects.check_size(limits.objects)?;
    for (path, entries) in [("metadata/labels", labels), ("metadata/annotations", annotations)] {
        let field = FieldSpec {
            path: path.to_owned(),
            create: true,
            ..FieldSpec::default()
        };
        MapTransformer::new(entries.clone(), [field]).transform(&mut objects, &budget)?;
    }
    let objects = objects.resources.into_iter().map(Object::new);
    Output::new(objects.collect(), Vec::new(), limits).to_yaml()
}
