//! Which releases of KAITO a cluster may run, by what it was seen to serve: what one
//! release has given up, another serves.

/// A release v0.MINOR.PATCH.
type Release = (u32, u32);

/// Fields of a Workspace, each with the first release that has it, newest first.
const FIELDS: [(&str, Release); 4] = [
    ("resource.partition", (12, 0)),
    ("status.performance", (10, 0)),
    ("status.state", (9, 0)),
    ("status.targetNodeCount", (7, 0)),
];
/// First release that serves v1beta1.
const FIRST_BETA: Release = (4, 5);
const BETA: &str = "kaito.sh/v1beta1";

/// The releases that may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Releases {
    least: Release,
    most: Release,
}

/// What is to be made of something that a release took out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Every release that may run has it.
    There,
    /// Some have it.
    Perhaps,
    /// None has it.
    Gone,
}

impl Releases {
    /// Where no cluster was asked.
    pub const ANY: Self = Self {
        least: (0, 0),
        most: (u32::MAX, 0),
    };
    /// The release whose tables are known here, and later ones.
    pub const NEWEST: Self = Self {
        least: (12, 0),
        most: (u32::MAX, 0),
    };

    /// Returns the releases that serve what was seen: `best` is the best version of
    /// a Workspace's API, `versions` all that are served, and `has` tells whether the
    /// schema of one of them has a field of a Workspace.
    pub fn seen<'a>(
        best: Option<&'a str>,
        versions: impl IntoIterator<Item = &'a str>,
        has: impl Fn(&str) -> bool,
    ) -> Self {
        let serves_beta = best
            .into_iter()
            .chain(versions)
            .any(|version| version == BETA);
        let newest = FIELDS.into_iter().find(|(path, _)| has(path));
        match (serves_beta, best) {
            (true, _) => Self {
                least: newest.map_or(FIRST_BETA, |(_, release)| release),
                ..Self::ANY
            },
            (false, Some(_)) => Self {
                most: (FIRST_BETA.0, FIRST_BETA.1 - 1),
                ..Self::ANY
            },
            (false, None) => Self::ANY,
        }
    }

    /// Tells what is to be made of what had its last release: `v0.10`, `v0.4.5`.
    pub fn until(self, last: &str) -> Presence {
        let last = release(last, u32::MAX);
        self.compare(|of| of <= last)
    }

    /// The same of what a release took out.
    pub fn before(self, first_without: &str) -> Presence {
        let first = release(first_without, 0);
        self.compare(|of| of < first)
    }

    fn compare(self, has: impl Fn(Release) -> bool) -> Presence {
        match (has(self.most), has(self.least)) {
            (true, _) => Presence::There,
            (false, true) => Presence::Perhaps,
            (false, false) => Presence::Gone,
        }
    }
}

/// Reads `v0.MINOR[.PATCH]`; without a patch it is `patch`.
fn release(text: &str, patch: u32) -> Release {
    let mut numbers = text
        .split('.')
        .skip(1)
        .map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_tells_the_releases() {
        let alpha = Releases::seen(Some("kaito.sh/v1alpha1"), [], |_| false);
        assert_eq!(alpha.until("v0.10"), Presence::There);
        assert_eq!(alpha.before("v0.9"), Presence::There);
        let beta = Releases::seen(Some(BETA), [BETA], |_| false);
        assert_eq!(beta.until("v0.10"), Presence::Perhaps);
        assert_eq!(beta.until("v0.4.4"), Presence::Gone);
        let newest = Releases::seen(Some(BETA), [BETA], |path| path == "resource.partition");
        assert_eq!(newest.until("v0.10"), Presence::Gone);
        assert_eq!(newest.before("v0.9"), Presence::Gone);
        assert_eq!(Releases::ANY.until("v0.10"), Presence::Perhaps);
        assert_eq!(Releases::NEWEST.until("v0.10"), Presence::Gone);
    }
}
