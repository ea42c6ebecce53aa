//! Builds the programs of a testbed from pinned sources.

pub mod binaries;
mod compilation;
pub mod components;
pub mod source_tree;
pub mod toolchain;
