//! Logging in with a key, a password, or a password asked for interactively.

use std::sync::Arc;

use rackwright_engine::step::Credential;
use russh::{
    MethodKind, MethodSet,
    client::{AuthResult, Handle, KeyboardInteractiveAuthResponse},
    keys::{PrivateKey, PrivateKeyWithHashAlg, decode_secret_key},
};

use super::{SshError, session::Verifier};

/// How to log in; made from a credential's fields `username`, `private_key`, `passphrase` and
/// `password`. A key is tried before a password.
pub(crate) struct Login {
    pub(crate) user: String,
    key: Option<PrivateKey>,
    password: Option<String>,
}

impl Login {
    pub(crate) fn from_credential(credential: &Credential) -> Result<Self, SshError> {
        let lacks = |what: &str| SshError::Credential(format!("it has no field {what}"));
        let user = credential.get("username").ok_or_else(|| lacks("`username`"))?.to_owned();
        let key = credential
            .get("private_key")
            .map(|text| {
                // The decoder's messages name formats, never the key's text.
                decode_secret_key(text, credential.get("passphrase")).map_err(|error| {
                    SshError::Credential(format!("its `private_key` can't be read: {error}"))
                })
            })
            .transpose()?;
        let password = credential.get("password").map(ToOwned::to_owned);
        if key.is_none() && password.is_none() {
            return Err(lacks("`private_key` and none `password`"));
        }
        Ok(Self { user, key, password })
    }

    /// Logs in. `host` is `host:port`, for the error.
    pub(crate) async fn perform(
        self,
        handle: &mut Handle<Verifier>,
        host: &str,
    ) -> Result<(), SshError> {
        let mut tried = Vec::new();
        let mut offers = MethodSet::empty();
        if let Some(key) = self.key {
            let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
            tried.push("publickey");
            let result = handle.authenticate_publickey(&self.user, key).await;
            match result.map_err(|error| broken(host, &error))? {
                AuthResult::Success => return Ok(()),
                AuthResult::Failure { remaining_methods, .. } => offers = remaining_methods,
            }
        }
        if let Some(password) = self.password {
            tried.push("password");
            let result = handle.authenticate_password(&self.user, password.as_str()).await;
            match result.map_err(|error| broken(host, &error))? {
                AuthResult::Success => return Ok(()),
                AuthResult::Failure { remaining_methods, .. } => offers = remaining_methods,
            }
            // Servers behind PAM often ask for the password this way only.
            if offers.contains(&MethodKind::KeyboardInteractive) {
                tried.push("keyboard-interactive");
                if interactive(handle, &self.user, &password, host).await? {
                    return Ok(());
                }
            }
        }
        let offers: Vec<&str> = offers.iter().map(<&str>::from).collect();
        Err(SshError::Login {
            host: host.to_owned(),
            user: self.user,
            tried: tried.join(", "),
            offers: if offers.is_empty() { "nothing".to_owned() } else { offers.join(", ") },
        })
    }
}

/// Answers every prompt that hides its input with the password, twice at most.
async fn interactive(
    handle: &mut Handle<Verifier>,
    user: &str,
    password: &str,
    host: &str,
) -> Result<bool, SshError> {
    let lost = |error: russh::Error| broken(host, &error);
    let mut reply =
        handle.authenticate_keyboard_interactive_start(user, None::<String>).await.map_err(lost)?;
    for _ in 0..2 {
        match reply {
            KeyboardInteractiveAuthResponse::Success => return Ok(true),
            KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                let answer = |echo: bool| if echo { String::new() } else { password.to_owned() };
                let answers = prompts.iter().map(|prompt| answer(prompt.echo)).collect();
                reply = handle
                    .authenticate_keyboard_interactive_respond(answers)
                    .await
                    .map_err(lost)?;
            }
        }
    }
    Ok(matches!(reply, KeyboardInteractiveAuthResponse::Success))
}

fn broken(host: &str, error: &russh::Error) -> SshError {
    SshError::Connect { host: host.to_owned(), reason: format!("during the login: {error}") }
}
