//! Numbers from the environment.

use std::{env, str::FromStr};

use anyhow::{Context, Result};

/// A variable's value as a number, or `default`.
///
/// # Errors
/// When it is none.
pub fn number<T: FromStr>(variable: &str, default: T) -> Result<T> {
    match env::var(variable) {
        Ok(text) => {
            let number = text.parse().ok();
            number.with_context(|| format!("{variable}={text}: expected a number"))
        }
        Err(_) => Ok(default),
    }
}
