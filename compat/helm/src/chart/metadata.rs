//! `Chart.yaml`: what a chart says about itself.

use std::collections::{BTreeMap, BTreeSet};

use go_std::{go_record, path};
use serde::Serialize;
use serde_json::Value as Json;
use sprig::semver::Version;

/// What a chart says about itself, checked by Helm's rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The chart's name; for a subchart that a parent aliased, the alias.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The URL of a home page.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub home: String,
    /// URLs of the source code.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// The chart's version, a semantic version in Helm's lenient reading.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// One sentence about the chart.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Words to search for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// The people to ask.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintainers: Vec<Maintainer>,
    /// The URL of an icon.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub icon: String,
    /// `v1`, also if not given, or `v2`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Not used by Helm.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    /// Not used by Helm.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tags: String,
    /// The version of the application inside.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub app_version: String,
    /// Whether the chart should no longer be used.
    #[serde(skip_serializing_if = "is_false")]
    pub deprecated: bool,
    /// Free text for other tools.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The Kubernetes versions that the chart runs on, as a semantic version constraint.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kube_version: String,
    /// The subcharts that the chart asks for; nothing if `Chart.yaml` does not have the list, not even an empty one.
    #[serde(skip_serializing_if = "lists_nothing")]
    pub dependencies: Option<Vec<Dependency>>,
    /// `application`, also if empty, or `library`.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub chart_type: String,
}

/// A person or organisation that maintains a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Maintainer {
    /// The name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The mail address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub email: String,
    /// A URL.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
}

/// A subchart that a chart asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Dependency {
    /// The name of the chart; its alias once dependencies are processed.
    pub name: String,
    /// The versions that will do, as a semantic version constraint.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Where the chart can be fetched.
    pub repository: String,
    /// Paths of values, separated by commas, of which the first boolean enables or disables the subchart.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    /// Names of tags that enable or disable the subchart together with others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether the subchart takes part; set while dependencies are processed.
    #[serde(skip_serializing_if = "is_false")]
    pub enabled: bool,
    /// Values of the subchart that become values of the parent: names of exports, or objects `{child, parent}`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub import_values: Vec<Json>,
    /// The name under which the parent uses the subchart.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub alias: String,
}

/// A `Chart.yaml` that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("validation: {0}")]
pub struct InvalidMetadata(String);

impl Metadata {
    /// Whether the chart only brings templates for other charts.
    pub fn is_library(&self) -> bool {
        self.chart_type.eq_ignore_ascii_case("library")
    }

    /// How many items it counts against [`Limits::items`](crate::Limits::items) each time a template can see it.
    pub(crate) fn items(&self) -> usize {
        let texts = [
            &self.name,
            &self.home,
            &self.version,
            &self.description,
            &self.icon,
            &self.condition,
            &self.tags,
            &self.app_version,
            &self.kube_version,
        ];
        let texts = texts.into_iter().chain(&self.sources).chain(&self.keywords);
        let annotations = self.annotations.iter().flat_map(|(key, value)| [key, value]);
        let bytes: usize = texts.chain(annotations).map(|text| 48 + text.len()).sum();
        let maintainers = self
            .maintainers
            .iter()
            .map(|maintainer| 256 + maintainer.name.len() + maintainer.email.len() + maintainer.url.len());
        let dependencies = self.dependencies.iter().flatten().map(Dependency::bytes);
        16 + (bytes + maintainers.sum::<usize>() + dependencies.sum::<usize>()) / 64
    }
}

/// A `Chart.yaml` as it was read, before it is checked.
#[derive(Default)]
pub(crate) struct RawMetadata {
    fields: Metadata,
    maintainers: Vec<Option<Maintainer>>,
    dependencies: Option<Vec<Option<Dependency>>>,
}

go_record!(RawMetadata = "v2.Metadata" {
    fields.name = "name",
    fields.home = "home",
    fields.sources = "sources",
    fields.version = "version",
    fields.description = "description",
    fields.keywords = "keywords",
    maintainers = "maintainers",
    fields.icon = "icon",
    fields.api_version = "apiVersion",
    fields.condition = "condition",
    fields.tags = "tags",
    fields.app_version = "appVersion",
    fields.deprecated = "deprecated",
    fields.annotations = "annotations",
    fields.kube_version = "kubeVersion",
    dependencies = "dependencies",
    fields.chart_type = "type",
});

go_record!(Maintainer = "v2.Maintainer" {
    name = "name",
    email = "email",
    url = "url",
});

go_record!(Dependency = "v2.Dependency" {
    name = "name",
    version = "version",
    repository = "repository",
    condition = "condition",
    tags = "tags",
    enabled = "enabled",
    import_values = "import-values",
    alias = "alias",
});

impl RawMetadata {
    pub(crate) fn is_v1(&self) -> bool {
        self.fields.api_version == "v1"
    }

    /// Charts that do not say are charts of Helm 2.
    pub(crate) fn default_api_version(&mut self) {
        if self.fields.api_version.is_empty() {
            "v1".clone_into(&mut self.fields.api_version);
        }
    }

