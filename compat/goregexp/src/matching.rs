use std::ops::Range;

use regex_automata::meta;
use regex_automata::util::captures::Captures;
use regex_automata::{Anchored, Input};

use crate::error::{Error, ErrorKind};
use crate::haystack::Haystack;
use crate::limits::Limits;
use crate::parse::parse;
use crate::replace::{Piece, parse_template};
use crate::scan::{Counter, Scan};

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Regexp {
    engine: meta::Regex,
    /// Names by group number; the whole match is group 0. Go allows a name twice, so the engine does not know them.
    names: Vec<Option<String>>,
    pattern: Vec<u8>,
}

impl Regexp {
    /// Compiles a pattern with the default [`Limits`].
    pub fn new(pattern: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::with_limits(pattern.as_ref(), &Limits::default())
    }

    /// Compiles a pattern within the given limits.
    pub fn with_limits(pattern: &[u8], limits: &Limits) -> Result<Self, Error> {
        let large = || Error::new(ErrorKind::Large, pattern);
        if pattern.len() > limits.pattern_bytes {
            return Err(large());
        }
        let parsed = parse(pattern, limits.depth)?;
        let config = meta::Config::new()
            .nfa_size_limit(Some(limits.compiled_bytes))
            .onepass_size_limit(Some(1 << 20))
            // Most expressions meet a few short texts: a table of all that one could meet takes longer to build.
            .dfa(false)
            .hybrid_cache_capacity(2 << 20);
        let engine = meta::Builder::new()
            .configure(config)
            .build_from_hir(&parsed.hir)
            .map_err(|_| large())?;
        Ok(Self {
            engine,
            names: parsed.names,
            pattern: pattern.to_vec(),
        })
    }

    /// Compiles `^(?:pattern)$`, the form in which kustomize reads the selectors of a patch or replacement.
    pub fn anchored(pattern: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::new([b"^(?:", pattern.as_ref(), b")$"].concat())
    }

    /// The pattern as it was given.
    pub fn pattern(&self) -> &[u8] {
        &self.pattern
    }

    /// How much memory the compiled pattern takes, in bytes; matching takes time in proportion to it, at worst.
    pub fn memory(&self) -> usize {
        self.engine.memory_usage()
    }

    /// The names of the groups by number, `None` for unnamed ones; number 0 is the whole match.
    pub fn group_names(&self) -> &[Option<String>] {
        &self.names
    }

    /// Whether the pattern matches anywhere in `text`.
    pub fn is_match(&self, text: impl AsRef<[u8]>) -> bool {
        let haystack = Haystack::new(text.as_ref());
        self.engine.is_match(&*haystack.text)
    }

    /// The byte range of the leftmost match.
    pub fn find(&self, text: &[u8]) -> Option<Range<usize>> {
        let haystack = Haystack::new(text);
        let found = self.engine.find(&*haystack.text)?;
        Some(haystack.original_offset(found.start())..haystack.original_offset(found.end()))
    }

    /// The byte ranges of all groups of the leftmost match, the whole match first; `None` for a group that took no part.
    pub fn captures(&self, text: &[u8]) -> Option<Vec<Option<Range<usize>>>> {
        let haystack = Haystack::new(text);
        let mut captures = self.engine.create_captures();
        self.engine.captures(&*haystack.text, &mut captures);
        if !captures.is_match() {
            return None;
        }
        let original = |span: regex_automata::Span| {
            haystack.original_offset(span.start)..haystack.original_offset(span.end)
        };
        // The engine forgets groups that can never match.
        let mut groups: Vec<_> = captures.iter().map(|group| group.map(original)).collect();
        groups.resize(self.names.len(), None);
        Some(groups)
    }

    /// The byte ranges of the first `n` matches that do not overlap, of all if `n` is negative.
    ///
    /// An empty match right after another match does not count (Go's `FindAllIndex`).
    pub fn find_all(&self, text: &[u8], n: i64) -> Vec<Range<usize>> {
        self.find_all_within(text, n, &mut Scan::unlimited())
            .unwrap_or_default()
    }

    /// Like [`Regexp::find_all`], but gives up once more was looked at than is allowed.
    pub fn find_all_within(&self, text: &[u8], n: i64, scan: &mut Scan) -> Option<Vec<Range<usize>>> {
        let mut counter = Counter::new(scan);
        let haystack = Haystack::new(text);
        let wanted = usize::try_from(n).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        let mut position = 0;
        let mut previous_end = None;
        while found.len() < wanted && position <= haystack.text.len() {
            counter.search(&self.pattern, &haystack.text, position)?;
            let Some(m) = self.engine.search(&Input::new(&*haystack.text).range(position..)) else {
                break;
            };
            let (start, end) = (m.start(), m.end());
            if end != position || previous_end != Some(start) {
                found.push(haystack.original_offset(start)..haystack.original_offset(end));
            }
            // A match that ends where the search began is empty, so the search has to move on by itself.
            position = if end == position {
                position + haystack.char_width(position).max(1)
            } else {
                end
            };
            previous_end = Some(end);
        }
        Some(found)
    }

