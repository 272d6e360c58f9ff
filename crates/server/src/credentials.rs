//! Credentials outside of the lab: a file that only its owner may read, and the environment.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use rackwright_engine::{Credential, StaticCredentials, StepError, step::CredentialSource};

use crate::{
    cli::Common,
    exit::{Failure, Outcome},
    home::Home,
};

const PREFIX: &str = "RACKWRIGHT_CREDENTIAL_";

type Fields = BTreeMap<String, String>;

/// Where steps find the credentials that they name.
pub(crate) enum Credentials {
    /// Those of the lab, and no others: a simulated run never sees a real secret.
    Lab(StaticCredentials),
    /// The operator's.
    Own(OwnCredentials),
}

#[async_trait]
impl CredentialSource for Credentials {
    async fn credential(&self, name: &str) -> Result<Credential, StepError> {
        match self {
            Self::Lab(lab) => lab.credential(name).await,
            Self::Own(own) => own.find(name),
        }
    }
}

/// The credentials of a file and of the environment, which wins field by field.
pub(crate) struct OwnCredentials {
    path: PathBuf,
    file: BTreeMap<String, Fields>,
    /// What the environment says, by the upper-case rest of the variable's name.
    environment: BTreeMap<String, String>,
}

impl OwnCredentials {
    /// Reads the file. Only the default one may be missing.
    pub(crate) fn load(common: &Common, home: &Home) -> Outcome<Self> {
        let path =
            common.credentials.clone().unwrap_or_else(|| home.dir().join("credentials.toml"));
        let file = match read(&path) {
            Ok(file) => file,
            Err(Missing) if common.credentials.is_none() => BTreeMap::new(),
            Err(Missing) => {
                let text = format!("there is no credentials file {}", path.display());
                return Err(Failure::usage(text));
            }
            Err(Wrong(failure)) => return Err(*failure),
        };
        let environment = std::env::vars()
            .filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?.to_owned(), value)))
            .collect();
        Ok(Self { path, file, environment })
    }

    fn find(&self, name: &str) -> Result<Credential, StepError> {
        let mut fields = self.file.get(name).cloned().unwrap_or_default();
        let prefix = format!("{}_", shouted(name));
        for (variable, value) in &self.environment {
            if let Some(field) = variable.strip_prefix(&prefix) {
                fields.insert(field.to_ascii_lowercase(), value.clone());
            }
        }
        if fields.is_empty() {
            let message = format!("there is no credential `{name}`");
            let hint = format!(
                "add [{name}] to {}, or set {PREFIX}{prefix}FIELD in the environment",
                self.path.display()
            );
            return Err(StepError::permanent("engine.unknown_credential", message).hint(hint));
        }
        Ok(Credential::new(fields))
    }
}

fn shouted(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect()
}

enum Unread {
    Missing,
    Wrong(Box<Failure>),
}
use Unread::{Missing, Wrong};

fn read(path: &Path) -> Result<BTreeMap<String, Fields>, Unread> {
    let wrong = |failure: Failure| Wrong(Box::new(failure));
    let shown = path.display();
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Missing),
        Err(error) => return Err(wrong(Failure::usage(format!("can't read {shown}: {error}")))),
    };
    let mode = metadata.permissions().mode();
    if mode & 0o077 != 0 {
        let text = format!("others may read {shown} (its mode is {:04o})", mode & 0o7777);
        return Err(wrong(Failure::usage(text).hint(format!("chmod 600 {shown}"))));
    }
    let text = fs::read_to_string(path)
        .map_err(|error| wrong(Failure::usage(format!("can't read {shown}: {error}"))))?;
    parse(&text).map_err(|problem| wrong(Failure::usage(format!("{shown}{problem}"))))
}

/// Reads `[name] field = "value"`. Problems name lines, sections and fields, never values.
fn parse(text: &str) -> Result<BTreeMap<String, Fields>, String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or_default());
        format!(":{}: {}", before.matches('\n').count() + 1, error.message())
    })?;
    table.into_iter().map(|(name, section)| Ok((name.clone(), fields(&name, section)?))).collect()
}

fn fields(name: &str, section: toml::Value) -> Result<Fields, String> {
    let toml::Value::Table(section) = section else {
        return Err(format!(": `{name}` stands outside of a section: write [NAME] above it"));
    };
    let text = |(field, value): (String, toml::Value)| match value {
        toml::Value::String(value) => Ok((field, value)),
        toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_)
        | toml::Value::Array(_)
        | toml::Value::Table(_) => {
            let kind = value.type_str();
            Err(format!(": [{name}] {field} is of type {kind}: write it as a \"string\""))
        }
    };
    section.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(file: &str, environment: &[(&str, &str)]) -> OwnCredentials {
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        OwnCredentials {
            path: "/c.toml".into(),
            file: parse(file).unwrap(),
            environment: environment.collect(),
        }
    }

    #[test]
    fn the_environment_wins_over_the_file_field_by_field() {
        let file = "[lab-ssh]\nusername = \"a\"\npassword = \"b\"";
        let own = own(file, &[("LAB_SSH_PASSWORD", "c"), ("MAAS_API_KEY", "k")]);
        let ssh = own.find("lab-ssh").unwrap();
        assert_eq!((ssh.get("username"), ssh.get("password")), (Some("a"), Some("c")));
        assert_eq!(own.find("maas").unwrap().get("api_key"), Some("k"));
    }

    #[test]
    fn an_unknown_name_says_both_places() {
        let error = own("", &[]).find("lab-ssh").unwrap_err();
        let hint = error.hint.unwrap();
        assert!(hint.contains("[lab-ssh] to /c.toml"), "{hint}");
        assert!(hint.contains("RACKWRIGHT_CREDENTIAL_LAB_SSH_FIELD"), "{hint}");
    }

    #[test]
    fn problems_never_show_values() {
        for (text, told) in [
            ("[a]\npin = 271828", "[a] pin is of type integer"),
            ("pin = \"271828\"", "`pin` stands outside of a section"),
            ("[a]\npin = \"271828", ":2: "),
        ] {
            let problem = parse(text).unwrap_err();
            assert!(problem.contains(told), "{problem}");
            assert!(!problem.contains("271828"), "{problem}");
        }
    }
}
