//! Kubernetes quantities (`500m`, `32Gi`, `1e3`), exact to a thousandth, and
//! sizes in bytes.
//!
//! Source of the grammar: `k8s.io/apimachinery/pkg/api/resource`, v0.36.

use std::fmt;
use std::ops::{Add, Mul, Sub};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An amount of a resource in thousandths of its unit: CPUs, bytes, GPUs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i128);

/// Binary suffixes, largest first.
const BINARY: [(&str, u32); 6] = [
    ("Ei", 60),
    ("Pi", 50),
    ("Ti", 40),
    ("Gi", 30),
    ("Mi", 20),
    ("Ki", 10),
];
/// Decimal suffixes as powers of ten.
const DECIMAL: [(&str, i32); 9] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];

impl Quantity {
    /// Returns a whole number of units.
    pub const fn units(count: i64) -> Self {
        Self(count as i128 * 1000)
    }

    /// Returns a number of GiB.
    pub const fn gib(count: i64) -> Self {
        Self::units(count << 30)
    }

    /// Returns thousandths of a unit.
    pub const fn milli(count: i64) -> Self {
        Self(count as i128)
    }

    /// Returns the whole units, rounded down.
    pub fn whole(self) -> i64 {
        i64::try_from(self.0.div_euclid(1000)).unwrap_or(i64::MAX)
    }

    /// Returns the amount, or nothing where a difference is negative.
    pub fn at_least_zero(self) -> Self {
        self.max(Self(0))
    }

    /// Returns how many of `cells` this is, if `whole` is all of them, to the
    /// nearest one; but all of them only if it is whole.
    pub fn share_of(self, whole: Self, cells: usize) -> usize {
        if self >= whole {
            return cells;
        }
        let cells = cells as i128;
        let share = (self.0.max(0).saturating_mul(cells) + whole.0 / 2) / whole.0.max(1);
        usize::try_from(share.min(cells - 1)).unwrap_or(0)
    }

    /// Returns how many times this holds `each`; without end if that is nothing.
    pub fn holds(self, each: Self) -> i64 {
        match each.0 {
            ..=0 => i64::MAX,
            each => i64::try_from(self.0.div_euclid(each)).unwrap_or(i64::MAX),
        }
    }

    /// Returns the amount as people write it of `resource`: bytes with a binary
    /// suffix, rounded down to a tenth, and counts without one.
    pub fn shown(self, resource: &str) -> String {
        let counts_bytes = resource.starts_with("hugepages-")
            || ["memory", "storage", "ephemeral-storage"]
                .contains(&resource.rsplit('.').next().unwrap_or(resource));
        let (units, rest) = (self.0 / 1000, self.0 % 1000);
        match (counts_bytes, rest) {
            (false, 0) => units.to_string(),
            (false, _) => format!("{}m", self.0),
            (true, _) => {
                let exact = self.to_string();
                let digits = exact.bytes().take_while(u8::is_ascii_digit).count();
                match BINARY.iter().find(|(_, bits)| units >= 1 << bits) {
                    Some((suffix, bits)) if digits > 4 => {
                        let tenths = (units * 10) >> bits;
                        format!("{}.{}{suffix}", tenths / 10, tenths % 10)
                    }
                    _ => exact,
                }
            }
        }
    }

    /// Returns so many percent of the amount.
    #[must_use]
    pub fn percent(self, percent: i64) -> Self {
        Self(self.0.saturating_mul(percent.into()) / 100)
    }

    /// Returns one of so many equal parts.
    #[must_use]
    pub fn part(self, parts: i64) -> Self {
        Self(self.0 / i128::from(parts.max(1)))
    }

    /// Returns the amount halved, for `/dev/shm`.
    pub fn half(self) -> Self {
        Self(self.0 / 2)
    }
}

