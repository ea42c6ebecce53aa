//! Lines of a container's log, and where to go on after a stream broke off.
//!
//! The log endpoint takes `sinceTime` in whole seconds and answers with every
//! line that is not older (kubelet v1.36, `cri-client/pkg/logs`), so going on
//! means reading a little twice and dropping what was shown.

mod note;
pub mod progress;

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::jiff::Timestamp;

pub use note::LogNote;

/// Bytes after which a line is broken, so that one without an end does not
/// fill the memory.
pub const LONGEST: usize = 1 << 20;
/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;
/// Nanoseconds by which lines may be out of order: a container's stdout and
/// stderr are stamped apart and written to one file.
const DISORDER: i64 = SECOND;

/// A line, without what ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written, in nanoseconds since 1970; `None` if it begins with
    /// no time. Times are always asked for, so such a line is not the container's:
    /// the kubelet, once it has answered with 200, sends its errors as lines
    /// (v1.36, `pkg/kubelet/server/server.go` `getContainerLogs`).
    pub stamp: Option<i64>,
    bytes: Vec<u8>,
    text: usize,
}

impl LogLine {
    /// Reads a line that the log endpoint gave with `timestamps=true`.
    pub fn new(bytes: Vec<u8>) -> Self {
        let end = bytes.iter().take(40).position(|byte| *byte == b' ');
        let stamp = end
            .and_then(|end| std::str::from_utf8(&bytes[..end]).ok())
            .and_then(|text| text.parse::<Timestamp>().ok())
            .and_then(|time| i64::try_from(time.as_nanosecond()).ok());
        let text = match (stamp, end) {
            (Some(_), Some(end)) => end + 1,
            _ => 0,
        };
        Self { stamp, bytes, text }
    }

    /// Returns what the container wrote.
    pub fn text(&self) -> &[u8] {
        &self.bytes[self.text..]
    }

    /// Returns what the node says of a pod in place of its log.
    pub fn of_node(&self, pod: &str) -> LogNote {
        LogNote::Node {
            pod: pod.to_owned(),
            words: String::from_utf8_lossy(self.text()).trim().to_owned(),
        }
    }

    /// Returns that with its time before it.
    pub fn with_stamp(&self) -> &[u8] {
        &self.bytes
    }

    fn key(&self) -> Option<(i64, u64)> {
        let mut hasher = DefaultHasher::new();
        self.text().hash(&mut hasher);
        Some((self.stamp?, hasher.finish()))
    }
}

/// Makes whole lines of the pieces that a stream comes in.
#[derive(Debug, Default)]
pub struct Splitter {
    begun: Vec<u8>,
}

impl Splitter {
    /// Takes the next bytes, and adds the lines that they complete.
    pub fn push(&mut self, mut bytes: &[u8], lines: &mut VecDeque<LogLine>) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.grow(&bytes[..end], lines);
            lines.push_back(LogLine::new(std::mem::take(&mut self.begun)));
            bytes = &bytes[end + 1..];
        }
        self.grow(bytes, lines);
    }

    /// Returns a last line that nothing ended.
    pub fn rest(&mut self) -> Option<LogLine> {
        let begun = std::mem::take(&mut self.begun);
        (!begun.is_empty()).then(|| LogLine::new(begun))
    }

    fn grow(&mut self, mut bytes: &[u8], lines: &mut VecDeque<LogLine>) {
        while self.begun.len() + bytes.len() > LONGEST {
            let (fits, more) = bytes.split_at(LONGEST.saturating_sub(self.begun.len()));
            self.begun.extend_from_slice(fits);
            let piece = LogLine::new(std::mem::take(&mut self.begun));
            // The next piece is of the same time.
            self.begun.extend_from_slice(&piece.bytes[..piece.text]);
            lines.push_back(piece);
            bytes = more;
        }
        self.begun.extend_from_slice(bytes);
    }
}

/// How far a container's log was shown.
#[derive(Debug, Default)]
pub struct Cursor {
    /// Times and hashes of the lines that may come again, in their order.
    shown: VecDeque<(i64, u64)>,
    newest: Option<i64>,
    /// What is to come again on the stream that is read now.
    again: HashMap<(i64, u64), u32>,
    rereads: bool,
    found: bool,
    gap: bool,
    /// Whether this is not the first stream.
    resumes: bool,
    is_limited: bool,
    /// The first line, if others like it may stand before it.
    edge: Option<(i64, u64)>,
}

impl Cursor {
    /// The first stream has only the last lines: those like the first of them
    /// at the same instant were left out, should they come later on.
    pub fn limit(&mut self) {
        self.is_limited = true;
    }

    /// Returns whether nothing was shown yet.
    pub fn is_new(&self) -> bool {
        self.newest.is_none()
    }

