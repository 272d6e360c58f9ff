//! Mermaid's flow charts.

use std::fmt::Write;

use super::{
    picture::{Picture, Shape},
    text::{headline, short},
};

/// Text in quotes; signs that mean something to Mermaid or to HTML are written as entities.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '#' | '<' | '>' | '&' | '`' | '\\' | '|' | ';' | '{' | '}' | '[' | ']' => {
                let _ = write!(quoted, "#{};", u32::from(c));
            }
            c if c.is_control() => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

pub(super) fn write(picture: &Picture) -> String {
    let mut out = String::new();
    // Writing into a string can't fail.
    let _ = chart(&mut out, picture);
    out
}

fn chart(out: &mut String, picture: &Picture) -> std::fmt::Result {
    writeln!(out, "flowchart TD")?;
    inside(out, picture, None, 1)?;
    for edge in &picture.edges {
        let arrow = if edge.dashed { "-.->" } else { "-->" };
        let label = edge.label.as_deref().map(|label| format!("|{}|", quoted(&short(label))));
        writeln!(out, "  n{} {arrow}{} n{}", edge.from, label.unwrap_or_default(), edge.to)?;
    }
    writeln!(out, "  classDef cleanup stroke-dasharray: 5 4")?;
    writeln!(out, "  classDef small font-size: 11px")
}

fn inside(
    out: &mut String,
    picture: &Picture,
    parent: Option<usize>,
    depth: usize,
) -> std::fmt::Result {
    let indent = "  ".repeat(depth);
    for (index, node) in picture.nodes.iter().enumerate().filter(|(_, node)| node.group == parent) {
        let lines = std::iter::once(&node.title).chain(&node.details);
        let lines: Vec<_> =
            lines.map(|line| quoted(&short(line)).trim_matches('"').to_owned()).collect();
        let label = format!("\"{}\"", lines.join("<br/>"));
        let (open, close, class) = match node.shape {
            Shape::Start | Shape::End => ("([", "])", ":::small"),
            Shape::Task => ("(", ")", ""),
            Shape::Child | Shape::Children => ("[[", "]]", ""),
            Shape::Set => ("[/", "/]", ""),
            Shape::Wait => ("{{", "}}", ""),
            Shape::Decision => ("{", "}", ""),
            Shape::Cleanup => ("(", ")", ":::cleanup"),
            Shape::Nothing => ("[", "]", ":::small"),
        };
        writeln!(out, "{indent}n{index}{open}{label}{close}{class}")?;
    }
    let groups = picture.groups.iter().enumerate().filter(|(_, group)| group.parent == parent);
    for (index, group) in groups {
        writeln!(out, "{indent}subgraph g{index}[{}]", quoted(&headline(&group.title)))?;
        inside(out, picture, Some(index), depth + 1)?;
        writeln!(out, "{indent}end")?;
    }
    Ok(())
}
