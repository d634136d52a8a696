//! Why an artifact could not be rendered.

use kustomize_sops::{BuiltError, SourceError};

/// Why an artifact could not be rendered; all of these need an edit of the source or of the Kustomization.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenderError {
    /// `spec.path` is not in the artifact.
    #[error("kustomization path not found: stat {0}")]
    Path(String),
    /// `spec.path` is a file; stock writes a kustomization below it.
    #[error("open {0}/kustomization.yaml: not a directory remove {0}/kustomization.yaml: not a directory")]
    File(String),
    /// Substitution has given an object the id of others.
    #[error("in Replace: id matched {0} resources")]
    Twice(usize),
    /// The kustomization could not be generated.
    #[error(transparent)]
    Generation(kustomize::Error),
    /// Encrypted files could not be decrypted.
    #[error(transparent)]
    Sources(#[from] SourceError),
    /// The build failed.
    #[error("kustomize build failed: {0}")]
    Build(#[from] kustomize::Error),
    /// The build of decrypted files failed; what is in them is left out.
    #[error("kustomize build failed: {0}")]
    Decrypted(String),
    /// An object could not be decrypted.
    #[error(transparent)]
    Object(#[from] BuiltError),
    /// An object that could not be told from others in the cluster.
    #[error("the built object '{subject}' has no {field}, which everything that is applied needs")]
    Identity {
        /// The object, as far as it has a name.
        subject: String,
        /// Path of the field.
        field: &'static str,
    },
    /// What looks like a list has something in it that is no object.
    #[error("items member is not an object: map[string]interface {{}}")]
    Item,
    /// A variable could not be substituted.
    #[error("post build failed for '{subject}': envsubst error: {source}")]
    Substitution {
        /// The object.
        subject: String,
        /// What is wrong.
        source: envsubst::Error,
    },
    /// The variables are not at hand.
    #[error("post build failed for '{subject}': {reason}")]
    Variables {
        /// The object that is the first to need them.
        subject: String,
        /// Why.
        reason: String,
    },
    /// The result of a substitution is not YAML any more.
    #[error("post build failed for '{subject}': envsubst error: YAMLToJSON: {}", without_values(.source))]
    Yaml {
        /// The object.
        subject: String,
        /// What is wrong.
        source: go_yaml::Error,
    },
}

/// Gives the text of an error about YAML that variables are a part of, which may be secret: without what it quotes.
fn without_values(error: &go_yaml::Error) -> String {
    let text = error.to_string();
    if error.kind() == go_yaml::ErrorKind::Syntax {
        // It quotes no more than punctuation.
        return text;
    }
    let (mut shown, mut quote) = (String::with_capacity(text.len()), None);
    for c in text.chars() {
        match quote {
            Some(end) if c == end => {
                shown.push_str("xxxxx");
                shown.push(c);
                quote = None;
            }
            Some(_) => {}
            None => {
                shown.push(c);
                quote = ['\'', '"', '`'].contains(&c).then_some(c);
            }
        }
    }
    shown
}
