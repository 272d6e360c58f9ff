//! The vendors' files: read, changed, and otherwise left alone.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, too")]

use indexmap::IndexMap;
use proptest::prelude::*;
use rackwright_steps_ssh::{
    DeviceTypes,
    bios::{self, Change, Document, Encoding, SettingValue},
    device::{DeviceType, ToolKind, Validation},
};
use rstest::rstest;

const DELL: &str = include_str!("data/dell-r750.xml");
const HPE: &str = include_str!("data/hpe-dl385.json");
const CONREP: &str = include_str!("data/conrep.xml");
const SUPERMICRO: &str = include_str!("data/supermicro-x12.xml");

fn shipped(name: &str) -> DeviceType {
    (*DeviceTypes::built_in().unwrap().get(name).unwrap()).clone()
}

/// A device type that wants just these.
fn wanting(tool: ToolKind, settings: &[(&str, SettingValue)]) -> DeviceType {
    let mut device_type = shipped("dell-r750");
    device_type.tool.kind = tool;
    device_type.validation = Validation::default();
    device_type.bios.allowed.clear();
    device_type.bios.settings =
        settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    device_type
}

fn apply(text: &str, device_type: &DeviceType) -> Result<bios::Applied, Vec<String>> {
    let document = bios::parse(device_type.tool.kind, text).unwrap();
    bios::apply(text, &document, device_type)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn values(document: &Document) -> Vec<(String, SettingValue)> {
    document.settings.iter().map(|s| (s.name.clone(), s.value.clone())).collect()
}

fn shown(changes: &[Change]) -> Vec<String> {
    changes.iter().map(|c| format!("{}: {} -> {}", c.setting, c.from, c.to)).collect()
}

/// The lines that differ between two texts of as many lines.
fn diff(before: &str, after: &str) -> Vec<String> {
    assert_eq!(before.lines().count(), after.lines().count());
    before
        .lines()
        .zip(after.lines())
        .filter(|(a, b)| a != b)
        .map(|(_, b)| b.trim().to_owned())
        .collect()
}

#[test]
fn dell_changes_are_made_in_place() {
    let applied = apply(DELL, &shipped("dell-r750")).unwrap();
    insta::assert_debug_snapshot!((shown(&applied.changes), diff(DELL, &applied.text)));
}

#[test]
fn hpe_changes_are_made_in_place() {
    let applied = apply(HPE, &shipped("hpe-dl385")).unwrap();
    insta::assert_debug_snapshot!((shown(&applied.changes), diff(HPE, &applied.text)));
}

#[test]
fn supermicro_changes_are_made_in_place() {
    let mut device_type = shipped("supermicro-x12");
    // Two menus have it; the shipped profile says which.
    device_type.bios.settings.shift_remove("Advanced|Boot Feature|Quiet Boot");
    let applied = apply(SUPERMICRO, &device_type).unwrap();
    insta::assert_debug_snapshot!((shown(&applied.changes), diff(SUPERMICRO, &applied.text)));
}

#[test]
fn conrep_changes_are_made_in_place() {
    let wanted = [("CPU_Virtualization", "Enabled".into()), ("IPL_Order/Index1", "0a".into())];
    let applied = apply(CONREP, &wanting(ToolKind::Conrep, &wanted)).unwrap();
    insta::assert_debug_snapshot!((shown(&applied.changes), diff(CONREP, &applied.text)));
}

#[rstest]
#[case(ToolKind::Racadm, DELL)]
#[case(ToolKind::Ilorest, HPE)]
#[case(ToolKind::Conrep, CONREP)]
#[case(ToolKind::Sum, SUPERMICRO)]
fn what_is_as_wanted_keeps_every_byte(#[case] tool: ToolKind, #[case] text: &str) {
    let document = bios::parse(tool, text).unwrap();
    assert!(!document.settings.is_empty());
    let mut device_type = wanting(tool, &[]);
    device_type.bios.settings = values(&document).into_iter().collect::<IndexMap<_, _>>();
    let applied = apply(text, &device_type).unwrap();
    assert_eq!(applied.changes, []);
    assert_eq!(applied.text, text);
}

#[rstest]
#[case::unknown(
    "LogicalPro",
    "Enabled",
    "there is no setting `LogicalPro`; did you mean `LogicalProc`?"
)]
#[case::far_off("Nothing", "1", "there is no setting `Nothing`")]
#[case::read_only(
    "SystemBiosVersion",
    "2.0.0",
    "`BIOS.Setup.1-1/SystemBiosVersion` is read-only; it is `1.9.2`, and `2.0.0` is wanted"
)]
#[case::other_component("IPMILan.1#Enable", "1", "there is no setting `IPMILan.1#Enable`")]
fn dell_refuses(#[case] name: &str, #[case] value: &str, #[case] problem: &str) {
    let device_type = wanting(ToolKind::Racadm, &[(name, value.into())]);
    assert_eq!(apply(DELL, &device_type).unwrap_err(), [problem]);
}

