//! A link to the database that can be cut and held up.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// A proxy before the database, for one node.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    link: Arc<Link>,
}

struct Link {
    database: AtomicU16,
    /// Cancelled with the connections that it stands for.
    alive: Mutex<CancellationToken>,
    /// Nothing passes before then.
    held_until: Mutex<Instant>,
}

impl Proxy {
    pub(crate) async fn start(database: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let link = Arc::new(Link {
            database: AtomicU16::new(database),
            alive: Mutex::default(),
            held_until: Mutex::new(Instant::now()),
        });
        let shared = Arc::clone(&link);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&shared).serve(client));
            }
        });
        Ok(Self { port, link })
    }

    /// Closes all connections.
    pub(crate) fn cut(&self) {
        let mut alive = self.link.alive.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *alive).cancel();
    }

    /// Lets nothing pass for a while.
    pub(crate) fn hold_up(&self, time: Duration) {
        let mut until = self.link.held_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Instant::now() + time);
    }
}

impl Link {
    async fn serve(self: Arc<Self>, client: TcpStream) {
        let alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.wait().await;
        let port = self.database.load(Ordering::Relaxed);
        // A database that is away closes the client's connection with ours.
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let ((from_client, to_client), (from_server, to_server)) =
            (client.into_split(), server.into_split());
        tokio::select! {
            () = alive.cancelled() => {}
            () = self.pump(from_client, to_server) => {}
            () = self.pump(from_server, to_client) => {}
        }
    }

    async fn pump(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            self.wait().await;
            if to.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    }

    async fn wait(&self) {
        loop {
            let until = *self.held_until.lock().unwrap_or_else(PoisonError::into_inner);
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}
