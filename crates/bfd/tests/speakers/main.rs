//! The core as its callers see it: events and a moment in, packets and news out.

#[cfg(test)]
mod adoption;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod wire;