#[rstest]
#[case::option(
    "Power Technology",
    "Fast",
    "`Advanced|Boot Feature|Power Technology` can't be `Fast`: it takes `Disable`, `Energy Efficient`, `Custom`"
)]
#[case::number(
    "Watch Dog \"Timer\"",
    "300",
    "`Advanced|Boot Feature|Watch Dog \"Timer\"` can't be `300`: it takes 5 to 255 in steps of 5"
)]
#[case::step(
    "Watch Dog \"Timer\"",
    "11",
    "`Advanced|Boot Feature|Watch Dog \"Timer\"` can't be `11`: it takes 5 to 255 in steps of 5"
)]
#[case::text(
    "Asset",
    "too long a text",
    "`Advanced|PCIe/PCI/PnP Configuration|Asset` can't be `too long a text`: it takes a text of 0 to 8 characters"
)]
#[case::ambiguous(
    "Quiet Boot",
    "Unchecked",
    "`Quiet Boot` is not unique: write one of `Advanced|Boot Feature|Quiet Boot`, `Boot|Quiet Boot`"
)]
fn supermicro_refuses(#[case] name: &str, #[case] value: &str, #[case] problem: &str) {
    let device_type = wanting(ToolKind::Sum, &[(name, value.into())]);
    assert_eq!(apply(SUPERMICRO, &device_type).unwrap_err(), [problem]);
}

#[test]
fn a_device_type_may_narrow_what_is_allowed_and_fix_the_model() {
    let mut device_type = wanting(ToolKind::Racadm, &[("BootMode", "Bios".into())]);
    device_type.bios.allowed.insert("BootMode".to_owned(), vec!["Uefi".into()]);
    device_type.validation.models = vec!["PowerEdge R640".to_owned()];
    device_type.validation.required = vec!["Gone".to_owned()];
    assert_eq!(
        apply(DELL, &device_type).unwrap_err(),
        [
            "the settings come from a `PowerEdge R750`, the profile is for `PowerEdge R640`",
            "the export lacks `Gone`: it is not complete",
            "`BIOS.Setup.1-1/BootMode` can't be `Bios`: it takes `Uefi`",
        ]
    );
}

#[test]
fn json_values_keep_their_kind() {
    let wanted = [("WakeOnLan", "false".into()), ("ThermalLimit", SettingValue::Int(90))];
    let applied = apply(HPE, &wanting(ToolKind::Ilorest, &wanted)).unwrap();
    assert_eq!(diff(HPE, &applied.text), ["\"WakeOnLan\": false,", "\"ThermalLimit\":   90,"]);
    let wrong = wanting(ToolKind::Ilorest, &[("ThermalLimit", "hot".into())]);
    assert_eq!(
        apply(HPE, &wrong).unwrap_err(),
        ["`ThermalLimit` can't be `hot`: it takes a whole number"]
    );
}

