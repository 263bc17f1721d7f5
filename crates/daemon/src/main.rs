//! standfastd.

fn main() {}
