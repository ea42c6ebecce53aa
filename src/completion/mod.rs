//! Reads command lines that clap cannot. Completes an unfinished one: what may stand at
//! the cursor is read off clap's definitions and the words so far. Puts the words of one
//! in order that was typed as other programs take it, and knows what they call what
//! kaiwo does. Pure; what only the cluster or the
//! file system knows is named here, and looked up elsewhere.

pub mod aliases;
mod line;
pub mod repair;
mod source;

pub use line::TypedLine;
pub use source::{Candidate, Candidates, Live};
