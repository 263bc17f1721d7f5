//! A pair that is not of one mind, on kernels of its own: directors that hear each other in one direction or not at all,
//! whose files differ, or whose clocks do. What happens, who says so, and that it heals.

#[cfg(test)]
mod clocks;
#[cfg(test)]
mod duo;
#[cfg(test)]
mod parted;
#[cfg(test)]
mod unlike;