    /// Replaces every match by a template in which `$1`, `$name` and `${name}` stand for groups and `$$` for a dollar sign.
    ///
    /// A name is the longest run of letters, digits and `_`: `$1x` is the group called `1x`. Unknown groups are empty.
    pub fn replace_all(&self, text: &[u8], template: &[u8]) -> Vec<u8> {
        self.replace_all_within(text, template, usize::MAX, &mut Scan::unlimited())
            .unwrap_or_default()
    }

    /// Like [`Regexp::replace_all`], but gives up as soon as the result is longer than `max_bytes`, or once more was looked
    /// at than is allowed.
    pub fn replace_all_within(
        &self,
        text: &[u8],
        template: &[u8],
        max_bytes: usize,
        scan: &mut Scan,
    ) -> Option<Vec<u8>> {
        let pieces = parse_template(template);
        self.replace_with(text, max_bytes, scan, |out, captures, haystack| {
            for piece in &pieces {
                let span = match piece {
                    Piece::Literal(bytes) => {
                        out.extend_from_slice(bytes);
                        continue;
                    }
                    Piece::Group(number) => captures.get_group(*number),
                    Piece::Name(name) => self
                        .names
                        .iter()
                        .enumerate()
                        .filter(|(_, n)| n.as_ref().is_some_and(|n| n.as_bytes() == *name))
                        .find_map(|(number, _)| captures.get_group(number)),
                };
                if let Some(span) = span {
                    out.extend_from_slice(original(text, haystack, span.start, span.end));
                }
            }
        })
    }

    /// Replaces every match by `replacement` as it is.
    pub fn replace_all_literal(&self, text: &[u8], replacement: &[u8]) -> Vec<u8> {
        self.replace_all_literal_within(text, replacement, usize::MAX, &mut Scan::unlimited())
            .unwrap_or_default()
    }

    /// Like [`Regexp::replace_all_literal`], but gives up as soon as the result is longer than `max_bytes`, or once more was
    /// looked at than is allowed.
    pub fn replace_all_literal_within(
        &self,
        text: &[u8],
        replacement: &[u8],
        max_bytes: usize,
        scan: &mut Scan,
    ) -> Option<Vec<u8>> {
        self.replace_with(text, max_bytes, scan, |out, _, _| {
            out.extend_from_slice(replacement);
        })
    }

    fn replace_with(
        &self,
        text: &[u8],
        max_bytes: usize,
        scan: &mut Scan,
        mut replacement: impl FnMut(&mut Vec<u8>, &Captures, &Haystack<'_>),
    ) -> Option<Vec<u8>> {
        let mut counter = Counter::new(scan);
        let haystack = Haystack::new(text);
        let mut out = Vec::with_capacity(text.len());
        let mut captures = self.engine.create_captures();
        let (mut copied, mut position) = (0, 0);
        while position <= haystack.text.len() {
            counter.search(&self.pattern, &haystack.text, position)?;
            let input = Input::new(&*haystack.text)
                .range(position..)
                .anchored(Anchored::No);
            self.engine.search_captures(&input, &mut captures);
            let Some(m) = captures.get_match() else { break };
            let (start, end) = (m.start(), m.end());
            out.extend_from_slice(original(text, &haystack, copied, start));
            // An empty match right after another match is not replaced.
            if end > copied || start == 0 {
                replacement(&mut out, &captures, &haystack);
            }
            if out.len() > max_bytes {
                return None;
            }
            copied = end;
            position = end.max(position + haystack.char_width(position).max(1));
        }
        out.extend_from_slice(original(text, &haystack, copied, haystack.text.len()));
        (out.len() <= max_bytes).then_some(out)
    }

    /// Cuts `text` at every match: at most `n` pieces, the last of which is the rest; all if `n` is negative, none if it is 0.
    pub fn split<'t>(&self, text: &'t [u8], n: i64) -> Vec<&'t [u8]> {
        self.split_within(text, n, &mut Scan::unlimited())
            .unwrap_or_default()
    }

    /// Like [`Regexp::split`], but gives up once more was looked at than is allowed.
    pub fn split_within<'t>(&self, text: &'t [u8], n: i64, scan: &mut Scan) -> Option<Vec<&'t [u8]>> {
        if n == 0 {
            return Some(Vec::new());
        }
        if text.is_empty() && !self.pattern.is_empty() {
            return Some(vec![text]);
        }
        let most = usize::try_from(n).ok();
        let mut pieces = Vec::new();
        let (mut begin, mut end) = (0, 0);
        for found in self.find_all_within(text, n, scan)? {
            if most.is_some_and(|most| pieces.len() + 1 >= most) {
                break;
            }
            end = found.start;
            if found.end != 0 {
                pieces.push(text.get(begin..end).unwrap_or_default());
            }
            begin = found.end;
        }
        if end != text.len() {
            pieces.push(text.get(begin..).unwrap_or_default());
        }
        Some(pieces)
    }
}

/// The original bytes of a span of the haystack.
fn original<'t>(text: &'t [u8], haystack: &Haystack<'_>, start: usize, end: usize) -> &'t [u8] {
    text.get(haystack.original_offset(start)..haystack.original_offset(end))
        .unwrap_or_default()
}