    /// A stream begins. Returns the time to ask it from; `None` for the
    /// beginning. `narrowly` leaves out the second in which lines may be out of
    /// order: for streams that break off before they come to anything new.
    /// `is_same` tells that it is of the container that wrote the lines before,
    /// not of one that was started after it.
    pub fn rewind(&mut self, narrowly: bool, is_same: bool) -> Option<Timestamp> {
        self.again.clear();
        self.rereads = false;
        self.gap = false;
        self.found = !is_same;
        self.resumes = self.newest.is_some();
        let second = self.newest?.div_euclid(SECOND) - i64::from(!narrowly);
        for key in &self.shown {
            if key.0 >= second * SECOND {
                *self.again.entry(*key).or_default() += 1;
            }
        }
        self.rereads = !self.again.is_empty();
        Timestamp::from_second(second).ok()
    }

    /// Returns whether a line was not shown before, and remembers it.
    pub fn take(&mut self, line: &LogLine) -> bool {
        let Some(key @ (stamp, _)) = line.key() else {
            return true;
        };
        let newest = self.newest.unwrap_or(stamp);
        if self.resumes && self.edge == Some(key) && !self.again.contains_key(&key) {
            return false;
        }
        if self.rereads {
            if let Some(times) = self.again.get_mut(&key) {
                *times -= 1;
                if *times == 0 {
                    self.again.remove(&key);
                }
                self.found = true;
                self.rereads = !self.again.is_empty();
                return false;
            }
            if !self.found {
                // A file keeps its order, so this stands before what was
                // shown: left out by `tailLines`, or the end of a long line
                // that began before the time that was asked for.
                if stamp <= newest {
                    return false;
                }
                self.found = true;
                self.gap = true;
            }
            if stamp > newest + DISORDER {
                self.rereads = false;
                self.again.clear();
            }
        }
        if self.is_limited && self.newest.is_none() {
            self.edge = Some(key);
        }
        self.newest = Some(newest.max(stamp));
        self.shown.push_back(key);
        let least = (newest.max(stamp).div_euclid(SECOND) - 1) * SECOND;
        while self.shown.front().is_some_and(|(stamp, _)| *stamp < least) {
            self.shown.pop_front();
        }
        true
    }

