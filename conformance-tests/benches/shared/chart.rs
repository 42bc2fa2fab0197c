//! The ratios as a picture: a bar from 1 to the right is how many times as fast ours is, to the left how many times
//! as slow.

use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::measure::{Compared, Goal};

const LEFT: i32 = 440;
const RIGHT: i32 = 1000;
const MARGIN: i32 = 40;
const LINE: i32 = 24;
/// The scale is logarithmic, and what lies beyond these is cut.
const RANGE: (f64, f64) = (0.1, 1000.0);

/// The whole picture as SVG.
pub(crate) fn draw(results: &[Compared]) -> String {
    let height = 2 * MARGIN + LINE * i32::try_from(results.len()).expect("a handful");
    let mut svg = String::new();
    {
        let size = ((RIGHT + 120).unsigned_abs(), height.unsigned_abs());
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE).expect("drawn into a text");
        scale(&area, height);
        for (row, compared) in results.iter().enumerate() {
            bar(&area, compared, MARGIN + LINE * i32::try_from(row).expect("a handful"));
        }
        area.present().expect("drawn into a text");
    }
    svg
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn scale(area: &Area<'_>, height: i32) {
    for (mark, width) in [(0.1, 1), (1.0, 2), (10.0, 1), (100.0, 1), (1000.0, 1)] {
        let at = position(mark);
        let line = [(at, MARGIN - 8), (at, height - MARGIN)];
        area.draw(&PathElement::new(line, RGBColor(200, 200, 200).stroke_width(width))).expect("drawn");
        text(area, &format!("{mark}x"), (at, MARGIN - 20), HPos::Center, BLACK);
    }
}

fn bar(area: &Area<'_>, compared: &Compared, top: i32) {
    let (end, one) = (position(compared.speed), position(1.0));
    let color = match compared.is_met() {
        Some(true) => RGBColor(46, 125, 50),
        Some(false) => RGBColor(198, 40, 40),
        None => RGBColor(120, 120, 120),
    };
    let corners = [(one.min(end), top + 4), (one.max(end).max(one + 1), top + LINE - 4)];
    area.draw(&Rectangle::new(corners, color.filled())).expect("drawn");
    let (low, high) = (position(compared.interval.0), position(compared.interval.1));
    let middle = top + LINE / 2;
    area.draw(&PathElement::new([(low, middle), (high, middle)], BLACK.stroke_width(1))).expect("drawn");
    if let Goal::Speed(goal) = compared.goal {
        let at = position(goal);
        area.draw(&PathElement::new([(at, top + 2), (at, top + LINE - 2)], BLACK.stroke_width(2)))
            .expect("drawn");
    }
    text(
        area,
        &format!("{} / {}", compared.benchmark, compared.against),
        (LEFT - 90, middle),
        HPos::Right,
        BLACK,
    );
    text(area, &format!("{:.2}x", compared.speed), (RIGHT + 20, middle), HPos::Left, color);
}

fn text(area: &Area<'_>, words: &str, at: (i32, i32), side: HPos, color: RGBColor) {
    let style = ("sans-serif", 13).into_font().color(&color).pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(words.to_owned(), at, style)).expect("drawn");
}

fn position(speed: f64) -> i32 {
    let share = (speed.clamp(RANGE.0, RANGE.1) / RANGE.0).log10() / (RANGE.1 / RANGE.0).log10();
    #[expect(clippy::cast_possible_truncation, reason = "a pixel")]
    let at = (f64::from(RIGHT - LEFT + 80) * share).round() as i32;
    LEFT - 80 + at
}
