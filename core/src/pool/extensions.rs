//! Values that users attach to a connection, by type.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;

/// A map from types to one value of each (SQLAlchemy's `info` and `record_info`, with types in place of string keys).
///
/// ```
/// use aludel_core::pool::Extensions;
///
/// #[derive(PartialEq, Debug)]
/// struct Tenant(u32);
///
/// let mut info = Extensions::default();
/// assert_eq!(info.insert(Tenant(7)), None);
/// assert_eq!(info.get::<Tenant>(), Some(&Tenant(7)));
/// info.get_mut::<Tenant>().unwrap().0 += 1;
/// assert_eq!(info.remove::<Tenant>(), Some(Tenant(8)));
/// assert!(info.is_empty());
/// ```
#[derive(Default)]
pub struct Extensions(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

impl Extensions {
    /// Puts a value in; answers the one of its type that was there before.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) -> Option<T> {
        let before = self.0.insert(TypeId::of::<T>(), Box::new(value));
        before.and_then(|value| value.downcast().ok()).map(|value| *value)
    }

    /// The value of this type.
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// The value of this type, to be changed.
    pub fn get_mut<T: 'static>(&mut self) -> Option<&mut T> {
        self.0.get_mut(&TypeId::of::<T>())?.downcast_mut()
    }

    /// Takes the value of this type out.
    pub fn remove<T: 'static>(&mut self) -> Option<T> {
        let value = self.0.remove(&TypeId::of::<T>())?;
        value.downcast().ok().map(|value| *value)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extensions({})", self.0.len())
    }
}
