//! Spans of time, as kubectl writes them.

/// Returns `seconds` in one or two units, as `duration.HumanDuration` of
/// apimachinery does: `45s`, `5m3s`, `3h`, `2d4h`.
pub fn human(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let two = |large: i64, unit: &str, small: i64, of: &str| match small {
        0 => format!("{large}{unit}"),
        small => format!("{large}{unit}{small}{of}"),
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        () if hours < 3 => format!("{minutes}m"),
        () if hours < 8 => two(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => two(days, "d", hours % 24, "h"),
        () if days < 730 => format!("{days}d"),
        () => two(days / 365, "y", days % 365, "d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_kubectls() {
        for (seconds, text) in [
            (-3, "0s"),
            (119, "119s"),
            (303, "5m3s"),
            (300, "5m"),
            (3_000, "50m"),
            (4 * 3_600 + 120, "4h2m"),
            (30 * 3_600, "30h"),
            (3 * 86_400 + 7_200, "3d2h"),
            (100 * 86_400, "100d"),
        ] {
            assert_eq!(human(seconds), text);
        }
    }
}
