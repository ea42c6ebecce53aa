//! Tests of the runner itself with pods that are written out here, and of
//! what the binary prints in a dry run.
