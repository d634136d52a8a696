//! Why a key is on the queue.

use std::ops::{BitOr, BitOrAssign};

/// Why a key was put on the queue; several reasons merge into one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Triggers(u16);

impl Triggers {
    /// The controller started, or became leader.
    pub const STARTUP: Self = Self(1);
    /// The object's own spec, labels or deletion changed.
    pub const OBJECT: Self = Self(1 << 1);
    /// Somebody asked for a reconciliation by annotation.
    pub const REQUESTED: Self = Self(1 << 2);
    /// The artifact that the object consumes changed.
    pub const ARTIFACT: Self = Self(1 << 3);
    /// A dependency changed its state.
    pub const DEPENDENCY: Self = Self(1 << 4);
    /// A referenced ConfigMap or Secret changed.
    pub const CONFIG: Self = Self(1 << 5);
    /// A timer set by an earlier run went off.
    pub const TIMER: Self = Self(1 << 6);

    /// Tells whether any of `other`'s reasons is among these.
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl Triggers {
    const NAMES: [(Self, &'static str); 7] = [
        (Self::STARTUP, "startup"),
        (Self::OBJECT, "object"),
        (Self::REQUESTED, "request"),
        (Self::ARTIFACT, "artifact"),
        (Self::DEPENDENCY, "dependency"),
        (Self::CONFIG, "config"),
        (Self::TIMER, "timer"),
    ];

    /// Gives the names of these reasons.
    pub(super) fn names(self) -> Vec<&'static str> {
        let all = Self::NAMES.into_iter();
        all.filter_map(|(trigger, name)| self.intersects(trigger).then_some(name))
            .collect()
    }
}

impl BitOr for Triggers {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Triggers {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
