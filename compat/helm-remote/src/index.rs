//! `index.yaml`: which charts a repository has, and where.

use std::cmp::Reverse;

use serde_json::Value as Json;
use sprig::semver::{Constraints, Version};
use url::Url;

use crate::FetchError;

/// The versions of all charts of a repository.
pub(crate) struct Index {
    entries: serde_json::Map<String, Json>,
}

/// One version of a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) version: String,
    pub(crate) urls: Vec<String>,
    /// The digest of the archive, in hexadecimal digits; empty if the index has none.
    pub(crate) digest: String,
}

impl Index {
    /// Reads an index.
    pub(crate) fn read(text: &[u8]) -> Result<Self, FetchError> {
        /// Items and memory of the largest public indexes, some times over.
        const LIMITS: (usize, usize) = (8_000_000, 1 << 30);
        if text.is_empty() {
            return Err(FetchError::Index("empty index.yaml file".to_owned()));
        }
        let limits = go_yaml::Limits {
            max_nodes: LIMITS.0,
            max_value_bytes: LIMITS.1,
            ..go_yaml::Limits::default()
        };
        let wanted = |key: &str| ["apiversion", "entries"].contains(&key.to_ascii_lowercase().as_str());
        let document = go_yaml::sigs::to_value_of(text, wanted, &limits);
        let document = document.map_err(|error| FetchError::Index(error.to_string()))?;
        let Json::Object(mut fields) = document else {
            return Err(FetchError::Index("no API version specified".to_owned()));
        };
        let has_version = fields
            .get("apiVersion")
            .and_then(Json::as_str)
            .is_some_and(|version| !version.is_empty());
        if !has_version {
            return Err(FetchError::Index("no API version specified".to_owned()));
        }
        let entries = match fields.remove("entries") {
            Some(Json::Object(entries)) => entries,
            _ => serde_json::Map::new(),
        };
        Ok(Self { entries })
    }

    /// The version of a chart that is asked for: the very one, else the highest that a constraint allows. Tells what is
    /// worth a warning; fails in Helm's words.
    pub(crate) fn find(&self, chart: &str, version: &str) -> Result<(Entry, Option<String>), String> {
        let Some(listed) = self.entries.get(chart) else {
            return Err("no chart name found".to_owned());
        };
        let mut entries: Vec<(Version, Entry)> = listed
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(entry_of)
            .collect();
        if entries.is_empty() {
            return Err("no chart version found".to_owned());
        }
        let constraint = if version.is_empty() { "*" } else { version };
        let constraint = Constraints::parse(constraint).map_err(|error| error.to_string())?;
        entries.sort_by(|(a, _), (b, _)| Reverse(a).cmp(&Reverse(b)));
        if let Some((_, exact)) = entries.iter().find(|(_, entry)| entry.version == version) {
            return Ok((exact.clone(), None));
        }
        let Some((_, found)) = entries.into_iter().find(|(version, _)| constraint.check(version)) else {
            return Err(format!("no chart version found for {chart}-{version}"));
        };
        let other = !version.is_empty() && !is_range(version);
        let warning = other.then(|| {
            format!(
                "unable to find exact version requested; falling back to closest available version: chart {chart}, \
                 requested {version}, selected {}",
                found.version
            )
        });
        Ok((found, warning))
    }

