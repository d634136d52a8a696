use super::version::{Version, compare_prereleases};

/// Longest constraint that is looked at, in bytes.
const MAX_LENGTH: usize = 512;
/// Most groups separated by `||`.
const MAX_GROUPS: usize = 32;

/// A condition on versions: groups separated by `||`, each of comparators that must all hold.
#[derive(Debug, Clone)]
pub struct Constraints {
    groups: Vec<Group>,
    include_prereleases: bool,
}

#[derive(Debug, Clone)]
struct Group {
    comparators: Vec<Comparator>,
    /// Prereleases can only satisfy a group that names one.
    names_prerelease: bool,
}

#[derive(Debug, Clone)]
struct Comparator {
    operator: Operator,
    version: Version,
    /// Which numbers were left out, or written as `x`, `X` or `*`.
    wildcard: Wildcard,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wildcard {
    None,
    Patch,
    Minor,
    Major,
}

/// Why a text is not a constraint; displays with the words of the Go library.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintError {
    /// More than 512 bytes.
    #[error("constraint string is too long (max {MAX_LENGTH} bytes)")]
    TooLong,
    /// More than 32 groups.
    #[error("too many constraint groups (max {MAX_GROUPS})")]
    TooManyGroups,
    /// A group that is not a list of comparators; with its quoted text.
    #[error("improper constraint: {0}")]
    Improper(String),
    /// A comparator whose version is none, such as `1x` or `1|2`.
    #[error("constraint parser error")]
    Version,
}

impl Constraints {
    /// Reads a constraint such as `>=1.19-0 <2 || ~3.1` or `1.0 - 2.0`.
    pub fn parse(text: &str) -> Result<Self, ConstraintError> {
        if text.len() > MAX_LENGTH {
            return Err(ConstraintError::TooLong);
        }
        let text = rewrite_ranges(text);
        let groups: Vec<&str> = text.split("||").collect();
        if groups.len() > MAX_GROUPS {
            return Err(ConstraintError::TooManyGroups);
        }
        let groups = groups.into_iter().map(Group::parse).collect::<Result<_, _>>()?;
        Ok(Self {
            groups,
            include_prereleases: false,
        })
    }

    /// Lets prereleases satisfy every group (`IncludePrerelease`).
    #[must_use]
    pub fn including_prereleases(mut self) -> Self {
        self.include_prereleases = true;
        self
    }

    /// Whether the version satisfies the constraint.
    pub fn check(&self, version: &Version) -> bool {
        self.groups.iter().any(|group| {
            if version.is_prerelease() && !group.names_prerelease && !self.include_prereleases {
                return false;
            }
            group
                .comparators
                .iter()
                .all(|comparator| comparator.check(version))
        })
    }
}

impl Group {
    fn parse(text: &str) -> Result<Self, ConstraintError> {
        let mut comparators = Vec::new();
        let mut rest = skip_space(text);
        loop {
            let written = WrittenComparator::read(&mut rest)
                .ok_or_else(|| ConstraintError::Improper(go_std::quote(text.as_bytes())))?;
            comparators.push(written);
            let before = rest;
            rest = skip_space(rest);
            if rest.is_empty() {
                break;
            }
            // The next comparator stands behind a blank, a comma, or both.
            if let Some(behind) = rest.strip_prefix(',') {
                rest = skip_space(behind);
            } else if rest.len() == before.len() {
                return Err(ConstraintError::Improper(go_std::quote(text.as_bytes())));
            }
        }
        let comparators = comparators
            .into_iter()
            .map(WrittenComparator::resolve)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            names_prerelease: comparators
                .iter()
                .any(|comparator| comparator.version.is_prerelease()),
            comparators,
        })
    }
}

/// A comparator as it stands in the text.
struct WrittenComparator<'t> {
    operator: Operator,
    version: WrittenVersion<'t>,
}

/// A version with wildcards as it stands in the text.
#[derive(Clone, Copy)]
struct WrittenVersion<'t> {
    text: &'t str,
    numbers: [&'t str; 3],
    prerelease: &'t str,
}

