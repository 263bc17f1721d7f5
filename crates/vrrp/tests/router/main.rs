//! The router from outside: events in, actions out, on LANs in virtual time.

#[cfg(test)]
mod ah;
#[cfg(test)]
mod claims;
#[cfg(test)]
mod counters;
#[cfg(test)]
mod election;
#[cfg(test)]
mod emitted;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod lan;
#[cfg(test)]
mod log;
#[cfg(test)]
mod observe;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod options;
#[cfg(test)]
mod pause;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod sealing;
#[cfg(test)]
mod seed_pair;
#[cfg(test)]
mod table;
#[cfg(test)]
mod timing;
#[cfg(test)]
mod tracking;
#[cfg(test)]
mod witness;
