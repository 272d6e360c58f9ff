//! The maintenance windows, as this node knows them.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;

use super::{message::Message, shared::Shared};
use crate::{
    calendar::{Window, Windows},
    store::{InboxRow, StoreError, WindowRow},
};

/// The key of the mail that says that windows have changed begins so.
pub(crate) const WINDOW_MAIL: &str = "window ";

/// What was read last.
#[derive(Debug, Default)]
pub(crate) struct KnownWindows {
    known: RwLock<Known>,
    /// One reads at a time, so that nobody puts former windows over later ones.
    reading: Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    rows: Vec<WindowRow>,
    windows: Arc<Windows>,
}

/// The windows that rows hold.
pub(crate) fn decode_windows(rows: &[WindowRow]) -> Windows {
    let mut windows = Windows::default();
    for row in rows {
        match serde_json::from_slice::<Window>(&row.definition) {
            Ok(window) => windows.insert(&row.name, window),
            Err(error) => windows.insert_unreadable(&row.name, error.to_string()),
        }
    }
    windows
}

impl Shared {
    /// The windows, as they were read last.
    pub(crate) fn windows(&self) -> Arc<Windows> {
        let known = self.known_windows.known.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&known.windows)
    }

    /// Reads the windows, and tells the shards if they have changed.
    pub(crate) async fn read_windows(&self) -> Result<(), StoreError> {
        let _reading = self.known_windows.reading.lock().await;
        let rows = self.store.calendars().windows().await?;
        let mut known = self.known_windows.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.rows == rows {
            return Ok(());
        }
        let windows = Arc::new(decode_windows(&rows));
        *known = Known { rows, windows: Arc::clone(&windows) };
        // Under the lock, so that a shard hears last what is known.
        self.tell_all(|| Message::Windows(Arc::clone(&windows)));
        Ok(())
    }

    /// Reads the windows anew if some of this mail says that they have changed: the run that reads
    /// it must not decide by the former ones.
    pub(super) async fn windows_for(&self, mail: &[InboxRow]) -> Result<(), StoreError> {
        if mail.iter().any(|row| row.dedup.starts_with(WINDOW_MAIL)) {
            self.read_windows().await?;
        }
        Ok(())
    }
}
