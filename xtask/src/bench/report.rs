//! The table: what was measured, beside what was wanted.

use std::path::Path;

use anyhow::{Context, Result, ensure};

/// A table of the page, between marks of its own.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// What kaiwo costs beside kubectl.
    Costs,
    /// How long it takes until the first line of a log is seen.
    FirstLine,
    /// How much later a program starts in a writable directory.
    Uploads,
}

impl Place {
    fn marks(self) -> [String; 2] {
        let name = match self {
            Self::Costs => "bench",
            Self::FirstLine => "bench-real",
            Self::Uploads => "bench-uploads",
        };
        ["begin", "end"].map(|side| format!("<!-- {name}:{side} -->"))
    }
}

/// What a row's target says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// kaiwo's own figure is at most this.
    AtMost(f64),
    /// kaiwo needs at most this share of what the peer does.
    Share(f64),
    /// kaiwo's figure is at most this above the peer's.
    More(f64),
    /// None: it is only told.
    Told,
}

/// A figure with its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    Trips(f64),
    Millis(f64),
    Megabytes(f64),
}

impl Figure {
    pub fn bytes(bytes: u64) -> Self {
        // Far below what an f64 holds exactly.
        #[expect(clippy::cast_precision_loss, reason = "sizes of files and processes")]
        Self::Megabytes(bytes as f64 / 1e6)
    }

    fn value(self) -> f64 {
        match self {
            Self::Trips(value) | Self::Millis(value) | Self::Megabytes(value) => value,
        }
    }

    fn text(self) -> String {
        match self {
            Self::Trips(value) => format!("{value:.1}"),
            Self::Millis(value) if value < 0.1 => format!("{:.1} µs", value * 1000.0),
            Self::Millis(value) if value < 10.0 => format!("{value:.1} ms"),
            Self::Millis(value) => format!("{value:.0} ms"),
            Self::Megabytes(value) => format!("{value:.1} MB"),
        }
    }
}

/// One comparison.
#[derive(Clone, Debug)]
pub struct Row {
    pub what: String,
    pub kaiwo: Option<Figure>,
    pub peer: String,
    pub figure: Option<Figure>,
    pub target: Target,
    /// Why a figure is missing.
    pub missing: Option<&'static str>,
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        let peer = self.figure?.value();
        (peer > 0.0).then_some(self.kaiwo?.value() / peer)
    }

    /// Returns whether the target is met; `None` if there is none, or nothing to tell by.
    ///
    /// It is the rounded figure that counts, so that a table never contradicts itself.
    pub fn met(&self) -> Option<bool> {
        let tenths = |value: f64| (value * 10.0).round() / 10.0;
        match self.target {
            Target::AtMost(most) => Some(tenths(self.kaiwo?.value()) <= most),
            Target::Share(most) => Some(self.ratio()? <= most),
            Target::More(most) => Some(self.kaiwo?.value() - self.figure?.value() <= most),
            Target::Told => None,
        }
    }

    fn markdown(&self) -> String {
        let missing = self.missing.unwrap_or("–");
        let figure =
            |figure: Option<Figure>| figure.map_or_else(|| missing.to_owned(), Figure::text);
        let target = match self.target {
            Target::AtMost(most) => match self.kaiwo {
                Some(Figure::Megabytes(_)) => format!("≤ {most} MB"),
                Some(Figure::Millis(_)) => format!("≤ {most} ms"),
                _ => format!("≤ {most}"),
            },
            Target::Share(most) => match 1.0 / most {
                part if (part - part.round()).abs() < 1e-9 => format!("≤ 1/{part:.0}"),
                _ => format!("≤ {most}"),
            },
            Target::More(most) => format!("≤ +{most} ms"),
            Target::Told => String::new(),
        };
        let peer = match self.figure {
            Some(figure) => format!("{}: {}", self.peer, figure.text()),
            None => format!("{}: {missing}", self.peer),
        };
        let ratio = self.ratio().map_or_else(String::new, |ratio| {
            if ratio < 0.1 {
                format!("1/{:.0}", 1.0 / ratio)
            } else {
                format!("{ratio:.2}")
            }
        });
        let met = match self.met() {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        let cells = [&self.what, &figure(self.kaiwo), &peer, &ratio, &target, met];
        format!("| {} |\n", cells.map(|cell| cell.to_string()).join(" | "))
    }
}