    /// The fields as they stand, of a chart that was checked before it was stored.
    pub(crate) fn unchecked(self) -> Metadata {
        let mut fields = self.fields;
        fields.maintainers = self.maintainers.into_iter().flatten().collect();
        fields.dependencies = self
            .dependencies
            .map(|dependencies| dependencies.into_iter().flatten().collect());
        fields
    }

    /// Checks the rules and removes what does not print.
    pub(crate) fn validate(self) -> Result<Metadata, InvalidMetadata> {
        let mut fields = self.fields;
        for text in [
            &mut fields.name,
            &mut fields.description,
            &mut fields.home,
            &mut fields.icon,
            &mut fields.condition,
            &mut fields.tags,
            &mut fields.app_version,
            &mut fields.kube_version,
        ] {
            sanitize(text);
        }
        fields.sources.iter_mut().for_each(sanitize);
        fields.keywords.iter_mut().for_each(sanitize);
        let name = &fields.name;
        let refuse = |message: String| Err(InvalidMetadata(message));
        if fields.api_version.is_empty() {
            return refuse("chart.metadata.apiVersion is required".to_owned());
        }
        if name.is_empty() {
            return refuse("chart.metadata.name is required".to_owned());
        }
        if name == "." || name == ".." {
            return refuse(format!(
                "chart.metadata.name {} is not allowed",
                go_std::quote(name)
            ));
        }
        if path::base(name) != name {
            return refuse(format!("chart.metadata.name {} is invalid", go_std::quote(name)));
        }
        if fields.version.is_empty() {
            return refuse("chart.metadata.version is required".to_owned());
        }
        if Version::parse(&fields.version).is_err() {
            return refuse(format!(
                "chart.metadata.version {} is invalid",
                go_std::quote(&fields.version)
            ));
        }
        if !matches!(fields.chart_type.as_str(), "" | "application" | "library") {
            return refuse("chart.metadata.type must be application or library".to_owned());
        }
        for maintainer in self.maintainers {
            let Some(mut maintainer) = maintainer else {
                return refuse("maintainers must not contain empty or null nodes".to_owned());
            };
            sanitize(&mut maintainer.name);
            sanitize(&mut maintainer.email);
            sanitize(&mut maintainer.url);
            fields.maintainers.push(maintainer);
        }
        let Some(dependencies) = self.dependencies else {
            return Ok(fields);
        };
        let mut seen = BTreeSet::new();
        let mut checked = Vec::new();
        for dependency in dependencies {
            let Some(mut dependency) = dependency else {
                return refuse("dependencies must not contain empty or null nodes".to_owned());
            };
            dependency.validate()?;
            let key = if dependency.alias.is_empty() {
                &dependency.name
            } else {
                &dependency.alias
            };
            if !seen.insert(key.clone()) {
                return refuse(format!(
                    "more than one dependency with name or alias {}",
                    go_std::quote(key)
                ));
            }
            checked.push(dependency);
        }
        fields.dependencies = Some(checked);
        Ok(fields)
    }
}

impl Dependency {
    /// How much memory it takes, more or less.
    fn bytes(&self) -> usize {
        let texts = [
            &self.name,
            &self.version,
            &self.repository,
            &self.condition,
            &self.alias,
        ];
        let texts = texts.into_iter().chain(&self.tags);
        let imports: usize = self.import_values.iter().map(json_bytes).sum();
        256 + imports + texts.map(|text| 48 + text.len()).sum::<usize>()
    }

    fn validate(&mut self) -> Result<(), InvalidMetadata> {
        for text in [
            &mut self.name,
            &mut self.version,
            &mut self.repository,
            &mut self.condition,
        ] {
            sanitize(text);
        }
        self.tags.iter_mut().for_each(sanitize);
        if self
            .alias
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        {
            return Ok(());
        }
        let name = go_std::quote(&self.name);
        Err(InvalidMetadata(format!(
            "dependency {name} has disallowed characters in the alias"
        )))
    }
}

fn json_bytes(value: &Json) -> usize {
    match value {
        Json::String(text) => 64 + text.len(),
        Json::Array(items) => 64 + items.iter().map(json_bytes).sum::<usize>(),
        Json::Object(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| 64 + key.len() + json_bytes(value));
            64 + entries.sum::<usize>()
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => 64,
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::ref_option, reason = "serde passes references")]
fn lists_nothing(list: &Option<Vec<Dependency>>) -> bool {
    list.as_ref().is_none_or(Vec::is_empty)
}

/// Turns white space into blanks and drops what does not print.
fn sanitize(text: &mut String) {
    if text.bytes().all(|b| (b' '..0x7F).contains(&b)) {
        return;
    }
    *text = text
        .chars()
        .filter_map(|c| match c {
            c if c.is_whitespace() => Some(' '),
            c if go_std::unicode::is_print(c) => Some(c),
            _ => None,
        })
        .collect();
}
