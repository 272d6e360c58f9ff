//! What Supermicro's `sum -c GetCurrentBiosCfg` (and `saa`) writes.
//!
//! ```text
//! <BiosCfg>
//!   <Menu name="Advanced">
//!     <Menu name="Boot Feature">
//!       <Setting name="Quiet Boot" checkedStatus="Checked" type="CheckBox">
//!       <Setting name="Wait For F1" selectedOption="Enabled" type="Option">
//!         <Information>
//!           <AvailableOptions><Option value="0">Disabled</Option>…
//! ```

use roxmltree::Node;

use super::{Accepts, Document, Place, Setting, SettingValue, xml};

pub(super) fn parse(text: &str) -> Result<Document, String> {
    let document = xml::parse(text, "BiosCfg")?;
    let mut settings = Vec::new();
    menus(text, document.root_element(), "", &mut settings);
    Ok(Document { model: model(document.root_element()), settings })
}

/// The board is the first subtitle that names the maker.
fn model(root: Node<'_, '_>) -> Option<String> {
    let mut subtitles = root.descendants().filter(|node| node.has_tag_name("Subtitle"));
    subtitles.find_map(|node| {
        let board = node.text()?.trim().strip_prefix("Supermicro ")?;
        Some(board.trim().to_owned())
    })
}

fn menus(text: &str, node: Node<'_, '_>, path: &str, settings: &mut Vec<Setting>) {
    for child in node.children().filter(Node::is_element) {
        let name = child.attribute("name").unwrap_or_default();
        let full = if path.is_empty() { name.to_owned() } else { format!("{path}|{name}") };
        match child.tag_name().name() {
            "Menu" => menus(text, child, &full, settings),
            "Setting" => settings.extend(setting(text, child, name, full)),
            _ => {}
        }
    }
}

fn setting(text: &str, node: Node<'_, '_>, name: &str, full: String) -> Option<Setting> {
    let information = xml::child(node, "Information");
    let number = |tag| {
        let value = xml::content(xml::child(information?, tag)?);
        value.trim().parse::<i64>().ok()
    };
    let size = |tag| number(tag).and_then(|size| usize::try_from(size).ok());
    let (value, place, accepts) = match node.attribute("type")? {
        "Option" => {
            let (value, place) = attribute(text, node, "selectedOption")?;
            (value, place, information.map_or(Accepts::Anything, options))
        }
        "CheckBox" => {
            let (value, place) = attribute(text, node, "checkedStatus")?;
            let states = ["Checked", "Unchecked"].map(ToOwned::to_owned).to_vec();
            (value, place, Accepts::OneOf(states))
        }
        "Numeric" => {
            let (value, place) = attribute(text, node, "numericValue")?;
            let accepts = match (number("MinValue"), number("MaxValue")) {
                (Some(min), Some(max)) => {
                    Accepts::Number { min, max, step: number("StepSize").unwrap_or(0) }
                }
                _ => Accepts::Anything,
            };
            (value, place, accepts)
        }
        "String" => {
            let (value, place) = attribute(text, node, "stringValue").or_else(|| {
                let inner = xml::child(node, "StringValue")?;
                Some((xml::content(inner), xml::content_place(text, inner)))
            })?;
            let accepts = match (size("MinSize"), size("MaxSize")) {
                (Some(min), Some(max)) => Accepts::Text { min, max },
                _ => Accepts::Anything,
            };
            (value, place, accepts)
        }
        // Passwords don't belong into a profile; other types are not known.
        _ => return None,
    };
    let short = Some(name.to_owned());
    Some(Setting { name: full, short, value: SettingValue::Text(value), accepts, place })
}

fn attribute(text: &str, node: Node<'_, '_>, name: &str) -> Option<(String, Option<Place>)> {
    let attribute = node.attribute_node(name)?;
    Some((attribute.value().to_owned(), xml::attribute_place(text, attribute)))
}

fn options(information: Node<'_, '_>) -> Accepts {
    match xml::child(information, "AvailableOptions") {
        Some(options) => {
            Accepts::OneOf(xml::elements(options, "Option").map(xml::content).collect())
        }
        None => Accepts::Anything,
    }
}
