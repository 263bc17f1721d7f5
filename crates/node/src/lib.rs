//! What a worker is made of, without I/O.
