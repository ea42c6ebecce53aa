//! Sets of indexes, as the status of a Job writes them: `0-6,8-16,20`.

use serde::{Deserialize, Deserializer};

/// A set of indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Indexes(Vec<(i64, i64)>);

impl Indexes {
    /// Reads them, without what is no index.
    pub fn read(text: &str) -> Self {
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (0 <= first && first <= last).then_some((first, last))
        };
        Self(text.split(',').filter_map(range).collect())
    }

    /// Returns how many there are.
    pub fn count(&self) -> i64 {
        let counts = self.0.iter().map(|(first, last)| last - first + 1);
        counts.fold(0, i64::saturating_add)
    }

    /// Returns whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns each, in order.
    pub fn iter(&self) -> impl Iterator<Item = i64> {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// Returns whether this is one of them.
    pub fn contains(&self, index: i64) -> bool {
        let mut ranges = self.0.iter();
        ranges.any(|(first, last)| (*first..=*last).contains(&index))
    }
}

impl<'de> Deserialize<'de> for Indexes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(Self::read(&text.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_read_as_the_controller_writes_them() {
        let indexes = Indexes::read("0-2,7,9-10");
        assert_eq!(indexes.count(), 6);
        assert_eq!(indexes.iter().collect::<Vec<_>>(), [0, 1, 2, 7, 9, 10]);
        assert!(indexes.contains(9) && !indexes.contains(8));
        for none in ["", "x", "3-1", "-5"] {
            assert!(Indexes::read(none).is_empty(), "{none}");
        }
    }
}
