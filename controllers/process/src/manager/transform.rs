//! Sources that are made of other Artifacts.

use std::sync::Arc;

use artifact_consumer::{Access, Inputs, SourceReference, Sources};
use artifact_crd::Artifact;
use artifact_producer::{Content, Failure, Produce, Produced, Run, Source, Wake};
use controller_kit::artifact::{ContentCache, Digest};
use controller_kit::{Following, ObjectKey, SharedWatch};
use kube::ResourceExt;
use parking_lot::Mutex;

/// Makes Artifacts of Artifacts.
pub trait Transform: Send + Sync + 'static {
    /// The kind of object that says what of.
    type Object: Source;

    /// Part of what tells one output from another; change it when equal inputs are to give another output than before.
    const ENGINE: &'static str;

    /// Gives the inputs; their order is that of [`Inputs`].
    fn references<'o>(&self, object: &'o Self::Object) -> Vec<&'o SourceReference>;

    /// Makes the content. It is not called while neither the inputs nor the spec have changed, and dropped when it takes longer
    /// than the object's `timeout`.
    fn transform(
        &self,
        object: &Self::Object,
        inputs: &Inputs,
        run: &mut Run,
    ) -> impl Future<Output = Result<Content, Failure>> + Send;
}

/// A transformation as a producer, which looks at an object whenever one of its inputs has changed.
pub struct Transforming<T> {
    own: T,
    sources: Arc<Sources>,
    artifacts: SharedWatch<Artifact>,
    following: Mutex<Option<Following<Artifact>>>,
}

impl<T: Transform> Transforming<T> {
    /// Makes a producer of a transformation whose inputs are among `artifacts`, and may be what `access` says.
    pub fn new(
        own: T,
        content: Arc<ContentCache>,
        access: Access,
        artifacts: &SharedWatch<Artifact>,
    ) -> Self {
        Self {
            own,
            sources: Arc::new(Sources::new(content, access)),
            artifacts: artifacts.clone(),
            following: Mutex::default(),
        }
    }
}

impl<T: Transform> Produce for Transforming<T> {
    type Source = T::Object;

    fn listen(&self, wake: Wake) {
        let following = self
            .sources
            .follow(&self.artifacts, move |object| wake.wake(object));
        *self.following.lock() = Some(following);
    }

    async fn produce(&self, object: &T::Object, run: &mut Run) -> Result<Produced, Failure> {
        let (key, references) = (ObjectKey::of(object), self.own.references(object));
        let inputs = self.sources.inputs(&key, object.annotations(), references)?;
        let state = format!("{} {}", T::ENGINE, inputs.digests());
        let token = Digest::sha256(state.as_bytes()).to_string();
        if run.is_current(&token) {
            return Ok(Produced::Unchanged);
        }
        run.step("transforming");
        let content = self.own.transform(object, &inputs, run).await?;
        Ok(content.token(&token).into())
    }
}
