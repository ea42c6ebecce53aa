//! Reads the words of other programs, those of each in one place: a text becomes
//! a value, and nothing else looks into the text. Each file names the source and
//! the version of the words it knows; words that it does not know are no error.

pub mod api_server;
pub mod kubelet;
pub mod kueue;
pub mod output;
pub mod ray;
pub mod registry;
pub mod scheduler;
