//! The event log.

use serde_json::{Value, json};

use super::{Event, Level, look::wanted, reply::Reply, request::Request};
use crate::Rack;

const MOST: usize = 1000;
const USUAL: usize = 100;

/// `events/?op=query`: newest first; `after` pages forward, `before` backward.
pub(super) fn query(rack: &Rack, request: &Request) -> Reply {
    let number = |name: &str| {
        let text = request.queried(name).first().copied();
        let parsed = text.map(str::parse::<i64>);
        parsed.transpose().map_err(|_| Reply::invalid(name, "Please enter an integer value"))
    };
    let (after, before, limit) = match (number("after"), number("before"), number("limit")) {
        (Ok(after), Ok(before), Ok(limit)) => (after, before, limit),
        (Err(reply), _, _) | (_, Err(reply), _) | (_, _, Err(reply)) => return reply,
    };
    let limit = limit.map_or(USUAL, |limit| usize::try_from(limit).unwrap_or(1).max(1));
    if limit > MOST {
        let text = format!("Requested number of events {limit} is greater than limit: {MOST}");
        return Reply::text(400, text);
    }
    let name = request.queried("level").first().copied().unwrap_or("INFO");
    let level = match name {
        "DEBUG" => Some(Level::Debug),
        "INFO" => Some(Level::Info),
        "WARNING" => Some(Level::Warning),
        "ERROR" => Some(Level::Error),
        // Nothing in the lab is logged at these.
        "CRITICAL" | "AUDIT" => None,
        other => return Reply::text(400, format!("Unrecognised log level: {other}")),
    };
    let asked = |event: &&Event| {
        level.is_some_and(|level| event.level >= level)
            && rack.machines.iter().any(|m| m.hostname == event.machine && wanted(m, request))
    };
    let events = rack.region.events.iter().filter(asked);
    let mut page: Vec<_> = match (after, before) {
        (Some(_), Some(_)) => {
            let text = "There is undetermined behaviour when both `after` and `before` are \
                        specified.";
            return Reply::text(400, text);
        }
        (Some(after), None) => events.filter(|event| id(event) > after).take(limit).collect(),
        (None, before) => {
            let older = events.filter(|event| before.is_none_or(|before| id(event) < before));
            let older: Vec<_> = older.collect();
            older[older.len().saturating_sub(limit)..].to_vec()
        }
    };
    page.reverse();
    Reply::json(&document(rack, request, &page, limit, (after, before)))
}

fn document(
    rack: &Rack,
    request: &Request,
    page: &[&Event],
    limit: usize,
    (after, before): (Option<i64>, Option<i64>),
) -> Value {
    let uri = |bound: Option<(&str, i64)>| {
        let dropped = |key: &str| matches!(key, "op" | "after" | "before" | "limit");
        let kept = request.query.iter().filter(|(key, _)| !dropped(key));
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("op", "query").extend_pairs(kept);
        query.append_pair("limit", &limit.to_string());
        query.extend_pairs(bound.map(|(name, id)| (name, id.to_string())));
        format!("/MAAS/api/2.0/events/?{}", query.finish())
    };
    let newer = match page.first() {
        Some(newest) => Some(("after", id(newest))),
        None => before.map(|before| ("after", before.saturating_sub(1))),
    };
    let older = match page.last() {
        Some(oldest) => Some(("before", id(oldest))),
        None => after.map(|after| ("before", after.saturating_add(1))),
    };
    let shown: Vec<_> = page.iter().map(|event| show(rack, event)).collect();
    json!({
        "count": page.len(),
        "events": shown,
        "next_uri": uri(newer),
        "prev_uri": older.map(|older| uri(Some(older))),
    })
}

fn id(event: &Event) -> i64 {
    i64::try_from(event.id).unwrap_or(i64::MAX)
}

fn show(rack: &Rack, event: &Event) -> Value {
    let created = event.at.to_utc().map(|at| at.format("%a, %d %b. %Y %H:%M:%S").to_string());
    let node = rack.find(&event.machine).map(|index| rack.machines[index].system_id.as_str());
    json!({
        "username": "unknown",
        "node": node,
        "hostname": event.machine,
        "id": event.id,
        "level": event.level.as_str(),
        "created": created,
        "type": event.kind,
        "description": event.text,
    })
}
