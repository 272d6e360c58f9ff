//! SVG.

use std::fmt::{Result, Write};

use super::{
    layout::{Area, DETAIL, LINE, Layout, Point, TITLE, Way, bold, corners, layout, to_f64},
    picture::{Node, Picture, Shape},
    text::{headline, short},
};

/// Colours for light and dark pages; nothing in the picture is told by colour alone.
const STYLE: &str = "\
text{font-family:ui-sans-serif,system-ui,'Segoe UI','DejaVu Sans',sans-serif;fill:#1f2933}\
.title{font-weight:600}.detail{fill:#52606d}.label{fill:#3e4c59}.head{fill:#334e68;font-weight:600}\
.paper{fill:#ffffff}.plate{fill-opacity:.8}.node{fill:#f0f4f8;stroke:#486581;stroke-width:1.3}\
.task{fill:#e6f1fb}.decision{fill:#fff3d6;stroke:#b7791f}.set{fill:#eef7ee;stroke:#3f7d4e}\
.wait{fill:#eef1f4;stroke:#5d7285}.child{fill:#f1ebfb;stroke:#6b46a8}.cleanup{fill:#fbf0ef;stroke:#a8483f;stroke-dasharray:5 4}\
.group{fill:#829ab1;fill-opacity:.09;stroke:#829ab1;stroke-width:1}\
.repeated{stroke-width:1.6;stroke:#486581}\
.edge{fill:none;stroke:#627d98;stroke-width:1.4}.owed{stroke:#a8483f;stroke-dasharray:5 4}\
.dot{fill:#334e68}.ring{fill:none;stroke:#334e68;stroke-width:1.6}.tip{fill:#627d98}.tip-owed{fill:#a8483f}\
@media (prefers-color-scheme:dark){\
text{fill:#e4e7eb}.detail{fill:#9fb3c8}.label{fill:#bcccdc}.head{fill:#bcccdc}\
.paper{fill:#14191f}.node{fill:#1f2a36;stroke:#829ab1}.task{fill:#17304a}\
.decision{fill:#3d2f10;stroke:#d9a441}.set{fill:#18301f;stroke:#6fb581}\
.wait{fill:#26313c;stroke:#9fb3c8}.child{fill:#2a2140;stroke:#a98ae0}.cleanup{fill:#3a1f1d;stroke:#e08a80}\
.repeated{stroke:#9fb3c8}.edge{stroke:#829ab1}.owed{stroke:#e08a80}.dot{fill:#bcccdc}\
.ring{stroke:#bcccdc}.tip{fill:#829ab1}.tip-owed{fill:#e08a80}}";

const MARGIN: f64 = 16.0;
/// Room for the picture's title.
const HEAD: f64 = 30.0;

/// Text as XML; signs that XML does not have are left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => escaped.push(c),
        }
    }
    escaped
}

pub(super) fn write(picture: &Picture) -> String {
    let mut out = String::new();
    // Writing into a string can't fail.
    let _ = document(&mut out, picture, &layout(picture));
    out
}

