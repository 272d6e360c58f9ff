//! SFTP version 3 on a machine's files (draft-ietf-secsh-filexfer-02), with OpenSSH's
//! `posix-rename`.

use std::{collections::HashMap, io};

use russh_sftp::{
    protocol::{
        Attrs, Data, File, FileAttributes, Handle, Name, OpenFlags, Packet, Status, StatusCode,
        Version,
    },
    server::Handler,
};

use super::HostFile;
use crate::{LabState, Service};

const POSIX_RENAME: &str = "posix-rename@openssh.com";
/// Files in the lab are small; a client that writes at a far offset is mistaken.
const LARGEST: u64 = 32 * 1024 * 1024;

/// One SFTP session. What is written goes to the machine when its handle is closed.
pub(super) struct Sftp {
    state: LabState,
    machine: usize,
    open: HashMap<String, Open>,
    next: u64,
}

struct Open {
    path: String,
    file: HostFile,
    written: bool,
}

impl Sftp {
    pub(super) fn new(state: LabState, machine: usize) -> Self {
        Self { state, machine, open: HashMap::new(), next: 0 }
    }

    fn record(&self, what: String) -> Result<(), StatusCode> {
        let machine = self.state.read(|rack, _| rack.machines[self.machine].hostname.clone());
        let written = self.state.record(Service::Ssh, Some(&machine), what, "", Some(0));
        written.map_err(|error| failed(&error))
    }

    fn file(&self, path: &str) -> Option<HostFile> {
        self.state.read(|rack, _| rack.machines[self.machine].host.files.get(path).cloned())
    }

    fn rename(&self, from: &str, to: &str, over: bool) -> Result<(), StatusCode> {
        let moved = self.state.update(|rack, _| {
            let files = &mut rack.machines[self.machine].host.files;
            if files.contains_key(to) && !over {
                return Err(StatusCode::Failure);
            }
            let file = files.remove(from).ok_or(StatusCode::NoSuchFile)?;
            files.insert(to.to_owned(), file);
            Ok(())
        });
        moved.map_err(|error| failed(&error))??;
        self.record(format!("RENAME {from} {to}"))
    }

    fn opened(&mut self, handle: &str) -> Result<&mut Open, StatusCode> {
        self.open.get_mut(handle).ok_or(StatusCode::Failure)
    }
}

fn failed(error: &io::Error) -> StatusCode {
    tracing::error!(%error, "can't write the lab's files");
    StatusCode::Failure
}

fn fine(id: u32) -> Status {
    Status {
        id,
        status_code: StatusCode::Ok,
        error_message: "Success".to_owned(),
        language_tag: "en".to_owned(),
    }
}

fn attributes(file: &HostFile) -> FileAttributes {
    FileAttributes {
        size: Some(file.content.len() as u64),
        // A regular file (S_IFREG).
        permissions: Some(0o100_000 | file.mode),
        ..FileAttributes::empty()
    }
}

impl Handler for Sftp {
    type Error = StatusCode;

    fn unimplemented(&self) -> StatusCode {
        StatusCode::OpUnsupported
    }

    async fn init(&mut self, _: u32, _: HashMap<String, String>) -> Result<Version, StatusCode> {
        let mut version = Version::new();
        version.extensions.insert(POSIX_RENAME.to_owned(), "1".to_owned());
        Ok(version)
    }

    async fn open(
        &mut self,
        id: u32,
        path: String,
        flags: OpenFlags,
        attributes: FileAttributes,
    ) -> Result<Handle, StatusCode> {
        let found = self.file(&path);
        let file = match found {
            Some(_) if flags.contains(OpenFlags::EXCLUDE) => return Err(StatusCode::Failure),
            Some(file) if flags.contains(OpenFlags::TRUNCATE) => {
                HostFile { mode: file.mode, content: Vec::new() }
            }
            Some(file) => file,
            None if flags.contains(OpenFlags::CREATE) => {
                let mode = attributes.permissions.unwrap_or(0o644) & 0o7777;
                HostFile { mode, content: Vec::new() }
            }
            None => return Err(StatusCode::NoSuchFile),
        };
        let written = flags.contains(OpenFlags::WRITE);
        if !written {
            self.record(format!("GET {path}"))?;
        }
        self.next += 1;
        let handle = self.next.to_string();
        self.open.insert(handle.clone(), Open { path, file, written });
        Ok(Handle { id, handle })
    }

