//! Files over SFTP (version 3, draft-ietf-secsh-filexfer-02, with OpenSSH's extensions).

use std::time::Duration;

use russh_sftp::{
    client::{RawSftpSession, error::Error as SftpError},
    protocol::{FileAttributes, OpenFlags, Packet, StatusCode},
};

use super::{Session, SshError};

/// Bytes per request; every server has to take 32 KiB (draft §3).
const CHUNK: u32 = 32 * 1024;
/// What renames over an existing file; without it SFTP 3 refuses.
const POSIX_RENAME: &str = "posix-rename@openssh.com";
/// Seconds that the server may take for one request; the caller's limit covers the whole.
const REQUEST_TIMEOUT: u64 = 60;

impl Session {
    /// Reads a file whole; more than `limit` bytes are an error.
    pub async fn read_file(
        &self,
        path: &str,
        limit: usize,
        timeout: Option<Duration>,
    ) -> Result<Vec<u8>, SshError> {
        self.bounded("reading a file", timeout, async {
            let sftp = self.sftp().await?;
            match read_whole(&sftp, path, limit).await.map_err(|error| self.failed(path, error))? {
                Some(content) => Ok(content),
                None => Err(self.refused(path, &format!("it is larger than {limit} bytes"))),
            }
        })
        .await
    }

    /// Whether a file is there and holds just this.
    pub async fn file_is(
        &self,
        path: &str,
        content: &[u8],
        timeout: Option<Duration>,
    ) -> Result<bool, SshError> {
        self.bounded("reading a file", timeout, async {
            let sftp = self.sftp().await?;
            match read_whole(&sftp, path, content.len()).await {
                Ok(found) => Ok(found.as_deref() == Some(content)),
                Err(SftpError::Status(s)) if s.status_code == StatusCode::NoSuchFile => Ok(false),
                Err(error) => Err(self.failed(path, error)),
            }
        })
        .await
    }

    /// Writes a file: first beside it under a temporary name, which is read back and compared,
    /// then by a rename, so that a reader sees the old file or the new one, whatever happens in
    /// between. `mode` is its permissions.
    pub async fn write_file(
        &self,
        path: &str,
        content: &[u8],
        mode: u32,
        timeout: Option<Duration>,
    ) -> Result<(), SshError> {
        self.bounded("writing a file", timeout, async {
            let sftp = self.sftp().await?;
            let temporary = format!("{path}.rackwright-part");
            let at = |error| self.failed(path, error);
            write_whole(&sftp, &temporary, content, mode).await.map_err(at)?;
            if read_whole(&sftp, &temporary, content.len()).await.map_err(at)?.as_deref()
                != Some(content)
            {
                sftp.remove(temporary.as_str()).await.map_err(at)?;
                return Err(self.refused(path, "what was written does not read back the same"));
            }
            rename_over(&sftp, &temporary, path).await.map_err(at)
        })
        .await
    }

    async fn sftp(&self) -> Result<RawSftpSession, SshError> {
        let lost = || SshError::Lost { host: self.host.clone(), what: "opening SFTP".to_owned() };
        let channel = self.handle.channel_open_session().await.map_err(|_| lost())?;
        channel.request_subsystem(true, "sftp").await.map_err(|_| lost())?;
        let sftp = RawSftpSession::new(channel.into_stream());
        sftp.set_timeout(REQUEST_TIMEOUT);
        match sftp.init().await {
            Ok(_) => Ok(sftp),
            Err(_) if self.handle.is_closed() => Err(lost()),
            Err(error) => Err(SshError::Refused {
                host: self.host.clone(),
                what: "SFTP".to_owned(),
                reason: error.to_string(),
            }),
        }
    }

    fn refused(&self, path: &str, reason: &str) -> SshError {
        let (host, path) = (self.host.clone(), path.to_owned());
        SshError::File { host, path, reason: reason.to_owned() }
    }

    fn failed(&self, path: &str, error: SftpError) -> SshError {
        match error {
            SftpError::Status(status) if status.error_message.is_empty() => {
                self.refused(path, &status.status_code.to_string())
            }
            SftpError::Status(status) => self.refused(path, &status.error_message),
            SftpError::IO(_)
            | SftpError::Timeout
            | SftpError::Limited(_)
            | SftpError::UnexpectedPacket
            | SftpError::UnexpectedBehavior(_) => {
                let what = format!("the transfer of {path}");
                SshError::Lost { host: self.host.clone(), what }
            }
        }
    }
}

/// The content; `None` if there is more than `limit` bytes of it.
async fn read_whole(
    sftp: &RawSftpSession,
    path: &str,
    limit: usize,
) -> Result<Option<Vec<u8>>, SftpError> {
    let handle = sftp.open(path, OpenFlags::READ, FileAttributes::empty()).await?.handle;
    let mut content = Vec::new();
    while content.len() <= limit {
        match sftp.read(handle.as_str(), content.len() as u64, CHUNK).await {
            Ok(data) if data.data.is_empty() => break,
            Ok(data) => content.extend_from_slice(&data.data),
            Err(SftpError::Status(status)) if status.status_code == StatusCode::Eof => break,
            Err(error) => return Err(error),
        }
    }
    sftp.close(handle).await?;
    Ok((content.len() <= limit).then_some(content))
}

async fn write_whole(
    sftp: &RawSftpSession,
    path: &str,
    content: &[u8],
    mode: u32,
) -> Result<(), SftpError> {
    let flags = OpenFlags::CREATE | OpenFlags::TRUNCATE | OpenFlags::WRITE;
    let mut attributes = FileAttributes::empty();
    attributes.permissions = Some(mode);
    let handle = sftp.open(path, flags, attributes.clone()).await?.handle;
    let mut offset = 0;
    for chunk in content.chunks(CHUNK as usize) {
        sftp.write(handle.as_str(), offset, chunk.to_vec()).await?;
        offset += chunk.len() as u64;
    }
    // The mode given to `open` passes the umask, and does nothing to a file that is there.
    sftp.fsetstat(handle.as_str(), attributes).await?;
    sftp.close(handle).await?;
    Ok(())
}

async fn rename_over(sftp: &RawSftpSession, from: &str, to: &str) -> Result<(), SftpError> {
    let mut arguments = Vec::with_capacity(from.len() + to.len() + 8);
    for text in [from, to] {
        let length = u32::try_from(text.len())
            .map_err(|_| SftpError::UnexpectedBehavior("the path is too long".to_owned()))?;
        arguments.extend_from_slice(&length.to_be_bytes());
        arguments.extend_from_slice(text.as_bytes());
    }
    #[expect(clippy::wildcard_enum_match_arm, reason = "russh-sftp's enum: the rest is no answer")]
    match sftp.extended(POSIX_RENAME, arguments).await? {
        Packet::Status(status) if status.status_code == StatusCode::Ok => Ok(()),
        // A server without the extension: remove, then rename. A reader may meet the gap.
        Packet::Status(status) if status.status_code == StatusCode::OpUnsupported => {
            match sftp.remove(to).await {
                Err(SftpError::Status(s)) if s.status_code == StatusCode::NoSuchFile => {}
                other => drop(other?),
            }
            sftp.rename(from, to).await.map(drop)
        }
        Packet::Status(status) => Err(SftpError::Status(status)),
        _ => Err(SftpError::UnexpectedPacket),
    }
}
