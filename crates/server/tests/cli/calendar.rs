//! Windows, schedules, and the node that goes on.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
};

use crate::{
    interrupted::signal,
    support::{SUM, Sandbox, has, objects, stderr, stdout},
};

/// What a server answers to a GET.
fn fetch(url: &str) -> String {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let ask = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn windows_are_made_listed_and_removed() {
    let sandbox = Sandbox::new();
    has(&stderr(&sandbox.rackwright(&["windows", "list"]).code(0)), &["there are no windows"]);
    let weekend = [
        "windows",
        "add",
        "weekend",
        "--cron",
        "0 22 * * SAT",
        "--duration",
        "6h",
        "--time-zone",
        "Europe/Berlin",
        "--exclude",
        "2030-12-28",
        "--description",
        "for the racks",
    ];
    has(
        &stdout(&sandbox.rackwright(&weekend).code(0)),
        &["window weekend: opens next Sat", "22:00 CE"],
    );
    let rule = [
        "windows",
        "add",
        "patch-day",
        "--rrule",
        "FREQ=MONTHLY;BYDAY=2TU",
        "--start",
        "2026-01-13T22:00",
        "--duration",
        "4h",
        "--disabled",
    ];
    sandbox.rackwright(&rule).code(0);
    let list = stdout(&sandbox.rackwright(&["windows", "list"]).code(0));
    has(
        &list,
        &[
            "patch-day  FREQ=MONTHLY;BYDAY=2TU from 2026-01-13T22:00:00  UTC  for 4h",
            "switched off",
        ],
    );
    assert_eq!(
        list.matches("opens Sat ").count() + list.matches("open  Sat ").count(),
        3,
        "{list}"
    );
    let shown = stdout(&sandbox.rackwright(&["windows", "show", "weekend"]).code(0));
    has(&shown, &["for the racks", "not on 2030-12-28", "by tester"]);
    let told = objects(&sandbox.rackwright(&["windows", "list", "--json"]).code(0));
    assert_eq!(told[1]["window"]["cron"], "0 22 * * SAT");
    assert_eq!(told[1]["openings"].as_array().unwrap().len(), 3);
    sandbox.rackwright(&["windows", "remove", "weekend"]).code(0);
    has(
        &stderr(&sandbox.rackwright(&["windows", "remove", "weekend"]).code(2)),
        &["there is no window"],
    );
}

#[test]
fn wrong_calendars_are_told_how_to_mend_them() {
    let sandbox = Sandbox::new();
    let add = |more: &[&str]| {
        let whole = [&["windows", "add", "w", "--duration", "1h"], more].concat();
        stderr(&sandbox.rackwright(&whole).code(2))
    };
    has(&add(&["--cron", "0 0 22 * * SAT"]), &["6 fields", "seconds and years"]);
    has(
        &add(&["--cron", "0 22 * * *", "--time-zone", "Europe/Berlni"]),
        &["did you mean `Europe/Berlin`?"],
    );
    has(&add(&["--rrule", "FREQ=DAILY"]), &["--start"]);
    has(&add(&["--cron", "0 22 * * *", "--exclude", "24.12.2026"]), &["2026-12-24"]);
    has(&add(&[]), &["--cron", "--rrule"]);
}

#[test]
fn a_run_that_lacks_its_window_is_refused_with_a_hint() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("sum.yaml", &format!("window: weekend\n{SUM}"));
    let told = stderr(&sandbox.rackwright(&["run", &file, "-i", "left=1"]).code(2));
    has(&told, &["no maintenance window `weekend`", "rackwright windows add weekend"]);
}

#[test]
fn a_node_fires_a_schedule_and_stops_gently() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("sum.yaml", SUM);
    let refused = ["schedules", "add", "yearly", &file, "--cron", "0 0 1 1 *"];
    has(&stderr(&sandbox.rackwright(&refused).code(2)), &["left"]);
    let add = [&refused[..], &["-i", "left=40", "--overlap", "queue", "--catch-up", "3"]].concat();
    has(&stdout(&sandbox.rackwright(&add).code(0)), &["schedule yearly: next"]);
    sandbox.rackwright(&["schedules", "pause", "yearly"]).code(0);
    has(&stdout(&sandbox.rackwright(&["schedules", "list"]).code(0)), &["yearly  sum", "paused"]);
    let mut node = sandbox.spawn(&["node", "--metrics", "127.0.0.1:0"]);
    let mut said = BufReader::new(node.stdout.take().unwrap());
    let mut told = String::new();
    said.read_line(&mut told).unwrap();
    let metrics = told.trim().strip_prefix("metrics: ").unwrap().to_owned();
    sandbox.rackwright(&["schedules", "run-now", "yearly"]).code(0);
    let run = Sandbox::until("the run of the schedule", || {
        sandbox.last_run().filter(|run| run["outcome"]["status"] == "completed")
    });
    assert_eq!(run["record"]["labels"]["schedule"], "yearly");
    Sandbox::until("the schedule's note of it", || {
        let told = stdout(&sandbox.rackwright(&["schedules", "show", "yearly"]).code(0));
        told.contains("started   1 runs").then_some(())
    });
    has(
        &fetch(&metrics),
        &["rackwright_runs_ended_total{workflow=\"sum\",status=\"completed\"} 1"],
    );
    signal(&node, "TERM");
    assert!(node.wait().unwrap().success());
    said.read_to_string(&mut told).unwrap();
    has(&told, &["works: carries runs on", "(schedule yearly)", "stops:"]);
    sandbox.rackwright(&["schedules", "resume", "yearly"]).code(0);
    let shown = objects(&sandbox.rackwright(&["schedules", "list", "--json"]).code(0));
    assert_eq!(
        (&shown[0]["state"]["paused"], &shown[0]["state"]["started"]),
        (&false.into(), &1.into())
    );
    sandbox.rackwright(&["schedules", "remove", "yearly"]).code(0);
    sandbox.rackwright(&["schedules", "show", "yearly"]).code(2);
}
