//! A picture of a row: every sample of both programs, their medians, and the bound. Decides nothing about the figures.

use lab::{Error, Result};
use plotters::prelude::*;

use crate::figures::{Row, Summary};

const SIZE: (u32, u32) = (720, 200);

/// standfastd's, and the other's: told apart by colour-blind readers too (Okabe and Ito).
const COLOURS: [RGBColor; 2] = [RGBColor(0, 114, 178), RGBColor(213, 94, 0)];

/// The text of an SVG file.
///
/// # Errors
/// The row has figures that no axis can have.
pub(crate) fn picture(row: &Row, names: &[String; 2]) -> Result<String> {
    let mut text = String::new();
    match draw(row, names, &mut text) {
        Ok(()) => Ok(text),
        Err(error) => Err(Error::Plan(format!("drawing {:?}: {error}", row.measure))),
    }
}

fn draw(row: &Row, names: &[String; 2], text: &mut String) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let (from, to) = span(row);
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("{} ({})", row.measure, row.unit), ("sans-serif", 14))
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(110)
        .build_cartesian_2d(from..to, 0.0..2.0)?;
    let name = |height: &f64| -> String {
        // One label in the middle of each program's half; the uppermost is standfastd's.
        let at = usize::from(*height < 1.0);
        names.get(at).map(|name| name.split([' ', ',']).take(2).collect::<Vec<_>>().join(" ")).unwrap_or_default()
    };
    chart.configure_mesh().disable_y_mesh().y_labels(2).y_label_formatter(&name).x_labels(6).draw()?;
    if let Some(bound) = row.bound {
        chart.draw_series(DashedLineSeries::new([(bound, 0.0), (bound, 2.0)], 4, 4, BLACK.stroke_width(1)))?;
    }
    for ((samples, colour), middle) in row.samples.iter().zip(COLOURS).zip([1.5, 0.5]) {
        // Beside one another in the order in which they were taken.
        let step = 0.6 / f64::from(u32::try_from(samples.len().max(1))?);
        let heights = std::iter::successors(Some(middle + 0.3 - step / 2.0), |height| Some(height - step));
        chart.draw_series(
            samples
                .iter()
                .zip(heights)
                .map(|(sample, height)| Circle::new((*sample, height), 3, colour.mix(0.6).filled())),
        )?;
        if let Some(Summary { median, .. }) = Summary::of(samples) {
            let line = [(median, middle - 0.4), (median, middle + 0.4)];
            chart.draw_series([PathElement::new(line, colour.stroke_width(2))])?;
        }
    }
    area.present()?;
    Ok(())
}

/// From nothing, or from near the least where all lies far from nothing, to a little more than the most.
fn span(row: &Row) -> (f64, f64) {
    let all = || row.samples.iter().flatten().chain(row.bound.as_ref()).copied();
    let (least, most) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    if !least.is_finite() {
        return (0.0, 1.0);
    }
    let room = if most > least { (most - least) * 0.05 } else { (most.abs() * 0.005).max(f64::MIN_POSITIVE) };
    let from = if least > most / 2.0 { least - room } else { least.min(0.0) };
    (from, most + room)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        let mut row = Row::new("outage of the client", "ms").bounded(3609.4);
        [3610.0, 3611.5].into_iter().for_each(|sample| row.add(0, sample));
        row.add(1, 3612.0);
        row
    }

    #[test]
    fn a_picture_shows_every_sample_and_the_bound() {
        let names = ["standfastd 0.1", "Keepalived v2.2.7"].map(str::to_owned);
        let text = picture(&row(), &names).expect("drawn");
        assert!(text.starts_with("<svg") && text.contains("outage of the client (ms)"), "{text}");
        assert_eq!(text.matches("<circle").count(), 3);
        assert!(text.contains("standfastd 0.1") && text.contains("Keepalived v2.2.7"), "{text}");
    }

    #[test]
    fn samples_far_from_nothing_are_shown_near_and_others_from_nothing() {
        let (from, to) = span(&row());
        assert!(from > 3600.0 && to > 3612.0, "{from} to {to}");
        let mut row = Row::new("x", "ms");
        row.add(0, 1.0);
        row.add(1, 10.0);
        assert!(span(&row).0.abs() < f64::EPSILON);
        assert_eq!(span(&Row::new("nothing", "ms")), (0.0, 1.0));
    }
}
