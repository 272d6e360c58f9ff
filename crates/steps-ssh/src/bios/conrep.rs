//! What HPE's `conrep -s` writes.
//!
//! ```text
//! <Conrep version="5.5.0.0" originating_platform="ProLiant DL385 Gen10" …>
//!   <Section name="CPU_Virtualization" helptext="…">Enabled</Section>
//!   <Section name="IPL_Order" helptext="…"><Index0>00</Index0><Index1>01</Index1></Section>
//! ```

use super::{Accepts, Document, Setting, SettingValue, xml};

pub(super) fn parse(text: &str) -> Result<Document, String> {
    let document = xml::parse(text, "Conrep")?;
    let root = document.root_element();
    let mut settings = Vec::new();
    for section in xml::elements(root, "Section") {
        let Some(name) = section.attribute("name") else { continue };
        let parts: Vec<_> = section.children().filter(roxmltree::Node::is_element).collect();
        let mut push = |name: String, node| {
            settings.push(Setting {
                name,
                short: None,
                value: SettingValue::Text(xml::content(node)),
                accepts: Accepts::Anything,
                place: xml::content_place(text, node),
            });
        };
        if parts.is_empty() {
            push(name.to_owned(), section);
        }
        for part in parts {
            push(format!("{name}/{}", part.tag_name().name()), part);
        }
    }
    Ok(Document { model: root.attribute("originating_platform").map(ToOwned::to_owned), settings })
}
