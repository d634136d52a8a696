//! The ConfigMap that names a cluster.

use std::collections::BTreeMap;

use crate::error::WayError;

/// Who gives the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// The cluster itself: any that trusts its tokens.
    Generic,
    /// EKS.
    Aws,
    /// AKS.
    Azure,
    /// GKE.
    Gcp,
}

impl Provider {
    /// Gives its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
        }
    }
}

/// What a ConfigMap says about a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSettings {
    /// Who gives the tokens (`provider`).
    pub provider: Provider,
    /// The cluster in the words of the provider (`cluster`); empty where its address says enough.
    pub cluster: String,
    /// Its address (`address`); empty where the provider tells it.
    pub address: String,
    /// Its certificates in PEM (`ca.crt`); empty where the provider tells them.
    pub authorities: String,
    /// Whom tokens are for (`audiences`, one a line); empty for those of the provider.
    pub audiences: Vec<String>,
    /// As whom (`serviceAccountName`); empty for the default, and without that for the controller itself.
    pub service_account: String,
}

impl ClusterSettings {
    /// Reads the data of a ConfigMap.
    ///
    /// # Errors
    /// It names no provider.
    pub fn read(data: &BTreeMap<String, String>) -> Result<Self, WayError> {
        let text = |key: &str| data.get(key).cloned().unwrap_or_default();
        let provider = match text("provider").as_str() {
            "generic" => Provider::Generic,
            "aws" => Provider::Aws,
            "azure" => Provider::Azure,
            "gcp" => Provider::Gcp,
            other => return Err(WayError::Provider(other.to_owned())),
        };
        let audiences = text("audiences");
        let audiences = audiences.split('\n').map(str::trim);
        Ok(Self {
            provider,
            cluster: text("cluster"),
            address: text("address"),
            authorities: text("ca.crt"),
            audiences: audiences
                .filter(|audience| !audience.is_empty())
                .map(str::to_owned)
                .collect(),
            service_account: text("serviceAccountName"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audiences_are_lines_and_providers_have_names() {
        let data = |provider: &str| {
            let fields = [
                ("provider", provider),
                ("audiences", " a \n\nb\n"),
                ("address", "far"),
            ];
            fields
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into()
        };
        for name in ["generic", "aws", "azure", "gcp"] {
            let settings = ClusterSettings::read(&data(name)).unwrap();
            assert_eq!(settings.provider.as_str(), name);
            assert_eq!(settings.audiences, ["a", "b"]);
            assert_eq!(
                (settings.address.as_str(), settings.cluster.as_str()),
                ("far", "")
            );
        }
        let error = ClusterSettings::read(&data("huawei")).unwrap_err();
        assert_eq!(error.to_string(), "provider 'huawei' not implemented");
    }
}
