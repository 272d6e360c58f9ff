//! One SSH connection to a machine.

use std::collections::HashMap;

use russh::{
    Channel, ChannelId,
    server::{Auth, ChannelOpenHandle, Handle, Handler, Msg, Session},
};
use tokio_util::sync::CancellationToken;

use super::{
    sftp::Sftp,
    shell::{self, Answer},
};
use crate::{FaultKind, LabState, Service};

/// One connection: who it is for, and how to cut it.
pub(super) struct Connection {
    state: LabState,
    machine: usize,
    cut: CancellationToken,
    channels: HashMap<ChannelId, Channel<Msg>>,
}

impl Connection {
    pub(super) fn new(state: LabState, machine: usize, cut: CancellationToken) -> Self {
        Self { state, machine, cut, channels: HashMap::new() }
    }
}

/// RFC 4254 §5.2.
const STDERR: u32 = 1;

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        let right = self.state.read(|rack, _| {
            !rack.has_fault(FaultKind::SshPasswordRefused, self.machine)
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
        let (state, machine) = (self.state.clone(), self.machine);
        let (handle, cut) = (session.handle(), self.cut.clone());
        tokio::spawn(async move { command(state, machine, line, channel, handle, cut).await });
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
                let sftp = Sftp::new(self.state.clone(), self.machine);
                russh_sftp::server::run(stream.into_stream(), sftp).await;
            }
            _ => session.channel_failure(channel)?,
        }
        Ok(())
    }
}

/// Runs a command, writes it down and answers; or dies on the way.
async fn command(
    state: LabState,
    machine: usize,
    line: String,
    channel: ChannelId,
    handle: Handle,
    cut: CancellationToken,
) {
    let drops = FaultKind::SshDrops;
    let dies = state.read(|rack, _| rack.has_fault(drops, machine))
        && state.update(|rack, _| rack.strikes(drops, machine)).unwrap_or(false);
    let Some(answer) = shell::run(&state, machine, &line).await else {
        cut.cancel();
        return;
    };
    let hostname = state.read(|rack, _| rack.machines[machine].hostname.clone());
    let status = (!dies).then_some(answer.exit);
    if let Err(error) = state.record(Service::Ssh, Some(&hostname), line, "", status) {
        tracing::error!(%error, "can't write the record of requests");
        cut.cancel();
        return;
    }
    if dies || send(channel, &handle, answer).await.is_err() {
        cut.cancel();
    }
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
