use std::cmp::Ordering;
use std::fmt;

/// Longest version that is looked at, in bytes.
const MAX_LENGTH: usize = 256;

/// A version: three numbers, a prerelease and build metadata.
///
/// Displays in normal form (`v1.2` as `1.2.0`). Equality and order are those of precedence, which ignores metadata.
#[derive(Debug, Clone)]
pub struct Version {
    /// The first number.
    pub major: u64,
    /// The second number, 0 if it was left out.
    pub minor: u64,
    /// The third number, 0 if it was left out.
    pub patch: u64,
    /// What stood behind a `-`, empty for a release.
    pub prerelease: String,
    /// What stood behind a `+`, or empty.
    pub metadata: String,
    /// The text that was read.
    pub original: String,
}

/// Why a text is not a version; displays with the words of the Go library.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Not of the form `[v]N[.N[.N]][-prerelease][+metadata]`.
    #[error("invalid semantic version")]
    Invalid,
    /// Nothing at all (strict reading).
    #[error("version string empty")]
    Empty,
    /// Other characters than digits in a number (strict reading).
    #[error("invalid characters in version")]
    InvalidCharacters,
    /// A number, or a numeric part of the prerelease, has a leading zero.
    #[error("version segment starts with 0")]
    LeadingZero,
    /// An empty part, or other characters than letters, digits and hyphens.
    #[error("invalid prerelease string")]
    InvalidPrerelease,
    /// An empty part, or other characters than letters, digits and hyphens.
    #[error("invalid metadata string")]
    InvalidMetadata,
    /// A number that does not fit 64 bits.
    #[error("error parsing version segment: strconv.ParseUint: parsing \"{0}\": value out of range")]
    OutOfRange(String),
    /// A number without digits (strict reading).
    #[error("strconv.ParseUint: parsing \"\": invalid syntax")]
    EmptySegment,
    /// More than 256 bytes.
    #[error("version string is too long (max {MAX_LENGTH} bytes)")]
    TooLong,
}

