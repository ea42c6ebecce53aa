//! Completes an unfinished command line: reads what may stand at the cursor off
//! clap's definitions and the words so far. Pure; what only the cluster or the
//! file system knows is named here, and looked up elsewhere.

mod line;
mod source;

pub use line::Line;
pub use source::{Candidate, Candidates, Live};
