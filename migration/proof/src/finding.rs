//! What is said about an object, or about a field of one that it applied.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

/// A code, and what it means for this object; never a value of anything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Finding {
    /// The code, which `openflux explain` knows.
    pub code: Cow<'static, str>,
    /// Why, for people.
    pub why: String,
    /// The applied object that it is about, such as `Deployment/apps/web`; nothing if it is about all of them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub object: String,
    /// The field that it is about, such as `spec.template.spec.containers[0].image`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Who owns that field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<FieldOwner>,
}

/// Who owns a field, as `metadata.managedFields` has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldOwner {
    /// The field manager.
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// When it wrote last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

impl Finding {
    /// Says something about an object as a whole.
    pub fn new(code: &'static str, why: impl Into<String>) -> Self {
        Self {
            code: Cow::Borrowed(code),
            why: why.into(),
            ..Self::default()
        }
    }

    /// Says about which applied object it is.
    #[must_use]
    pub fn about(mut self, object: impl Into<String>) -> Self {
        self.object = object.into();
        self
    }

    /// Returns whether it keeps nothing from moving.
    ///
    /// Of the codes that begin with M2, only drift keeps an object where it is, until it is gone.
    pub fn is_remark(&self) -> bool {
        self.code.starts_with("M2") && self.code != "M201"
    }
}
