//! Events → tree, within the limits.

use std::{collections::HashMap, ops::Range, sync::Arc};

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span, Tag, options};

use super::{
    Entry, Kind, Limits, Node, Style, Weight,
    report::{self, Report},
    scalar,
};
use crate::load::diagnostics::Diagnostic;

/// What came of a text. With problems in `report` the tree may still be there, so that what else
/// is wrong can be told at once.
pub(in crate::load) struct Parsed {
    pub(in crate::load) tree: Option<Arc<Node>>,
    pub(in crate::load) problems: Vec<Diagnostic>,
}

/// Reads one document.
pub(in crate::load) fn parse(text: &str, limits: Limits) -> Parsed {
    let mut builder = Builder::new(text, limits);
    let options = options! {
        emit_comments: false,
        emit_anchor_events: true,
        emit_unresolved_aliases: true,
        flow_nesting_limit: limits.depth + 1,
        block_nesting_limit: limits.depth + 1,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let go_on = match event {
            Ok((event, span)) => builder.event(event, &span),
            Err(error) => {
                builder.report.push(report::syntax(text, &error));
                Err(Stop)
            }
        };
        if go_on.is_err() {
            builder.root = None;
            break;
        }
    }
    builder.finish()
}

/// Reading can't go on.
struct Stop;

/// An open collection.
struct Frame {
    start: usize,
    anchor: usize,
    weight: Weight,
    body: Body,
}

enum Body {
    Seq(Vec<Arc<Node>>),
    Map { entries: Vec<Entry>, seen: HashMap<Arc<str>, usize>, key: PendingKey },
}

enum PendingKey {
    /// The next node is a key.
    None,
    /// The next node is this key's value.
    Key(Arc<str>, Range<usize>),
    /// `<<`.
    Merge,
    /// The key was reported; its value is dropped.
    Bad,
}

struct Builder<'t> {
    text: &'t str,
    limits: Limits,
    report: Report,
    documents: usize,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Arc<Node>>,
    names: Vec<String>,
    root: Option<Arc<Node>>,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str, limits: Limits) -> Self {
        Self {
            text,
            limits,
            report: Report::default(),
            documents: 0,
            stack: Vec::new(),
            anchors: HashMap::new(),
            names: Vec::new(),
            root: None,
        }
    }

    fn finish(mut self) -> Parsed {
        if self.documents == 0 && self.report.is_empty() {
            self.report.push(report::empty());
        }
        Parsed { tree: self.root, problems: self.report.into_inner() }
    }

    fn event(&mut self, event: Event<'t>, span: &Span) -> Result<(), Stop> {
        let bytes = bytes(span);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.report.push(report::second_document(bytes));
                    return Err(Stop);
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let kind = self.scalar(&text, style, tag.as_deref(), span);
                // An empty value is a null without text.
                let weight = Weight { nodes: 1, text: text.len(), depth: 0 };
                self.close(Node { kind, span: bytes, weight }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.collection_tag(tag.as_deref(), "seq", span);
                self.open(Body::Seq(Vec::new()), &bytes, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.collection_tag(tag.as_deref(), "map", span);
                let key = PendingKey::None;
                let body = Body::Map { entries: Vec::new(), seen: HashMap::new(), key };
                self.open(body, &bytes, anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(bytes.end),
            Event::Anchor(_, name) => {
                self.names.push(name.into_owned());
                Ok(())
            }
            Event::Alias(id) => self.alias(id, bytes),
            Event::UnresolvedAlias(name) => {
                self.report.push(report::unknown_alias(&name, &self.names, bytes.clone()));
                self.close(Node::null(bytes), 0)
            }
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | Event::Comment(..) => {
                Ok(())
            }
            // The parser may grow kinds of events; those that we know make the tree.
            _ => Ok(()),
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: &Span) -> Kind {
        let written = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::Single,
            ScalarStyle::DoubleQuoted => Style::Double,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        };
        let as_text = || Kind::Text(text.into(), written);
        let resolved = match tag.map(|tag| (tag.core_suffix(), tag.handle(), tag.suffix())) {
            Some((Some("str"), ..) | (None, "!", "") | (None, "", "!")) => return as_text(),
            Some((Some("null" | "bool" | "int" | "float"), ..)) => scalar::resolve(text),
            Some((_, handle, suffix)) => {
                self.report
                    .push(report::unknown_tag(&format!("{handle}{suffix}"), tag_bytes(span)));
                return as_text();
            }
            None if written != Style::Plain => return as_text(),
            None => scalar::resolve(text),
        };
        match resolved {
            Ok(Some(kind)) => kind,
            Ok(None) => as_text(),
            Err(why) => {
                self.report.push(report::bad_number(text, &why, bytes(span)));
                as_text()
            }
        }
    }

    fn collection_tag(&mut self, tag: Option<&Tag>, wanted: &str, span: &Span) {
        if let Some(tag) = tag
            && tag.core_suffix() != Some(wanted)
        {
            let name = format!("{}{}", tag.handle(), tag.suffix());
            self.report.push(report::unknown_tag(&name, tag_bytes(span)));
        }
    }

    fn open(&mut self, body: Body, span: &Range<usize>, anchor: usize) -> Result<(), Stop> {
        if self.stack.len() >= self.limits.depth {
            self.report.push(report::too_deep(self.limits.depth, span.start..span.start + 1));
            return Err(Stop);
        }
        let weight = Weight { nodes: 1, text: 0, depth: 1 };
        self.stack.push(Frame { start: span.start, anchor, weight, body });
        Ok(())
    }

    fn end(&mut self, end: usize) -> Result<(), Stop> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let kind = match frame.body {
            Body::Seq(items) => Kind::Seq(items),
            Body::Map { entries, .. } => Kind::Map(entries),
        };
        // A block collection ends where the next token starts: the space before it is not its own.
        let end = end.max(frame.start);
        let own = self.text.get(frame.start..end).unwrap_or_default().trim_end().len();
        let span = frame.start..frame.start + own;
        self.close(Node { kind, span, weight: frame.weight }, frame.anchor)
    }

    fn alias(&mut self, id: usize, span: Range<usize>) -> Result<(), Stop> {
        let Some(node) = self.anchors.get(&id) else {
            self.report.push(report::recursive_alias(span.clone()));
            return self.close(Node::null(span), 0);
        };
        let node = Node { kind: node.kind.clone(), span, weight: node.weight };
        self.close(node, 0)
    }

    /// A node is whole: it goes to what holds it.
    fn close(&mut self, node: Node, anchor: usize) -> Result<(), Stop> {
        let node = Arc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        let depth = self.stack.len();
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.weight.nodes += node.weight.nodes;
        frame.weight.text += node.weight.text;
        frame.weight.depth = frame.weight.depth.max(node.weight.depth + 1);
        if let Some(problem) = over(self.limits, frame.weight, depth, &node.span) {
            self.report.push(problem);
            return Err(Stop);
        }
        match &mut frame.body {
            Body::Seq(items) => items.push(node),
            Body::Map { entries, seen, key } => match std::mem::replace(key, PendingKey::None) {
                PendingKey::None => *key = self.report.key(self.text, &node),
                PendingKey::Key(name, span) => {
                    add_entry(&mut self.report, entries, seen, (name, span), node);
                }
                PendingKey::Merge => merge(&mut self.report, entries, seen, &node),
                PendingKey::Bad => {}
            },
        }
        Ok(())
    }
}

