//! When a CronJob starts its Jobs: five fields of cron, or a name for them, and the
//! time zone that they are of.
//!
//! Source of the rules: `github.com/robfig/cron` v3 (`ParseStandard`), and
//! `validateScheduleFormat` and `validateTimeZone` of Kubernetes v1.36.

use serde::Serialize;

use crate::plan::Refusal;

/// Where the zone of a CronJob comes from if none is said.
pub const CLUSTERS_ZONE: &str = "the cluster's time zone, mostly UTC";

/// A schedule. Serialises as its text; the zone is a field of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Schedule(String);

/// A field: what it is called, its bounds, and names for the numbers from the
/// lower bound on.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    field("minute", 0, 59, &[]),
    field("hour", 0, 23, &[]),
    field("day of the month", 1, 31, &[]),
    field(
        "month",
        1,
        12,
        &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    ),
    field(
        "weekday",
        0,
        6,
        &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    ),
];

const fn field(name: &'static str, least: u32, most: u32, names: &'static [&'static str]) -> Field {
    Field {
        name,
        least,
        most,
        names,
    }
}

impl Schedule {
    /// Takes a schedule, and the time zone if one stands before it as other
    /// programs write it: `CRON_TZ=Europe/Berlin 0 3 * * *`.
    ///
    /// # Errors
    /// [`Refusal`] for anything else.
    pub fn new(text: &str) -> Result<(Self, Option<String>), Refusal> {
        const NAMED: [&str; 7] = [
            "@yearly",
            "@annually",
            "@monthly",
            "@weekly",
            "@daily",
            "@midnight",
            "@hourly",
        ];
        let mut fields: Vec<&str> = text.split_whitespace().collect();
        let zone = fields.first().and_then(|word| {
            let zone = word.strip_prefix("CRON_TZ=");
            zone.or_else(|| word.strip_prefix("TZ="))
        });
        let zone = zone.map(str::to_owned);
        if let Some(zone) = &zone {
            check_time_zone(zone)?;
            fields.remove(0);
        }
        let schedule = Self(fields.join(" "));
        match fields[..] {
            [name] if NAMED.contains(&name) => Ok((schedule, zone)),
            ["@every", time] if is_duration(time) => Ok((schedule, zone)),
            [_, _, _, _, _] => {
                for (field, text) in FIELDS.iter().zip(&fields) {
                    field.check(text)?;
                }
                match never(&fields) {
                    Some(refusal) => Err(refusal),
                    None => Ok((schedule, zone)),
                }
            }
            _ => Err(not_a_schedule(
                "expected five fields: minute, hour, day, month, weekday".to_owned(),
            )),
        }
    }

    /// Returns the schedule as a CronJob takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Months, and the most days that each has.
const MONTHS: [(&str, u32); 12] = [
    ("January", 31),
    ("February", 29),
    ("March", 31),
    ("April", 30),
    ("May", 31),
    ("June", 30),
    ("July", 31),
    ("August", 31),
    ("September", 30),
    ("October", 31),
    ("November", 30),
    ("December", 31),
];

/// Refuses a schedule of days that none of its months has. Where a weekday is given,
/// too, one of both is enough (`dayMatches`).
fn never(fields: &[&str]) -> Option<Refusal> {
    let [_, _, days, months, weekdays] = fields else {
        return None;
    };
    let [_, _, day, month, weekday] = &FIELDS;
    if day.is_any(days) || !weekday.is_any(weekdays) {
        return None;
    }
    let months: Vec<(&str, u32)> = (1..)
        .zip(MONTHS)
        .filter(|(number, _)| month.has(months, *number))
        .map(|(_, month)| month)
        .collect();
    let longest = months.iter().map(|(_, days)| *days).max()?;
    if (1..=longest).any(|number| day.has(days, number)) {
        return None;
    }
    let first = (1..=day.most).find(|number| day.has(days, *number))?;
    let names: Vec<&str> = months.iter().map(|(name, _)| *name).collect();
    // February has its 28th every year.
    let last = if longest == 29 { 28 } else { longest };
    let mut fixed = fields.to_vec();
    let last = last.to_string();
    fixed[2] = &last;
    Some(
        Refusal::new(format!(
            "the schedule would never run: {} {} no day {first}",
            names.join(" and "),
            if names.len() == 1 { "has" } else { "have" },
        ))
        .hint(format!(
            "use another day: --schedule \"{}\"",
            fixed.join(" ")
        )),
    )
}

fn not_a_schedule(why: String) -> Refusal {
    Refusal::new(format!("invalid schedule: {why}"))
        .hint("try --schedule \"0 3 * * *\" for every day at 3, or @hourly, @daily, @weekly")
}

impl Field {
    /// Checks one field: `*`, numbers, ranges, steps, with commas between them.
    fn check(&self, text: &str) -> Result<(), Refusal> {
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(step)),
                None => (part, None),
            };
            let is_step = |step: &str| step.parse::<u32>().is_ok_and(|step| step > 0);
            if step.is_some_and(|step| !is_step(step)) {
                return Err(self.wrong(part));
            }
            match range.split_once('-') {
                _ if matches!(range, "*" | "?") => {}
                Some((from, to)) => match (self.number(from), self.number(to)) {
                    (Some(from), Some(to)) if from <= to => {}
                    _ => return Err(self.wrong(part)),
                },
                None if self.number(range).is_some() => {}
                None => return Err(self.wrong(part)),
            }
        }
        Ok(())
    }

    /// Returns whether a field that was checked restricts nothing: a list with a bare
    /// `*`, or one in steps of one (`getRange`).
    fn is_any(&self, text: &str) -> bool {
        text.split(',').any(|part| {
            let (range, step) = part.split_once('/').unwrap_or((part, "1"));
            matches!(range, "*" | "?") && step.parse::<u32>() == Ok(1)
        })
    }

    /// Returns whether a field that was checked includes a number.
    fn has(&self, text: &str, number: u32) -> bool {
        text.split(',').any(|part| {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(step)),
                None => (part, None),
            };
            let one = self.number(range);
            let (from, to) = match (range.split_once('-'), one) {
                (Some((from, to)), _) => (self.number(from), self.number(to)),
                // From there on, if there is a step.
                (None, Some(one)) => (Some(one), Some(step.map_or(one, |_| self.most))),
                (None, None) => (Some(self.least), Some(self.most)),
            };
            let (from, to) = (from.unwrap_or(self.least), to.unwrap_or(self.most));
            let step = step.map_or(1, |step| step.parse().unwrap_or(1));
            (from..=to).contains(&number) && (number - from).is_multiple_of(step)
        })
    }

    fn number(&self, text: &str) -> Option<u32> {
        let lower = text.to_ascii_lowercase();
        let named = (self.least..).zip(self.names);
        let number = match named.into_iter().find(|(_, name)| **name == lower) {
            Some((number, _)) => number,
            None => text.parse().ok()?,
        };
        (self.least..=self.most).contains(&number).then_some(number)
    }

    fn wrong(&self, part: &str) -> Refusal {
        let shown = crate::secrecy::named(part);
        let bounds = format!("{} to {}", self.least, self.most);
        let refusal = not_a_schedule(format!(
            "{shown} is not a valid {}: expected {bounds}",
            self.name
        ));
        match (self.name, part) {
            ("weekday", "7") => refusal.hint("use 0 or sun for Sunday"),
            _ => refusal,
        }
    }
}

