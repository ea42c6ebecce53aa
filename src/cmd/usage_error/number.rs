//! Says in plain words what is wrong with a number that was typed.

use std::error::Error as _;
use std::num::{IntErrorKind, ParseIntError};

/// Replaces the words of Rust and clap about a number.
pub fn plain(error: &clap::Error, message: String) -> String {
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    let why = match error
        .source()
        .and_then(|it| it.downcast_ref::<ParseIntError>())
    {
        Some(wrong) => match wrong.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "the number is too large",
            _ => "expected a whole number",
        }
        .to_owned(),
        None => match source
            .split_once(" is not in ")
            .and_then(|(_, range)| range.split_once("..="))
        {
            Some((first, last)) => format!("must be from {first} to {last}"),
            None => return message,
        },
    };
    message.replace(&source, &why)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn a_wrong_number_is_told_in_plain_words() {
        let told = |line: &str| {
            let error = Cli::command()
                .try_get_matches_from(line.split(' '))
                .unwrap_err();
            plain(&error, error.to_string())
        };
        for (line, why) in [
            (
                "kaiwo resize a --slots x",
                "'--slots <N>': expected a whole number",
            ),
            (
                "kaiwo resize a --slots 0",
                "'--slots <N>': must be from 1 to 100000",
            ),
            (
                "kaiwo logs a --tail 99999999999",
                "'--tail <N>': must be from 0 to 4294967295",
            ),
        ] {
            let told = told(line);
            assert!(told.contains(why), "{told}");
        }
    }
}
