//! Workflows as pictures: steps are nodes (their shape tells the kind), lists inside of steps are
//! boxes, edges are the order.

mod dot;
mod items;
mod layout;
mod mermaid;
mod picture;
mod svg;
mod text;

#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use crate::model::Workflow;

/// What a workflow can be drawn as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// A picture for browsers and documents, laid out here.
    Svg,
    /// Graphviz's language.
    Dot,
    /// Mermaid's language, which code forges draw.
    Mermaid,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Svg, Self::Dot, Self::Mermaid];

    /// The name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Svg => "svg",
            Self::Dot => "dot",
            Self::Mermaid => "mermaid",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|format| format.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is not a format: write svg, dot or mermaid"))
    }
}

/// Draws a workflow. The same workflow always gives the same text. It need not be free of
/// problems: what leads nowhere is left out.
pub fn render(workflow: &Workflow, format: Format) -> String {
    let picture = picture::Picture::of(workflow);
    match format {
        Format::Svg => svg::write(&picture),
        Format::Dot => dot::write(&picture),
        Format::Mermaid => mermaid::write(&picture),
    }
}
