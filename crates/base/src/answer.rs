//! Types for the answers of an API server, whatever was asked for.

use serde::Deserialize;

/// The answer to a read, or that the user may not read this.
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

/// A page of a listing.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Page<T> {
    /// What is told about the listing.
    #[serde(default)]
    pub metadata: PageMetadata,
    /// Its objects.
    pub items: Vec<T>,
}

/// `metadata` of a listing.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PageMetadata {
    /// Where the next page begins; empty on the last one.
    #[serde(rename = "continue", default)]
    pub next: String,
}
