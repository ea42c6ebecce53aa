//! The key that a server asks for.

use std::env::VarError;

use crate::cli::ChatArgs;
use crate::cluster::reach::route::{self, ApiKey};
use crate::error::{CommandError, ErrorClass};
use crate::secrecy::variable;

use crate::cmd::target::FoundWorkload;

/// Returns whether a key is named.
pub fn has_key(args: &ChatArgs) -> bool {
    args.api_key_env.is_some() || args.api_key_secret.is_some()
}

/// Returns the key that the server is to be shown, if one is named.
pub async fn api_key(
    args: &ChatArgs,
    target: &FoundWorkload,
    namespace: &str,
) -> Result<Option<ApiKey>, CommandError> {
    if let Some(place) = &args.api_key_secret {
        let key = route::api_key(&target.place.cluster, namespace, place).await?;
        return Ok(Some(key));
    }
    let Some(name) = &args.api_key_env else {
        return Ok(None);
    };
    let refused = |what: &str| {
        CommandError::new(
            ErrorClass::Refused,
            format!("--api-key-env {}: the variable {what}", variable(name)),
        )
        .hint("read -r API_KEY && export API_KEY  # then give --api-key-env API_KEY")
    };
    let value = std::env::var(name).map_err(|error| match error {
        VarError::NotPresent => refused("is not set here"),
        VarError::NotUnicode(_) => refused("is not text"),
    })?;
    let key = ApiKey::new(&value);
    key.map(Some)
        .ok_or_else(|| refused("is empty or not a single line of text"))
}
