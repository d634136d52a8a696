//! One watch that several controllers of a process follow, so that its objects are kept and transferred once.

use std::fmt::Debug;
use std::ops::Deref;
use std::sync::{Arc, Weak};

use flux_api::Tolerant;
use kube::core::Resource;
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::watch::{Change, WatchCache};

/// A watch that is opened when the first follower comes; clones share it, and it can be read like its [`WatchCache`].
pub struct SharedWatch<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    cache: WatchCache<T>,
    followers: Mutex<Followers<T>>,
    api: Api<Tolerant<T>>,
    shutdown: CancellationToken,
}

struct Followers<T> {
    is_open: bool,
    next: u64,
    following: Vec<(u64, OnChange<T>)>,
}

type OnChange<T> = Box<dyn FnMut(Change<'_, T>) + Send>;

/// Keeps a follower of a [`SharedWatch`] informed until it is dropped.
#[must_use = "a follower hears nothing more once this is dropped"]
pub struct Following<T> {
    watch: Weak<Shared<T>>,
    id: u64,
}

impl<T> Clone for SharedWatch<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> Deref for SharedWatch<T> {
    type Target = WatchCache<T>;

    fn deref(&self) -> &WatchCache<T> {
        &self.shared.cache
    }
}

impl<T> SharedWatch<T>
where
    T: Resource + ResourceExt + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    T::DynamicType: Clone + Default + Debug + Eq + std::hash::Hash + Send,
{
    /// Prepares a watch that ends at `shutdown`.
    pub fn new(api: Api<Tolerant<T>>, shutdown: CancellationToken) -> Self {
        let followers = Followers {
            is_open: false,
            next: 0,
            following: Vec::new(),
        };
        Self {
            shared: Arc::new(Shared {
                cache: WatchCache::default(),
                followers: Mutex::new(followers),
                api,
                shutdown,
            }),
        }
    }

    /// Calls `on_change` for every object that is cached, before this returns, and after each change from then on.
    ///
    /// A change that arrives at the same moment may be told twice. `on_change` must not follow this watch itself.
    pub fn follow(&self, mut on_change: impl FnMut(Change<'_, T>) + Send + 'static) -> Following<T> {
        let mut followers = self.shared.followers.lock();
        for object in self.all() {
            on_change(Change::Applied {
                old: None,
                new: &object,
            });
        }
        let id = followers.next;
        followers.next += 1;
        followers.following.push((id, Box::new(on_change)));
        if !std::mem::replace(&mut followers.is_open, true) {
            tokio::spawn(self.clone().run());
        }
        Following {
            watch: Arc::downgrade(&self.shared),
            id,
        }
    }

    async fn run(self) {
        let Shared {
            cache, api, shutdown, ..
        } = &*self.shared;
        let config = watcher::Config::default();
        let tell = |change: Change<'_, T>| self.tell(change);
        cache.run(api.clone(), config, shutdown.clone(), tell).await;
    }

    fn tell(&self, change: Change<'_, T>) {
        for (_, on_change) in &mut self.shared.followers.lock().following {
            on_change(change);
        }
    }
}

impl<T> Drop for Following<T> {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.upgrade() {
            watch.followers.lock().following.retain(|(id, _)| *id != self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use flux_api::Kustomization;
    use serde_json::json;

    use super::*;
    use crate::fake;

    type Heard = Arc<Mutex<Vec<String>>>;

    fn note(heard: &Heard) -> impl FnMut(Change<'_, Kustomization>) + Send + 'static {
        let heard = Arc::clone(heard);
        move |change| {
            if let Change::Applied { new, .. } = change {
                heard.lock().push(new.name_any());
            }
        }
    }

    #[tokio::test]
    async fn followers_share_one_list_and_each_hears_of_every_object() {
        let lists = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lists);
        let answer = move |_: &http::Method, path: &str, _: &serde_json::Value| {
            if path.ends_with("?watch") {
                return fake::failure(503, "ServiceUnavailable", "later");
            }
            counted.fetch_add(1, Ordering::SeqCst);
            let item =
                json!({"metadata": {"name": "web", "namespace": "apps", "resourceVersion": "1"}, "spec": {}});
            (
                200,
                json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": [item]}),
            )
        };
        let api = Api::all(fake::client(answer, || true));
        let watch = SharedWatch::<Kustomization>::new(api, CancellationToken::new());
        assert_eq!(lists.load(Ordering::SeqCst), 0, "nobody follows");

        let [early, second, late] = [(); 3].map(|()| Heard::default());
        let follower = watch.follow(note(&early));
        let other = watch.follow(note(&second));
        watch.synced().await;
        let last = watch.follow(note(&late));
        for heard in [&early, &second, &late] {
            assert_eq!(*heard.lock(), ["web"]);
        }
        assert_eq!(lists.load(Ordering::SeqCst), 1);

        drop(follower);
        let object = watch.all().remove(0);
        watch.tell(Change::Applied {
            old: Some(&object),
            new: &object,
        });
        assert_eq!(
            [&early, &second, &late].map(|heard| heard.lock().len()),
            [1, 2, 2]
        );
        drop((other, last));
    }
}
