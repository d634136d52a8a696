//! Image names, tags and digests.

use go_regexp::Regexp;
use go_yaml::{Kind, Node};

use super::Transformer;
use crate::budget::Budget;
use crate::edit::{expect_kind, set_scalar};
use crate::error::Context;
use crate::fields::fieldfilter::FieldFilter;
use crate::load::kustomization::Image;
use crate::object::resmap::ResMap;
use crate::pattern::{Plain, compile, matching_cost};
use crate::{Error, FieldSpec};

/// Changes the images of one name.
pub(crate) struct ImageTransformer {
    image: Image,
    name: Name,
    fields: FieldFilter,
}

impl ImageTransformer {
    /// A transformer for these fields, and for every list named `containers` or `initContainers`.
    ///
    /// The name is a regular expression, as it is upstream, where one that is invalid is a crash.
    pub(crate) fn new(
        image: Image,
        fields: impl IntoIterator<Item = FieldSpec>,
        budget: &Budget,
    ) -> Result<Self, Error> {
        let name = Name::new(&image.name, budget).with_context(|| format!("image name {:?}", image.name))?;
        Ok(Self {
            image,
            name,
            fields: FieldFilter::new(fields),
        })
    }

    fn update(&self, node: &mut Node, budget: &Budget) -> Result<(), Error> {
        expect_kind(node, Kind::Scalar)?;
        budget.scan(self.name.cost(node.text()))?;
        if !self.name.is_match(node.text()) {
            return Ok(());
        }
        let value = self.renamed(node.text());
        budget.make_text(&value)?;
        set_scalar(node, Node::scalar(value))
    }

    fn renamed(&self, image: &str) -> String {
        let change = &self.image;
        let (name, mut tag, mut digest) = split(image);
        let suffixed = format!("{tag}{}", change.tag_suffix);
        let name = if change.new_name.is_empty() {
            name
        } else {
            &change.new_name
        };
        if !change.new_tag.is_empty() {
            (tag, digest) = (&change.new_tag, &change.digest);
        } else if !change.digest.is_empty() {
            (tag, digest) = ("", &change.digest);
        } else if !change.tag_suffix.is_empty() {
            (tag, digest) = (&suffixed, "");
        }
        let mut result = name.to_owned();
        if !tag.is_empty() {
            result.push(':');
            result.push_str(tag);
        }
        if !digest.is_empty() {
            result.push('@');
            result.push_str(digest);
        }
        result
    }

    /// Updates the containers at any depth; inner ones come first.
    fn update_containers(&self, node: &mut Node, budget: &Budget) -> Result<(), Error> {
        budget.step(1)?;
        for item in node.items_mut().into_iter().flatten() {
            self.update_containers(item, budget)?;
        }
        for (key, value) in node.entries_mut().into_iter().flatten() {
            self.update_containers(value, budget)?;
            if !matches!(key.text(), "containers" | "initContainers") {
                continue;
            }
            for container in value.items_mut().into_iter().flatten() {
                expect_kind(container, Kind::Mapping)?;
                if let Some(image) = container.get_mut("image") {
                    self.update(image, budget)?;
                }
            }
        }
        Ok(())
    }
}

/// The name of images, with any tag and digest.
enum Name {
    Plain(Plain),
    Regexp(Box<Regexp>),
}

impl Name {
    fn new(name: &str, budget: &Budget) -> Result<Self, Error> {
        if let Some(plain) = Plain::new(name) {
            return Ok(Self::Plain(plain));
        }
        let pattern = format!("^{name}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$");
        Ok(Self::Regexp(Box::new(compile(pattern.as_bytes(), budget)?)))
    }

    /// Bytes to be read for a match, so to say.
    fn cost(&self, image: &str) -> usize {
        match self {
            Self::Plain(_) => image.len(),
            Self::Regexp(regexp) => matching_cost(regexp, image),
        }
    }

    fn is_match(&self, image: &str) -> bool {
        let plain = match self {
            Self::Plain(plain) => plain,
            Self::Regexp(regexp) => return regexp.is_match(image),
        };
        let Some(mut rest) = plain.strip(image) else {
            return false;
        };
        for start in [":", "@sha256:"] {
            if let Some(part) = rest.strip_prefix(start) {
                rest = part.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "_.{}-".contains(c));
            }
        }
        rest.is_empty()
    }
}

impl Transformer for ImageTransformer {
    fn transform(&self, objects: &mut ResMap, budget: &Budget) -> Result<(), Error> {
        let is_object = |kind: &str| kind != "CustomResourceDefinition";
        for object in objects.resources.iter_mut().filter(|r| is_object(r.kind())) {
            self.update_containers(&mut object.node, budget)?;
        }
        for object in objects.resources.iter_mut().filter(|r| is_object(r.kind())) {
            self.fields.apply(&mut object.node, None, budget, &mut |image| {
                self.update(image, budget)
            })?;
        }
        Ok(())
    }
}

/// Name, tag and digest of an image; a colon before the first slash belongs to the registry.
fn split(image: &str) -> (&str, &str, &str) {
    let start = image.find('/').filter(|at| *at > 0).unwrap_or(0);
    let search = &image[start..];
    let at = search.find('@').map(|i| i + start);
    let colon = search.find(':').map(|i| i + start);
    match (colon, at) {
        (None, None) => (image, "", ""),
        (Some(colon), None) => (&image[..colon], &image[colon + 1..], ""),
        (Some(colon), Some(at)) if colon < at => (&image[..colon], &image[colon + 1..at], &image[at + 1..]),
        (_, Some(at)) => (&image[..at], "", &image[at + 1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_split_after_the_first_slash() {
        for (image, parts) in [
            ("nginx", ("nginx", "", "")),
            ("nginx:1.2", ("nginx", "1.2", "")),
            (
                "localhost:5000/nginx:1@sha256:ab",
                ("localhost:5000/nginx", "1", "sha256:ab"),
            ),
            ("a/b@sha256:ab", ("a/b", "", "sha256:ab")),
            ("host:80", ("host", "80", "")),
        ] {
            assert_eq!(split(image), parts, "{image}");
        }
    }

    #[test]
    fn plain_names_match_as_the_engine_would() {
        for name in ["nginx", "gcr.io/a-b/c", "localhost:5000/x", "n.*x", ""] {
            for image in [
                "nginx",
                "nginx:1.2",
                "nginx:",
                "nginx:a@sha256:{b}",
                "nginx@sha256:ab:c",
                "nginx@sha512:ab",
                "nginx:1:2",
                "nginx:1/2",
                "nginx-1",
                "gcr-io/a-b/c:v",
                "localhost:5000/x:1",
                "x\n",
                "",
                ":1",
            ] {
                let by_engine = {
                    let name = Name::new(&format!("(?:){name}"), &Budget::within(&crate::Limits::default()))
                        .unwrap();
                    name.is_match(image)
                };
                let name = Name::new(name, &Budget::within(&crate::Limits::default())).unwrap();
                assert_eq!(name.is_match(image), by_engine, "{image}");
            }
        }
    }

    #[test]
    fn a_tag_drops_the_digest() -> Result<(), Error> {
        let image = Image {
            name: "nginx".into(),
            new_tag: "2".into(),
            ..Image::default()
        };
        let transformer = ImageTransformer::new(image, [], &Budget::within(&crate::Limits::default()))?;
        assert_eq!(transformer.renamed("nginx:1@sha256:ab"), "nginx:2");
        Ok(())
    }
}
