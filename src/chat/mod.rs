//! Speaks with language models: writes the requests of three APIs, and reads
//! their answers as they arrive. Pure: `cluster` carries the bytes.

pub mod answer;
pub mod dialect;
mod framing;

pub use answer::{Answer, Piece};
pub use dialect::{ChatMessage, ChatRole, Conversation, Dialect, Options};