    async fn read(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        len: u32,
    ) -> Result<Data, StatusCode> {
        let content = &self.opened(&handle)?.file.content;
        let start = usize::try_from(offset).ok().filter(|start| *start < content.len());
        let start = start.ok_or(StatusCode::Eof)?;
        let end = content.len().min(start.saturating_add(len as usize));
        Ok(Data { id, data: content[start..end].to_vec() })
    }

    async fn write(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        data: Vec<u8>,
    ) -> Result<Status, StatusCode> {
        let open = self.opened(&handle)?;
        let end = offset.saturating_add(data.len() as u64);
        if !open.written || end > LARGEST {
            return Err(StatusCode::Failure);
        }
        let (start, end) = (
            usize::try_from(offset).map_err(|_| StatusCode::Failure)?,
            usize::try_from(end).map_err(|_| StatusCode::Failure)?,
        );
        let content = &mut open.file.content;
        if content.len() < end {
            content.resize(end, 0);
        }
        content[start..end].copy_from_slice(&data);
        Ok(fine(id))
    }

    async fn close(&mut self, id: u32, handle: String) -> Result<Status, StatusCode> {
        let open = self.open.remove(&handle).ok_or(StatusCode::Failure)?;
        if open.written {
            let path = open.path.clone();
            let stored = self.state.update(|rack, _| {
                rack.machines[self.machine].host.files.insert(open.path, open.file);
            });
            stored.map_err(|error| failed(&error))?;
            self.record(format!("PUT {path}"))?;
        }
        Ok(fine(id))
    }

    async fn fsetstat(
        &mut self,
        id: u32,
        handle: String,
        attributes: FileAttributes,
    ) -> Result<Status, StatusCode> {
        if let Some(mode) = attributes.permissions {
            self.opened(&handle)?.file.mode = mode & 0o7777;
        }
        Ok(fine(id))
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Result<Attrs, StatusCode> {
        Ok(Attrs { id, attrs: attributes(&self.opened(&handle)?.file) })
    }

    async fn stat(&mut self, id: u32, path: String) -> Result<Attrs, StatusCode> {
        let file = self.file(&path).ok_or(StatusCode::NoSuchFile)?;
        Ok(Attrs { id, attrs: attributes(&file) })
    }

    async fn lstat(&mut self, id: u32, path: String) -> Result<Attrs, StatusCode> {
        self.stat(id, path).await
    }

    async fn realpath(&mut self, id: u32, path: String) -> Result<Name, StatusCode> {
        let absolute = if path.starts_with('/') { path } else { format!("/home/ubuntu/{path}") };
        Ok(Name { id, files: vec![File::dummy(absolute)] })
    }

    async fn remove(&mut self, id: u32, path: String) -> Result<Status, StatusCode> {
        let removed = self
            .state
            .update(|rack, _| rack.machines[self.machine].host.files.remove(&path).is_some());
        if !removed.map_err(|error| failed(&error))? {
            return Err(StatusCode::NoSuchFile);
        }
        self.record(format!("REMOVE {path}"))?;
        Ok(fine(id))
    }

    async fn rename(&mut self, id: u32, from: String, to: String) -> Result<Status, StatusCode> {
        Self::rename(self, &from, &to, false)?;
        Ok(fine(id))
    }

    async fn extended(
        &mut self,
        id: u32,
        request: String,
        data: Vec<u8>,
    ) -> Result<Packet, StatusCode> {
        if request != POSIX_RENAME {
            return Err(StatusCode::OpUnsupported);
        }
        let mut rest = data.as_slice();
        let from = string(&mut rest).ok_or(StatusCode::BadMessage)?;
        let to = string(&mut rest).ok_or(StatusCode::BadMessage)?;
        Self::rename(self, &from, &to, true)?;
        Ok(Packet::Status(fine(id)))
    }
}

/// A string of the SSH protocol: its length in four bytes, then its bytes (RFC 4251 §5).
fn string(data: &mut &[u8]) -> Option<String> {
    let (length, rest) = data.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (text, rest) = rest.split_at_checked(length)?;
    *data = rest;
    String::from_utf8(text.to_vec()).ok()
}
