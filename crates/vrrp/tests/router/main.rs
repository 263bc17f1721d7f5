//! The router from outside: events in, actions out, on LANs in virtual time.

#[cfg(test)]
mod lan;
#[cfg(test)]
mod seed_pair;