struct Bounds {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

/// Everything that is drawn: edges and labels may reach beyond the nodes.
fn bounds(layout: &Layout) -> Bounds {
    let mut bounds = Bounds { left: 0.0, top: 0.0, right: 0.0, bottom: 0.0 };
    let mut take = |left: f64, top: f64, right: f64, bottom: f64| {
        bounds.left = bounds.left.min(left);
        bounds.top = bounds.top.min(top);
        bounds.right = bounds.right.max(right);
        bounds.bottom = bounds.bottom.max(bottom);
    };
    let labels = layout.ways.iter().filter_map(|way| way.label.as_ref());
    for area in layout.nodes.iter().chain(&layout.groups).chain(labels) {
        let (left, top) = (area.left(), area.top());
        take(left, top, left + area.width, top + area.height);
    }
    for point in layout.ways.iter().flat_map(|way| &way.points) {
        take(point.x, point.y, point.x, point.y);
    }
    bounds
}

fn document(out: &mut String, picture: &Picture, layout: &Layout) -> Result {
    let bounds = bounds(layout);
    let title = short(&picture.title);
    let wide = bold(&title, TITLE + 2.0);
    let across = (bounds.right - bounds.left).max(wide) + 2.0 * MARGIN;
    let height = bounds.bottom - bounds.top + 2.0 * MARGIN + HEAD;
    let (left, top) = (bounds.left - MARGIN, bounds.top - MARGIN - HEAD);
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"{left:.1} {top:.1} {across:.1} {height:.1}\" width=\"{across:.0}\" height=\"{height:.0}\" role=\"img\">"
    )?;
    writeln!(out, "<title>{}</title>", escaped(&picture.title))?;
    if let Some(about) = &picture.about {
        writeln!(out, "<desc>{}</desc>", escaped(about))?;
    }
    writeln!(out, "<style>{STYLE}</style>")?;
    writeln!(out, "<defs>")?;
    for tip in ["tip", "tip-owed"] {
        writeln!(
            out,
            "<marker id=\"{tip}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path class=\"{tip}\" d=\"M0 0L10 5L0 10z\"/></marker>"
        )?;
    }
    writeln!(out, "</defs>")?;
    writeln!(
        out,
        "<rect class=\"paper\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{across:.1}\" height=\"{height:.1}\"/>"
    )?;
    let (x, y) = (left + MARGIN, top + MARGIN + 6.0);
    writeln!(
        out,
        "<text class=\"head\" x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{}\">{}</text>",
        TITLE + 2.0,
        escaped(&title)
    )?;
    for (group, area) in picture.groups.iter().zip(&layout.groups) {
        group_box(out, area, group.repeated)?;
    }
    for (edge, way) in picture.edges.iter().zip(&layout.ways) {
        edge_line(out, way, edge.dashed)?;
    }
    for (group, area) in picture.groups.iter().zip(&layout.groups) {
        group_title(out, area, &group.title)?;
    }
    for (node, area) in picture.nodes.iter().zip(&layout.nodes) {
        node_shape(out, node, area)?;
    }
    for (edge, way) in picture.edges.iter().zip(&layout.ways) {
        if let (Some(label), Some(area)) = (&edge.label, &way.label) {
            edge_label(out, label, area)?;
        }
    }
    writeln!(out, "</svg>")
}

fn group_box(out: &mut String, area: &Area, repeated: bool) -> Result {
    let class = if repeated { "group repeated" } else { "group" };
    if repeated {
        // A second edge behind it: there are several of these.
        rect(out, class, &Area { x: area.x + 5.0, y: area.y + 5.0, ..*area }, 8.0)?;
    }
    rect(out, class, area, 8.0)
}

/// The title of a box, over the edges that lead into it.
fn group_title(out: &mut String, area: &Area, title: &str) -> Result {
    let line = headline(title);
    let wide = (bold(&line, DETAIL) + 6.0).min(area.width - 8.0);
    let (left, top) = (area.left() + 6.0, area.top() + 4.0);
    let plate = Area { x: left + wide / 2.0, y: top + LINE / 2.0, width: wide, height: LINE };
    rect(out, "paper plate", &plate, 3.0)?;
    writeln!(
        out,
        "<text class=\"head\" x=\"{:.1}\" y=\"{:.1}\" font-size=\"{DETAIL}\"><title>{}</title>{}</text>",
        left + 3.0,
        top + DETAIL,
        escaped(title),
        escaped(&line)
    )
}

fn rect(out: &mut String, class: &str, area: &Area, radius: f64) -> Result {
    writeln!(
        out,
        "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"{radius}\"/>",
        area.left(),
        area.top(),
        area.width,
        area.height
    )
}