    /// Returns, once, whether lines may be missing: a stream went on after
    /// what was shown last without that itself, because the node began a new
    /// file in between, and only the newest can be read.
    pub fn take_gap(&mut self) -> bool {
        std::mem::take(&mut self.gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> LogLine {
        LogLine::new(text.as_bytes().to_vec())
    }

    fn split(pieces: &[&[u8]]) -> (Vec<LogLine>, Option<LogLine>) {
        let mut splitter = Splitter::default();
        let mut lines = VecDeque::new();
        for piece in pieces {
            splitter.push(piece, &mut lines);
        }
        (lines.into(), splitter.rest())
    }

    #[test]
    fn a_line_begins_with_its_time() {
        let read = line("2026-01-02T03:04:05.678901234Z loss: 0.1 ");
        assert_eq!(read.text(), b"loss: 0.1 ");
        assert_eq!(read.stamp.map(|stamp| stamp % SECOND), Some(678_901_234));
        let elsewhere = line("2026-01-02T05:04:05.678901234+02:00 x");
        assert_eq!(elsewhere.stamp, read.stamp);
        let empty = line("2026-01-02T03:04:05Z ");
        assert_eq!((empty.text(), empty.stamp.is_some()), (&b""[..], true));
        for other in [
            "unable to retrieve container logs",
            "",
            "2026-01-02T03:04:05Z",
        ] {
            assert_eq!(line(other).stamp, None, "{other}");
            assert_eq!(line(other).text(), other.as_bytes());
        }
    }

    #[test]
    fn lines_are_whole_however_they_come() {
        let (lines, rest) = split(&[b"one\ntw", b"o\n\nth", b"ree"]);
        assert_eq!(lines, [line("one"), line("two"), line("")]);
        assert_eq!(rest, Some(line("three")));
        assert_eq!(split(&[b"one\n"]).1, None);
    }

    #[test]
    fn a_line_without_end_is_broken_and_each_piece_has_its_time() {
        let stamp = "2026-01-02T03:04:05Z ";
        let whole = format!("{stamp}{}\nnext\n", "x".repeat(5 * LONGEST / 2));
        let pieces: Vec<&[u8]> = whole.as_bytes().chunks(10_000).collect();
        let (lines, _) = split(&pieces);
        assert_eq!(lines.len(), 4);
        assert!(lines.iter().all(|line| line.bytes.len() <= LONGEST));
        assert!(lines[..3].iter().all(|line| line.stamp.is_some()));
        let texts: usize = lines[..3].iter().map(|line| line.text().len()).sum();
        assert_eq!(texts, 5 * LONGEST / 2);
        assert_eq!(lines[3], line("next"));
    }

    /// A log of lines, and what the endpoint answers.
    fn answer(log: &[LogLine], since: Option<Timestamp>) -> Vec<LogLine> {
        let least = since.map_or(i64::MIN, |since| since.as_second() * SECOND);
        let from = log.iter().filter(|line| line.stamp.unwrap() >= least);
        from.cloned().collect()
    }

    fn log(lines: impl IntoIterator<Item = (i64, &'static str)>) -> Vec<LogLine> {
        lines
            .into_iter()
            .map(|(milliseconds, text)| {
                let time = Timestamp::from_millisecond(milliseconds).unwrap();
                line(&format!("{time} {text}"))
            })
            .collect()
    }

    /// Reads `log` on streams that break off after `cut` lines.
    fn read(log: &[LogLine], cut: usize) -> Vec<LogLine> {
        let mut cursor = Cursor::default();
        let mut shown = Vec::new();
        let mut narrowly = false;
        for _ in 0..3 * log.len() {
            let stream = answer(log, cursor.rewind(narrowly, true));
            let before = shown.len();
            shown.extend(
                stream
                    .into_iter()
                    .take(cut)
                    .filter(|line| cursor.take(line)),
            );
            assert!(!cursor.take_gap());
            narrowly = shown.len() == before;
        }
        shown
    }

    #[test]
    fn broken_streams_lose_and_repeat_nothing() {
        // Many in a second, equal ones at the same instant, one out of order.
        let lines = log([
            (900, "a"),
            (1_000, "same"),
            (1_000, "same"),
            (1_000, "other"),
            (1_000, "same"),
            (2_001, "b"),
            (1_999, "late"),
            (2_001, "b"),
            (2_500, "c"),
            (9_000, "d"),
            (9_000, "d"),
        ]);
        for cut in 9..=lines.len() {
            assert_eq!(read(&lines, cut), lines, "cut after {cut}");
        }
        // Where two seconds are too much to read again, one has to do.
        let orderly: Vec<LogLine> = lines
            .iter()
            .filter(|line| line.text() != b"late")
            .cloned()
            .collect();
        for cut in 5..=orderly.len() {
            assert_eq!(read(&orderly, cut), orderly, "cut after {cut}");
        }
    }

    #[test]
    fn what_a_tail_left_out_stays_out() {
        let lines = log([(1_000, "a"), (1_100, "b"), (1_200, "c"), (1_300, "d")]);
        let mut cursor = Cursor::default();
        cursor.rewind(false, true);
        assert!(cursor.take(&lines[1]));
        assert!(cursor.take(&lines[2]));
        let stream = answer(&lines, cursor.rewind(false, true));
        let new: Vec<&LogLine> = stream.iter().filter(|line| cursor.take(line)).collect();
        assert_eq!(new, [&lines[3]]);
        // Also if it looks like the first line that was shown.
        let lines = log([(1_000, "a"), (1_000, "a"), (1_000, "a"), (1_300, "d")]);
        let mut cursor = Cursor::default();
        cursor.limit();
        cursor.rewind(false, true);
        assert!(cursor.take(&lines[1]) && cursor.take(&lines[2]));
        cursor.rewind(false, true);
        let new: Vec<&LogLine> = lines.iter().filter(|line| cursor.take(line)).collect();
        assert_eq!(new, [&lines[3]]);
    }

    #[test]
    fn the_end_of_a_line_that_took_long_is_no_line() {
        // The first line was begun at 1 s and ended at 10.5 s; asked from 9 s
        // on, the endpoint gives its end as if it were a line of its own.
        let long = log([(1_000, "progress 100%"), (10_600, "next")]);
        let end = log([(10_500, "100%")]);
        let mut cursor = Cursor::default();
        cursor.rewind(false, true);
        assert!(cursor.take(&long[0]) && cursor.take(&long[1]));
        cursor.rewind(false, true);
        assert!(!cursor.take(&end[0]));
        assert!(!cursor.take(&long[1]));
        assert!(!cursor.rereads && !cursor.take_gap());
    }

    #[test]
    fn a_log_that_begins_anew_is_noticed() {
        let before = log([(1_000, "a"), (2_000, "b")]);
        let after = log([(5_000, "x")]);
        let mut cursor = Cursor::default();
        cursor.rewind(false, true);
        assert!(before.iter().all(|line| cursor.take(line)));
        cursor.rewind(false, true);
        assert!(cursor.take(&after[0]));
        assert!(cursor.take_gap());
        // Of a container that was started anew, nothing else is expected.
        cursor.rewind(false, false);
        assert!(cursor.take(&log([(6_000, "y")])[0]));
        assert!(!cursor.take_gap());
    }

    #[test]
    fn little_is_remembered() {
        let mut cursor = Cursor::default();
        cursor.rewind(false, true);
        for index in 0..100_000 {
            let time = Timestamp::from_millisecond(index * 5).unwrap();
            assert!(cursor.take(&line(&format!("{time} {index}"))));
        }
        assert!(cursor.shown.len() <= 400);
        let second = |since: Option<Timestamp>| since.unwrap().as_second();
        assert_eq!(second(cursor.rewind(true, true)), 499);
        assert_eq!(cursor.again.len(), 200);
        assert_eq!(second(cursor.rewind(false, true)), 498);
    }
}
