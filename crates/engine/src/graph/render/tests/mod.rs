//! Pictures of a workflow with everything in it.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::{Format, render};
use crate::model::Workflow;

pub(super) fn workflow(value: Value) -> Workflow {
    serde_json::from_value(value).unwrap_or_else(|error| panic!("{error}"))
}

/// Seven steps, with a map, a decision and a cleanup.
fn patch_host() -> Workflow {
    workflow(json!({
        "workflow": "patch-host",
        "description": "Evacuate a host, bring its firmware to the baseline, return it.",
        "steps": [
            {"id": "preflight", "uses": "redfish.preflight"},
            {"id": "evacuate", "when": "{{ input.host }}", "uses": "vsphere.enter_maintenance",
             "cleanup": {"policy": "always", "uses": "vsphere.exit_maintenance"}},
            {"id": "flash", "map": {"over": "{{ input.updates }}", "as": "update", "max_concurrency": 1},
             "steps": [
                {"id": "stage", "uses": "redfish.upload"},
                {"id": "apply", "uses": "redfish.update_firmware"},
            ]},
            {"id": "restart", "decision": [
                {"when": {"field": "$.steps.flash.output[*].reboot", "operator": "contains", "value": true},
                 "steps": [{"id": "reboot", "uses": "redfish.reset"}]},
                {"when": "input.skip", "next": "report"},
                {"otherwise": []},
            ]},
            {"id": "verify", "workflow": "verify-host"},
            {"id": "report", "set": {"versions": "{{ steps.flash.output }}"}},
            {"id": "notify", "map": {"over": "{{ input.teams }}"}, "workflow": "tell"},
        ],
    }))
}

#[test]
fn dot() {
    insta::assert_snapshot!(render(&patch_host(), Format::Dot));
}

#[test]
fn mermaid() {
    insta::assert_snapshot!(render(&patch_host(), Format::Mermaid));
}

#[test]
fn a_roll_out_tells_its_waves() {
    let flow = workflow(json!({"workflow": "waves", "steps": [
        {"id": "hosts", "rollout": {"over": "{{ input.hosts }}", "as": "host", "canary": 1,
          "wave": "25%", "max_unavailable": 2, "soak": "10m", "max_failures": 3},
         "steps": [{"id": "update", "uses": "x.y"}], "gate": [{"id": "check", "uses": "x.y"}]},
        {"id": "race", "parallel": {"a": {"steps": []}, "b": {"steps": []}}, "wait_for": "any"},
    ]}));
    insta::assert_snapshot!(render(&flow, Format::Mermaid));
}

/// Lists inside of lists, `needs`, jumps, and texts that every language has to escape.
fn nested() -> Workflow {
    workflow(json!({
        "workflow": "a <b> & \"c\"",
        "steps": [
            {"id": "a", "needs": [], "uses": "x.y"},
            {"id": "b", "needs": [], "uses": "x.y", "when": "input.s == '<&\"\\\\{}[]|' and input.long_name_of_a_thing > 3 and more"},
            {"id": "both", "needs": ["a", "b"], "parallel": {
                "left \"<": {"steps": [
                    {"id": "in", "map": {"over": [1, 2], "as": "n"}, "steps": [
                        {"id": "deep", "map": {"over": "{{ n }}"}, "steps": [{"id": "x", "uses": "x.y"}]}]}]},
                "right": {"steps": []},
            }},
            {"id": "after", "needs": ["both"], "steps": [
                {"id": "d", "decision": [
                    {"when": {"not": {"field": "$.input.x", "operator": "exists"}}, "next": "end"},
                    {"when": {"all": [true, {"any": ["input.a", "input.b"]}]}, "next": "z"},
                ]},
                {"id": "y", "uses": "x.y", "next": "end"},
                {"id": "z", "uses": "x.y", "cleanup": {"uses": "x.z", "policy": "on_failure"}},
            ]},
            {"id": "alone", "needs": [], "set": 1},
        ],
    }))
}

#[test]
fn nested_dot() {
    insta::assert_snapshot!(render(&nested(), Format::Dot));
}

#[test]
fn nested_mermaid() {
    insta::assert_snapshot!(render(&nested(), Format::Mermaid));
}

/// A number in an attribute of an element.
fn number(element: &str, attribute: &str) -> f64 {
    let start = element.find(&format!(" {attribute}=\"")).unwrap() + attribute.len() + 3;
    let rest = &element[start..];
    rest[..rest.find('"').unwrap()].parse().unwrap()
}

#[rstest]
#[case::seven_steps(patch_host())]
#[case::nested(nested())]
fn everything_lies_inside_of_the_picture(#[case] workflow: Workflow) {
    let svg = render(&workflow, Format::Svg);
    let start = svg.find("viewBox=\"").unwrap() + 9;
    let view = &svg[start..start + svg[start..].find('"').unwrap()];
    let view: Vec<f64> = view.split(' ').map(|number| number.parse().unwrap()).collect();
    let [left, top, width, height] = view[..] else { panic!("{view:?}") };
    for line in svg.lines().filter(|line| line.starts_with("<rect")) {
        let (x, y) = (number(line, "x"), number(line, "y"));
        assert!(x >= left - 0.1 && x + number(line, "width") <= left + width + 0.1, "{line}");
        assert!(y >= top - 0.1 && y + number(line, "height") <= top + height + 0.1, "{line}");
    }
    for line in svg.lines().filter(|line| line.starts_with("<path class=\"edge")) {
        let path = &line[line.find(" d=\"").unwrap() + 4..];
        let path = &path[..path.find('"').unwrap()];
        let numbers = path.split(|c: char| c.is_ascii_alphabetic() || c == ' ');
        let numbers: Vec<f64> = numbers.filter_map(|number| number.parse().ok()).collect();
        assert!(numbers.len() >= 4, "{line}");
        for point in numbers.chunks(2) {
            assert!(point[0] >= left && point[0] <= left + width, "{line}");
            assert!(point[1] >= top && point[1] <= top + height, "{line}");
        }
    }
}

