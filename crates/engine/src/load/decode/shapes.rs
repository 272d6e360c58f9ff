//! Which fields stand where, and what to say of those that don't.

/// The fields of an object of the format.
pub(super) struct Shape {
    /// What it is called: `a step`.
    pub(super) what: &'static str,
    /// What may stand in it.
    pub(super) fields: &'static [&'static str],
    /// Fields of the format that this version does not run.
    pub(super) later: &'static [&'static str],
    /// What people write instead, and what to tell them.
    pub(super) hints: &'static [(&'static str, &'static str)],
}

/// Fields that make a step what it is.
pub(super) const KINDS: [&str; 12] = [
    "uses", "map", "rollout", "repeat", "workflow", "parallel", "decision", "set", "wait",
    "signal", "approval", "steps",
];

pub(super) const WORKFLOW: Shape = Shape {
    what: "a workflow",
    fields: &[
        "workflow",
        "steps",
        "description",
        "input",
        "defaults",
        "timeout",
        "window",
        "locks",
        "limits",
        "concurrency",
        "queue_timeout",
        "priority",
        "retention",
        "node",
        "finally",
        "output",
    ],
    later: &["undo"],
    hints: &[
        ("name", "the name of a workflow is the value of `workflow`"),
        ("id", "the name of a workflow is the value of `workflow`"),
        ("inputs", "`input` holds a JSON Schema"),
        ("params", "`input` holds a JSON Schema"),
        ("tasks", "steps stand under `steps`"),
        ("jobs", "steps stand under `steps`"),
        ("retry", "policies for all steps stand under `defaults`"),
        ("outputs", "the field is called `output`"),
    ],
};

pub(super) const LIMIT: Shape = Shape {
    what: "a limit",
    fields: &["name", "max", "key"],
    later: &[],
    hints: &[("limit", "the number of slots is called `max`")],
};

pub(super) const CONCURRENCY: Shape = Shape {
    what: "`concurrency`",
    fields: &["max", "key"],
    later: &[],
    hints: &[("limit", "the number of runs is called `max`"), ("group", "use `key`")],
};

pub(super) const RETENTION: Shape = Shape {
    what: "`retention`",
    fields: &["age", "count"],
    later: &[],
    hints: &[
        ("days", "write `age: 90d`"),
        ("max", "the number of runs is called `count`"),
        ("runs", "the number of runs is called `count`"),
    ],
};

pub(super) const DEFAULTS: Shape =
    Shape { what: "`defaults`", fields: &["timeout", "retry"], later: &[], hints: &[] };

pub(super) const STEP: Shape = Shape {
    what: "a step",
    fields: &[
        "id",
        "uses",
        "with",
        "description",
        "when",
        "needs",
        "window",
        "map",
        "rollout",
        "gate",
        "repeat",
        "workflow",
        "parallel",
        "wait_for",
        "decision",
        "set",
        "wait",
        "signal",
        "approval",
        "steps",
        "output",
        "retry",
        "timeout",
        "locks",
        "limits",
        "pool",
        "on_error",
        "cleanup",
        "undo",
        "next",
    ],
    later: &[],
    hints: &[
        ("name", "a step is named by `id`; text for people goes under `description`"),
        ("if", "the condition of a step is called `when`"),
        ("depends_on", "what a step waits for is called `needs`"),
        ("action", "the executor is named by `uses`"),
        ("executor", "the executor is named by `uses`"),
        ("module", "the executor is named by `uses`"),
        ("args", "the input of an executor stands under `with`"),
        ("input", "the input of an executor stands under `with`"),
        ("params", "the input of an executor stands under `with`"),
        ("foreach", "use `map: { over: … }` with `steps:` beside it"),
        ("loop", "use `map: { over: … }` or `repeat: { until: … }` with `steps:` beside it"),
        ("while", "use `repeat: { until: … }` with `steps:` beside it"),
        ("sleep", "use `wait: { for: … }`"),
        ("delay", "use `wait: { for: … }`; the pauses of `retry` and `repeat` stand in those"),
        ("until", "`until` stands in `repeat` or in `wait`"),
        ("max_iterations", "`max_iterations` stands in `repeat`"),
        ("retries", "use `retry: { max_attempts: 3 }`"),
        ("switch", "use `decision:`"),
        ("continue_on_error", "use `on_error: continue`"),
        ("ignore_errors", "use `on_error: continue`"),
        ("version", "the version is pinned when the file is loaded; it is never written"),
        ("over", "`over` stands in `map`"),
        ("max_concurrency", "`max_concurrency` stands in `map`"),
        ("otherwise", "`otherwise` stands in the list of `decision`"),
    ],
};

pub(super) const MAP: Shape = Shape {
    what: "`map`",
    fields: &["over", "as", "max_concurrency", "on_error", "max_failures"],
    later: &[],
    hints: &[
        ("steps", "`steps` stands beside `map`, not in it"),
        ("workflow", "`workflow` stands beside `map`, not in it"),
        ("with", "`with` stands beside `map`, not in it"),
        ("output", "`output` stands beside `map`, not in it"),
        ("in", "the list is called `over`"),
        ("items", "the list is called `over`"),
        ("concurrency", "use `max_concurrency`"),
        ("parallel", "use `max_concurrency`"),
    ],
};

