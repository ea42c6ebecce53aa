//! All Kubernetes I/O.
