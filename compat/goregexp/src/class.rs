//! Character classes: Perl (`\d`), POSIX (`[:alpha:]`) and Unicode (`\p{Han}`).

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// The class of `\d`, `\s` or `\w`, which are ASCII in RE2 (and `\s` has no vertical tab); with true for `\D`, `\S`, `\W`.
pub(crate) fn perl(letter: u8) -> Option<(ClassUnicode, bool)> {
    let ranges: &[(char, char)] = match letter.to_ascii_lowercase() {
        b'd' => &[('0', '9')],
        b's' => &[('\t', '\n'), ('\x0c', '\r'), (' ', ' ')],
        b'w' => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        _ => return None,
    };
    Some((from_pairs(ranges), letter.is_ascii_uppercase()))
}

/// The class of a POSIX name, without brackets and colons (`alpha`); with true if the name was negated (`^alpha`).
pub(crate) fn posix(name: &[u8]) -> Option<(ClassUnicode, bool)> {
    let (name, negated) = match name.strip_prefix(b"^") {
        Some(rest) => (rest, true),
        None => (name, false),
    };
    let ranges: &[(char, char)] = match name {
        b"alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        b"alpha" => &[('A', 'Z'), ('a', 'z')],
        b"ascii" => &[('\0', '\x7f')],
        b"blank" => &[('\t', '\t'), (' ', ' ')],
        b"cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        b"digit" => &[('0', '9')],
        b"graph" => &[('!', '~')],
        b"lower" => &[('a', 'z')],
        b"print" => &[(' ', '~')],
        b"punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        b"space" => &[('\t', '\r'), (' ', ' ')],
        b"upper" => &[('A', 'Z')],
        b"word" => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
        b"xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    };
    Some((from_pairs(ranges), negated))
}

/// The class of a Unicode general category or script, matched loosely as Go does (case, `_`, `-` and blanks do not count).
pub(crate) fn unicode(name: &str) -> Option<ClassUnicode> {
    let loose: String = name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).collect();
    if loose.is_empty() || !loose.chars().all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let query = match loose.to_ascii_lowercase().as_str() {
        "any" => "Any".to_owned(),
        "ascii" => "ASCII".to_owned(),
        "assigned" => "Assigned".to_owned(),
        _ => {
            return resolve(&format!("gc={loose}")).or_else(|| resolve(&format!("sc={loose}")));
        }
    };
    resolve(&query)
}

fn resolve(query: &str) -> Option<ClassUnicode> {
    let hir = regex_syntax::parse(&format!("\\p{{{query}}}")).ok()?;
    match hir.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        HirKind::Class(Class::Bytes(class)) => class.to_unicode_class(),
        _ => None,
    }
}

fn from_pairs(ranges: &[(char, char)]) -> ClassUnicode {
    ClassUnicode::new(ranges.iter().map(|&(lo, hi)| ClassUnicodeRange::new(lo, hi)))
}

/// A class under construction.
///
/// Negated groups are kept apart, because under `(?i)` they are the complement of the folded group, not folded complements.
#[derive(Default)]
pub(crate) struct ClassBuilder {
    plain: Vec<ClassUnicodeRange>,
    negated: Vec<ClassUnicodeRange>,
}

impl ClassBuilder {
    /// Adds code points `lo..=hi`; surrogates, which no text contains, are left out.
    pub(crate) fn range(&mut self, lo: u32, hi: u32) {
        for (from, to) in [(lo, hi.min(0xd7ff)), (lo.max(0xe000), hi)] {
            if from <= to
                && let (Some(from), Some(to)) = (char::from_u32(from), char::from_u32(to))
            {
                self.plain.push(ClassUnicodeRange::new(from, to));
            }
        }
    }

    pub(crate) fn group(&mut self, mut class: ClassUnicode, negated: bool, fold: bool) {
        if negated {
            if fold {
                class.case_fold_simple();
            }
            class.negate();
            self.negated.extend_from_slice(class.ranges());
        } else {
            self.plain.extend_from_slice(class.ranges());
        }
    }

    pub(crate) fn finish(self, fold: bool, negate: bool) -> ClassUnicode {
        let mut class = ClassUnicode::new(self.plain);
        if fold {
            class.case_fold_simple();
        }
        if !self.negated.is_empty() {
            class.union(&ClassUnicode::new(self.negated));
        }
        if negate {
            class.negate();
        }
        class
    }
}
