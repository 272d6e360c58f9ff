//! What the XML formats share.

use std::{fmt::Write, ops::Range};

use roxmltree::{Attribute, Document, Node};

use super::{Form, Place};

/// Parses XML; a document type (and with it entity tricks) is refused by the parser.
pub(super) fn parse<'a>(text: &'a str, root: &str) -> Result<Document<'a>, String> {
    let document = Document::parse(text).map_err(|error| error.to_string())?;
    let found = document.root_element().tag_name().name();
    if found != root {
        return Err(format!("the root element is <{found}>, not <{root}>"));
    }
    Ok(document)
}

pub(super) fn elements<'a, 'i>(
    node: Node<'a, 'i>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> + use<'a, 'i> {
    node.children().filter(move |child| child.is_element() && child.has_tag_name(name))
}

pub(super) fn child<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> Option<Node<'a, 'i>> {
    elements(node, name).next()
}

/// The text in an element, CDATA and entities resolved.
pub(super) fn content(node: Node<'_, '_>) -> String {
    node.children().filter(Node::is_text).filter_map(|text| text.text()).collect()
}

/// Where an element's content is written. `None` if it holds elements or comments.
pub(super) fn content_place(source: &str, node: Node<'_, '_>) -> Option<Place> {
    if node.children().any(|child| !child.is_text()) {
        return None;
    }
    let range = node.range();
    let element = source.get(range.clone())?;
    if !node.has_children() && element.ends_with("/>") {
        // The name as it is written, with its prefix.
        let name: String =
            element.chars().skip(1).take_while(|c| !c.is_whitespace() && *c != '/').collect();
        let span = range.end - 2..range.end;
        return Some(Place { span, form: Form::XmlEmptyElement(name) });
    }
    let end = range.start + element.rfind("</")?;
    let start = match node.first_child() {
        Some(first) => cdata_start(source, first.range().start),
        None => end,
    };
    Some(Place { span: start..end, form: Form::XmlContent })
}

/// A text node's range may begin behind the `<![CDATA[` that opens it.
fn cdata_start(source: &str, start: usize) -> usize {
    const OPEN: &str = "<![CDATA[";
    if source[..start].ends_with(OPEN) { start - OPEN.len() } else { start }
}

/// Where an attribute's value is written.
pub(super) fn attribute_place(source: &str, attribute: Attribute<'_, '_>) -> Option<Place> {
    let span: Range<usize> = attribute.range_value();
    let quote = source[..span.start].chars().next_back()?;
    Some(Place { span, form: Form::XmlAttribute(quote) })
}

pub(super) fn escape(text: &str, quote: Option<char>) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if quote == Some('"') => out.push_str("&quot;"),
            '\'' if quote == Some('\'') => out.push_str("&apos;"),
            '\n' | '\r' | '\t' if quote.is_some() => {
                // Written as references: a parser turns the characters themselves into spaces.
                let _ = write!(out, "&#{};", u32::from(c));
            }
            '\r' => out.push_str("&#13;"),
            _ => out.push(c),
        }
    }
    out
}
