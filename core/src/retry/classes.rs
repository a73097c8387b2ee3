//! Some of the classes of errors.

use std::fmt;

use crate::classify::Class;

/// The classes that are worth another run, as a set.
#[doc(hidden)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Classes(u8);

/// In the order in which they are shown.
const WORTH_A_RUN: [Class; 4] = [Class::Retry, Class::Disconnect, Class::Failover, Class::Busy];

impl Classes {
    /// All of them.
    pub const ALL: Self = Self::of(&WORTH_A_RUN);

    /// These; what is permanent is never among them.
    pub const fn of(classes: &[Class]) -> Self {
        let (mut bits, mut index) = (0, 0);
        while index < classes.len() {
            bits |= bit(classes[index]);
            index += 1;
        }
        Self(bits)
    }

    /// Whether this one is among them.
    pub const fn has(self, class: Class) -> bool {
        self.0 & bit(class) != 0
    }
}

const fn bit(class: Class) -> u8 {
    match class {
        Class::Permanent => 0,
        Class::Retry => 1,
        Class::Disconnect => 2,
        Class::Failover => 4,
        Class::Busy => 8,
    }
}

impl fmt::Debug for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(WORTH_A_RUN.iter().filter(|class| self.has(**class)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permanent_error_is_in_no_set() {
        let said = Classes::of(&[Class::Permanent, Class::Busy, Class::Busy]);
        assert!(said.has(Class::Busy) && !said.has(Class::Permanent) && !Classes::ALL.has(Class::Permanent));
        assert_eq!(format!("{said:?}"), "{Busy}");
        assert!(WORTH_A_RUN.iter().all(|class| Classes::ALL.has(*class)));
    }
}