impl Add for Quantity {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Quantity {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Mul<i64> for Quantity {
    type Output = Self;
    fn mul(self, times: i64) -> Self {
        Self(self.0.saturating_mul(times.into()))
    }
}

/// What a text that cannot be read should have been.
const A_QUANTITY: &str = "a quantity such as 4, 500m or 32Gi";
/// What a number of bytes should have been.
const A_SIZE: &str = "a size such as 8Mi";

/// Says how Kubernetes writes a unit that people write otherwise.
fn of_others(unit: &str) -> String {
    let unit = unit.trim();
    let bare = unit.to_ascii_uppercase();
    let mut letters = bare.chars();
    let power = letters.next().filter(|power| "KMGTPE".contains(*power));
    let written = match (power, letters.as_str()) {
        (Some('K'), "" | "B") => "k".to_owned(),
        (Some(power), "" | "B") => power.to_string(),
        (Some(power), "I" | "IB") => format!("{power}i"),
        _ => return String::new(),
    };
    match unit == written {
        true => ": write number and unit as one word".to_owned(),
        false => format!(": write {unit} as {written}"),
    }
}

impl FromStr for Quantity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::read(text, A_QUANTITY)
    }
}

impl Quantity {
    /// Reads a text; the error says what it should have been.
    fn read(text: &str, expected: &str) -> Result<Self, String> {
        let digits_end = text
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-')))
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(digits_end);
        let wrong = || format!("expected {expected}{}", of_others(suffix));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        // 18 places keep every intermediate value within an i128.
        if fraction.len() > 18 || !fraction.bytes().all(|b| b.is_ascii_digit()) || number.len() > 40
        {
            return Err(wrong());
        }
        let unscaled: i128 = format!("{whole}{fraction}").parse().map_err(|_| wrong())?;
        let places = i32::try_from(fraction.len()).map_err(|_| wrong())?;

        if let Some((_, bits)) = BINARY.iter().find(|(name, _)| *name == suffix) {
            let scaled = unscaled.checked_mul(1000 << bits).ok_or_else(wrong)?;
            return Ok(Self(scaled / 10_i128.pow(places.unsigned_abs())));
        }
        let exponent = match suffix {
            "" => 0,
            _ => match DECIMAL.iter().find(|(name, _)| *name == suffix) {
                Some((_, power)) => *power,
                None => suffix
                    .strip_prefix(['e', 'E'])
                    .and_then(|e| e.parse().ok())
                    .ok_or_else(wrong)?,
            },
        };
        // Beyond this nothing fits, and the sum below could not be formed.
        if !(-60..=60).contains(&exponent) {
            return Err(wrong());
        }
        let power = exponent + 3 - places;
        let factor = 10_i128
            .checked_pow(power.unsigned_abs())
            .ok_or_else(wrong)?;
        let milli = if power < 0 {
            unscaled / factor
        } else {
            unscaled.checked_mul(factor).ok_or_else(wrong)?
        };
        Ok(Self(milli))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 % 1000 != 0 {
            return write!(f, "{}m", self.0);
        }
        let units = self.0 / 1000;
        // Not below Mi: 1024 CPUs are better read as 1024.
        for (suffix, bits) in BINARY.into_iter().filter(|(_, bits)| *bits >= 20) {
            if units != 0 && units % (1 << bits) == 0 {
                return write!(f, "{}{suffix}", units >> bits);
            }
        }
        write!(f, "{units}")
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Quantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as 4, 500m or 32Gi")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Quantity, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_i64<E: serde::de::Error>(self, count: i64) -> Result<Quantity, E> {
                Ok(Quantity::units(count))
            }
            fn visit_u64<E: serde::de::Error>(self, count: u64) -> Result<Quantity, E> {
                i64::try_from(count).map(Quantity::units).map_err(E::custom)
            }
            fn visit_f64<E: serde::de::Error>(self, amount: f64) -> Result<Quantity, E> {
                amount.to_string().parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A number of bytes, written as a quantity: `8Mi`, `500k`, `1048576`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let quantity = Quantity::read(text, A_SIZE)?;
        u64::try_from(quantity.whole())
            .map(Self)
            .map_err(|_| "a size must not be negative".to_owned())
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ 0..=9_999 => write!(f, "{bytes} B"),
            bytes @ 10_000..=1_048_575 => write!(f, "{} KiB", bytes >> 10),
            bytes => write!(f, "{}.{} MiB", bytes >> 20, ((bytes & 0xF_FFFF) * 10) >> 20),
        }
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Quantity::units(i64::try_from(self.0).unwrap_or(i64::MAX)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let quantity = Quantity::deserialize(deserializer)?;
        u64::try_from(quantity.whole())
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_as_people_write_them_are_told_as_kubernetes_does() {
        for (text, said) in [
            ("64GB", ": write GB as G"),
            ("64gb", ": write gb as G"),
            ("64GiB", ": write GiB as Gi"),
            ("64 Gi", ": write number and unit as one word"),
            ("64gi", ": write gi as Gi"),
            ("1KB", ": write KB as k"),
            ("8x", ""),
            ("many", ""),
        ] {
            let wrong = text.parse::<Quantity>().unwrap_err();
            assert_eq!(wrong, format!("expected {A_QUANTITY}{said}"), "{text}");
        }
        let wrong = "8MB".parse::<ByteSize>().unwrap_err();
        assert_eq!(wrong, "expected a size such as 8Mi: write MB as M");
    }

    #[test]
    fn reads_what_kubernetes_reads() {
        for (text, milli) in [
            ("0", 0),
            ("4", 4_000),
            ("500m", 500),
            ("1.5", 1_500),
            ("0.5Gi", 512 << 20),
            ("1e3", 1_000_000),
            ("32Gi", 32 << 30),
            ("2k", 2_000_000),
            ("1E", 1_000_000_000_000_000_000_000),
            ("5u", 0),
            ("-1", -1_000),
        ] {
            let scale = if text.ends_with("Gi") { 1000 } else { 1 };
            assert_eq!(
                text.parse::<Quantity>(),
                Ok(Quantity(milli * scale)),
                "{text}"
            );
        }
        for text in [
            "",
            "Gi",
            "1.2.3",
            "4 Gi",
            "1x",
            "--1",
            "1e",
            "1e99",
            "1e2147483647",
            "1e-2147483648",
            "0x10",
        ] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_is_written_back(text in "[-+]?[0-9]{0,12}(\\.[0-9]{0,20})?([eE][-+]?[0-9]{1,12}|[a-zA-Z]{0,2})") {
            if let Ok(quantity) = text.parse::<Quantity>() {
                proptest::prop_assert_eq!(quantity.to_string().parse::<Quantity>(), Ok(quantity));
            }
        }
    }

    #[test]
    fn prints_the_shortest_exact_form() {
        for text in ["0", "4", "500m", "32Gi", "16Ti", "1001Mi", "1000", "1024"] {
            assert_eq!(text.parse::<Quantity>().unwrap().to_string(), text);
        }
        assert_eq!("2048Gi".parse::<Quantity>().unwrap().to_string(), "2Ti");
    }

    #[test]
    fn amounts_are_written_as_people_write_them() {
        for (amount, resource, text) in [
            ("4294967296", "cpu", "4294967296"),
            ("3920m", "cpu", "3920m"),
            ("1048576", "amd.com/gpu", "1048576"),
            ("32Gi", "memory", "32Gi"),
            ("1500Mi", "memory", "1500Mi"),
            ("16374584Ki", "memory", "15.6Gi"),
            ("107374182400", "requests.storage", "100Gi"),
        ] {
            let amount: Quantity = amount.parse().unwrap();
            assert_eq!(amount.shown(resource), text);
        }
        let four: Quantity = "3920m".parse().unwrap();
        assert_eq!(four.holds(Quantity::units(1)), 3);
        assert_eq!(four.holds(Quantity::default()), i64::MAX);
    }

    #[test]
    fn sizes_read_well() {
        assert_eq!(ByteSize(9 << 20).to_string(), "9.0 MiB");
        assert_eq!(ByteSize(500_000).to_string(), "488 KiB");
        assert_eq!("8Mi".parse(), Ok(ByteSize(8 << 20)));
        assert!("-1".parse::<ByteSize>().is_err());
    }
}
