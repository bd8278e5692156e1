//! The picture: open sessions over time against the limit, a panel per way.

use std::fs;
use std::path::Path;

use anyhow::Context;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::flood::Outcome;
use crate::report::thousands;
use crate::timeline::{Bucket, timeline};

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const WIDTH: u32 = 960;
const HEADER: u32 = 64;
const PANEL: u32 = 210;
/// Columns of a panel: about one for each of its pixels.
const BUCKETS: usize = 800;

const INSIDE: RGBColor = RGBColor(0x3b, 0x82, 0xc4);
const OVER: RGBColor = RGBColor(0xd6, 0x3a, 0x3a);
const LIMIT: RGBColor = RGBColor(0x11, 0x11, 0x11);
const SPURIOUS: RGBColor = RGBColor(0xe6, 0x8a, 0x00);
const TEXT: RGBColor = RGBColor(0x33, 0x33, 0x33);
const FONT: &str = "sans-serif";

/// Writes the picture as SVG, with the folders above it.
pub fn write(path: &Path, outcomes: &[Outcome], limit: u32, subtitle: &str) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let mut svg = String::new();
    draw(&mut svg, outcomes, limit, subtitle)
        .map_err(|error| anyhow::anyhow!("cannot draw the chart: {error}"))?;
    fs::write(path, svg).with_context(|| format!("cannot write the chart to {}", path.display()))
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw(svg: &mut String, outcomes: &[Outcome], limit: u32, subtitle: &str) -> Drawn {
    let height = HEADER + PANEL * outcomes.len() as u32;
    let root = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let (header, panels) = root.split_vertically(HEADER);
    draw_header(&header, subtitle)?;
    let highest = outcomes.iter().map(|outcome| outcome.peak_open).max().unwrap_or(0);
    let top = highest.max(limit as usize) as f64 * 1.2;
    let last = outcomes.iter().map(|outcome| outcome.at_rest.at).max().unwrap_or(1);
    for (panel, outcome) in panels.split_evenly((outcomes.len(), 1)).iter().zip(outcomes) {
        let buckets = timeline(outcome, last, BUCKETS);
        draw_panel(panel, outcome, &buckets, limit, (seconds(last), top))?;
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
        (INSIDE, "open", 560),
        (OVER, "open over the limit", 624),
        (LIMIT, "limit", 770),
        (SPURIOUS, "spurious refusal", 832),
    ];
    for (colour, label, x) in legend {
        area.draw(&Rectangle::new([(x, 40), (x + 10, 50)], colour.filled()))?;
        area.draw_text(label, &small, (x + 15, 38))?;
    }
    Ok(())
}

fn draw_panel(
    area: &Canvas<'_>,
    outcome: &Outcome,
    buckets: &[Bucket],
    limit: u32,
    (last, top): (f64, f64),
) -> Drawn {
    let mut chart = ChartBuilder::on(area)
        .caption(caption(outcome), (FONT, 15).into_font().color(&TEXT))
        .margin_left(10)
        .margin_right(18)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..last, 0.0..top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.08))
        .axis_style(TEXT.mix(0.6))
        .label_style((FONT, 12).into_font().color(&TEXT))
        .axis_desc_style((FONT, 12).into_font().color(&TEXT))
        .x_desc("time (s)")
        .y_desc("open sessions")
        .x_label_formatter(&|x| format!("{x:.1}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .y_labels(5)
        .draw()?;

    let limit = f64::from(limit);
    let steps = |value: fn(&Bucket) -> usize, floor: f64, ceiling: f64| -> Vec<(f64, f64)> {
        let corners = |bucket: &Bucket| {
            let height = (value(bucket) as f64).clamp(floor, ceiling);
            [(seconds(bucket.span.from), height), (seconds(bucket.span.to), height)]
        };
        buckets.iter().flat_map(corners).collect()
    };
    let peaks = |bucket: &Bucket| bucket.peak;
    chart.draw_series(AreaSeries::new(steps(peaks, limit, top), limit, OVER.mix(0.75)))?;
    chart.draw_series(AreaSeries::new(steps(peaks, 0.0, limit), 0.0, INSIDE.mix(0.45)))?;
    let sampled = steps(|bucket| bucket.sampled, 0.0, top);
    chart.draw_series(LineSeries::new(sampled, INSIDE.stroke_width(1)))?;
    chart.draw_series(LineSeries::new([(0.0, limit), (last, limit)], LIMIT.stroke_width(2)))?;
    let marks = buckets.iter().filter(|bucket| bucket.spurious > 0).map(|bucket| {
        let x = seconds(bucket.span.from);
        PathElement::new([(x, top * 0.91), (x, top * 0.98)], SPURIOUS.stroke_width(2))
    });
    chart.draw_series(marks)?;
    Ok(())
}

fn caption(outcome: &Outcome) -> String {
    format!(
        "{}: peak {} open, {} spurious refusals, {} open at rest",
        outcome.name,
        outcome.peak_open,
        thousands(outcome.verdict.spurious.len() as u64),
        outcome.at_rest.open,
    )
}

fn seconds(stamp: u64) -> f64 {
    stamp as f64 / 1e9
}