#[rstest]
#[case::empty(ToolKind::Racadm, "")]
#[case::other_root(ToolKind::Racadm, "<Conrep/>")]
#[case::cut(ToolKind::Sum, "<BiosCfg><Menu name=\"a\">")]
#[case::doctype(ToolKind::Conrep, "<!DOCTYPE x [<!ENTITY a \"b\">]><Conrep>&a;</Conrep>")]
#[case::json_object(ToolKind::Ilorest, "{}")]
#[case::no_bios(ToolKind::Ilorest, "[{\"Comments\":{}}]")]
#[case::an_error_text(ToolKind::Sum, "ERROR: no such command")]
fn something_else_is_refused(#[case] tool: ToolKind, #[case] text: &str) {
    let error = bios::parse(tool, text).unwrap_err();
    assert!(error.to_string().starts_with("this is not what "), "{error}");
}

#[test]
fn latin_1_survives() {
    let bytes = b"<BiosCfg><Menu name=\"caf\xe9\"/></BiosCfg>".to_vec();
    let (text, encoding) = bios::decode(bytes.clone());
    assert_eq!(encoding, Encoding::Latin1);
    assert!(text.contains("café"));
    assert_eq!(bios::encode(&text, encoding), Ok(bytes));
    assert_eq!(bios::encode("\u{20ac}", encoding), Err('\u{20ac}'));
}

/// A text for an XML attribute or element, and how it may be written.
fn xml_text() -> impl Strategy<Value = (String, String)> {
    let piece = prop_oneof![
        "[a-zA-Z0-9 .#|/_-]{1,8}".prop_map(|s| (s.clone(), s)),
        Just(("&".to_owned(), "&amp;".to_owned())),
        Just(("<".to_owned(), "&lt;".to_owned())),
        Just(("é".to_owned(), "&#xe9;".to_owned())),
        Just(("ü€".to_owned(), "ü€".to_owned())),
        Just(("'".to_owned(), "&apos;".to_owned())),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.into_iter().unzip())
}

#[derive(Clone, Debug)]
enum Item {
    Attribute { name: String, value: String, written: String, shape: u8 },
    Noise(String),
}

fn item() -> impl Strategy<Value = Item> {
    let noise = prop_oneof![
        Just("<!-- remark <not parsed> -->"),
        Just("<Unknown kind='x'>kept<Deep/></Unknown>"),
        Just("\n\t  "),
        Just("<?vendor instruction?>"),
        Just("loose text &#65;"),
        Just("<!-- <Attribute Name=\"RO\">1</Attribute> -->"),
    ];
    prop_oneof![
        3 => ("[A-Z][a-z]{1,6}", xml_text(), 0..6u8).prop_map(|(name, (value, written), shape)| {
            Item::Attribute { name, value, written, shape }
        }),
        2 => noise.prop_map(|text| Item::Noise(text.to_owned())),
    ]
}

/// A profile in many ways of writing the same, and the values in it.
fn profile() -> impl Strategy<Value = (String, Vec<(String, String)>)> {
    prop::collection::vec(item(), 1..12).prop_map(|items| {
        let mut text = "<?xml version=\"1.0\"?>\r\n<SystemConfiguration Model='m'>\
                        <Component FQDD=\"BIOS.Setup.1-1\">"
            .to_owned();
        let mut values = Vec::new();
        for (at, item) in items.into_iter().enumerate() {
            match item {
                Item::Noise(noise) => text.push_str(&noise),
                Item::Attribute { name, value, written, shape } => {
                    let name = format!("{name}{at}");
                    let (value, written) = match shape {
                        0 | 1 => (String::new(), format!("<Attribute Name=\"{name}\" />")),
                        2 => (String::new(), format!("<Attribute Name='{name}'></Attribute>")),
                        3 => {
                            let raw = value.replace("]]>", "");
                            let cdata = format!("<![CDATA[{raw}]]>");
                            (raw, format!("<Attribute Name=\"{name}\">{cdata}</Attribute >"))
                        }
                        _ => {
                            (value, format!("<Attribute  Name=\"{name}\"\n>{written}</Attribute>"))
                        }
                    };
                    text.push_str(&written);
                    values.push((name, value));
                }
            }
        }
        text.push_str("</Component></SystemConfiguration>\n<!-- end -->");
        (text, values)
    })
}