impl<'t> WrittenComparator<'t> {
    fn read(rest: &mut &'t str) -> Option<Self> {
        const OPERATORS: [(&str, Operator); 11] = [
            ("!=", Operator::NotEqual),
            (">=", Operator::GreaterEqual),
            ("=>", Operator::GreaterEqual),
            ("<=", Operator::LessEqual),
            ("=<", Operator::LessEqual),
            ("~>", Operator::Tilde),
            ("~", Operator::Tilde),
            ("^", Operator::Caret),
            (">", Operator::Greater),
            ("<", Operator::Less),
            ("=", Operator::Equal),
        ];
        let found = OPERATORS
            .iter()
            .find_map(|(sign, operator)| Some((rest.strip_prefix(sign)?, *operator)));
        let (behind, operator) = found.unwrap_or((rest, Operator::Equal));
        let mut behind = skip_space(behind);
        let version = WrittenVersion::read(&mut behind)?;
        *rest = behind;
        Some(Self { operator, version })
    }

    fn resolve(self) -> Result<Comparator, ConstraintError> {
        let is_wild = |number: &str| matches!(number, "" | "x" | "X" | "*");
        let WrittenVersion {
            text,
            numbers: [major, minor, patch],
            prerelease,
        } = self.version;
        let suffix = if prerelease.is_empty() {
            String::new()
        } else {
            format!("-{prerelease}")
        };
        let (wildcard, text) = if is_wild(major) {
            (Wildcard::Major, format!("0.0.0{suffix}"))
        } else if is_wild(minor) {
            (Wildcard::Minor, format!("{major}.0.0{suffix}"))
        } else if is_wild(patch) {
            (Wildcard::Patch, format!("{major}.{minor}.0{suffix}"))
        } else {
            (Wildcard::None, text.to_owned())
        };
        let version = Version::parse(&text).map_err(|_| ConstraintError::Version)?;
        Ok(Comparator {
            operator: self.operator,
            version,
            wildcard,
        })
    }
}

impl<'t> WrittenVersion<'t> {
    fn read(rest: &mut &'t str) -> Option<Self> {
        let start = *rest;
        let mut at = start.strip_prefix('v').unwrap_or(start);
        let mut numbers = [""; 3];
        for (index, number) in numbers.iter_mut().enumerate() {
            let text = if index == 0 {
                at
            } else {
                at.strip_prefix('.').unwrap_or("")
            };
            let length = text
                .bytes()
                .take_while(|b| b.is_ascii_digit() || b"|xX*".contains(b))
                .count();
            if length == 0 {
                if index == 0 {
                    return None;
                }
                break;
            }
            (*number, at) = text.split_at(length);
        }
        let prerelease = dotted_words(&mut at, '-');
        dotted_words(&mut at, '+');
        *rest = at;
        Some(Self {
            text: start.get(..start.len() - at.len())?,
            numbers,
            prerelease,
        })
    }
}

/// Takes as much of `-a.b` off the front as there is, and gives it without the sign.
fn dotted_words<'t>(text: &mut &'t str, sign: char) -> &'t str {
    let Some(words) = text.strip_prefix(sign) else {
        return "";
    };
    let mut length = 0;
    loop {
        let from = if length == 0 { 0 } else { length + 1 };
        if length > 0 && words.as_bytes().get(length) != Some(&b'.') {
            break;
        }
        let word = words.get(from..).unwrap_or_default();
        let word = word
            .bytes()
            .take_while(|b| b.is_ascii_alphanumeric() || *b == b'-')
            .count();
        if word == 0 {
            break;
        }
        length = from + word;
    }
    let (taken, rest) = words.split_at(length);
    if !taken.is_empty() {
        *text = rest;
    }
    taken
}

/// Skips what RE2 calls `\s`.
fn skip_space(text: &str) -> &str {
    text.trim_start_matches(['\t', '\n', '\x0c', '\r', ' '])
}

