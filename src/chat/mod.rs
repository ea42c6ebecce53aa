//! Talking to a model that is served: the requests of three APIs, and how
//! their answers arrive. Pure: `cluster` carries the bytes.

pub mod answer;
pub mod dialect;

pub use answer::{Answer, Piece};
pub use dialect::{Conversation, Dialect, Options, Role, Turn};
