//! What a search for many matches looks at: each may read on to the end of the text, and find out that it is short.

use regex_automata::Input;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson;

use crate::limits::Limits;
use crate::parse::parse;

/// How many bytes may still be looked at, match after match.
///
/// One search takes time in proportion to the text. All matches of a text may take the square of that, with patterns such
/// as `a*?b|a`, which read to the end of the text for each letter of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    left: u64,
}

impl Scan {
    /// Allows so many bytes.
    pub fn new(bytes: u64) -> Self {
        Self { left: bytes }
    }

    /// Allows any number of bytes.
    pub fn unlimited() -> Self {
        Self::new(u64::MAX)
    }

    /// How many bytes are left.
    pub fn left(&self) -> u64 {
        self.left
    }

    fn pay(&mut self, bytes: usize) -> Option<()> {
        let left = self.left.checked_sub(bytes as u64);
        self.left = left.unwrap_or(0);
        left.map(|_| ())
    }
}

/// Counts what the searches in one text look at.
pub(crate) struct Counter<'s> {
    scan: &'s mut Scan,
    /// What was counted as if each search had read to the end.
    assumed: usize,
    automaton: Option<Automaton>,
}

/// Up to here searches count as if they read to the end; then it is found out how far they do.
const ASSUMED: usize = 4 << 20;

impl<'s> Counter<'s> {
    pub(crate) fn new(scan: &'s mut Scan) -> Self {
        Self {
            scan,
            assumed: 0,
            automaton: None,
        }
    }

    /// Pays for a search that begins at `position`; nothing if that is more than is left.
    pub(crate) fn search(&mut self, pattern: &[u8], text: &[u8], position: usize) -> Option<()> {
        let rest = text.len().saturating_sub(position);
        if self.scan.left == u64::MAX {
            return Some(());
        }
        if self.assumed < ASSUMED {
            self.assumed += rest;
            return self.scan.pay(rest);
        }
        let automaton = self.automaton.get_or_insert_with(|| Automaton::new(pattern));
        let read = automaton.read(text, position).unwrap_or(rest);
        self.scan.pay(read)
    }
}

/// The automaton of a pattern, to be followed byte by byte.
struct Automaton(Option<(DFA, Cache)>);

impl Automaton {
    fn new(pattern: &[u8]) -> Self {
        let limits = Limits::default();
        let automaton = || {
            let parsed = parse(pattern, limits.depth).ok()?;
            let nfa = thompson::Compiler::new()
                .configure(thompson::Config::new().nfa_size_limit(Some(limits.compiled_bytes)))
                .build_from_hir(&parsed.hir)
                .ok()?;
            let config = DFA::config()
                .cache_capacity(2 << 20)
                .skip_cache_capacity_check(true);
            let dfa = DFA::builder().configure(config).build_from_nfa(nfa).ok()?;
            let cache = dfa.create_cache();
            Some((dfa, cache))
        };
        Self(automaton())
    }

    /// How many bytes it takes to find the match behind `position`, or that there is none; nothing if that is unknown.
    fn read(&mut self, text: &[u8], position: usize) -> Option<usize> {
        let (dfa, cache) = self.0.as_mut()?;
        let input = Input::new(text).range(position..);
        let mut state = dfa.start_state_forward(cache, &input).ok()?;
        let rest = text.get(position..)?;
        for (read, byte) in rest.iter().enumerate() {
            state = dfa.next_state(cache, state, *byte).ok()?;
            if state.is_dead() {
                return Some(read + 1);
            }
            if state.is_quit() {
                return None;
            }
        }
        Some(rest.len())
    }
}