/// Rewrites `A - B` to `>= A, <= B`.
fn rewrite_ranges(text: &str) -> String {
    let mut rewritten = text.to_owned();
    let mut rest = text;
    while let Some((range, low, high)) = find_range(&mut rest) {
        rewritten = rewritten.replacen(range, &format!(">= {low}, <= {high} "), 1);
    }
    rewritten
}

/// The first range in the text, with the blanks around it, and its two versions; moves past it.
fn find_range<'t>(rest: &mut &'t str) -> Option<(&'t str, &'t str, &'t str)> {
    let text = *rest;
    for (start, _) in text.char_indices() {
        let candidate = text.get(start..)?;
        if let Some((low, high, behind)) = range_at(candidate) {
            *rest = behind;
            return Some((candidate.get(..candidate.len() - behind.len())?, low, high));
        }
    }
    None
}

fn range_at(text: &str) -> Option<(&str, &str, &str)> {
    let mut at = skip_space(text);
    let low = WrittenVersion::read(&mut at)?;
    let dash = skip_space(at);
    let behind = dash.strip_prefix('-')?;
    let mut high_at = skip_space(behind);
    if dash.len() == at.len() || high_at.len() == behind.len() {
        return None;
    }
    let high = WrittenVersion::read(&mut high_at)?;
    Some((low.text, high.text, skip_space(high_at)))
}

impl Comparator {
    /// Whether a version satisfies this; prereleases have been dealt with.
    fn check(&self, version: &Version) -> bool {
        let wanted = &self.version;
        let minor_is_wild = self.wildcard == Wildcard::Minor;
        let patch_is_wild = self.wildcard == Wildcard::Patch;
        let exact = self.wildcard == Wildcard::None;
        match self.operator {
            Operator::Equal if exact => version == wanted,
            Operator::Equal | Operator::Tilde => self.check_tilde(version),
            Operator::NotEqual => {
                if !exact {
                    if wanted.major != version.major {
                        return true;
                    }
                    if minor_is_wild {
                        return false;
                    }
                    if wanted.minor != version.minor {
                        return true;
                    }
                    if patch_is_wild {
                        let either = version.is_prerelease() || wanted.is_prerelease();
                        return either
                            && compare_prereleases(&version.prerelease, &wanted.prerelease).is_ne();
                    }
                    if wanted.patch != version.patch {
                        return true;
                    }
                }
                version != wanted
            }
            Operator::Greater if exact => version > wanted,
            Operator::Greater => {
                if version.major != wanted.major {
                    version.major > wanted.major
                } else if minor_is_wild {
                    false
                } else if patch_is_wild {
                    version.minor > wanted.minor
                } else {
                    version > wanted
                }
            }
            Operator::Less => version < wanted,
            Operator::GreaterEqual => version >= wanted,
            Operator::LessEqual if exact => version <= wanted,
            Operator::LessEqual => {
                version.major <= wanted.major
                    && (version.major != wanted.major || version.minor <= wanted.minor || minor_is_wild)
            }
            Operator::Caret => self.check_caret(version),
        }
    }

    fn check_tilde(&self, version: &Version) -> bool {
        let wanted = &self.version;
        if version < wanted {
            return false;
        }
        let minor_is_wild = self.wildcard == Wildcard::Minor;
        let all_zero = (wanted.major, wanted.minor, wanted.patch) == (0, 0, 0);
        if all_zero && !minor_is_wild && self.wildcard != Wildcard::Patch {
            return true;
        }
        version.major == wanted.major && (minor_is_wild || version.minor == wanted.minor)
    }

    fn check_caret(&self, version: &Version) -> bool {
        let wanted = &self.version;
        if version < wanted {
            return false;
        }
        if wanted.major > 0 || self.wildcard == Wildcard::Minor {
            return version.major == wanted.major;
        }
        if version.major > 0 {
            return false;
        }
        if wanted.minor > 0 || self.wildcard == Wildcard::Patch {
            return version.minor == wanted.minor;
        }
        version.minor == 0 && version.patch == wanted.patch
    }
}
