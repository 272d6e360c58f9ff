//! What the lab serves, as `/describe/` tells clients that build themselves from it.

use serde_json::{Value, json};

use super::request::Request;

/// One handler: a class of MAAS and its place.
pub(super) struct Handler {
    name: &'static str,
    /// Below `/MAAS/api/2.0/`; `{…}` stands for one segment.
    path: &'static [&'static str],
    /// Method and operation; without an operation it is create, read, update or delete.
    actions: &'static [(&'static str, Option<&'static str>)],
    /// Whether it answers without an API key.
    public: bool,
}

const fn handler_of(
    name: &'static str,
    path: &'static [&'static str],
    actions: &'static [(&'static str, Option<&'static str>)],
) -> Handler {
    Handler { name, path, actions, public: false }
}

const HANDLERS: &[Handler] = &[
    handler_of("EventsHandler", &["events"], &[("GET", Some("query"))]),
    handler_of(
        "MachineHandler",
        &["machines", "{system_id}"],
        &[
            ("GET", None),
            ("PUT", None),
            ("GET", Some("query_power_state")),
            ("POST", Some("abort")),
            ("POST", Some("commission")),
            ("POST", Some("power_off")),
            ("POST", Some("power_on")),
            ("POST", Some("release")),
        ],
    ),
    handler_of("MachinesHandler", &["machines"], &[("GET", None)]),
    handler_of("ResourcePoolHandler", &["resourcepool", "{id}"], &[("GET", None)]),
    handler_of("ResourcePoolsHandler", &["resourcepools"], &[("GET", None), ("POST", None)]),
    handler_of(
        "TagHandler",
        &["tags", "{name}"],
        &[
            ("GET", None),
            ("DELETE", None),
            ("GET", Some("machines")),
            ("GET", Some("nodes")),
            ("POST", Some("update_nodes")),
        ],
    ),
    handler_of("TagsHandler", &["tags"], &[("GET", None), ("POST", None)]),
    handler_of("UserHandler", &["users", "{username}"], &[("GET", None)]),
    handler_of("UsersHandler", &["users"], &[("GET", None), ("GET", Some("whoami"))]),
    Handler { public: true, ..handler_of("VersionHandler", &["version"], &[("GET", None)]) },
    handler_of("ZoneHandler", &["zones", "{name}"], &[("GET", None)]),
    handler_of("ZonesHandler", &["zones"], &[("GET", None), ("POST", None)]),
];

/// The handler of a path.
pub(super) fn handler(path: &[&str]) -> Option<&'static Handler> {
    HANDLERS.iter().find(|handler| {
        handler.path.len() == path.len()
            && handler.path.iter().zip(path).all(|(own, is)| own.starts_with('{') || own == is)
    })
}

/// Whether a request needs no API key.
pub(super) fn is_public(request: &Request) -> bool {
    let path: Vec<_> = request.segments.iter().map(String::as_str).collect();
    path == ["describe"] || handler(&path).is_some_and(|handler| handler.public)
}

impl Handler {
    fn describe(&self, port: u16) -> Value {
        let path = format!("/MAAS/api/2.0/{}/", self.path.join("/"));
        let params = self.path.iter().filter_map(|part| part.strip_prefix('{'));
        let params: Vec<_> = params.map(|part| part.trim_end_matches('}')).collect();
        let actions = self.actions.iter().map(|&(method, op)| {
            json!({
                "method": method,
                "name": op.unwrap_or_else(|| crud(method)),
                "op": op,
                "restful": op.is_none(),
                "doc": "",
            })
        });
        json!({
            "name": self.name,
            "doc": "",
            "path": path,
            "params": params,
            "uri": format!("http://127.0.0.1:{port}{path}"),
            "actions": actions.collect::<Vec<_>>(),
        })
    }
}

fn crud(method: &str) -> &'static str {
    match method {
        "POST" => "create",
        "PUT" => "update",
        "DELETE" => "delete",
        _ => "read",
    }
}

/// The whole description.
pub(super) fn description(port: u16) -> Value {
    let handlers: Vec<_> = HANDLERS.iter().map(|handler| handler.describe(port)).collect();
    let resources = HANDLERS.iter().map(|handler| {
        let described = handler.describe(port);
        let (anon, auth) =
            if handler.public { (described, Value::Null) } else { (Value::Null, described) };
        json!({ "name": handler.name, "anon": anon, "auth": auth })
    });
    json!({
        "doc": "MAAS API",
        "resources": resources.collect::<Vec<_>>(),
        "handlers": handlers,
    })
}

#[cfg(test)]
mod tests {
    use rackwright_engine::model::Timestamp;

    use super::*;
    use crate::{
        Clock, Rack,
        maas::{change::change, look::look},
    };

    #[test]
    fn what_is_described_is_served() {
        let mut rack = Rack::generate(1, 1);
        let id = rack.machines[0].system_id.clone();
        for handler in HANDLERS {
            for &(method, op) in handler.actions {
                let path = handler.path.join("/").replace("{system_id}", &id);
                rack.region.tags.insert("{name}".to_owned(), crate::Tag::default());
                let op = op.map(|op| format!("op={op}")).unwrap_or_default();
                let path = format!("/MAAS/api/2.0/{path}/");
                let request = Request::new(method, &path, &op, Vec::new()).unwrap();
                let now = Timestamp::from_micros(0);
                let reply = match method {
                    "GET" => look(&rack, now, &request),
                    _ => change(&mut rack, now, Clock::new(1.0), &request),
                };
                let body = &reply.body;
                assert!(!body.contains("Unrecognised") && !body.contains("<h1>"), "{request:?}");
            }
        }
    }
}
