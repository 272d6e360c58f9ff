//! Requests to one MAAS, with one API key.

use std::{fmt::Display, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use rackwright_engine::{model::StepError, step::Credential};
use reqwest::{Method, Response, StatusCode, header};
use serde::de::DeserializeOwned;

use crate::{
    error::{RequestError, Trouble},
    key::ApiKey,
    view::{Event, Events, Machine},
};

/// How often a read is repeated, and how long the waits grow: about ten seconds in all. What
/// lasts longer is left to the step's own retry policy, which survives a restart.
const READS: usize = 5;
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The longest `Retry-After` that is waited for inside a step.
const LONGEST_ASKED: Duration = Duration::from_secs(30);

/// Fields of a form or a query.
pub(crate) type Fields<'a> = [(&'a str, String)];

/// One MAAS.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    /// Ends in `/api/2.0/`.
    base: String,
    key: ApiKey,
}

impl Client {
    pub(crate) fn new(http: reqwest::Client, credential: &Credential) -> Result<Self, StepError> {
        let base = base(credential.require("url")?)?;
        let key = ApiKey::parse(credential.require("api_key")?)?;
        Ok(Self { http, base, key })
    }

    /// Reads, and reads again while MAAS is unreachable or busy.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Fields<'_>,
    ) -> Result<T, RequestError> {
        let waits = ExponentialBuilder::default()
            .with_min_delay(FIRST_WAIT)
            .with_max_delay(LONGEST_WAIT)
            .with_max_times(READS)
            .with_jitter();
        (|| self.get_once(path, query))
            .retry(waits)
            .when(RequestError::passes)
            .adjust(|error, wait| {
                let asked = error.retry_after().map(|asked| asked.min(LONGEST_ASKED));
                wait.map(|wait| asked.map_or(wait, |asked| asked.max(wait)))
            })
            .notify(|error, wait| tracing::debug!(request = error.request, ?wait, "reading again"))
            .await
    }

    async fn get_once<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Fields<'_>,
    ) -> Result<T, RequestError> {
        self.send(Method::GET, path, query, None).await
    }

    /// Changes something; sent once. Check the fence before. An operation is named as `?op=…`,
    /// as MAAS's own clients do.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        form: &Fields<'_>,
    ) -> Result<T, RequestError> {
        self.send(Method::POST, path, &[], Some(form)).await
    }

    /// Changes something; sent once. Check the fence before.
    pub(crate) async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        form: &Fields<'_>,
    ) -> Result<T, RequestError> {
        self.send(Method::PUT, path, &[], Some(form)).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &Fields<'_>,
        form: Option<&Fields<'_>>,
    ) -> Result<T, RequestError> {
        let name = format!("{method} {path}");
        let failed = |error| RequestError::from_reqwest(&name, error);
        let mut authorization = header::HeaderValue::from_str(&self.key.authorization())
            .map_err(|error| garbled(&name, &error))?;
        authorization.set_sensitive(true);
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .header(header::AUTHORIZATION, authorization)
            .header(header::ACCEPT, "application/json");
        if !query.is_empty() {
            request = request.query(query);
        }
        if let Some(form) = form {
            request = request.form(form);
        }
        let response = request.send().await.map_err(failed)?;
        let (status, retry_after) = (response.status(), retry_after(&response));
        let body = response.bytes().await.map_err(failed)?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| garbled(&name, &error));
        }
        let text = String::from_utf8_lossy(&body).into_owned();
        let trouble = Trouble::Refused { status: status.as_u16(), text, retry_after };
        Err(RequestError::new(&name, trouble))
    }

    /// The machine with that system id.
    pub(crate) async fn machine(&self, system_id: &str) -> Result<Machine, RequestError> {
        self.get(&format!("machines/{system_id}/"), &[]).await
    }

    /// The machine with that system id, host name or full name.
    pub(crate) async fn find(&self, name: &str) -> Result<Machine, StepError> {
        // A host name may look like a system id: ids are asked for first, as they are unique.
        if looks_like_id(name) {
            match self.machine(name).await {
                Ok(machine) => return Ok(machine),
                Err(error) if error.status() == Some(StatusCode::NOT_FOUND.as_u16()) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let host = name.split('.').next().unwrap_or(name);
        let found: Vec<Machine> = self.get("machines/", &[("hostname", host.to_owned())]).await?;
        let named = |machine: &Machine| machine.hostname == name || machine.fqdn == name;
        found.into_iter().find(named).ok_or_else(|| {
            let message = format!("MAAS has no machine with the id or host name `{name}`");
            StepError::permanent("maas.no_such_machine", message)
                .hint("see the machines that MAAS knows; has this one been enlisted?")
        })
    }

    /// The events of a machine after one of them, newest first, details included.
    pub(crate) async fn events_after(
        &self,
        system_id: &str,
        after: u64,
    ) -> Result<Vec<Event>, RequestError> {
        self.events(system_id, Some(after), 1000).await
    }

    /// The id of the machine's newest event; 0 if it has none.
    pub(crate) async fn newest_event(&self, system_id: &str) -> Result<u64, RequestError> {
        let events = self.events(system_id, None, 1).await?;
        Ok(events.first().map_or(0, |event| event.id))
    }

    async fn events(
        &self,
        system_id: &str,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Event>, RequestError> {
        let mut query = vec![
            ("op", "query".to_owned()),
            ("id", system_id.to_owned()),
            ("level", "DEBUG".to_owned()),
            ("limit", limit.to_string()),
        ];
        query.extend(after.map(|after| ("after", after.to_string())));
        Ok(self.get::<Events>("events/", &query).await?.events)
    }
}

fn garbled(request: &str, why: &impl Display) -> RequestError {
    RequestError::new(request, Trouble::Garbled(why.to_string()))
}

/// Seconds, or a date (RFC 9110 §10.2.3); MAAS sends seconds, proxies may send dates, which are
/// left to the client's own waits.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

fn looks_like_id(name: &str) -> bool {
    name.len() == 6 && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

/// The API's root from what people write: with or without a slash, with or without `/api/2.0`.
fn base(url: &str) -> Result<String, StepError> {
    let wrong = |why: &str| {
        StepError::permanent("maas.url", format!("the credential's `url` {why}"))
            .hint("write it as http://maas.example:5240/MAAS")
    };
    let trimmed = url.trim().trim_end_matches('/');
    let trimmed = trimmed.strip_suffix("/api/2.0").unwrap_or(trimmed);
    let parsed =
        reqwest::Url::parse(trimmed).map_err(|error| wrong(&format!("is no URL: {error}")))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(wrong("is neither http nor https"));
    }
    if parsed.query().is_some() || parsed.fragment().is_some() || !parsed.username().is_empty() {
        return Err(wrong("has a query, a fragment or a user name"));
    }
    Ok(format!("{trimmed}/api/2.0/"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("http://m:5240/MAAS")]
    #[case("http://m:5240/MAAS/")]
    #[case(" http://m:5240/MAAS/api/2.0/ ")]
    fn urls_as_people_write_them(#[case] url: &str) {
        assert_eq!(base(url).unwrap(), "http://m:5240/MAAS/api/2.0/");
    }

    #[rstest]
    #[case("", "is no URL")]
    #[case("maas.example/MAAS", "is no URL")]
    #[case("ftp://m/MAAS", "neither http nor https")]
    #[case("http://u:secret@m/MAAS", "a user name")]
    fn other_urls_are_refused(#[case] url: &str, #[case] why: &str) {
        let error = base(url).unwrap_err();
        assert!(error.message.contains(why), "{error}");
        assert!(!error.message.contains("secret"));
    }

    #[rstest]
    #[case("abc123", true)]
    #[case("srv001", true)]
    #[case("SRV001", false)]
    #[case("web.example", false)]
    fn what_may_be_an_id(#[case] name: &str, #[case] id: bool) {
        assert_eq!(looks_like_id(name), id);
    }
}
