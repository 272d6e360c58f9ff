//! Dell's server configuration profile (SCP), in XML.
//!
//! ```text
//! <SystemConfiguration Model="PowerEdge R750" ServiceTag="…" TimeStamp="…">
//!   <Component FQDD="BIOS.Setup.1-1">
//!     <Attribute Name="LogicalProc">Enabled</Attribute>
//!     <!-- <Attribute Name="SystemBiosVersion">1.9.2</Attribute> -->
//! ```
//! Attributes in comments are read-only. A component may hold components.

use roxmltree::Node;

use super::{Accepts, Document, Setting, SettingValue, xml};

/// The component whose attributes may be named without it.
const BIOS: &str = "BIOS.Setup.1-1";

pub(super) fn parse(text: &str) -> Result<Document, String> {
    let document = xml::parse(text, "SystemConfiguration")?;
    let root = document.root_element();
    let mut settings = Vec::new();
    components(text, root, &mut settings);
    Ok(Document { model: root.attribute("Model").map(ToOwned::to_owned), settings })
}

fn components(text: &str, node: Node<'_, '_>, settings: &mut Vec<Setting>) {
    for component in xml::elements(node, "Component") {
        let fqdd = component.attribute("FQDD").unwrap_or_default();
        for child in component.children() {
            if child.is_element() && child.has_tag_name("Attribute") {
                settings.extend(attribute(text, fqdd, child));
            } else if child.is_comment() {
                settings.extend(child.text().and_then(|comment| read_only(fqdd, comment)));
            }
        }
        components(text, component, settings);
    }
}

fn attribute(text: &str, fqdd: &str, node: Node<'_, '_>) -> Option<Setting> {
    let setting = setting(fqdd, node.attribute("Name")?, xml::content(node));
    Some(Setting { place: xml::content_place(text, node), ..setting })
}

fn read_only(fqdd: &str, comment: &str) -> Option<Setting> {
    let inner = roxmltree::Document::parse(comment.trim()).ok()?;
    let node = inner.root_element();
    let name = node.attribute("Name").filter(|_| node.has_tag_name("Attribute"))?;
    Some(setting(fqdd, name, xml::content(node)))
}

fn setting(fqdd: &str, name: &str, value: String) -> Setting {
    Setting {
        name: format!("{fqdd}/{name}"),
        short: (fqdd == BIOS).then(|| name.to_owned()),
        value: SettingValue::Text(value),
        accepts: Accepts::Anything,
        place: None,
    }
}
