//! What must not be seen by who is connected: reloads, crashes and takeovers under traffic, on real kernels with real
//! IPVS; and long sequences of all of them.

#[cfg(test)]
mod connections;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod quick;
#[cfg(test)]
mod rack;
#[cfg(test)]
mod reloaded;
#[cfg(test)]
mod soaked;
#[cfg(test)]
mod wanted;
