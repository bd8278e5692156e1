//! The picture: open sessions over time against the limit, a panel per way.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::flood::Outcome;
use crate::report::thousands;
use crate::timeline::{Bucket, timeline};
use crate::ways::Limits;

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const WIDTH: u32 = 960;
const HEADER: u32 = 86;
const PANEL: u32 = 200;
/// What the lowest panel needs besides, to name the time axis.
const FOOTER: u32 = 18;
/// Columns of a panel, about two pixels wide.
const BUCKETS: usize = 440;

const PEAK: RGBColor = RGBColor(0xa9, 0xcb, 0xe8);
const SAMPLED: RGBColor = RGBColor(0x1f, 0x5f, 0x9e);
const OVER: RGBColor = RGBColor(0xd6, 0x3a, 0x3a);
const LIMIT: RGBColor = RGBColor(0x11, 0x11, 0x11);
const SPURIOUS: RGBColor = RGBColor(0xd9, 0x7b, 0x00);
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
    limits: Limits,
    subtitle: &str,
) -> anyhow::Result<()> {
    let mut svg = String::new();
    draw(&mut svg, outcomes, limits, subtitle)
        .map_err(|error| anyhow::anyhow!("cannot draw the chart: {error}"))?;
    fs::write(path, svg).with_context(|| format!("cannot write the chart to {}", path.display()))
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw(svg: &mut String, outcomes: &[Outcome], limits: Limits, subtitle: &str) -> Drawn {
    let height = HEADER + PANEL * outcomes.len() as u32 + FOOTER;
    let root = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let (header, panels) = root.split_vertically(HEADER);
    draw_header(&header, subtitle)?;
    let highest = outcomes.iter().map(|outcome| outcome.peak_open).max().unwrap_or(0);
    let top = highest.max(limits.global as usize) as f64 * 1.2;
    let last = outcomes.iter().map(|outcome| outcome.at_rest.at).max().unwrap_or(1);
    let mut below = panels;
    for (index, outcome) in outcomes.iter().enumerate() {
        let lowest = index + 1 == outcomes.len();
        let (panel, rest) = below.split_vertically(PANEL + if lowest { FOOTER } else { 0 });
        below = rest;
        let buckets = timeline(&outcome.verdict, &outcome.samples, last, BUCKETS);
        let axes = Axes { last: seconds(last), top, named: lowest };
        draw_panel(&panel, outcome, &buckets, limits, axes)?;
    }
    root.present()?;
    Ok(())
}

fn draw_header(area: &Canvas<'_>, subtitle: &str) -> Drawn {
    let title = (FONT, 19).into_font().style(FontStyle::Bold).color(&TEXT);
    area.draw_text("Open sessions on an HTTP server under flood", &title, (14, 10))?;
    let small = (FONT, 13).into_font().color(&TEXT);
    area.draw_text(subtitle, &small, (14, 38))?;
    let legend = [
        (PEAK, "open, peak", 14),
        (OVER, "open over the limit, peak", 112),
        (SAMPLED, "open, mean of samples", 292),
        (LIMIT, "limit", 456),
        (SPURIOUS, "refused while a slot was free", 516),
    ];
    for (colour, label, x) in legend {
        area.draw(&Rectangle::new([(x, 63), (x + 10, 73)], colour.filled()))?;
        area.draw_text(label, &small, (x + 15, 61))?;
    }
    Ok(())
}

/// The same for every panel, but that only the lowest names the time.
#[derive(Clone, Copy)]
struct Axes {
    last: f64,
    top: f64,
    named: bool,
}

fn draw_panel(
    area: &Canvas<'_>,
    outcome: &Outcome,
    buckets: &[Bucket],
    limits: Limits,
    axes: Axes,
) -> Drawn {
    draw_caption(area, outcome, limits)?;
    let Axes { last, top, named } = axes;
    let mut chart = ChartBuilder::on(area)
        .margin_top(30)
        .margin_left(10)
        .margin_right(18)
        .x_label_area_size(20 + if named { FOOTER } else { 0 })
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..last, 0.0..top)?;
    let small = (FONT, 12).into_font().color(&TEXT);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.08))
        .axis_style(TEXT.mix(0.6))
        .label_style(small.clone())
        .axis_desc_style(small)
        .x_desc(if named { "time (s)" } else { "" })
        .y_desc("open sessions")
        .x_label_formatter(&|x| format!("{x:.1}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .y_labels(5)
        .draw()?;

    let limit = f64::from(limits.global);
    let steps = |value: fn(&Bucket) -> f64, floor: f64, ceiling: f64| -> Vec<(f64, f64)> {
        let corners = |bucket: &Bucket| {
            let height = value(bucket).clamp(floor, ceiling);
            [(seconds(bucket.span.from), height), (seconds(bucket.span.to), height)]
        };
        buckets.iter().flat_map(corners).collect()
    };
    let peaks = |bucket: &Bucket| bucket.peak as f64;
    chart.draw_series(AreaSeries::new(steps(peaks, limit, top), limit, OVER.mix(0.6)))?;
    chart.draw_series(AreaSeries::new(steps(peaks, 0.0, limit), 0.0, PEAK))?;
    let middle = |bucket: &Bucket| seconds(bucket.span.from.midpoint(bucket.span.to));
    let means = buckets.iter().map(|bucket| (middle(bucket), bucket.sampled));
    chart.draw_series(LineSeries::new(means, SAMPLED))?;
    chart.draw_series(LineSeries::new([(0.0, limit), (last, limit)], LIMIT.stroke_width(2)))?;
    let marks = buckets.iter().filter(|bucket| bucket.spurious > 0).map(|bucket| {
        let x = middle(bucket);
        PathElement::new([(x, top * 0.91), (x, top * 0.98)], SPURIOUS.stroke_width(2))
    });
    chart.draw_series(marks)?;
    Ok(())
}

/// The way's name, and its defects in their colours.
fn draw_caption(area: &Canvas<'_>, outcome: &Outcome, limits: Limits) -> Drawn {
    let Limits { global, per_subject } = limits;
    let bold = (FONT, 15).into_font().style(FontStyle::Bold).color(&TEXT);
    area.draw_text(outcome.name, &bold, (58, 8))?;
    let spurious = outcome.verdict.spurious.len() as u64;
    let (peak, largest) = (outcome.peak_open, outcome.largest_subject);
    let (left, subjects) = (outcome.at_rest.open, outcome.subjects_at_rest);
    for (text, x, colour, defect) in [
        (format!("peak {peak} open, limit {global}"), 225, &OVER, peak > global as usize),
        (
            format!("{largest} of one subject, limit {per_subject}"),
            383,
            &OVER,
            largest > per_subject as usize,
        ),
        (format!("{} spurious refusals", thousands(spurious)), 560, &SPURIOUS, spurious > 0),
        (format!("{left} open, {subjects} subjects left at rest"), 728, &OVER, left + subjects > 0),
    ] {
        let colour = if defect { colour } else { &TEXT };
        area.draw_text(&text, &(FONT, 13).into_font().color(colour), (x, 9))?;
    }
    Ok(())
}

fn seconds(stamp: u64) -> f64 {
    stamp as f64 / 1e9
}
