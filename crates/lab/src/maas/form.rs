//! Form bodies: urlencoded as most clients send them, multipart as MAAS's own clients do.

use base64::{Engine, engine::general_purpose::STANDARD};

/// The fields of a body, in order. A body of another type has none.
pub(super) fn fields(content_type: &str, body: &[u8]) -> Result<Vec<(String, String)>, String> {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    match kind.trim().to_ascii_lowercase().as_str() {
        "application/x-www-form-urlencoded" => Ok(urlencoded(body)),
        "multipart/form-data" => {
            let boundary =
                parameter(parameters, "boundary").ok_or("Invalid boundary in multipart: None")?;
            multipart(&boundary, body)
        }
        _ => Ok(Vec::new()),
    }
}

/// Names and values of a query string or an urlencoded body.
pub(super) fn urlencoded(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}

/// `name=value` or `name="value"` among parameters that `;` separates.
fn parameter(parameters: &str, name: &str) -> Option<String> {
    parameters.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// RFC 7578. Parts may be encoded as base64: python-libmaas does that.
fn multipart(boundary: &str, body: &[u8]) -> Result<Vec<(String, String)>, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the form is not UTF-8")?;
    let delimiter = format!("--{boundary}");
    let mut fields = Vec::new();
    // What stands before the first delimiter is a preamble.
    for part in text.split(&delimiter).skip(1) {
        if part.starts_with("--") {
            return Ok(fields);
        }
        if part.trim().is_empty() {
            // Python's email package writes a form without fields so.
            continue;
        }
        let part = part.strip_prefix("\r\n").unwrap_or(part);
        let (head, content) = part.split_once("\r\n\r\n").ok_or("a part has no end of headers")?;
        let content = content.strip_suffix("\r\n").unwrap_or(content);
        let header = |name: &str| {
            head.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        let disposition = header("content-disposition").ok_or("a part has no disposition")?;
        let name = parameter(disposition, "name").ok_or("a part has no name")?;
        let encoded = header("content-transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("base64"));
        let value = if encoded { decode(content)? } else { content.to_owned() };
        fields.push((name, value));
    }
    // Without parts there may be no delimiter at all.
    if fields.is_empty() { Ok(fields) } else { Err("the form has no end".to_owned()) }
}

fn decode(content: &str) -> Result<String, String> {
    let packed: String = content.split_ascii_whitespace().collect();
    let bytes =
        STANDARD.decode(packed).map_err(|error| format!("a part is not base64: {error}"))?;
    String::from_utf8(bytes).map_err(|_| "a part is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|&(a, b)| (a.to_owned(), b.to_owned())).collect()
    }

    #[test]
    fn both_encodings_give_the_same_fields() {
        let wanted = pairs(&[("enable_ssh", "1"), ("comment", "a b&c=ü\nd")]);
        let urlencoded = "enable_ssh=1&comment=a+b%26c%3D%C3%BC%0Ad";
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        assert_eq!(fields(kind, urlencoded.as_bytes()).unwrap(), wanted);
        let multipart = "--=x=\r\nContent-Disposition: form-data; name=\"enable_ssh\"\r\n\r\n1\r\n\
             --=x=\r\nContent-Type: text/plain; charset=\"utf-8\"\r\nMIME-Version: 1.0\r\n\
             Content-Transfer-Encoding: base64\r\nContent-Disposition: form-data; name=\"comment\"\
             \r\n\r\nYSBiJmM9\r\nw7wKZA==\r\n--=x=--\r\n";
        let kind = "multipart/form-data; boundary=\"=x=\"";
        assert_eq!(fields(kind, multipart.as_bytes()).unwrap(), wanted);
    }

    #[test]
    fn odd_bodies_give_fields_or_an_error_and_no_panic() {
        let multipart = "multipart/form-data; boundary=b";
        assert_eq!(fields("application/json", b"{}").unwrap(), []);
        assert_eq!(fields(multipart, b"").unwrap(), []);
        assert_eq!(fields(multipart, b"--b--").unwrap(), []);
        assert_eq!(fields(multipart, b"--b\r\n\r\n--b--\r\n").unwrap(), []);
        for body in [
            "--b\r\nx",
            "--b\r\n\r\n\r\nx\r\n--b--",
            "--b\r\nContent-Disposition: form-data\r\n\r\nx",
        ] {
            assert!(fields(multipart, body.as_bytes()).is_err(), "{body:?}");
        }
        assert!(fields(multipart, &[0xff]).is_err());
        assert!(fields("multipart/form-data", b"").is_err());
    }
}
