//! Golden tests.
use rackwright_engine::load;
#[test]
fn probe() {
    let path = std::path::Path::new("tests/good/patch-host.yaml");
    let loaded = load::load_file(path).unwrap_or_else(|e| panic!("{e}"));
    let back: rackwright_engine::Workflow = serde_json::from_slice(&loaded.workflow.canonical()).unwrap();
    assert_eq!(back, loaded.workflow);
    println!("{}", serde_json::to_string_pretty(&load::schema()).unwrap());
    for bad in ["workflow: x\nsteps:\n  - id: a\n    uses: b\n    retires: 3\n    timeout: 30\n\tz: 1\n", "workflow: x\r\nsteps:\r\n  - id: a\r\n    uses: é.b\r\n    retires: 3\r\n    timeout: 30\r\n", "", "a: 1\na: 2\nwith: {{ x }}\n", "workflow: [1,\n 2]\nsteps: {}\noutput: 2.10"] {
        let e = load::load_str("bad.yaml", bad).unwrap_err();
        println!("{e}\n{}", e.to_json());
        println!("{}", e.coloured());
    }
}