pub(super) const ROLLOUT: Shape = Shape {
    what: "`rollout`",
    fields: &["over", "as", "canary", "wave", "max_unavailable", "soak", "max_failures", "on_halt"],
    later: &[],
    hints: &[
        ("steps", "`steps` stands beside `rollout`, not in it"),
        ("workflow", "`workflow` stands beside `rollout`, not in it"),
        ("with", "`with` stands beside `rollout`, not in it"),
        ("output", "`output` stands beside `rollout`, not in it"),
        ("gate", "`gate` stands beside `rollout`, not in it"),
        ("max_concurrency", "use `max_unavailable`"),
        ("on_error", "how many items may fail is said by `max_failures`"),
        ("waves", "use `wave`, the number of items in each"),
        ("pause", "use `soak`"),
        ("items", "the list is called `over`"),
    ],
};

pub(super) const REPEAT: Shape = Shape {
    what: "`repeat`",
    fields: &["until", "delay", "max_iterations"],
    later: &[],
    hints: &[
        ("steps", "`steps` stands beside `repeat`, not in it"),
        ("output", "`output` stands beside `repeat`, not in it"),
        ("timeout", "`timeout` stands beside `repeat`, not in it"),
        ("while", "use `until` with the opposite: `until: not …`"),
        ("when", "the condition that ends it is called `until`"),
        ("interval", "use `delay`"),
        ("every", "use `delay`"),
        ("times", "use `max_iterations`"),
        ("max_attempts", "use `max_iterations`"),
    ],
};

pub(super) const WAIT: Shape = Shape {
    what: "`wait`",
    fields: &["for", "until", "window", "needs"],
    later: &[],
    hints: &[
        ("duration", "use `for`"),
        ("seconds", "use `for`, such as `for: 30s`"),
        ("at", "use `until`"),
    ],
};

pub(super) const SIGNAL: Shape = Shape {
    what: "`signal`",
    fields: &["name", "schema"],
    later: &[],
    hints: &[
        ("timeout", "`timeout` stands beside `signal`, not in it"),
        ("payload", "what may be sent is said by `schema`"),
    ],
};

pub(super) const APPROVAL: Shape = Shape {
    what: "`approval`",
    fields: &["message", "show", "approvers", "timeout", "on_timeout"],
    later: &[],
    hints: &[
        ("by", "who may answer is said by `approvers`"),
        ("who", "who may answer is said by `approvers`"),
        ("text", "the question is called `message`"),
        ("title", "the question is called `message`"),
        (
            "on_reject",
            "a rejection fails the step: `on_error: continue` beside it lets the list go on",
        ),
    ],
};

pub(super) const BRANCH: Shape =
    Shape { what: "a branch", fields: &["steps", "output"], later: &[], hints: &[] };

pub(super) const CHOICE: Shape = Shape {
    what: "a choice",
    fields: &["when", "steps", "next", "otherwise"],
    later: &[],
    hints: &[
        ("if", "the condition of a choice is called `when`"),
        ("else", "use `otherwise`"),
        ("default", "use `otherwise`"),
        ("then", "use `steps`"),
        ("goto", "use `next`"),
        ("uses", "a choice holds `steps:`, and a step in it has the `uses`"),
    ],
};

pub(super) const JUMP: Shape = Shape {
    what: "`otherwise`",
    fields: &["next"],
    later: &[],
    hints: &[("steps", "write the list itself: `otherwise: [ … ]`")],
};

pub(super) const RETRY: Shape = Shape {
    what: "`retry`",
    fields: &["max_attempts", "backoff", "delay", "max_delay", "jitter", "on"],
    later: &[],
    hints: &[
        ("count", "use `max_attempts`, which counts the first attempt too"),
        ("attempts", "use `max_attempts`, which counts the first attempt too"),
        ("max_retries", "use `max_attempts`, which counts the first attempt too"),
        ("interval", "use `delay`"),
        ("classes", "the error classes stand under `on`"),
    ],
};

pub(super) const TIMEOUT: Shape = Shape {
    what: "`timeout`",
    fields: &["attempt", "total", "heartbeat", "queue"],
    later: &[],
    hints: &[],
};

pub(super) const WINDOW: Shape = Shape {
    what: "`window`",
    fields: &["name", "needs"],
    later: &[],
    hints: &[
        ("duration", "how long the window has to stay open is called `needs`"),
        ("for", "how long the window has to stay open is called `needs`"),
        ("cron", "windows are made with `rackwright windows add`, and named here"),
        ("window", "the window is named by `name`"),
    ],
};

pub(super) const CLEANUP: Shape = Shape {
    what: "`cleanup`",
    fields: &["policy", "uses", "with", "retry", "timeout"],
    later: &[],
    hints: &[
        ("when", "when a cleanup is owed is said by `policy`"),
        ("steps", "a cleanup calls one executor: `uses` and `with`"),
    ],
};

pub(super) const UNDO: Shape = Shape {
    what: "`undo`",
    fields: &["uses", "with", "retry", "timeout"],
    later: &[],
    hints: &[
        (
            "policy",
            "an undo is owed when the step has completed and its list, or one around it, fails",
        ),
        (
            "when",
            "an undo is owed when the step has completed and its list, or one around it, fails",
        ),
        ("steps", "an undo calls one executor: `uses` and `with`"),
    ],
};

pub(super) const COMPARE: Shape = Shape {
    what: "a condition",
    fields: &["field", "operator", "value", "all", "any", "not"],
    later: &[],
    hints: &[
        ("and", "use `all`"),
        ("or", "use `any`"),
        ("path", "use `field`"),
        ("op", "use `operator`"),
        ("expression", "write the expression itself: `when: \"{{ … }}\"`"),
    ],
};