    /// The names of all charts.
    pub(crate) fn names_of_charts(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// All versions of a chart, the highest first; nothing if there is no such chart.
    pub(crate) fn versions(&self, chart: &str) -> Option<Vec<Entry>> {
        let listed = self.entries.get(chart)?.as_array().into_iter().flatten();
        let mut entries: Vec<_> = listed.filter_map(entry_of).collect();
        entries.sort_by(|(a, _), (b, _)| Reverse(a).cmp(&Reverse(b)));
        Some(entries.into_iter().map(|(_, entry)| entry).collect())
    }

    /// Whether any chart is at this URL.
    pub(crate) fn names(&self, url: &str) -> bool {
        let lists = self.entries.values().filter_map(Json::as_array).flatten();
        let urls = lists.filter_map(|entry| entry.get("urls")?.as_array()).flatten();
        urls.filter_map(Json::as_str).any(|named| same_place(named, url))
    }
}

/// An entry, unless it is one that Helm leaves out.
fn entry_of(entry: &Json) -> Option<(Version, Entry)> {
    let text = |name: &str| entry.get(name).and_then(Json::as_str).unwrap_or_default();
    let version = match entry.get("version") {
        Some(Json::Number(number)) => number.to_string(),
        _ => text("version").to_owned(),
    };
    if text("name").is_empty() {
        return None;
    }
    let urls = entry.get("urls").and_then(Json::as_array).into_iter().flatten();
    Some((
        Version::parse(&version).ok()?,
        Entry {
            urls: urls.filter_map(Json::as_str).map(str::to_owned).collect(),
            digest: text("digest").to_owned(),
            version,
        },
    ))
}

/// Whether a version is a range, as Helm tells them apart.
fn is_range(version: &str) -> bool {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    version.contains(['^', '~', '<', '>', '=', '!', '*'])
        || version.contains("||")
        || version.contains(" - ")
        || core.contains(['x', 'X'])
}

/// Whether two URLs are the same but for how their paths are written.
fn same_place(a: &str, b: &str) -> bool {
    match (Url::parse(a), Url::parse(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// A URL that is absolute, or relative to that of a repository, whose query it gets.
pub(crate) fn resolve(base: &Url, reference: &str) -> Result<Url, FetchError> {
    if let Ok(absolute) = Url::parse(reference) {
        return Ok(absolute);
    }
    let mut folder = base.clone();
    folder.set_path(&format!("{}/", base.path().trim_end_matches('/')));
    let mut resolved = folder
        .join(reference)
        .map_err(|_| FetchError::Url(reference.to_owned()))?;
    resolved.set_query(base.query());
    Ok(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "apiVersion: v1
entries:
  web:
  - {name: web, version: 1.2.0, urls: [web-1.2.0.tgz], digest: ab}
  - {name: web, version: 2.0.0-rc.1, urls: [web-2.0.0-rc.1.tgz]}
  - {name: web, version: 1.10.0, urls: ['https://other.test/web-1.10.0.tgz']}
  - null
  - {name: web, version: bad, urls: [bad.tgz]}
";

    #[test]
    fn versions_are_found_as_by_helm() {
        let index = Index::read(INDEX.as_bytes()).unwrap();
        let find = |version: &str| index.find("web", version).map(|(entry, _)| entry.version);
        for (wanted, found) in [
            ("", "1.10.0"),
            ("1.2.0", "1.2.0"),
            ("2.0.0-rc.1", "2.0.0-rc.1"),
            ("~1.2", "1.2.0"),
            (">1.2", "1.10.0"),
            (">0-0", "2.0.0-rc.1"),
            ("v1.2.0", "1.2.0"),
        ] {
            assert_eq!(find(wanted), Ok(found.to_owned()), "{wanted}");
        }
        assert_eq!(find("3"), Err("no chart version found for web-3".to_owned()));
        assert_eq!(index.find("db", "").unwrap_err(), "no chart name found");
        assert!(index.find("web", "v1.2.0").unwrap().1.is_some());
        assert!(index.find("web", "~1.2").unwrap().1.is_none());
        assert!(index.names("https://other.test/web-1.10.0.tgz"));
    }

    #[test]
    fn what_is_no_index_is_refused() {
        let error = |text: &str| Index::read(text.as_bytes()).err().unwrap().to_string();
        assert_eq!(error(""), "empty index.yaml file");
        assert_eq!(error("entries: {}"), "no API version specified");
        assert_eq!(error("<html>"), "no API version specified");
    }

    #[test]
    fn urls_are_relative_to_the_repository() {
        let base = Url::parse("https://charts.test/stable?token=a").unwrap();
        for (reference, url) in [
            ("web-1.tgz", "https://charts.test/stable/web-1.tgz?token=a"),
            ("/web-1.tgz", "https://charts.test/web-1.tgz?token=a"),
            ("../web-1.tgz", "https://charts.test/web-1.tgz?token=a"),
            ("https://other.test/web-1.tgz", "https://other.test/web-1.tgz"),
        ] {
            assert_eq!(resolve(&base, reference).unwrap().as_str(), url);
        }
    }
}
