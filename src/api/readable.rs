//! What a user may read, and what not.

/// An answer, or the reason why there is none.
#[derive(Debug, Clone, PartialEq)]
pub enum Readable<T> {
    /// The API server answered.
    Known(T),
    /// The user may not read this.
    Forbidden,
}

impl<T> Readable<T> {
    /// Returns the answer, if there is one.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Forbidden => None,
        }
    }
}