fn polygon(out: &mut String, class: &str, shape: Shape, area: &Area) -> Result {
    let corners = corners(shape, area).unwrap_or_default();
    let points: Vec<_> = corners.iter().map(|at| format!("{:.1},{:.1}", at.x, at.y)).collect();
    writeln!(out, "<polygon class=\"{class}\" points=\"{}\"/>", points.join(" "))
}

fn node_shape(out: &mut String, node: &Node, area: &Area) -> Result {
    let (left, top) = (area.left(), area.top());
    let (right, bottom) = (left + area.width, top + area.height);
    match node.shape {
        Shape::Start => {
            return writeln!(
                out,
                "<circle class=\"dot\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"6\"/>",
                area.x, area.y
            );
        }
        Shape::End => {
            let (x, y) = (area.x, area.y);
            writeln!(out, "<circle class=\"ring\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"7.2\"/>")?;
            return writeln!(out, "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>");
        }
        Shape::Nothing => {}
        Shape::Task => rect(out, "node task", area, 8.0)?,
        Shape::Wait => rect(out, "node wait", area, 16.0)?,
        Shape::Cleanup => rect(out, "node cleanup", area, 8.0)?,
        Shape::Decision => polygon(out, "node decision", node.shape, area)?,
        Shape::Set => polygon(out, "node set", node.shape, area)?,
        Shape::Child | Shape::Children => {
            if node.shape == Shape::Children {
                rect(out, "node child", &Area { x: area.x + 5.0, y: area.y + 5.0, ..*area }, 2.0)?;
            }
            rect(out, "node child", area, 2.0)?;
            for x in [left + 6.0, right - 6.0] {
                writeln!(out, "<path class=\"node child\" d=\"M{x:.1} {top:.1}V{bottom:.1}\"/>")?;
            }
        }
    }
    node_text(out, node, area)
}

fn node_text(out: &mut String, node: &Node, area: &Area) -> Result {
    let lines = to_f64(1 + node.details.len());
    let mut y = area.y - (lines - 1.0) * LINE / 2.0;
    let (class, size) =
        if node.shape == Shape::Nothing { ("detail", DETAIL) } else { ("title", TITLE) };
    let texts = std::iter::once((&node.title, class, size));
    for (text, class, size) in texts.chain(node.details.iter().map(|line| (line, "detail", DETAIL)))
    {
        let (x, base) = (area.x, y + size * 0.35);
        writeln!(
            out,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{base:.1}\" font-size=\"{size}\" text-anchor=\"middle\"><title>{}</title>{}</text>",
            escaped(text),
            escaped(&short(text))
        )?;
        y += LINE;
    }
    Ok(())
}

/// A line through the points, rounded where it turns.
fn edge_line(out: &mut String, way: &Way, owed: bool) -> Result {
    let [first, rest @ ..] = way.points.as_slice() else { return Ok(()) };
    let mut path = format!("M{:.1} {:.1}", first.x, first.y);
    for pair in rest.windows(2) {
        let middle = Point {
            x: f64::midpoint(pair[0].x, pair[1].x),
            y: f64::midpoint(pair[0].y, pair[1].y),
        };
        write!(path, "Q{:.1} {:.1} {:.1} {:.1}", pair[0].x, pair[0].y, middle.x, middle.y)?;
    }
    if let Some(last) = rest.last() {
        write!(path, "L{:.1} {:.1}", last.x, last.y)?;
    }
    let (class, tip) = if owed { ("edge owed", "tip-owed") } else { ("edge", "tip") };
    writeln!(out, "<path class=\"{class}\" d=\"{path}\" marker-end=\"url(#{tip})\"/>")
}

fn edge_label(out: &mut String, label: &str, area: &Area) -> Result {
    rect(out, "paper", area, 3.0)?;
    let (x, y) = (area.x, area.y + DETAIL * 0.35);
    writeln!(
        out,
        "<text class=\"label\" x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{DETAIL}\" text-anchor=\"middle\"><title>{}</title>{}</text>",
        escaped(label),
        escaped(&short(label))
    )
}
