//! What a reload would do: in the configuration, in the kernel, to traffic. Told by `standfast plan`.

use serde::{Deserialize, Serialize};

/// The most bytes of one list of lines of a [`Part`]: so many lists of them fit into a message between processes.
pub const MAX_LIST_BYTES: usize = 10 * 1024;

/// What one worker would do.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Part {
    /// What it would ask of the kernel and say on the wire, in that order, a line each.
    pub operations: Vec<String>,
    /// What traffic would notice, a line each.
    pub traffic: Vec<String>,
}

impl Part {
    /// The same, each list within [`MAX_LIST_BYTES`].
    #[must_use]
    pub fn clipped(self) -> Self {
        Self { operations: clip(self.operations), traffic: clip(self.traffic) }
    }
}

/// What a reload would do, all in all. Empty: nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Plan {
    /// What differs in the configuration, in words, secrets masked.
    pub configuration: Vec<String>,
    /// See [`Part::operations`].
    pub operations: Vec<String>,
    /// See [`Part::traffic`].
    pub traffic: Vec<String>,
}

impl Plan {
    /// Adds what one worker would do.
    pub fn add(&mut self, part: Part) {
        self.operations.extend(part.operations);
        self.traffic.extend(part.traffic);
    }

    /// Whether a reload would change nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.configuration.is_empty() && self.operations.is_empty() && self.traffic.is_empty()
    }
}

/// The first lines that have room in [`MAX_LIST_BYTES`], and how many more there are.
#[must_use]
pub fn clip(mut lines: Vec<String>) -> Vec<String> {
    let mut bytes = 0;
    let fits = lines.iter().take_while(|line| {
        bytes += line.len() + 4;
        bytes <= MAX_LIST_BYTES
    });
    let fits = fits.count();
    let more = lines.len() - fits;
    if more > 0 {
        lines.truncate(fits);
        lines.push(format!("... and {more} more"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_too_long_says_how_much_is_missing() {
        let line = "x".repeat(96);
        let few = vec![line.clone(); 102];
        assert_eq!(clip(few.clone()), few);
        let many = clip(vec![line; 1000]);
        assert_eq!((many.len(), many.last().unwrap().as_str()), (103, "... and 898 more"));
        assert_eq!(clip(vec!["y".repeat(MAX_LIST_BYTES)]), ["... and 1 more"]);
    }
}
