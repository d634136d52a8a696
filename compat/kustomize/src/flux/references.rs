//! What a kustomization file names, for those who look at files before the build reads them.

use crate::flux::kustomization::decode;
use crate::{Error, Limits};

/// The files and directories that a kustomization file names, as it names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// `secretGenerator[].files`: `KEY=PATH` or `PATH`.
    pub secret_files: Vec<Vec<String>>,
    /// `secretGenerator[].envs`, for each generator as for the files.
    pub secret_envs: Vec<Vec<String>>,
    /// `patches[].path`.
    pub patches: Vec<String>,
    /// `resources`.
    pub resources: Vec<String>,
    /// `components`.
    pub components: Vec<String>,
}

impl References {
    /// The names of kustomization files, in the order in which they are looked for.
    pub const FILE_NAMES: [&str; 3] = crate::load::kustomization::FILE_NAMES;

    /// Reads a kustomization file; fields that nobody knows, and those that were given up, do not count.
    ///
    /// ```
    /// use kustomize::{Limits, References};
    ///
    /// let file = b"resources: [a.yaml]\nsecretGenerator: [{name: x, files: [key=path]}]\n";
    /// let references = References::read(file, &Limits::default())?;
    /// assert_eq!((references.resources, references.secret_files), (vec!["a.yaml".into()], vec![vec!["key=path".into()]]));
    /// # Ok::<(), kustomize::Error>(())
    /// ```
    pub fn read(content: &[u8], limits: &Limits) -> Result<Self, Error> {
        let file = decode(content, limits)?;
        let generators = file.secret_generator.unwrap_or_default();
        let (secret_files, secret_envs) = generators
            .into_iter()
            .map(|generator| (generator.args.files, generator.args.envs))
            .unzip();
        let patches = file.patches.unwrap_or_default().into_iter();
        Ok(Self {
            secret_files,
            secret_envs,
            patches: patches
                .map(|patch| patch.path)
                .filter(|path| !path.is_empty())
                .collect(),
            resources: file.resources.unwrap_or_default(),
            components: file.components.unwrap_or_default(),
        })
    }
}
