//! The example does what it says.

use assert_cmd::Command;

#[test]
fn it_places_drains_and_takes_over() {
    let example = assert_cmd::cargo::cargo_bin!("rackwright-example-several-nodes");
    let told = "placed: \"two, then three\"\n\
                drained: one has 0 runs\n\
                handed over: completed\n\
                taken over: completed\n";
    Command::new(example).assert().success().stdout(told);
}