proptest! {
    #[test]
    fn any_profile_reads_as_written_and_keeps_every_byte((text, expected) in profile()) {
        let document = bios::parse(ToolKind::Racadm, &text).unwrap();
        for (name, value) in &expected {
            let found = document.settings.iter().find(|s| s.short.as_deref() == Some(name));
            prop_assert_eq!(found.unwrap().value.to_string(), value.clone(), "{}", text);
        }
        let mut device_type = wanting(ToolKind::Racadm, &[]);
        device_type.bios.settings =
            expected.into_iter().map(|(name, value)| (name, SettingValue::Text(value))).collect();
        prop_assert_eq!(apply(&text, &device_type).unwrap().text, text);
    }

    #[test]
    fn a_change_reaches_its_setting_and_nothing_else(
        (text, expected) in profile(),
        pick in any::<prop::sample::Index>(),
        (wanted, _) in xml_text(),
    ) {
        prop_assume!(!expected.is_empty());
        let (name, from) = pick.get(&expected).clone();
        let device_type = wanting(ToolKind::Racadm, &[(&name, SettingValue::Text(wanted.clone()))]);
        let applied = apply(&text, &device_type).unwrap();
        prop_assert_eq!(applied.changes.len(), usize::from(from != wanted));
        let before = bios::parse(ToolKind::Racadm, &text).unwrap();
        let after = bios::parse(ToolKind::Racadm, &applied.text).unwrap();
        let mut should = values(&before);
        for (setting, value) in &mut should {
            if *setting == format!("BIOS.Setup.1-1/{name}") {
                *value = SettingValue::Text(wanted.clone());
            }
        }
        prop_assert_eq!(values(&after), should);
        // Outside of one place the bytes are the same.
        let same_start = text.bytes().zip(applied.text.bytes()).take_while(|(a, b)| a == b).count();
        let at = text.find(&format!("\"{name}\"")).or(text.find(&format!("'{name}'"))).unwrap();
        prop_assert!(same_start >= at);
        prop_assert!(applied.text.ends_with("</Component></SystemConfiguration>\n<!-- end -->"));
    }

    #[test]
    fn json_values_of_any_text_survive(value in "\\PC{0,12}", wanted in "\\PC{0,12}") {
        let text = format!(
            "[ {{\"Bios.v1_0_0\":{{\"/x\" : {{\"Attributes\": {{ \"B\":1 ,\t\"A\" :{} }} }} }} }} ]\n",
            serde_json::Value::from(value.as_str())
        );
        let keep = wanting(ToolKind::Ilorest, &[("A", SettingValue::Text(value.clone()))]);
        prop_assert_eq!(apply(&text, &keep).unwrap().text, text.clone());
        let change = wanting(ToolKind::Ilorest, &[("A", SettingValue::Text(wanted.clone()))]);
        let applied = apply(&text, &change).unwrap();
        let read = bios::parse(ToolKind::Ilorest, &applied.text).unwrap();
        prop_assert_eq!(&read.settings[1].value, &SettingValue::Text(wanted));
        prop_assert_eq!(&read.settings[0].value, &SettingValue::Int(1));
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,60}", tool in 0..4usize) {
        let tools = [ToolKind::Racadm, ToolKind::Conrep, ToolKind::Ilorest, ToolKind::Sum];
        let _ = bios::parse(tools[tool], &text);
    }
}
