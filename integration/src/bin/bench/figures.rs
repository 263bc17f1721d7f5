//! What was measured: rows of samples of both programs, how they are summed up, printed and written down. Measures
//! nothing.

use std::path::Path;

use lab::{Error, Result};
use serde_json::json;

use crate::plot;

/// All rows of a run.
#[derive(Debug)]
pub(crate) struct Book {
    /// Both programs with their versions.
    names: [String; 2],
    rows: Vec<Row>,
}

/// One measure of both programs.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What was measured, and under which conditions.
    pub(crate) measure: String,
    /// The unit of all numbers in it.
    pub(crate) unit: &'static str,
    /// What it cannot be below, by the protocol or by the kernel.
    pub(crate) bound: Option<f64>,
    /// The samples of standfastd, then of the other.
    pub(crate) samples: [Vec<f64>; 2],
}

impl Row {
    pub(crate) fn new(measure: impl Into<String>, unit: &'static str) -> Self {
        Self { measure: measure.into(), unit, bound: None, samples: [Vec::new(), Vec::new()] }
    }

    pub(crate) fn bounded(mut self, bound: f64) -> Self {
        self.bound = Some(bound);
        self
    }

    /// Adds a sample of one of the programs. What is no number was not seen, and is told instead of summed up.
    pub(crate) fn add(&mut self, program: usize, sample: f64) {
        match self.samples.get_mut(program) {
            Some(samples) if sample.is_finite() => samples.push(sample),
            Some(_) => eprintln!("no sample of program {program} for {:?}", self.measure),
            None => {}
        }
    }

    /// The ratio of the medians, standfastd's to the other's.
    fn ratio(&self) -> Option<f64> {
        let [ours, theirs] = self.samples.each_ref().map(|samples| Summary::of(samples));
        let (ours, theirs) = (ours?.median, theirs?.median);
        (theirs > 0.0).then(|| ours / theirs)
    }
}

/// What a row of samples comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Summary {
    /// None of nothing.
    pub(crate) fn of(samples: &[f64]) -> Option<Self> {
        Some(Self { min: percentile(samples, 0)?, median: percentile(samples, 50)?, max: percentile(samples, 100)? })
    }
}

/// The sample that so many of a hundred do not exceed.
pub(crate) fn percentile(samples: &[f64], percent: usize) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last * percent).div_ceil(100)).copied()
}

impl Book {
    pub(crate) fn new(names: [String; 2]) -> Self {
        println!("standfastd: {}\npeer:       {}\n", names[0], names[1]);
        println!(
            "median (least to most) of the runs, which were taken in turns; ratio: standfastd's median to the peer's\n"
        );
        println!("| measure | unit | bound | standfastd | peer | ratio | runs |\n|---|---|---|---|---|---|---|");
        Self { names, rows: Vec::new() }
    }

    /// Adds a row and prints it.
    pub(crate) fn add(&mut self, row: Row) {
        let cell = |samples: &[f64]| match Summary::of(samples) {
            Some(Summary { min, median, max }) => format!("{} ({} to {})", short(median), short(min), short(max)),
            None => "none".to_owned(),
        };
        let [ours, theirs] = row.samples.each_ref().map(|samples| cell(samples));
        let bound = row.bound.map_or_else(String::new, short);
        let ratio = row.ratio().map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let runs = row.samples.iter().map(Vec::len).max().unwrap_or(0);
        println!("| {} | {} | {bound} | {ours} | {theirs} | {ratio} | {runs} |", row.measure, row.unit);
        self.rows.push(row);
    }

    /// Writes everything down: `NAME.json` with every sample, and a picture of each row in the directory `NAME`.
    pub(crate) fn write(&self, directory: &Path, name: &str) -> Result<()> {
        let pictures = directory.join(name);
        let write = |path: &Path, text: String| {
            std::fs::write(path, text)
                .map_err(|source| Error::Io { what: format!("writing {}", path.display()), source })
        };
        // Those of an earlier run may be of measures that this one left out; mostly there are none.
        let _ = std::fs::remove_dir_all(&pictures);
        let made = std::fs::create_dir_all(&pictures);
        made.map_err(|source| Error::Io { what: format!("making {}", pictures.display()), source })?;
        let mut rows = Vec::new();
        for (number, row) in self.rows.iter().enumerate() {
            let file = format!("{number:03}.svg");
            write(&pictures.join(&file), plot::picture(row, &self.names)?)?;
            let [ours, theirs] = row.samples.each_ref().map(|samples| {
                let summary =
                    Summary::of(samples).map(|sum| json!({"median": sum.median, "min": sum.min, "max": sum.max}));
                json!({"summary": summary, "samples": samples})
            });
            rows.push(json!({
                "measure": row.measure, "unit": row.unit, "bound": row.bound, "ratio": row.ratio(),
                "picture": format!("{name}/{file}"), "standfastd": ours, "peer": theirs,
            }));
        }
        let text = json!({"standfastd": self.names[0], "peer": self.names[1], "rows": rows}).to_string();
        write(&directory.join(format!("{name}.json")), text)
    }
}

/// A number with as many digits as say something.
fn short(number: f64) -> String {
    match number.abs() {
        size if size >= 10_000.0 => format!("{number:.0}"),
        size if size >= 100.0 => format!("{number:.1}"),
        size if size >= 1.0 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_up_by_what_lies_in_the_middle_and_at_the_ends() {
        assert_eq!(Summary::of(&[3.0, 1.0, 2.0]), Some(Summary { min: 1.0, median: 2.0, max: 3.0 }));
        assert_eq!(Summary::of(&[]), None);
        let hundred: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!(percentile(&hundred, 99), Some(99.0));
    }

    #[test]
    fn the_ratio_is_of_the_medians_and_none_of_nothing() {
        let mut row = Row::new("x", "ms");
        row.add(0, 1.0);
        assert_eq!(row.ratio(), None);
        row.add(1, 4.0);
        assert_eq!(row.ratio(), Some(0.25));
    }
}
