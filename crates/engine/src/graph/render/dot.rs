//! Graphviz.

use std::fmt::Write;

use super::{
    picture::{Picture, Shape},
    text::{headline, short},
};

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

pub(super) fn write(picture: &Picture) -> String {
    let mut out = String::new();
    // Writing into a string can't fail.
    let _ = graph(&mut out, picture);
    out
}

fn graph(out: &mut String, picture: &Picture) -> std::fmt::Result {
    writeln!(out, "digraph {} {{", quoted(&picture.title))?;
    writeln!(
        out,
        "  graph [fontname=\"sans-serif\", fontsize=11, label={}, labelloc=t];",
        quoted(&picture.title)
    )?;
    writeln!(out, "  node [fontname=\"sans-serif\", fontsize=11, shape=box, style=rounded];")?;
    writeln!(out, "  edge [fontname=\"sans-serif\", fontsize=9];")?;
    inside(out, picture, None, 1)?;
    for edge in &picture.edges {
        let label = edge.label.as_deref().map(|label| format!("label={}", quoted(&short(label))));
        let style = edge.dashed.then(|| "style=dashed".to_owned());
        let attributes: Vec<_> = label.into_iter().chain(style).collect();
        write!(out, "  n{} -> n{}", edge.from, edge.to)?;
        if !attributes.is_empty() {
            write!(out, " [{}]", attributes.join(", "))?;
        }
        writeln!(out, ";")?;
    }
    writeln!(out, "}}")
}

fn inside(
    out: &mut String,
    picture: &Picture,
    parent: Option<usize>,
    depth: usize,
) -> std::fmt::Result {
    let indent = "  ".repeat(depth);
    for (index, node) in picture.nodes.iter().enumerate().filter(|(_, node)| node.group == parent) {
        let lines = std::iter::once(&node.title).chain(&node.details).map(|line| short(line));
        let label = quoted(&lines.collect::<Vec<_>>().join("\n"));
        let shape = match node.shape {
            Shape::Start => "shape=circle, style=filled, fillcolor=black, width=0.15, label=\"\"",
            Shape::End => {
                "shape=doublecircle, style=filled, fillcolor=black, width=0.1, label=\"\""
            }
            Shape::Task => "shape=box",
            Shape::Child => "shape=box, peripheries=2",
            Shape::Children => "shape=box3d, style=solid",
            Shape::Set => "shape=parallelogram, style=solid",
            Shape::Wait => "shape=hexagon, style=solid",
            Shape::Decision => "shape=diamond, style=solid",
            Shape::Cleanup => "shape=box, style=\"rounded,dashed\"",
            Shape::Nothing => "shape=plaintext",
        };
        let attributes = match node.shape {
            Shape::Start | Shape::End => shape.to_owned(),
            Shape::Task
            | Shape::Child
            | Shape::Children
            | Shape::Set
            | Shape::Wait
            | Shape::Decision
            | Shape::Cleanup
            | Shape::Nothing => format!("{shape}, label={label}"),
        };
        writeln!(out, "{indent}n{index} [{attributes}];")?;
    }
    let groups = picture.groups.iter().enumerate().filter(|(_, group)| group.parent == parent);
    for (index, group) in groups {
        writeln!(out, "{indent}subgraph cluster_{index} {{")?;
        let style = if group.repeated { "\"rounded,bold\"" } else { "rounded" };
        writeln!(
            out,
            "{indent}  label={}; labeljust=l; style={style};",
            quoted(&headline(&group.title))
        )?;
        inside(out, picture, Some(index), depth + 1)?;
        writeln!(out, "{indent}}}")?;
    }
    Ok(())
}
