//! Performs one health check and returns a verdict.
