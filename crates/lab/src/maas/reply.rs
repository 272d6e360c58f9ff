//! Answers, in the forms that MAAS gives them.

use serde_json::Value;

/// An answer: status, content type, body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: String,
    /// Further headers.
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Reply {
    pub(super) fn json(value: &Value) -> Self {
        Self {
            status: 200,
            content_type: "application/json; charset=utf-8",
            body: value.to_string(),
            headers: Vec::new(),
        }
    }

    pub(super) fn text(status: u16, body: impl Into<String>) -> Self {
        let content_type = "text/plain; charset=utf-8";
        Self { status, content_type, body: body.into(), headers: Vec::new() }
    }

    /// A form's errors: a list of texts per field.
    pub(super) fn invalid(field: &str, text: impl Into<String>) -> Self {
        let errors = serde_json::json!({ field: [text.into()] });
        Self { status: 400, ..Self::json(&errors) }
    }

    /// 204, as piston answers a deletion.
    pub(super) fn deleted() -> Self {
        Self::text(204, "")
    }

    /// `model` is the name of a class of MAAS: `Machine`, `Tag`.
    pub(super) fn not_found(model: &str) -> Self {
        Self::text(404, format!("No {model} matches the given query."))
    }

    /// A path that no handler has: Django's page.
    pub(super) fn no_page() -> Self {
        let content_type = "text/html; charset=utf-8";
        let body = "<h1>Not Found</h1>\
                    <p>The requested resource was not found on this server.</p>";
        Self { status: 404, content_type, body: body.to_owned(), headers: Vec::new() }
    }

    /// An operation that the handler does not have.
    pub(super) fn no_operation(method: &str, op: Option<&str>) -> Self {
        let op = op.unwrap_or("None");
        Self::text(400, format!("Unrecognised signature: method={method} op={op}"))
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
