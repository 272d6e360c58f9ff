//! One SSH connection to a machine.

use std::collections::HashMap;

use russh::{
    Channel, ChannelId,
    server::{Auth, ChannelOpenHandle, Handle, Handler, Msg, Session},
};
use tokio_util::sync::CancellationToken;

use super::{
    Served,
    sftp::Sftp,
    shell::{self, Answer},
};
use crate::{FaultKind, Service};

/// One connection: who it is for, and how to cut it.
pub(super) struct Connection {
    served: Served,
    cut: CancellationToken,
    channels: HashMap<ChannelId, Channel<Msg>>,
}

impl Connection {
    pub(super) fn new(served: Served, cut: CancellationToken) -> Self {
        Self { served, cut, channels: HashMap::new() }
    }
}

/// RFC 4254 §5.2.
const STDERR: u32 = 1;

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        let right = self.served.state.read(|rack, _| {
            !rack.has_fault(FaultKind::SshPasswordRefused, self.served.machine)
                && user == rack.secrets.ssh_username
                && password == rack.secrets.ssh_password
        });
        Ok(if right { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        // Dropped here, the channel goes on by its id; its unread input must not fill a queue.
        self.channels.remove(&channel);
        session.channel_success(channel)?;
        let line = String::from_utf8_lossy(data).into_owned();
        let (served, handle, cut) = (self.served.clone(), session.handle(), self.cut.clone());
        self.served.tasks.spawn(async move {
            let stop = served.stop.clone();
            tokio::select! {
                answered = command(&served, line, channel, &handle) => {
                    if answered.is_none() {
                        cut.cancel();
                    }
                }
                () = stop.cancelled() => {}
            }
        });
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        match self.channels.remove(&channel) {
            Some(stream) if name == "sftp" => {
                session.channel_success(channel)?;
                let sftp = Sftp::new(self.served.state.clone(), self.served.machine);
                russh_sftp::server::run(stream.into_stream(), sftp).await;
            }
            _ => session.channel_failure(channel)?,
        }
        Ok(())
    }
}

/// Runs a command, writes it down and answers. `None` if it, or its connection, died on the way.
async fn command(served: &Served, line: String, channel: ChannelId, handle: &Handle) -> Option<()> {
    let Served { state, machine, .. } = served;
    let machine = *machine;
    let drops = FaultKind::SshDrops;
    let dies = state.read(|rack, _| rack.has_fault(drops, machine))
        && state.update(|rack, _| rack.strikes(drops, machine)).unwrap_or(false);
    let answer = shell::run(state, machine, &line).await?;
    let hostname = state.read(|rack, _| rack.machines[machine].hostname.clone());
    let status = (!dies).then_some(answer.exit);
    let written = state.record(Service::Ssh, Some(&hostname), line, "", status);
    written.inspect_err(|error| tracing::error!(%error, "can't write the record")).ok()?;
    if dies {
        return None;
    }
    send(channel, handle, answer).await.ok()
}

async fn send(channel: ChannelId, handle: &Handle, answer: Answer) -> Result<(), ()> {
    if !answer.stdout.is_empty() {
        handle.data(channel, answer.stdout).await.map_err(drop)?;
    }
    if !answer.stderr.is_empty() {
        handle.extended_data(channel, STDERR, answer.stderr).await.map_err(drop)?;
    }
    handle.exit_status_request(channel, answer.exit).await?;
    handle.eof(channel).await?;
    handle.close(channel).await
}