/// Returns whether a text is a time as Go writes it: `1h30m`.
fn is_duration(text: &str) -> bool {
    let units = text.split(|c: char| c.is_ascii_digit() || c == '.');
    let mut units = units.filter(|unit| !unit.is_empty()).peekable();
    text.starts_with(|c: char| c.is_ascii_digit())
        && units.peek().is_some()
        && !text.ends_with(|c: char| c.is_ascii_digit())
        && units.all(|unit| matches!(unit, "h" | "m" | "s" | "ms"))
}

/// Checks the name of a time zone, as far as it can be without a list of them: the
/// API server has one.
///
/// # Errors
/// [`Refusal`] for what is none on any cluster.
pub fn check_time_zone(zone: &str) -> Result<(), Refusal> {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_+-".contains(&b))
    };
    let is_local = zone.eq_ignore_ascii_case("local");
    if !is_local && zone.split('/').all(is_word) {
        return Ok(());
    }
    Err(
        Refusal::new(format!("unknown time zone {}", crate::secrecy::named(zone)))
            .hint("use an IANA name: --time-zone Europe/Berlin, or Etc/UTC"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_that_a_controller_takes() {
        for (text, kept, zone) in [
            ("0 3 * * *", "0 3 * * *", None),
            (
                " */15  0-6,22 1 jan-JUN mon,3 ",
                "*/15 0-6,22 1 jan-JUN mon,3",
                None,
            ),
            ("5/10 ? * * ?", "5/10 ? * * ?", None),
            ("@daily", "@daily", None),
            ("@every 1h30m", "@every 1h30m", None),
            (
                "CRON_TZ=Europe/Berlin 0 3 * * *",
                "0 3 * * *",
                Some("Europe/Berlin"),
            ),
            ("TZ=Asia/Tokyo @hourly", "@hourly", Some("Asia/Tokyo")),
        ] {
            let (schedule, found) = Schedule::new(text).unwrap();
            assert_eq!(
                (schedule.as_str(), found.as_deref()),
                (kept, zone),
                "{text}"
            );
        }
    }

    #[test]
    fn schedules_that_it_refuses() {
        for (text, said) in [
            (
                "60 3 * * *",
                "\"60\" is not a valid minute: expected 0 to 59",
            ),
            ("0 24 * * *", "\"24\" is not a valid hour"),
            (
                "0 0 0 * *",
                "is not a valid day of the month: expected 1 to 31",
            ),
            ("0 0 * 13 *", "is not a valid month"),
            ("0 0 * * 7", "is not a valid weekday: expected 0 to 6"),
            ("0 0 * * mon#1", "is not a valid weekday"),
            ("0 9-3 * * *", "is not a valid hour"),
            ("*/0 * * * *", "is not a valid minute"),
            ("0 3 * *", "expected five fields"),
            ("0 0 3 * * *", "expected five fields"),
            ("@reboot", "expected five fields"),
            ("@every soon", "expected five fields"),
            ("CRON_TZ=Europe/Berlin", "expected five fields"),
            ("", "expected five fields"),
        ] {
            let refusal = Schedule::new(text).unwrap_err();
            assert!(refusal.message.contains(said), "{text}: {refusal}");
        }
    }

    #[test]
    fn days_that_no_month_has_never_come() {
        let short = [("2", 29), ("4", 30), ("6", 30), ("9", 30), ("nov", 30)];
        for (month, most) in short {
            for day in 1..=31 {
                let text = format!("0 0 {day} {month} *");
                assert_eq!(Schedule::new(&text).is_ok(), day <= most, "{text}");
                // On a weekday, it comes all the same.
                assert!(Schedule::new(&format!("0 0 {day} {month} mon")).is_ok());
            }
        }
        for (text, said, fixed) in [
            ("0 0 30 2 *", "February has no day 30", "0 0 28 2 *"),
            ("5 4 31 4 ?", "April has no day 31", "5 4 30 4 ?"),
            ("0 0 30,31 feb *", "February has no day 30", "0 0 28 feb *"),
            ("0 0 30/1 2 */1", "February has no day 30", "0 0 28 2 */1"),
            (
                "0 0 31 4-6/2,9 *",
                "April and June and September have no day 31",
                "0 0 30 4-6/2,9 *",
            ),
            (
                "TZ=UTC 0 0 30-31 2 *",
                "February has no day 30",
                "0 0 28 2 *",
            ),
        ] {
            let refusal = Schedule::new(text).unwrap_err();
            assert!(refusal.message.ends_with(said), "{text}: {refusal}");
            let hint = format!("use another day: --schedule \"{fixed}\"");
            assert_eq!(refusal.hints, [hint.as_str()]);
            assert!(Schedule::new(fixed).is_ok());
        }
        for text in [
            "0 0 29 2 *",
            "0 0 31 2,3 *",
            "0 0 30 2-4 *",
            "0 0 31 */2 *",
            "0 0 */2 2 *",
            "0 0 1,31 2 *",
            "0 0 25/5 2 *",
            "0 0 *,31 2 *",
            "0 0 31 4 */2",
        ] {
            assert!(Schedule::new(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn zones_have_names() {
        for zone in [
            "Europe/Berlin",
            "UTC",
            "Etc/GMT+2",
            "America/Argentina/Buenos_Aires",
        ] {
            assert_eq!(check_time_zone(zone), Ok(()));
        }
        for zone in ["", "Local", "+02:00", "Europe/", "Europe Berlin", "2"] {
            assert!(check_time_zone(zone).is_err(), "{zone}");
        }
    }
}
