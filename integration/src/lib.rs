//! The lab: real kernels, real peers.
