//! Settings of pods that a request takes as they are.

use super::Sourced;
use super::values::{List, Switch};

/// A setting, in the form that a request has it.
pub(super) trait PassOn<T> {
    /// Returns the value wherever it was given, or what stands for none.
    fn pass_on(&self) -> T;
}

impl<T: Clone + Into<U>, U> PassOn<Option<U>> for Option<Sourced<T>> {
    fn pass_on(&self) -> Option<U> {
        self.as_ref().map(|sourced| sourced.value.clone().into())
    }
}

impl<T: Clone + Into<U>, U> PassOn<Vec<U>> for Option<Sourced<List<T>>> {
    fn pass_on(&self) -> Vec<U> {
        let items = self.iter().flat_map(|sourced| &sourced.value.0);
        items.map(|item| item.clone().into()).collect()
    }
}

impl PassOn<bool> for Option<Sourced<Switch>> {
    fn pass_on(&self) -> bool {
        self.as_ref().is_some_and(|sourced| sourced.value.0)
    }
}
