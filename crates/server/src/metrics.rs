//! What a node counts and measures, for Prometheus to fetch.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, http::header, routing::get};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use rackwright_engine::runtime::telemetry;
use tokio::net::TcpListener;

use crate::exit::{Failure, Outcome};

/// From a commit to the longest flash. In seconds.
const SECONDS: [f64; 19] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0,
    15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0,
];
/// How many runs share a commit.
const RUNS: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0];
/// How often old samples are put together, whether anybody fetches them or not.
const UPKEEP: Duration = Duration::from_secs(5);

/// Serves `GET /metrics` at an address, from now on.
pub(crate) async fn serve(address: SocketAddr) -> Outcome<SocketAddr> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::unavailable(format!("metrics can't be served at {address}: {error}"))
            .hint("choose another address with `--metrics HOST:PORT`; port 0 is any free one")
    })?;
    let address = listener.local_addr().map_err(Failure::unavailable)?;
    let recorder = recorder().map_err(Failure::unavailable)?;
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(Failure::unavailable)?;
    telemetry::describe_metrics();
    tokio::spawn(upkeep(handle.clone()));
    let text = async move || ([(header::CONTENT_TYPE, TEXT)], handle.render());
    let router = Router::new().route("/metrics", get(text));
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "metrics are served no more");
        }
    });
    Ok(address)
}

/// The text format that Prometheus reads.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

fn recorder() -> Result<metrics_exporter_prometheus::PrometheusRecorder, BuildError> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_runs".to_owned()), &RUNS)?;
    Ok(builder.build_recorder())
}

async fn upkeep(handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        handle.run_upkeep();
    }
}
