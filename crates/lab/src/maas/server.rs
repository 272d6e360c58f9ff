//! From a connection to the handlers and back.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, State},
    http::{Request as HttpRequest, Response, header},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    auth::{self, Nonces},
    change::change,
    describe, form,
    listener::{BreakableListener, Breaker},
    look::look,
    reply::Reply,
    request::Request,
};
use crate::{FaultKind, LabState, Service};

/// The largest body that is read.
const BODY: usize = 1 << 20;
/// How long a shutdown waits for answers that are under way.
const PATIENCE: Duration = Duration::from_secs(2);
/// What `Retry-After` says (MAAS `RETRY_AFTER_SERVICE_UNAVAILABLE`), in simulated time.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// How late an answer is where MAAS is slow, in simulated time.
const SLOW: Duration = Duration::from_secs(20);

struct Server {
    state: LabState,
    nonces: Nonces,
}

/// Serves the MAAS API until `stop`.
pub(crate) async fn serve(state: LabState, listener: TcpListener, stop: CancellationToken) {
    let server = Arc::new(Server { state, nonces: Nonces::default() });
    let app = Router::new().fallback(handle).with_state(server);
    let app = app.into_make_service_with_connect_info::<Breaker>();
    let serving = axum::serve(BreakableListener(listener), app)
        .with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::select! {
        result = serving => if let Err(error) = result {
            tracing::error!(%error, "the lab's MAAS API ended");
        },
        () = async { stop.cancelled().await; tokio::time::sleep(PATIENCE).await } => {}
    }
}

async fn handle(
    State(server): State<Arc<Server>>,
    ConnectInfo(breaker): ConnectInfo<Breaker>,
    request: HttpRequest<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let head = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let Ok(body) = to_bytes(body, BODY).await else {
        return respond(&Reply::text(413, "Request Entity Too Large"));
    };
    let form = form::fields(head(header::CONTENT_TYPE).unwrap_or_default(), &body);
    let (form, broken) = match form {
        Ok(form) => (form, None),
        Err(why) => (Vec::new(), Some(Reply::text(400, why))),
    };
    let uri = &parts.uri;
    let query = uri.query().unwrap_or_default();
    let Some(request) = Request::new(parts.method.as_str(), uri.path(), query, form) else {
        return respond(&Reply::no_page());
    };
    let machine = server.machine(&request);
    let answer = match broken {
        Some(reply) => Answer::Reply(reply),
        None => server.answer(&request, machine, head(header::AUTHORIZATION)).await,
    };
    let status = match &answer {
        Answer::Reply(reply) => Some(u32::from(reply.status)),
        Answer::Lost => None,
    };
    let name = machine.map(|index| server.state.read(|r, _| r.machines[index].hostname.clone()));
    let recorded = server.state.record(
        Service::Maas,
        name.as_deref(),
        request.line(),
        request.form_line(),
        status,
    );
    match (answer, recorded) {
        (Answer::Reply(reply), Ok(())) => respond(&reply),
        (Answer::Lost, Ok(())) => {
            breaker.break_off();
            respond(&Reply::text(500, ""))
        }
        (_, Err(error)) => respond(&Reply::text(500, format!("the lab can't write: {error}"))),
    }
}

/// What becomes of a request.
enum Answer {
    Reply(Reply),
    /// The connection dies instead.
    Lost,
}

impl Server {
    /// The machine that the path names.
    fn machine(&self, request: &Request) -> Option<usize> {
        match request.segments.as_slice() {
            [kind, id] if kind == "machines" => self
                .state
                .read(|rack, _| rack.machines.iter().position(|machine| machine.system_id == *id)),
            _ => None,
        }
    }

    async fn answer(
        &self,
        request: &Request,
        machine: Option<usize>,
        authorization: Option<&str>,
    ) -> Answer {
        let clock = self.state.clock();
        if request.slash_missing() {
            let to = format!("{}/", request.path);
            return Answer::Reply(Reply::text(301, "").header("location", to));
        }
        if !describe::is_public(request) {
            let key = self.state.read(|rack, _| rack.secrets.maas_api_key.clone());
            let checked = auth::check(authorization, &key, clock.now(), &self.nonces);
            if let Err(reply) = checked {
                return Answer::Reply(reply);
            }
        }
        if let Some(machine) = machine {
            if self.state.read(|rack, _| rack.has_fault(FaultKind::MaasSlow, machine)) {
                clock.sleep(SLOW).await;
            }
            if let Some(trouble) = self.trouble(request, machine) {
                return trouble;
            }
        }
        if request.method == "GET" {
            return Answer::Reply(self.state.read(|rack, now| look(rack, now, request)));
        }
        let changed = self.state.update(|rack, now| {
            let reply = change(rack, now, clock, request);
            let lost = reply.status == 200
                && request.op.as_deref() == Some("commission")
                && machine.is_some_and(|m| rack.strikes(FaultKind::CommissionAnswerLost, m));
            if lost { Answer::Lost } else { Answer::Reply(reply) }
        });
        changed.unwrap_or_else(|error| {
            Answer::Reply(Reply::text(500, format!("the lab can't write: {error}")))
        })
    }

    /// What a fault makes of a request before it is looked at.
    fn trouble(&self, request: &Request, machine: usize) -> Option<Answer> {
        let strikes = |kind| {
            self.state.read(|rack, _| rack.has_fault(kind, machine))
                && self.state.update(|rack, _| rack.strikes(kind, machine)).unwrap_or(false)
        };
        if strikes(FaultKind::Maas503) {
            // MAAS without a free connection to its rack controllers.
            let text = "Unable to connect to any rack controller; no connections available.";
            let after = self.state.clock().real(RETRY_AFTER).as_secs().max(1);
            return Some(Answer::Reply(
                Reply::text(503, text).header("retry-after", after.to_string()),
            ));
        }
        let drops = request.method == "GET" && strikes(FaultKind::MaasDrops);
        drops.then_some(Answer::Lost)
    }
}

fn respond(reply: &Reply) -> Response<Body> {
    let mut response = Response::builder()
        .status(reply.status)
        .header(header::CONTENT_TYPE, reply.content_type)
        .header(header::VARY, "Authorization, Cookie");
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    // Our own statuses and headers are valid; a path that is not a header value is the client's.
    response.body(Body::from(reply.body.clone())).unwrap_or_else(|_| Response::new(Body::empty()))
}