#[test]
fn nodes_do_not_overlap() {
    let svg = render(&patch_host(), Format::Svg);
    let boxes: Vec<_> = svg
        .lines()
        .filter(|line| {
            line.starts_with("<rect class=\"node task")
                || line.starts_with("<rect class=\"node cleanup")
        })
        .map(|line| {
            [number(line, "x"), number(line, "y"), number(line, "width"), number(line, "height")]
        })
        .collect();
    assert_eq!(boxes.len(), 6);
    for (index, a) in boxes.iter().enumerate() {
        for b in &boxes[index + 1..] {
            let apart = a[0] + a[2] <= b[0]
                || b[0] + b[2] <= a[0]
                || a[1] + a[3] <= b[1]
                || b[1] + b[3] <= a[1];
            assert!(apart, "{a:?} {b:?}");
        }
    }
}

#[test]
fn texts_are_escaped() {
    let svg = render(&nested(), Format::Svg);
    assert!(svg.contains("<title>a &lt;b&gt; &amp; &quot;c&quot;</title>"), "{svg}");
    // Whatever stands between tags holds none of the signs of tags.
    for line in svg.lines().filter(|line| line.starts_with("<text")) {
        let inner = line.replace("<title>", "").replace("</title>", "").replace("</text>", "");
        let text = &inner[inner.find('>').unwrap() + 1..];
        assert!(!text.contains(['<', '>', '"']), "{line}");
    }
}

#[test]
fn large_workflows_are_drawn_in_time() {
    let steps: Vec<_> = (0..150).map(|n| json!({"id": format!("s{n}"), "uses": "x.y"})).collect();
    let workflow = workflow(json!({"workflow": "long", "steps": steps}));
    let start = std::time::Instant::now();
    assert!(render(&workflow, Format::Svg).matches("<rect class=\"node").count() == 150);
    assert!(start.elapsed() < std::time::Duration::from_secs(30), "{:?}", start.elapsed());
}

#[test]
fn formats_have_names() {
    for format in Format::ALL {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    assert!("png".parse::<Format>().unwrap_err().contains("svg, dot or mermaid"));
}

/// Lists of steps, nested up to three deep, in any kind and with any jumps.
fn steps() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"uses": "x.y"})),
        Just(json!({"uses": "x.y", "next": "end"})),
        Just(json!({"uses": "x.y", "next": "s3", "cleanup": {"uses": "x.z"}})),
        Just(json!({"uses": "x.y", "needs": ["s0"]})),
        Just(json!({"uses": "x.y", "needs": ["s4", "s1"]})),
        Just(json!({"set": 1, "needs": []})),
        Just(json!({"workflow": "w"})),
        Just(json!({"map": {"over": []}, "workflow": "w"})),
        Just(json!({"decision": []})),
        Just(json!({"decision": [{"when": "a", "next": "s2"}, {"otherwise": {"next": "end"}}]})),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..5).prop_map(numbered);
        prop_oneof![
            list().prop_map(|steps| json!({ "steps": steps })),
            list().prop_map(|steps| json!({"map": {"over": []}, "steps": steps})),
            (list(), list())
                .prop_map(|(a, b)| json!({"parallel": {"a": {"steps": a}, "b": {"steps": b}}})),
            (list(), list()).prop_map(
                |(a, b)| json!({"decision": [{"when": "x", "steps": a}, {"otherwise": b}]})
            ),
        ]
    })
}

fn numbered(mut steps: Vec<Value>) -> Value {
    for (index, step) in steps.iter_mut().enumerate() {
        step["id"] = json!(format!("s{index}"));
    }
    Value::Array(steps)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn anything_is_drawn_and_always_the_same(list in prop::collection::vec(steps(), 0..6)) {
        let workflow = workflow(json!({"workflow": "random", "steps": numbered(list)}));
        for format in Format::ALL {
            let first = render(&workflow, format);
            prop_assert!(!first.contains("NaN") && !first.contains("inf"), "{}", first);
            prop_assert_eq!(first, render(&workflow, format));
        }
    }
}

#[test]
#[ignore = "writes the pictures into the directory RENDER_DUMP, to be looked at"]
fn pictures_to_look_at() {
    let directory = std::env::var("RENDER_DUMP").expect("RENDER_DUMP names a directory");
    for (name, workflow) in [("seven", patch_host()), ("nested", nested())] {
        for format in Format::ALL {
            let path = format!("{directory}/{name}.{format}");
            std::fs::write(path, render(&workflow, format)).unwrap();
        }
    }
}
