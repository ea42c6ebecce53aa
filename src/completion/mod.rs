//! What may stand where the cursor is: read off clap's definitions and the
//! words of an unfinished command line. Pure; what only the cluster or the
//! file system knows is named here, and looked up elsewhere.

mod line;
mod source;

pub use line::Line;
pub use source::{Candidate, Candidates, Live};
