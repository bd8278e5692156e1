//! The picture: sessions over time, all servers in one panel, and headcount's
//! line once more where one session can be seen.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::flood::Outcome;
use crate::proof::Stamp;
use crate::report::{refusals, slow_call};
use crate::ways::Rules;

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const WIDTH: u32 = 960;
const HEADER: u32 = 132;
const ALL: u32 = 330;
const NEAR: u32 = 190;
/// Columns of a panel, about two pixels wide.
const COLUMNS: usize = 440;

const COLOURS: [RGBColor; 3] =
    [RGBColor(0xd6, 0x3a, 0x3a), RGBColor(0xd9, 0x8b, 0x00), RGBColor(0x1f, 0x5f, 0x9e)];
const SURELY: RGBColor = RGBColor(0xa9, 0xcb, 0xe8);
const LIMIT: RGBColor = RGBColor(0x11, 0x11, 0x11);
const TEXT: RGBColor = RGBColor(0x33, 0x33, 0x33);
const FONT: &str = "sans-serif";

/// Makes the folders above `path`, so that a path that cannot be written to is
/// an error before the flood and not after it.
pub fn prepare(path: &Path) -> anyhow::Result<()> {
    ensure!(!path.is_dir(), "--out {} is a folder; it should name a file", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder
        .map_or(Ok(()), fs::create_dir_all)
        .with_context(|| format!("cannot make the folder of --out {}", path.display()))
}

/// Writes the picture as SVG.
pub fn write(
    path: &Path,
    outcomes: &[Outcome],
    rules: Rules,
    subtitle: &str,
) -> anyhow::Result<()> {
    let mut svg = String::new();
    draw(&mut svg, outcomes, rules, subtitle)
        .map_err(|error| anyhow::anyhow!("cannot draw the chart: {error}"))?;
    fs::write(path, svg).with_context(|| format!("cannot write the chart to {}", path.display()))
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw(svg: &mut String, outcomes: &[Outcome], rules: Rules, subtitle: &str) -> Drawn {
    let root = SVGBackend::with_string(svg, (WIDTH, HEADER + ALL + NEAR)).into_drawing_area();
    root.fill(&WHITE)?;
    let (header, panels) = root.split_vertically(HEADER);
    draw_header(&header, outcomes, subtitle)?;
    let (all, near) = panels.split_vertically(ALL);
    let ends = outcomes.iter().filter_map(|outcome| outcome.samples.last());
    let last = ends.map(|sample| sample.at).max().unwrap_or(1);
    let highest = outcomes.iter().map(Outcome::peak_alive).max().unwrap_or(0);
    let top = highest.max(rules.limit as usize) as f64 * 1.08;
    draw_all(&all, outcomes, rules, (last, top))?;
    if let Some(exact) = outcomes.iter().position(|outcome| outcome.gated) {
        let top = f64::from(rules.limit) * 1.6;
        draw_near(&near, &outcomes[exact], COLOURS[exact % 3], rules, (last, top))?;
    }
    root.present()?;
    Ok(())
}

/// The title, and for each server its colour and what it did.
fn draw_header(area: &Canvas<'_>, outcomes: &[Outcome], subtitle: &str) -> Drawn {
    let title = (FONT, 19).into_font().style(FontStyle::Bold).color(&TEXT);
    let small = (FONT, 13).into_font().color(&TEXT);
    area.draw_text("Sessions of an MCP server under flood", &title, (14, 10))?;
    area.draw_text(subtitle, &small, (14, 36))?;
    for (index, outcome) in outcomes.iter().enumerate() {
        let y = 62 + 22 * index as i32;
        let bold = (FONT, 13).into_font().style(FontStyle::Bold).color(&COLOURS[index % 3]);
        area.draw(&Rectangle::new([(14, y + 2), (24, y + 12)], COLOURS[index % 3].filled()))?;
        area.draw_text(outcome.name, &bold, (30, y))?;
        area.draw_text(&format!("{} surely open at once", outcome.peak()), &small, (200, y))?;
        area.draw_text(&refusals(outcome), &small, (376, y))?;
        let call = format!("slow call {}", slow_call(outcome.slow_call));
        area.draw_text(&call, &small, (750, y))?;
    }
    Ok(())
}

/// Every server's handlers, and what happened when.
fn draw_all(
    area: &Canvas<'_>,
    outcomes: &[Outcome],
    rules: Rules,
    (last, top): (Stamp, f64),
) -> Drawn {
    let mut chart = ChartBuilder::on(area)
        .margin_top(8)
        .margin_left(10)
        .margin_right(18)
        .x_label_area_size(22)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..seconds(last), 0.0..top)?;
    let small = (FONT, 12).into_font().color(&TEXT);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.08))
        .axis_style(TEXT.mix(0.6))
        .label_style(small.clone())
        .axis_desc_style(small.clone())
        .y_desc("sessions alive")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()?;
    let limit = f64::from(rules.limit);
    chart.draw_series(LineSeries::new([(0.0, limit), (seconds(last), limit)], LIMIT))?;
    if let Some(first) = outcomes.first() {
        let what = ["the flood is over", "the clients leave", "a slow call"];
        for (at, what) in first.marks.into_iter().zip(what) {
            let x = seconds(at);
            chart.draw_series([PathElement::new([(x, 0.0), (x, top)], TEXT.mix(0.35))])?;
            let text = Text::new(what, (x + seconds(last) * 0.006, top * 0.98), small.clone());
            chart.draw_series([text])?;
        }
    }
    for (outcome, colour) in outcomes.iter().zip(COLOURS) {
        let line = columns(outcome, last).map(|(at, column)| (seconds(at), column.alive));
        chart.draw_series(LineSeries::new(line, colour.stroke_width(2)))?;
    }
    Ok(())
}

