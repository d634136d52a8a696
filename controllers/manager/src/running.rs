//! A controller that runs as long as it is awaited.

use std::pin::Pin;

/// A controller that runs as long as it is awaited, whoever leads it.
pub(crate) type Running = Pin<Box<dyn Future<Output = ()> + Send>>;
