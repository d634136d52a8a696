//! What is done with tokens, told as Flux tells it.

/// For which object a token is asked for, and what with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Involved {
    /// The kind of the object.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What the token is for, in Flux's words, such as `fetch_kubeconfig`.
    pub operation: &'static str,
}

/// How often tokens were asked for on behalf of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenEvents {
    /// How often one was there.
    pub hits: u64,
    /// How often none was.
    pub misses: u64,
}

/// What was done with tokens so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenCounts {
    /// How often there was one in the end.
    pub succeeded: u64,
    /// How often none could be had.
    pub failed: u64,
    /// How often one had to make room.
    pub evictions: u64,
    /// How many there are.
    pub kept: usize,
}

/// How a request for a token ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It was there.
    Kept,
    /// It was made.
    Made,
    /// It could not be made.
    Failed,
}
