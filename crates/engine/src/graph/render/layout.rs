//! Where everything stands: sizes from the texts, places from dagre.

use dagre::{
    EdgeLabel, LayoutOptions, NodeLabel, RankDir,
    graph::{Graph, GraphOptions},
    layout::types::LabelPos,
};

use super::{
    picture::{Node, Picture, Shape},
    text::{headline, short, width},
};

/// Sizes of letters, in pixels.
pub(super) const TITLE: f64 = 14.0;
pub(super) const DETAIL: f64 = 11.5;
pub(super) const LINE: f64 = 16.0;
/// Between one row of nodes and the next.
const RANKS: f64 = 42.0;

#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub x: f64,
    pub y: f64,
}

/// A rectangle by its middle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Area {
    pub(super) fn left(&self) -> f64 {
        self.x - self.width / 2.0
    }

    pub(super) fn top(&self) -> f64 {
        self.y - self.height / 2.0
    }
}

/// The way of an edge, and where its label stands.
#[derive(Debug)]
pub(super) struct Way {
    pub points: Vec<Point>,
    pub label: Option<Area>,
}

#[derive(Debug)]
pub(super) struct Layout {
    pub nodes: Vec<Area>,
    pub groups: Vec<Area>,
    pub ways: Vec<Way>,
}

/// How wide a text in bold letters is.
pub(super) fn bold(text: &str, size: f64) -> f64 {
    width(text, size) * 1.12
}

/// How large a node has to be for its texts.
fn size(node: &Node) -> (f64, f64) {
    let details = node.details.iter().map(|line| width(&short(line), DETAIL)).fold(0.0, f64::max);
    let text = bold(&short(&node.title), TITLE).max(details);
    let lines = LINE * to_f64(1 + node.details.len());
    match node.shape {
        Shape::Start | Shape::End => (16.0, 16.0),
        Shape::Nothing => (text + 12.0, 20.0),
        Shape::Decision => (text + 56.0, lines + 26.0),
        Shape::Set => (text + 48.0, lines + 16.0),
        Shape::Child | Shape::Children | Shape::Wait => (text + 40.0, lines + 18.0),
        Shape::Task | Shape::Cleanup => (text + 28.0, lines + 16.0),
    }
}

pub(super) fn to_f64(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::from(u32::MAX), f64::from)
}

/// The size of a label on an edge.
fn label_size(label: &str) -> (f64, f64) {
    (width(&short(label), DETAIL) + 10.0, LINE)
}

pub(super) fn layout(picture: &Picture) -> Layout {
    let mut graph =
        Graph::with_options(GraphOptions { directed: true, multigraph: true, compound: true });
    for (index, node) in picture.nodes.iter().enumerate() {
        let (width, height) = size(node);
        let label = NodeLabel {
            width: width.max(wide_enough(picture, index)),
            height,
            ..NodeLabel::default()
        };
        graph.set_node(format!("n{index}"), Some(label));
    }
    for index in 0..picture.groups.len() {
        graph.set_node(format!("g{index}"), Some(NodeLabel::default()));
    }
    for (index, group) in picture.groups.iter().enumerate() {
        if let Some(parent) = group.parent {
            graph.set_parent(&format!("g{index}"), Some(&format!("g{parent}")));
        }
    }
    for (index, node) in picture.nodes.iter().enumerate() {
        if let Some(group) = node.group {
            graph.set_parent(&format!("n{index}"), Some(&format!("g{group}")));
        }
    }
    for (index, edge) in picture.edges.iter().enumerate() {
        let (width, height) = edge.label.as_deref().map_or((0.0, 0.0), label_size);
        let weight = if edge.dashed { 1 } else { 2 };
        let label =
            EdgeLabel { width, height, weight, labelpos: LabelPos::Center, ..EdgeLabel::default() };
        let name = format!("e{index}");
        graph.set_edge(
            format!("n{}", edge.from),
            format!("n{}", edge.to),
            Some(label),
            Some(&name),
        );
    }
    let options = LayoutOptions {
        rankdir: RankDir::TB,
        nodesep: 36.0,
        edgesep: 24.0,
        ranksep: RANKS,
        ..LayoutOptions::default()
    };
    dagre::layout(&mut graph, Some(options));
    read(picture, &graph)
}

/// The first node of a box is as wide as the box's title, so that the box is too.
fn wide_enough(picture: &Picture, index: usize) -> f64 {
    let group = picture.nodes[index].group;
    let Some(group) = group else { return 0.0 };
    let is_first = picture.nodes[..index].iter().all(|node| node.group != Some(group));
    if is_first { bold(&headline(&picture.groups[group].title), DETAIL) } else { 0.0 }
}

