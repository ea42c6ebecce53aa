//! How much may be uploaded.

use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;

use crate::quantity::ByteSize;
use crate::schema::Schema;
use crate::workload::upload::MOST_BYTES;
use crate::yaml::deserialize_from_text;

/// Most bytes of all uploads: the user's limit, within kaiwo's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct UploadLimit(ByteSize);

impl UploadLimit {
    /// Returns it as a size.
    pub fn size(self) -> ByteSize {
        self.0
    }
}

impl FromStr for UploadLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = text.parse()?;
        match size > MOST_BYTES {
            true => Err("use at most 64Mi: uploads are stored in etcd, with all other objects of the cluster".to_owned()),
            false => Ok(Self(size)),
        }
    }
}

deserialize_from_text!(UploadLimit);

impl Schema for UploadLimit {
    fn schema() -> Value {
        ByteSize::schema()
    }
}
