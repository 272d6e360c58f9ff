//! Runs that need no machine, and what can be seen of them afterwards.

use crate::support::{SUM, Sandbox, has, objects, stderr, stdout};

/// Ids and times differ from run to run.
fn steady(text: &str) -> String {
    let words = text.split_inclusive(' ').map(|word| {
        let bare = word.trim();
        let id = bare.len() == 36 && bare.matches('-').count() == 4;
        let time = bare.ends_with("ms") && bare[..bare.len() - 2].parse::<u32>().is_ok();
        match (id, time) {
            (true, _) => word.replace(bare, "RUN"),
            (_, true) => word.replace(bare, "TIME"),
            (false, false) => word.to_owned(),
        }
    });
    let text: String = words.collect();
    let lines = text.lines().map(|line| {
        let line = line.trim_end();
        // A time at the end of a line stands right-aligned.
        let end = line.rsplit(' ').next().unwrap_or_default();
        let timed = end.strip_suffix("ms").is_some_and(|it| it.parse::<u32>().is_ok());
        let kept = if timed || end == "TIME" { &line[..line.len() - end.len()] } else { line };
        kept.trim().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_run_in_a_pipe_tells_one_event_a_line() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("sum.yaml", SUM);
    let told = stdout(&sandbox.rackwright(&["run", &file, "-i", "left=40"]).code(0));
    assert!(!told.contains('\u{1b}'), "{told}");
    let id = told.lines().next().unwrap().split(' ').find(|it| it.len() == 36).unwrap().to_owned();
    insta::assert_snapshot!(steady(&told.replace(&id, "RUN")));
}

#[test]
fn runs_are_listed_shown_and_found() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("sum.yaml", SUM);
    has(&stderr(&sandbox.rackwright(&["runs", "list"]).code(0)), &["there are no such runs"]);
    for left in ["left=1", "left=2"] {
        sandbox.rackwright(&["run", &file, "-i", left]).code(0);
    }
    let list = stdout(&sandbox.rackwright(&["runs", "list"]).code(0));
    assert_eq!(list.lines().count(), 3, "{list}");
    has(&list, &["RUN", "STATUS", "sum", "completed"]);
    let one =
        ["runs", "list", "--limit", "1", "--status", "completed", "--workflow", "sum", "--json"];
    let newest = objects(&sandbox.rackwright(&one).code(0)).remove(0);
    let none =
        objects(&sandbox.rackwright(&["runs", "list", "--status", "failed", "--json"]).code(0));
    assert_eq!(none.len(), 0);
    let id = newest["id"].as_str().unwrap();
    for name in ["last", id] {
        let shown = stdout(&sandbox.rackwright(&["runs", "show", name]).code(0));
        has(
            &shown,
            &[id, "workflow  sum", "status    completed", "\"left\": 2", "✔ both", "– never"],
        );
        has(&shown, &["output:\n  4"]);
    }
    let told = sandbox.rackwright(&["runs", "show", &id[..4]]).code(2);
    has(&stderr(&told), &["several runs begin with"]);
    let told = sandbox.rackwright(&["runs", "show", "ffff"]).code(2);
    has(&stderr(&told), &["there is no run `ffff`"]);
    let journal = stdout(&sandbox.rackwright(&["runs", "journal", "last"]).code(0));
    has(&journal, &["created  {", "completed  {", "ended  {"]);
    let rows = objects(&sandbox.rackwright(&["runs", "journal", "last", "--json"]).code(0));
    assert!(rows.iter().enumerate().all(|(place, row)| row["seq"] == place), "{rows:?}");
    let watched = stdout(&sandbox.rackwright(&["runs", "watch", "last"]).code(0));
    has(&watched, &["sum  completed", "completed"]);
    let told = sandbox.rackwright(&["runs", "cancel", "last"]).code(2);
    has(&stderr(&told), &["has ended: completed"]);
    has(&stderr(&sandbox.rackwright(&["resume"]).code(0)), &["nothing is unfinished"]);
    has(&stderr(&sandbox.rackwright(&["resume", "last"]).code(2)), &["has ended"]);
}

#[test]
fn json_is_one_object_a_line_and_the_outcome_the_last() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("sum.yaml", SUM);
    let all = objects(&sandbox.rackwright(&["run", &file, "-i", "left=40", "--json"]).code(0));
    let (outcome, events) = all.split_last().unwrap();
    assert!(events.iter().all(|it| it["type"] == "event" && it["at"].is_string()), "{events:?}");
    assert_eq!(outcome["status"], "completed");
    assert_eq!(outcome["output"], 42);
    assert_eq!(outcome["errors"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_key_gives_the_same_run_back() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("sum.yaml", SUM);
    let run = ["run", &file, "-i", "left=1", "--idempotency-key", "k", "--json"];
    let first = objects(&sandbox.rackwright(&run).code(0)).pop().unwrap();
    let again = objects(&sandbox.rackwright(&run).code(0)).pop().unwrap();
    assert_eq!(first["run"], again["run"]);
}

#[test]
fn a_failure_is_told_with_everything() {
    let sandbox = Sandbox::new();
    let text = "workflow: w\nsteps: [{ id: a, set: \"{{ 1 // input.zero }}\" }]\n";
    let file = sandbox.file("w.yaml", text);
    let told = stdout(&sandbox.rackwright(&["run", &file, "-i", "zero=0"]).code(1));
    has(&told, &["✖ a", "1 error:", "engine.expression: ", "hint:  mend the expression"]);
}

#[test]
fn what_is_too_large_is_refused_with_its_size_and_how_to_mend_it() {
    let sandbox = Sandbox::new();
    let text = "workflow: w\nsteps: [{ id: a, signal: { name: go } }]\n";
    let file = sandbox.file("w.yaml", text);
    let large = format!("text={}", "x".repeat(1100));
    let told = sandbox.rackwright(&["run", &file, "-i", &large, "--max-payload", "1KiB"]).code(2);
    let what = "the input of workflow `w` is 1111 bytes as JSON, and the limit is 1024 bytes";
    has(&stderr(&told), &[what, "keep it elsewhere", "--max-payload"]);
    sandbox.rackwright(&["run", &file, "--detach"]).code(0);
    let data = format!("\"{}\"", "x".repeat(1023));
    let signal = ["runs", "signal", "last", "go", "--data", &data, "--max-payload"];
    let told = sandbox.rackwright(&[&signal[..], &["1024"]].concat()).code(2);
    has(&stderr(&told), &["what signal `go` carries is 1025 bytes"]);
    sandbox.rackwright(&[&signal[..], &["1025"]].concat()).code(0);
    let told = sandbox.rackwright(&["runs", "list", "--max-payload", "4MB"]).code(2);
    has(&stderr(&told), &["expected a size such as 4MiB"]);
}

#[test]
fn runs_that_have_ended_go_to_a_file_and_are_read_from_it() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("sum.yaml", SUM);
    let first = objects(&sandbox.rackwright(&["run", &file, "-i", "left=1", "--json"]).code(0));
    let id = first.last().unwrap()["run"].as_str().unwrap().to_owned();
    sandbox.rackwright(&["run", &file, "-i", "left=2"]).code(0);
    let archive = sandbox.path("old.jsonl").display().to_string();
    let told = sandbox.rackwright(&["runs", "archive", &archive]).code(2);
    has(&stderr(&told), &["which runs?", "--older-than"]);
    let none = ["runs", "archive", &archive, "--older-than", "90d"];
    has(&stderr(&sandbox.rackwright(&none).code(0)), &["no runs have ended that long ago"]);
    let keep = ["runs", "archive", &archive, &id[..], "--keep"];
    has(&stdout(&sandbox.rackwright(&keep).code(0)), &["wrote 1 run to", "kept them"]);
    has(&stderr(&sandbox.rackwright(&keep).code(2)), &["is there already"]);
    let shown = |arguments: &[&str]| stdout(&sandbox.rackwright(arguments).code(0));
    let here = shown(&["runs", "show", &id]);
    assert_eq!(shown(&["runs", "show", &id, "--archive", &archive]), here);
    let all = sandbox.path("all.jsonl").display().to_string();
    let both = ["runs", "archive", &all, "--older-than", "0", "--workflow", "sum", "--json"];
    let counted = objects(&sandbox.rackwright(&both).code(0)).remove(0);
    assert_eq!((&counted["runs"], &counted["removed"]), (&2.into(), &2.into()));
    sandbox.rackwright(&["runs", "show", &id]).code(2);
    assert_eq!(shown(&["runs", "show", &id, "--archive", &all]), here);
    let list = shown(&["runs", "list", "--archive", &all]);
    assert_eq!(list.lines().count(), 3, "{list}");
    has(&shown(&["runs", "journal", "last", "--archive", &all]), &["created  {", "ended  {"]);
    let broken = sandbox.file("broken.jsonl", "{\"archive\":{\"format\":9,\"at\":0}}\n");
    let told = sandbox.rackwright(&["runs", "list", "--archive", &broken]).code(2);
    has(&stderr(&told), &["broken.jsonl: the archive: line 1: its format is 9"]);
}

#[test]
fn a_run_moves_to_another_version_of_its_file() {
    let sandbox = Sandbox::new();
    let wait = "workflow: w\nsteps:\n  - { id: a, set: 1 }\n  - { id: s, signal: { name: go } }\n";
    let old = sandbox.file("old.yaml", &format!("{wait}  - {{ id: z, set: old }}\n"));
    let new = sandbox.file("new.yaml", &format!("{wait}  - {{ id: y, set: new }}\n"));
    let bad = sandbox.file("bad.yaml", &wait.replace("set: 1", "set: 2"));
    sandbox.rackwright(&["run", &old, "--detach"]).code(0);
    let waits = || sandbox.last_run().filter(|run| run["steps"][1]["status"] != "pending");
    Sandbox::until("the wait for a signal", waits);
    let check = |to: &str| ["migrate", "last", "--to", to, "--check"].map(str::to_owned);
    let run = |words: &[String]| {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        sandbox.rackwright(&words)
    };
    has(&stdout(&run(&check(&bad)).code(2)), &["step `a` has begun, and its `set` differs"]);
    has(&stdout(&run(&check(&new)).code(0)), &["can move to version", "+ y", "- z"]);
    let told = sandbox.rackwright(&["migrate", "last", "--to", "ffff"]).code(2);
    has(&stderr(&told), &["workflow `w` has no version `ffff`", "the store has"]);
    let told = sandbox.rackwright(&["migrate", "last", "--to", &bad]).code(2);
    has(&stderr(&told), &["can't move to version", "step `a` has begun, and its `set` differs"]);
    let order = ["migrate", "last", "--to", &new, "--reason", "better"];
    has(&stdout(&sandbox.rackwright(&order).code(0)), &["is one of version"]);
    sandbox.rackwright(&["runs", "signal", "last", "go"]).code(0);
    let ended = || sandbox.last_run().filter(|run| run["record"]["status"] == "completed");
    let ended = Sandbox::until("the end", ended);
    assert_eq!(ended["outcome"]["output"], "new", "{ended}");
    let journal = stdout(&sandbox.rackwright(&["runs", "journal", "last"]).code(0));
    has(&journal, &["migrated  {", "\"by\":\"tester\"", "\"reason\":\"better\""]);
}