/// The exact server's line, where single sessions can be seen.
fn draw_near(
    area: &Canvas<'_>,
    outcome: &Outcome,
    colour: RGBColor,
    rules: Rules,
    (last, top): (Stamp, f64),
) -> Drawn {
    let small = (FONT, 12).into_font().color(&TEXT);
    let legend = [
        (colour, "alive, mean of the samples".to_owned(), 330),
        (SURELY, "surely open, peak".to_owned(), 530),
        (LIMIT, format!("limit {}", rules.limit), 672),
    ];
    let bold = (FONT, 13).into_font().style(FontStyle::Bold).color(&TEXT);
    area.draw_text(&format!("{}, enlarged", outcome.name), &bold, (62, 6))?;
    for (colour, label, x) in legend {
        area.draw(&Rectangle::new([(x, 8), (x + 10, 18)], colour.filled()))?;
        area.draw_text(&label, &small, (x + 15, 6))?;
    }
    let mut chart = ChartBuilder::on(area)
        .margin_top(26)
        .margin_left(10)
        .margin_right(18)
        .x_label_area_size(38)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..seconds(last), 0.0..top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.08))
        .axis_style(TEXT.mix(0.6))
        .label_style(small.clone())
        .axis_desc_style(small)
        .x_desc("time (s)")
        .y_desc("sessions")
        .y_labels(4)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()?;
    let columns: Vec<_> = columns(outcome, last).collect();
    let peaks = columns.iter().map(|(at, column)| (seconds(*at), column.peak));
    chart.draw_series(AreaSeries::new(peaks, 0.0, SURELY))?;
    let limit = f64::from(rules.limit);
    let line = [(0.0, limit), (seconds(last), limit)];
    chart.draw_series(LineSeries::new(line, LIMIT.stroke_width(3)))?;
    let means = columns.iter().map(|(at, column)| (seconds(*at), column.alive));
    chart.draw_series(LineSeries::new(means, colour))?;
    Ok(())
}

/// What happened in a column's time.
#[derive(Debug, PartialEq)]
struct Column {
    /// The mean of the handlers that the sampler saw alive.
    alive: f64,
    /// The most sessions that surely were open at once, however briefly.
    peak: f64,
}

/// A run as columns of equal width up to `last`, as far as it was looked at.
fn columns(outcome: &Outcome, last: Stamp) -> impl Iterator<Item = (Stamp, Column)> {
    let width = last.div_ceil(COLUMNS as u64).max(1);
    let mut samples = outcome.samples.iter().peekable();
    let mut steps = outcome.proven.iter().peekable();
    let (mut alive, mut open) = (0.0, 0);
    let end = outcome.samples.last().map_or(0, |sample| sample.at);
    (0..end).step_by(width as usize).map(move |from| {
        let mut peak = open;
        while let Some(&(_, now)) = steps.next_if(|&&(at, _)| at < from + width) {
            open = now;
            peak = peak.max(open);
        }
        let (mut sum, mut looks) = (0, 0);
        while let Some(sample) = samples.next_if(|sample| sample.at < from + width) {
            sum += sample.alive;
            looks += 1;
        }
        if looks > 0 {
            // A column that was not looked at keeps what was seen before it.
            alive = sum as f64 / f64::from(looks);
        }
        (from, Column { alive, peak: peak as f64 })
    })
}

fn seconds(stamp: Stamp) -> f64 {
    stamp as f64 / 1e9
}