fn read(picture: &Picture, graph: &Graph<NodeLabel, EdgeLabel>) -> Layout {
    let area = |name: String| {
        let label = graph.node(&name);
        let place = |value: Option<f64>| value.filter(|value| value.is_finite()).unwrap_or(0.0);
        Area {
            x: place(label.and_then(|label| label.x)),
            y: place(label.and_then(|label| label.y)),
            width: label.map_or(0.0, |label| label.width),
            height: label.map_or(0.0, |label| label.height),
        }
    };
    let way = |(index, edge): (usize, &super::picture::Edge)| {
        let name = format!("e{index}");
        let label = graph.edge(&format!("n{}", edge.from), &format!("n{}", edge.to), Some(&name));
        let points = label.map(|label| label.points.as_slice()).unwrap_or_default();
        let points = points.iter().filter(|point| point.x.is_finite() && point.y.is_finite());
        let place = label.and_then(|label| label.x.zip(label.y));
        Way {
            points: points.map(|point| Point { x: point.x, y: point.y }).collect(),
            label: edge.label.as_deref().zip(place).map(|(text, (x, y))| {
                let (width, height) = label_size(text);
                Area { x, y, width, height }
            }),
        }
    };
    let nodes: Vec<_> = (0..picture.nodes.len()).map(|index| area(format!("n{index}"))).collect();
    let group = |index| with_head(area(format!("g{index}")));
    let groups = (0..picture.groups.len()).map(group).collect();
    let mut ways: Vec<_> = picture.edges.iter().enumerate().map(way).collect();
    for (edge, way) in picture.edges.iter().zip(&mut ways) {
        let (from, to) = (&nodes[edge.from], &nodes[edge.to]);
        if let [first, second, ..] = way.points.as_mut_slice() {
            *first = rim(picture.nodes[edge.from].shape, from, *second).unwrap_or(*first);
        }
        if let [.., second, last] = way.points.as_mut_slice() {
            *last = rim(picture.nodes[edge.to].shape, to, *second).unwrap_or(*last);
        }
    }
    Layout { nodes, groups, ways }
}

/// A box with room for its title on top. Boxes that start together are [`RANKS`]` / 2` apart, so
/// that each has room for its own.
fn with_head(area: Area) -> Area {
    Area { y: area.y - LINE / 2.0, height: area.height + LINE, ..area }
}

/// The corners of shapes that have others than a rectangle.
pub(super) fn corners(shape: Shape, area: &Area) -> Option<Vec<Point>> {
    let (left, top) = (area.left(), area.top());
    let (right, bottom) = (left + area.width, top + area.height);
    let corners = match shape {
        Shape::Decision => vec![
            (left, area.y),
            (left + 18.0, top),
            (right - 18.0, top),
            (right, area.y),
            (right - 18.0, bottom),
            (left + 18.0, bottom),
        ],
        Shape::Set => {
            vec![(left + 12.0, top), (right, top), (right - 12.0, bottom), (left, bottom)]
        }
        Shape::Start
        | Shape::End
        | Shape::Task
        | Shape::Child
        | Shape::Children
        | Shape::Wait
        | Shape::Cleanup
        | Shape::Nothing => return None,
    };
    Some(corners.into_iter().map(|(x, y)| Point { x, y }).collect())
}

/// Where the line from the middle of a shape towards a point leaves the shape; dagre takes all
/// shapes for rectangles.
fn rim(shape: Shape, area: &Area, towards: Point) -> Option<Point> {
    let corners = corners(shape, area)?;
    let (dx, dy) = (towards.x - area.x, towards.y - area.y);
    let next = corners.iter().cycle().skip(1);
    let mut nearest: Option<f64> = None;
    for (a, b) in corners.iter().zip(next) {
        let (ex, ey) = (b.x - a.x, b.y - a.y);
        let cross = dx * ey - dy * ex;
        if cross.abs() < 1e-9 {
            continue;
        }
        let (ax, ay) = (a.x - area.x, a.y - area.y);
        let along = (ax * ey - ay * ex) / cross;
        let on_edge = (ax * dy - ay * dx) / cross;
        if along > 0.0 && (0.0..=1.0).contains(&on_edge) {
            nearest = Some(nearest.map_or(along, |found: f64| found.min(along)));
        }
    }
    nearest.map(|along| Point { x: area.x + along * dx, y: area.y + along * dy })
}