/// Returns the rows as a table, below a line that says where they were measured.
pub fn table(context: &str, rows: &[Row]) -> String {
    let rows: String = rows.iter().map(Row::markdown).collect();
    format!(
        "{context}\n\n| what | kaiwo | peer | ratio | target | met |\n| --- | --- | --- | --- | --- | --- |\n{rows}"
    )
}

/// Puts a table between the markers of a page.
pub fn write(page: &Path, place: Place, table: &str) -> Result<()> {
    let text = std::fs::read_to_string(page)
        .with_context(|| format!("failed to read {}", page.display()))?;
    let updated = updated(&text, place, table).with_context(|| {
        let marks = place.marks().join(" and ");
        format!("{} has lost its marks {marks}", page.display())
    })?;
    std::fs::write(page, updated).with_context(|| format!("failed to write {}", page.display()))
}

fn updated(page: &str, place: Place, table: &str) -> Result<String> {
    let [begin, end] = place.marks();
    let (before, rest) = page.split_once(&begin).context("no begin")?;
    let (_, after) = rest.split_once(&end).context("no end")?;
    ensure!(!after.contains(&begin), "two tables");
    Ok(format!("{before}{begin}\n{table}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kaiwo: f64, peer: Option<f64>, target: Target) -> Row {
        Row {
            what: "`--version`".into(),
            kaiwo: Some(Figure::Millis(kaiwo)),
            peer: "kubectl".into(),
            figure: peer.map(Figure::Millis),
            target,
            missing: peer.is_none().then_some("kubectl not found"),
        }
    }

    #[test]
    fn a_row_says_whether_its_target_is_met() {
        assert_eq!(
            row(2.0, Some(50.0), Target::Share(0.1)).markdown(),
            "| `--version` | 2.0 ms | kubectl: 50 ms | 1/25 | ≤ 1/10 | yes |\n"
        );
        assert_eq!(row(6.0, Some(50.0), Target::Share(0.1)).met(), Some(false));
        assert_eq!(row(7.04, None, Target::AtMost(7.0)).met(), Some(true));
        assert_eq!(row(7.06, None, Target::AtMost(7.0)).met(), Some(false));
        assert_eq!(row(7.0, Some(1.0), Target::Told).met(), None);
        assert_eq!(row(7.0, Some(1.0), Target::More(6.0)).met(), Some(true));
        assert_eq!(
            row(700.0, Some(100.0), Target::More(500.0)).markdown(),
            "| `--version` | 700 ms | kubectl: 100 ms | 7.00 | ≤ +500 ms | **no** |\n"
        );
    }

    #[test]
    fn a_missing_peer_is_told_and_decides_nothing() {
        let row = row(2.0, None, Target::Share(0.1));
        assert_eq!(row.met(), None);
        assert_eq!(
            row.markdown(),
            "| `--version` | 2.0 ms | kubectl: kubectl not found |  | ≤ 1/10 |  |\n"
        );
    }

    #[test]
    fn only_the_table_changes() {
        let [begin, end] = Place::Costs.marks();
        let [other_begin, other_end] = Place::FirstLine.marks();
        let other = format!("{other_begin}\nof another\n{other_end}\n");
        let page = format!("# Title\n{other}{begin}\nold\n{end}\nend\n");
        let new = updated(&page, Place::Costs, "new\n").unwrap();
        assert_eq!(new, format!("# Title\n{other}{begin}\nnew\n{end}\nend\n"));
        assert_eq!(updated(&new, Place::Costs, "new\n").unwrap(), new);
        assert!(updated("# Title\n", Place::Costs, "new\n").is_err());
    }
}
