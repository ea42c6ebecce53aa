//! Variables whose values are read, and what is like them.

use std::any::Any;
use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use super::{Settings, SettingsError, values};
use crate::names::nearest;

/// Returns whether a value is that of a Service's variable, as kubelet and Docker set
/// them.
pub(super) fn is_of_a_service(value: &str) -> bool {
    let schemes = ["tcp://", "udp://", "sctp://"];
    schemes.iter().any(|scheme| value.starts_with(scheme))
}

/// Returns the variable that was probably meant by an unknown one.
pub fn nearest_variable(name: &str) -> Option<&'static str> {
    let bare = |name: &str| name.trim_start_matches("KAIWO_").to_ascii_lowercase();
    let table = Settings::table();
    let near = nearest(&bare(name), table.iter().map(|known| bare(known.variable)))?;
    let known = table.iter().find(|known| bare(known.variable) == near)?;
    Some(known.variable)
}

/// Reads the value of a variable.
pub(super) fn from_variable<T: FromStr<Err: fmt::Display + 'static>>(
    name: &'static str,
    value: String,
) -> Result<T, SettingsError> {
    value.parse().map_err(|reason: T::Err| {
        let reason = match (&reason as &dyn Any).downcast_ref::<ParseIntError>() {
            Some(error) => values::not_whole(error),
            None => reason.to_string(),
        };
        SettingsError::Variable { name, reason }
    })
}