impl Version {
    /// Reads a version leniently (`NewVersion`): a leading `v`, missing numbers and leading zeros are fine.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        if text.len() > MAX_LENGTH {
            return Err(VersionError::TooLong);
        }
        let mut rest = text.strip_prefix('v').unwrap_or(text);
        let mut numbers = [""; 3];
        for (index, number) in numbers.iter_mut().enumerate() {
            let digits = match index {
                0 => rest,
                _ => match rest.strip_prefix('.') {
                    Some(digits) => digits,
                    None => break,
                },
            };
            let length = digits.bytes().take_while(u8::is_ascii_digit).count();
            if length == 0 {
                return Err(VersionError::Invalid);
            }
            (*number, rest) = digits.split_at(length);
        }
        let prerelease = optional_part(&mut rest, '-');
        let metadata = optional_part(&mut rest, '+');
        let (Some(prerelease), Some(metadata), "") = (prerelease, metadata, rest) else {
            return Err(VersionError::Invalid);
        };
        let [major, minor, patch] = numbers;
        let version = Self {
            major: number(major)?,
            minor: number(minor)?,
            patch: number(patch)?,
            prerelease: prerelease.to_owned(),
            metadata: metadata.to_owned(),
            original: text.to_owned(),
        };
        check_prerelease(prerelease)?;
        Ok(version)
    }

    /// Reads a version strictly by the specification (`StrictNewVersion`): three numbers, no `v`.
    pub fn parse_strict(text: &str) -> Result<Self, VersionError> {
        if text.is_empty() {
            return Err(VersionError::Empty);
        }
        if text.len() > MAX_LENGTH {
            return Err(VersionError::TooLong);
        }
        let mut parts = text.splitn(3, '.');
        let (Some(major), Some(minor), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(VersionError::Invalid);
        };
        let (rest, metadata) = rest
            .split_once('+')
            .map_or((rest, None), |(rest, m)| (rest, Some(m)));
        if metadata.is_some_and(|metadata| !parts_are_valid(metadata)) {
            return Err(VersionError::InvalidMetadata);
        }
        let (patch, prerelease) = rest
            .split_once('-')
            .map_or((rest, None), |(rest, p)| (rest, Some(p)));
        if let Some(prerelease) = prerelease {
            if prerelease.is_empty() {
                return Err(VersionError::InvalidPrerelease);
            }
            check_prerelease(prerelease)?;
        }
        for part in [major, minor, patch] {
            if !part.bytes().all(|b| b.is_ascii_digit()) {
                return Err(VersionError::InvalidCharacters);
            }
            if part.len() > 1 && part.starts_with('0') {
                return Err(VersionError::LeadingZero);
            }
            if part.is_empty() {
                return Err(VersionError::EmptySegment);
            }
        }
        Ok(Self {
            major: number(major)?,
            minor: number(minor)?,
            patch: number(patch)?,
            prerelease: prerelease.unwrap_or_default().to_owned(),
            metadata: metadata.unwrap_or_default().to_owned(),
            original: text.to_owned(),
        })
    }

    /// Makes a release from its three numbers.
    pub fn new(major: u64, minor: u64, patch: u64) -> Self {
        let mut version = Self {
            major,
            minor,
            patch,
            prerelease: String::new(),
            metadata: String::new(),
            original: String::new(),
        };
        version.original = version.to_string();
        version
    }

    /// Whether this is not a release.
    pub fn is_prerelease(&self) -> bool {
        !self.prerelease.is_empty()
    }

    /// The same version with another prerelease, empty for none.
    pub fn with_prerelease(&self, prerelease: &str) -> Result<Self, VersionError> {
        check_prerelease(prerelease)?;
        Ok(Self {
            prerelease: prerelease.to_owned(),
            ..self.clone()
        }
        .renamed(self))
    }

    /// The same version with other metadata, empty for none.
    pub fn with_metadata(&self, metadata: &str) -> Result<Self, VersionError> {
        if !metadata.is_empty() && !parts_are_valid(metadata) {
            return Err(VersionError::InvalidMetadata);
        }
        Ok(Self {
            metadata: metadata.to_owned(),
            ..self.clone()
        }
        .renamed(self))
    }

    /// The next major release.
    #[must_use]
    pub fn next_major(&self) -> Self {
        Self::new(self.major.saturating_add(1), 0, 0).renamed(self)
    }

    /// The next minor release.
    #[must_use]
    pub fn next_minor(&self) -> Self {
        Self::new(self.major, self.minor.saturating_add(1), 0).renamed(self)
    }

    /// The next patch release, which for a prerelease is the release itself.
    #[must_use]
    pub fn next_patch(&self) -> Self {
        let step = u64::from(!self.is_prerelease());
        Self::new(self.major, self.minor, self.patch.saturating_add(step)).renamed(self)
    }

    /// Takes the normal form as original text, with a `v` in front if `before` was written with one.
    fn renamed(mut self, before: &Self) -> Self {
        let prefix = if before.original.starts_with('v') { "v" } else { "" };
        self.original = format!("{prefix}{self}");
        self
    }
}

/// Takes `-a.b` or `+a.b` off the front, without its sign; nothing means that the sign has no valid text behind it.
fn optional_part<'t>(text: &mut &'t str, sign: char) -> Option<&'t str> {
    let Some(rest) = text.strip_prefix(sign) else {
        return Some("");
    };
    let length = rest
        .bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
        .count();
    let (part, rest) = rest.split_at(length);
    *text = rest;
    part.split('.').all(|part| !part.is_empty()).then_some(part)
}

fn number(digits: &str) -> Result<u64, VersionError> {
    if digits.is_empty() {
        return Ok(0);
    }
    digits
        .parse()
        .map_err(|_| VersionError::OutOfRange(digits.to_owned()))
}

fn parts_are_valid(text: &str) -> bool {
    text.split('.')
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

fn check_prerelease(text: &str) -> Result<(), VersionError> {
    if text.is_empty() {
        return Ok(());
    }
    for part in text.split('.') {
        if !parts_are_valid(part) {
            return Err(VersionError::InvalidPrerelease);
        }
        if part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit()) {
            return Err(VersionError::LeadingZero);
        }
    }
    Ok(())
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.prerelease.is_empty() {
            write!(f, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = |version: &Self| (version.major, version.minor, version.patch);
        numbers(self)
            .cmp(&numbers(other))
            .then_with(|| compare_prereleases(&self.prerelease, &other.prerelease))
    }
}

/// The order of prereleases; a release comes after them all.
pub(super) fn compare_prereleases(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => compare_parts(a, b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Numbers by value and before words; words by bytes. What is too large for a number counts as a word.
fn compare_parts(a: &str, b: &str) -> Ordering {
    let number = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| part.parse::<u64>().ok())
            .flatten()
    };
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}
