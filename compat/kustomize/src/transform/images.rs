//! Image names, tags and digests.

use go_regexp::Regexp;
use go_yaml::{Kind, Node};

use super::Transformer;
use crate::edit::{expect_kind, set_scalar};
use crate::fieldfilter::FieldFilter;
use crate::kustomization::Image;
use crate::resmap::ResMap;
use crate::{Error, FieldSpec, Limits};

/// Changes the images of one name.
pub(crate) struct ImageTransformer {
    image: Image,
    pattern: Regexp,
    fields: FieldFilter,
}

impl ImageTransformer {
    /// A transformer for these fields, and for every list named `containers` or `initContainers`.
    ///
    /// The name is a regular expression, as it is upstream, where one that is invalid is a crash.
    pub(crate) fn new(
        image: Image,
        fields: impl IntoIterator<Item = FieldSpec>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let pattern = format!(
            "^{}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$",
            image.name
        );
        let pattern = Regexp::with_limits(pattern.as_bytes(), &limits.regex())
            .map_err(|e| Error::invalid(format!("image name {:?}: {e}", image.name)))?;
        Ok(Self {
            image,
            pattern,
            fields: FieldFilter::new(fields),
        })
    }

    fn update(&self, node: &mut Node) -> Result<(), Error> {
        expect_kind(node, Kind::Scalar)?;
        if !self.pattern.is_match(node.text().as_bytes()) {
            return Ok(());
        }
        let value = self.renamed(node.text());
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
    fn update_containers(&self, node: &mut Node) -> Result<(), Error> {
        for item in node.items_mut().into_iter().flatten() {
            self.update_containers(item)?;
        }
        for (key, value) in node.entries_mut().into_iter().flatten() {
            self.update_containers(value)?;
            if !matches!(key.text(), "containers" | "initContainers") {
                continue;
            }
            for container in value.items_mut().into_iter().flatten() {
                expect_kind(container, Kind::Mapping)?;
                if let Some(image) = container.get_mut("image") {
                    self.update(image)?;
                }
            }
        }
        Ok(())
    }
}

impl Transformer for ImageTransformer {
    fn transform(&self, objects: &mut ResMap) -> Result<(), Error> {
        let is_object = |kind: &str| kind != "CustomResourceDefinition";
        for object in objects.resources.iter_mut().filter(|r| is_object(r.kind())) {
            self.update_containers(&mut object.node)?;
        }
        for object in objects.resources.iter_mut().filter(|r| is_object(r.kind())) {
            self.fields
                .apply(&mut object.node, None, &mut |image| self.update(image))?;
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
    fn a_tag_drops_the_digest() -> Result<(), Error> {
        let image = Image {
            name: "nginx".into(),
            new_tag: "2".into(),
            ..Image::default()
        };
        let transformer = ImageTransformer::new(image, [], &Limits::default())?;
        assert_eq!(transformer.renamed("nginx:1@sha256:ab"), "nginx:2");
        Ok(())
    }
}
