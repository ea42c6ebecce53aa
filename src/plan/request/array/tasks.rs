//! The numbers of an array's tasks: `0-99`, `0-99:10`, `3,7,9`, and `0-99%10` for the
//! tasks at once, as in Slurm's `--array`.

use std::fmt;
use std::str::FromStr;

use crate::schema::{self, Schema};
use crate::yaml::{deserialize_from_text, serialize_as_text};

/// Largest number of a task: the range of an index in Kubernetes.
const LARGEST: i64 = i32::MAX as i64;
/// Most tasks that are told apart here; Kubernetes wants more to be said of them from
/// 100,000 on.
pub const MOST: i64 = 10_000_000;

/// Numbers from `first` to `last`, `step` apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: i64,
    last: i64,
    step: i64,
}

impl Range {
    fn count(self) -> i64 {
        (self.last - self.first) / self.step + 1
    }

    fn numbers(self) -> impl Iterator<Item = i64> {
        (0..self.count()).map(move |at| self.first + at * self.step)
    }

    fn position(self, number: i64) -> Option<i64> {
        let beyond = number - self.first;
        let is_in = (self.first..=self.last).contains(&number) && beyond % self.step == 0;
        is_in.then_some(beyond / self.step)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { first, last, .. } if first == last => write!(f, "{first}"),
            Self {
                first,
                last,
                step: 1,
            } => write!(f, "{first}-{last}"),
            Self { first, last, step } => write!(f, "{first}-{last}:{step}"),
        }
    }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (range, step) = match text.split_once(':') {
            Some((range, step)) => (range, number(step)?),
            None => (text, 1),
        };
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(range)?, number(range)?),
        };
        if step == 0 {
            return Err("the step must be at least 1".to_owned());
        }
        if last < first {
            return Err(format!("{first}-{last} ends before it begins"));
        }
        Ok(Self {
            first,
            last: last - (last - first) % step,
            step,
        })
    }
}

fn number(text: &str) -> Result<i64, String> {
    let digits = text.trim();
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    let value = digits.parse().ok().filter(|value| *value <= LARGEST);
    match (is_number, value) {
        (true, Some(value)) => Ok(value),
        (true, None) => Err("the number is too large".to_owned()),
        (false, _) => Err("expected numbers, such as 0-99 or 3,7,9".to_owned()),
    }
}

/// The numbers of the tasks, each once, in the order in which they start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskNumbers(Vec<Range>);

impl TaskNumbers {
    /// Returns the numbers from 0 on.
    pub fn first(count: i64) -> Self {
        Self(vec![Range {
            first: 0,
            last: count.max(1) - 1,
            step: 1,
        }])
    }

    /// Returns how many there are.
    pub fn count(&self) -> i64 {
        self.0.iter().map(|range| range.count()).sum()
    }

    /// Returns all numbers, in order.
    pub fn numbers(&self) -> impl Iterator<Item = i64> {
        self.0.iter().flat_map(|range| range.numbers())
    }

    /// Returns the largest number.
    pub fn largest(&self) -> i64 {
        let last = self.0.iter().map(|range| range.last);
        last.max().unwrap_or_default()
    }

    /// Returns the number of the task that Kubernetes counts as `index`.
    pub fn at(&self, mut index: i64) -> Option<i64> {
        for range in &self.0 {
            match index - range.count() {
                ..0 if index >= 0 => return Some(range.first + index * range.step),
                rest => index = rest,
            }
        }
        None
    }

    /// Returns what Kubernetes counts the task of this number as.
    pub fn index_of(&self, number: i64) -> Option<i64> {
        let mut before = 0;
        for range in &self.0 {
            if let Some(position) = range.position(number) {
                return Some(before + position);
            }
            before += range.count();
        }
        None
    }

    /// Returns the tasks at these indexes, none if there are none.
    pub fn only(&self, indexes: impl IntoIterator<Item = i64>) -> Option<Self> {
        let numbers = indexes.into_iter().filter_map(|index| self.at(index));
        Self::of_numbers(numbers)
    }

    /// Puts numbers into as few ranges as keep their order.
    fn of_numbers(numbers: impl Iterator<Item = i64>) -> Option<Self> {
        let mut ranges: Vec<Range> = Vec::new();
        for number in numbers {
            match ranges.last_mut() {
                Some(range) if number == range.last + range.step => range.last = number,
                // Two numbers have any distance.
                Some(range) if range.first == range.last && number > range.last => {
                    range.step = number - range.last;
                    range.last = number;
                }
                _ => ranges.push(Range {
                    first: number,
                    last: number,
                    step: 1,
                }),
            }
        }
        // A pair that is not part of a longer run reads better apart.
        let apart = ranges.into_iter().flat_map(|range| match range {
            Range { first, last, step } if step > 1 && first + step == last => {
                let alone = |number| Range {
                    first: number,
                    last: number,
                    step: 1,
                };
                vec![alone(first), alone(last)]
            }
            range => vec![range],
        });
        let ranges: Vec<Range> = apart.collect();
        (!ranges.is_empty()).then_some(Self(ranges))
    }

    /// Returns the first number that is there twice.
    fn repeated(&self) -> Option<i64> {
        if let [_] = self.0[..] {
            return None;
        }
        let mut numbers: Vec<i64> = self.numbers().collect();
        numbers.sort_unstable();
        let mut pairs = numbers.windows(2);
        pairs.find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }
}

