use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The functions that draw random bytes whatever they are given.
pub const CHANCE: [&str; 18] = [
    "bcrypt",
    "encryptAES",
    "genCA",
    "genCAWithKey",
    "genPrivateKey",
    "genSelfSignedCert",
    "genSelfSignedCertWithKey",
    "genSignedCert",
    "genSignedCertWithKey",
    "htpasswd",
    "randAlpha",
    "randAlphaNum",
    "randAscii",
    "randBytes",
    "randInt",
    "randNumeric",
    "shuffle",
    "uuidv4",
];

/// The functions that ask for the time whatever they are given; others do so for what is no date.
pub const CLOCK: [&str; 2] = ["ago", "now"];

/// What functions need from the world: time, chance and name resolution.
///
/// The crate itself reads no clock, draws no random numbers and opens no socket.
pub trait Environment: Send + Sync {
    /// The current time.
    fn now(&self) -> Timestamp;

    /// Fills `bytes` with random bytes that are fit for keys and passwords.
    fn fill_random(&self, bytes: &mut [u8]);

    /// The zone called `Local`: that of the process. UTC unless said otherwise.
    fn local_zone(&self) -> TimeZone {
        TimeZone::UTC
    }

    /// An address of a host for `getHostByName`; the empty default is what Helm does unless DNS is enabled.
    fn host_address(&self, name: &str) -> String {
        let _ = name;
        String::new()
    }
}

/// An environment that stands still: a fixed time, and "random" bytes that follow from a seed.
///
/// For tests, and for rendering that must come out the same twice. Never make secrets with it.
#[derive(Debug)]
pub struct FixedEnvironment {
    now: Timestamp,
    state: std::sync::atomic::AtomicU64,
}

impl FixedEnvironment {
    /// Makes an environment in which it is always `now`.
    pub fn new(now: Timestamp, seed: u64) -> Self {
        Self {
            now,
            state: std::sync::atomic::AtomicU64::new(seed),
        }
    }
}

impl Environment for FixedEnvironment {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        // SplitMix64.
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        for chunk in bytes.chunks_mut(8) {
            let state = self
                .state
                .fetch_add(STEP, std::sync::atomic::Ordering::Relaxed)
                .wrapping_add(STEP);
            let mut word = state;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^= word >> 31;
            for (byte, random) in chunk.iter_mut().zip(word.to_le_bytes()) {
                *byte = random;
            }
        }
    }
}

/// Random numbers of an environment, which is asked for several at a time: it may be a system call.
pub(crate) struct Random<'e> {
    environment: &'e dyn Environment,
    words: [[u8; 8]; 32],
    used: usize,
}

impl<'e> Random<'e> {
    /// Steps that it takes to ask once.
    pub(crate) const STEPS: u64 = 100;

    pub(crate) fn new(environment: &'e dyn Environment) -> Self {
        let words = [[0; 8]; 32];
        Self {
            environment,
            words,
            used: words.len(),
        }
    }

    /// A uniformly random number below `bound`, which must not be 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let zone = u64::MAX - u64::MAX % bound.max(1);
        loop {
            let word = self.word();
            if word < zone {
                return word % bound.max(1);
            }
        }
    }

    fn word(&mut self) -> u64 {
        if self.used >= self.words.len() {
            self.environment.fill_random(self.words.as_flattened_mut());
            self.used = 0;
        }
        let word = self.words.get(self.used).copied().unwrap_or_default();
        self.used += 1;
        u64::from_le_bytes(word)
    }
}