/// The parser gives bytes for every event of a text; the default keeps a surprise harmless.
fn bytes(span: &Span) -> Range<usize> {
    span.byte_range().unwrap_or_default()
}

/// The tag of a node.
fn tag_bytes(span: &Span) -> Range<usize> {
    bytes(&span.tag_span().unwrap_or(*span))
}

impl Node {
    fn null(span: Range<usize>) -> Self {
        Self { kind: Kind::Null, span, weight: Weight { nodes: 1, text: 0, depth: 0 } }
    }
}

/// Whether a collection outgrew the limits, its aliases written out.
fn over(limits: Limits, weight: Weight, depth: usize, at: &Range<usize>) -> Option<Diagnostic> {
    if weight.nodes > limits.nodes || weight.text > limits.text {
        return Some(report::too_much(limits, at.clone()));
    }
    (depth - 1 + weight.depth > limits.depth).then(|| report::too_deep(limits.depth, at.clone()))
}

impl Report {
    /// What a node in the place of a key is.
    fn key(&mut self, text: &str, node: &Node) -> PendingKey {
        let written = || text.get(node.span.clone()).unwrap_or_default();
        match &node.kind {
            Kind::Text(key, Style::Plain) if &**key == "<<" => PendingKey::Merge,
            Kind::Text(key, _) => PendingKey::Key(Arc::clone(key), node.span.clone()),
            // `*name` of a number is not what anybody means by a key.
            Kind::Null | Kind::Bool(_) | Kind::Number(_)
                if !written().is_empty() && !written().starts_with('*') =>
            {
                PendingKey::Key(written().into(), node.span.clone())
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Seq(_) | Kind::Map(_) => {
                self.push(report::bad_key(text, node));
                PendingKey::Bad
            }
        }
    }
}

fn add_entry(
    report: &mut Report,
    entries: &mut Vec<Entry>,
    seen: &mut HashMap<Arc<str>, usize>,
    (key, key_span): (Arc<str>, Range<usize>),
    value: Arc<Node>,
) {
    let entry = Entry { key: Arc::clone(&key), key_span, value, merged: false };
    match seen.get(&key) {
        Some(&index) if entries[index].merged => entries[index] = entry,
        Some(&index) => {
            let first = entries[index].key_span.clone();
            report.push(report::duplicate_key(&key, first, entry.key_span));
        }
        None => {
            seen.insert(key, entries.len());
            entries.push(entry);
        }
    }
}

/// `<<: *base` or `<<: [*one, *two]`: fields that are there already win.
fn merge(
    report: &mut Report,
    entries: &mut Vec<Entry>,
    seen: &mut HashMap<Arc<str>, usize>,
    node: &Node,
) {
    match &node.kind {
        Kind::Map(from) => {
            for entry in from {
                if !seen.contains_key(&entry.key) {
                    seen.insert(Arc::clone(&entry.key), entries.len());
                    entries.push(Entry { merged: true, ..entry.clone() });
                }
            }
        }
        Kind::Seq(items) if items.iter().all(|item| matches!(item.kind, Kind::Map(_))) => {
            for item in items {
                merge(report, entries, seen, item);
            }
        }
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(..) | Kind::Seq(_) => {
            report.push(report::bad_merge(node.span.clone()));
        }
    }
}