impl FromStr for TaskNumbers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ranges = text.split(',').map(str::parse);
        let tasks = Self(ranges.collect::<Result<_, _>>()?);
        if tasks.count() > MOST {
            return Err(format!("more than {MOST} tasks"));
        }
        match tasks.repeated() {
            Some(number) => Err(format!("task {number} is repeated")),
            None => Ok(tasks),
        }
    }
}

impl fmt::Display for TaskNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, range) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{range}")?;
        }
        Ok(())
    }
}

serialize_as_text!(TaskNumbers);
deserialize_from_text!(TaskNumbers);

/// What `--array` says: the tasks, and how many of them run at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArraySpec {
    pub tasks: TaskNumbers,
    /// Tasks at once, if it is said.
    pub slots: Option<i64>,
}

impl FromStr for ArraySpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (tasks, slots) = match text.split_once('%') {
            Some((tasks, slots)) => (tasks, Some(number(slots)?)),
            None => (text, None),
        };
        if slots == Some(0) {
            return Err("at least 1 task must run at once: %1".to_owned());
        }
        Ok(Self {
            tasks: tasks.parse()?,
            slots,
        })
    }
}

impl fmt::Display for ArraySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.tasks)?;
        self.slots.map_or(Ok(()), |slots| write!(f, "%{slots}"))
    }
}

serialize_as_text!(ArraySpec);
deserialize_from_text!(ArraySpec);

impl Schema for ArraySpec {
    fn schema() -> serde_json::Value {
        let range = "[0-9]+(-[0-9]+)?(:[0-9]+)?";
        let pattern = format!("^{range}(,{range})*(%[0-9]+)?$");
        schema::text(&pattern, &["0-99%10", "3,7,9"])
    }
}

/// The least tasks that start together: `--at-least`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtLeast {
    /// So many.
    Slots(i64),
    /// As many as run at once.
    All,
}

impl FromStr for AtLeast {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "all" => Ok(Self::All),
            text => match number(text) {
                Ok(0) => Err("at least 1 task must run at once".to_owned()),
                Ok(slots) => Ok(Self::Slots(slots)),
                Err(_) => Err("expected a number of slots, or all".to_owned()),
            },
        }
    }
}

impl fmt::Display for AtLeast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slots(slots) => write!(f, "{slots}"),
            Self::All => f.write_str("all"),
        }
    }
}

serialize_as_text!(AtLeast);
deserialize_from_text!(AtLeast);

impl Schema for AtLeast {
    fn schema() -> serde_json::Value {
        serde_json::json!({"anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "pattern": "^(0*[1-9][0-9]*|all)$"},
        ]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tasks(text: &str) -> TaskNumbers {
        text.parse().unwrap()
    }

    #[test]
    fn tasks_are_numbered_as_in_slurm() {
        for (text, numbers, shown) in [
            ("0-3", vec![0, 1, 2, 3], "0-3"),
            ("3,7,9", vec![3, 7, 9], "3,7,9"),
            ("0-9:4", vec![0, 4, 8], "0-8:4"),
            ("5, 1-2", vec![5, 1, 2], "5,1-2"),
        ] {
            let tasks = tasks(text);
            assert_eq!(tasks.numbers().collect::<Vec<_>>(), numbers);
            assert_eq!(tasks.to_string(), shown);
            assert_eq!(tasks.count(), numbers.len() as i64);
        }
        let spec: ArraySpec = "0-99%10".parse().unwrap();
        assert_eq!((spec.tasks.count(), spec.slots), (100, Some(10)));
    }

    #[test]
    fn what_is_no_set_of_numbers_is_refused() {
        for (text, why) in [
            ("", "expected numbers"),
            ("a-b", "expected numbers"),
            ("9-0", "ends before it begins"),
            ("1,1", "task 1 is repeated"),
            ("0-9,5", "task 5 is repeated"),
            ("0-9:0", "the step"),
            ("0-99%0", "at least 1 task"),
            ("0-99999999999", "too large"),
            ("0-2000000000", "more than 10000000 tasks"),
            ("-1", "expected numbers"),
        ] {
            let error = text.parse::<ArraySpec>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!("0".parse::<AtLeast>().is_err());
        assert_eq!("all".parse(), Ok(AtLeast::All));
    }

    #[test]
    fn tasks_that_are_run_again_keep_their_numbers() {
        let failed = tasks("10-99").only([7, 17, 27, 28]).unwrap();
        assert_eq!(failed.to_string(), "17-37:10,38");
        assert_eq!(tasks("0-9").only([2, 7]).unwrap().to_string(), "2,7");
        assert_eq!(tasks("0-9").only([]), None);
    }

    proptest! {
        #[test]
        fn an_index_leads_to_its_number_and_back(numbers in proptest::collection::btree_set(0_i64..200, 1..40)) {
            let made = TaskNumbers::of_numbers(numbers.iter().copied()).unwrap();
            prop_assert_eq!(made.numbers().collect::<Vec<_>>(), numbers.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(&tasks(&made.to_string()), &made);
            for (index, number) in (0..).zip(&numbers) {
                prop_assert_eq!(made.at(index), Some(*number));
                prop_assert_eq!(made.index_of(*number), Some(index));
            }
            prop_assert_eq!(made.at(numbers.len() as i64), None);
            prop_assert_eq!(made.at(-1), None);
            prop_assert_eq!(made.index_of(200), None);
        }
    }
}
