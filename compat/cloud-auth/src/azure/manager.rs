//! Where the resources of a cloud are asked for.

use serde::Deserialize;

use crate::error::AuthError;
use crate::wire::Surroundings;

/// Whom a cloud's resources are asked of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manager {
    /// Its URL, without a slash at the end.
    pub(crate) endpoint: String,
    /// Whom tokens for it have to be for.
    pub(crate) audience: String,
}

/// A cloud of one's own, as a file describes it.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct File {
    resource_manager_endpoint: String,
    token_audience: String,
}

impl Manager {
    /// Finds out which cloud it is, by the environment.
    ///
    /// # Errors
    /// The file that the environment names does not say it.
    pub(crate) fn of(around: &dyn Surroundings) -> Result<Self, AuthError> {
        if let Some(path) = around.variable("AZURE_ENVIRONMENT_FILEPATH") {
            return Self::read(&path, around);
        }
        let authority = around.variable("AZURE_AUTHORITY_HOST").unwrap_or_default();
        let (endpoint, audience) = if authority.contains("chinacloudapi.cn") {
            (
                "https://management.chinacloudapi.cn",
                "https://management.core.chinacloudapi.cn/",
            )
        } else if authority.contains("microsoftonline.us") {
            (
                "https://management.usgovcloudapi.net",
                "https://management.core.usgovcloudapi.net/",
            )
        } else {
            (
                "https://management.azure.com",
                "https://management.core.windows.net/",
            )
        };
        Ok(Self {
            endpoint: endpoint.to_owned(),
            audience: audience.to_owned(),
        })
    }

    fn read(path: &str, around: &dyn Surroundings) -> Result<Self, AuthError> {
        let text = around.file(path).map_err(AuthError::Configuration)?;
        let text =
            text.ok_or_else(|| AuthError::Configuration(format!("open {path}: no such file or directory")))?;
        let file: File =
            serde_json::from_str(&text).map_err(|error| AuthError::Configuration(error.to_string()))?;
        if file.resource_manager_endpoint.is_empty() || file.token_audience.is_empty() {
            return Err(AuthError::configuration(
                "resourceManagerEndpoint and tokenAudience must be set in the environment file",
            ));
        }
        Ok(Self {
            endpoint: file.resource_manager_endpoint.trim_end_matches('/').to_owned(),
            audience: file.token_audience,
        })
    }

    /// What a token for it has to be for.
    pub(crate) fn scope(&self) -> String {
        format!("{}/.default", self.audience)
    }
}
