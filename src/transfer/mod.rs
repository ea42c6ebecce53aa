//! Files that are copied between here and a container: what is listed, what is copied
//! how, and the files on this side. Who carries the bytes is another room.

pub mod archive;
pub mod checksum;
pub mod end;
pub mod entry;
pub mod error;
pub mod listing;
pub mod local;
pub mod plan;
pub mod writing;

pub use end::CopyEnd;
pub use error::CopyError;
