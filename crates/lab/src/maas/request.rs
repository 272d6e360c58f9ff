//! A request as MAAS's handlers see it.

use super::form;

/// A request: where it goes, which operation, which parameters.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// In capitals.
    pub(super) method: String,
    /// The path as it came, for the record and for redirects.
    pub(super) path: String,
    /// The path below `/MAAS/api/2.0/`, decoded, without `op-…`.
    pub(super) segments: Vec<String>,
    /// `op=…` in the query or the form, or `op-…` at the end of the path.
    pub(super) op: Option<String>,
    /// Query and form.
    pub(super) query: Vec<(String, String)>,
    pub(super) form: Vec<(String, String)>,
}

const ROOT: &str = "/MAAS/api/2.0/";

impl Request {
    /// `None` where the path is not below the API's root.
    pub(super) fn new(
        method: &str,
        path: &str,
        query: &str,
        form: Vec<(String, String)>,
    ) -> Option<Self> {
        let below = path.strip_prefix(ROOT)?;
        let query = form::urlencoded(query.as_bytes());
        let mut segments: Vec<_> =
            below.split('/').filter(|part| !part.is_empty()).map(decode).collect();
        let named = |fields: &[(String, String)]| value(fields, "op").map(str::to_owned);
        let mut op = named(&query).or_else(|| named(&form));
        if let Some(last) = segments.last().filter(|_| !below.ends_with('/'))
            && let Some(name) = last.strip_prefix("op-")
        {
            op = op.or_else(|| Some(name.to_owned()));
            segments.pop();
        }
        let (method, path) = (method.to_ascii_uppercase(), path.to_owned());
        Some(Self { method, path, segments, op, query, form })
    }

    /// Where Django would send a client that forgot the slash at the end.
    pub(super) fn slash_missing(&self) -> bool {
        !self.path.ends_with('/')
            && !self.path.rsplit('/').next().is_some_and(|s| s.starts_with("op-"))
    }

    /// A form field.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        value(&self.form, name)
    }

    /// Whether a form field stands for "yes" (Django's `BooleanField`).
    pub(super) fn flag(&self, name: &str) -> bool {
        self.field(name)
            .is_some_and(|text| !matches!(text.to_ascii_lowercase().as_str(), "" | "0" | "false"))
    }

    /// All values of a query parameter.
    pub(super) fn queried(&self, name: &str) -> Vec<&str> {
        values(&self.query, name)
    }

    /// All values of a form field.
    pub(super) fn listed(&self, name: &str) -> Vec<&str> {
        values(&self.form, name)
    }

    /// The form as one line, for the record.
    pub(super) fn form_line(&self) -> String {
        self.form
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("&")
    }

    /// Method and target, for the record. The operation is shown one way, however it came.
    pub(super) fn line(&self) -> String {
        let path = format!("{ROOT}{}/", self.segments.join("/"));
        let query = self.query.iter().filter(|(name, _)| name != "op");
        let query: Vec<_> = query.map(|(name, value)| format!("{name}={value}")).collect();
        let op = self.op.as_ref().map(|op| format!("op-{op}")).unwrap_or_default();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{} {path}{op}{mark}{}", self.method, query.join("&"))
    }
}

/// Decodes `%xx`. A plus sign stands for itself in a path.
fn decode(segment: &str) -> String {
    let segment = segment.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    form::urlencoded(segment.as_bytes())
        .into_iter()
        .next()
        .map_or_else(String::new, |(name, _)| name)
}

fn values<'a>(fields: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    fields.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
}

fn value<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    values(fields, name).into_iter().next()
}

#[cfg(test)]
mod tests {
    use rackwright_engine::model::Timestamp;

    use super::*;
    use crate::maas::{auth, change::change, look::look};

    #[test]
    fn an_operation_is_found_wherever_it_stands() {
        let op = |path: &str, query: &str, form: &[(&str, &str)]| {
            let form = form.iter().map(|&(a, b)| (a.to_owned(), b.to_owned())).collect();
            let request = Request::new("post", path, query, form).unwrap();
            assert_eq!(request.segments, ["machines", "abc 1"]);
            assert_eq!(request.line(), "POST /MAAS/api/2.0/machines/abc 1/op-commission");
            request.op
        };
        let wanted = Some("commission".to_owned());
        assert_eq!(op("/MAAS/api/2.0/machines/abc%201/op-commission", "", &[]), wanted);
        assert_eq!(op("/MAAS/api/2.0/machines/abc%201/", "op=commission", &[]), wanted);
        assert_eq!(op("/MAAS/api/2.0/machines/abc%201/", "", &[("op", "commission")]), wanted);
        assert!(Request::new("GET", "/MAAS/", "", Vec::new()).is_none());
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_a_client_sends_panics(
            path in "/MAAS/api/2.0/(\\PC|/|%|\\+|op-){0,30}",
            query in "(\\PC|&|=|%){0,30}",
            kind in "(multipart/form-data; boundary=b|application/x-www-form-urlencoded)",
            body in "(--b|\r\n|Content-Disposition: form-data; name=\"a\"|base64|\\PC){0,20}",
            header in "OAuth (oauth_(nonce|token|timestamp)=\"|\\PC|,|%){0,20}",
        ) {
            let form = form::fields(&kind, body.as_bytes()).unwrap_or_default();
            if let Some(request) = Request::new("POST", &path, &query, form) {
                let (mut rack, now) = (crate::Rack::generate(1, 1), Timestamp::from_micros(0));
                look(&rack, now, &request);
                change(&mut rack, now, crate::Clock::new(1.0), &request);
            }
            let nonces = auth::Nonces::default();
            let checked = auth::check(Some(&header), "a:b:c", Timestamp::from_micros(0), &nonces);
            proptest::prop_assert!(checked.is_err());
        }
    }

    #[test]
    fn flags_and_lists_read_as_django_reads_them() {
        let form = [("a", "true"), ("b", "0"), ("c", "False"), ("add", "x"), ("add", "z")];
        let form = form.map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec();
        let request = Request::new("POST", "/MAAS/api/2.0/tags", "", form).unwrap();
        assert!(
            request.flag("a") && !request.flag("b") && !request.flag("c") && !request.flag("d")
        );
        assert_eq!(request.listed("add"), ["x", "z"]);
        assert!(request.slash_missing());
    }
}
