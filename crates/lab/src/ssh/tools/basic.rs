//! What every Linux has: a few of the small programs.

use sha2::{Digest, Sha256};

use crate::ssh::shell::{Answer, Seat};

pub(super) fn run(seat: &mut Seat<'_>, name: &str, arguments: &[&str]) -> Answer {
    match name {
        "" | "true" | ":" => Answer::default(),
        "false" => Answer::fails(1, ""),
        "echo" => Answer::ok(format!("{}\n", arguments.join(" "))),
        "hostname" => Answer::ok(format!("{}\n", seat.machine().hostname)),
        "uname" => Answer::ok("Linux\n"),
        "exit" => Answer { exit: exit_status(arguments), ..Answer::default() },
        "cat" => each(seat, "cat", arguments, |content, _| content.to_owned()),
        "sha256sum" => each(seat, "sha256sum", arguments, |content, path| {
            format!("{}  {path}\n", hex::encode(Sha256::digest(content.as_bytes())))
        }),
        "rm" => remove(seat, arguments),
        "test" => test(seat, arguments),
        "chmod" => chmod(seat, arguments),
        "reboot" => {
            let boot = seat.rack.boot_time(seat.machine);
            let ends = seat.after(boot);
            seat.machine().boot(ends);
            Answer::default()
        }
        _ => Answer::fails(127, format!("sh: 1: {name}: not found\n")),
    }
}

fn exit_status(arguments: &[&str]) -> u32 {
    let given = arguments.first().and_then(|text| text.parse::<u32>().ok());
    given.unwrap_or(0) & 0xff
}

fn each(
    seat: &mut Seat<'_>,
    program: &str,
    paths: &[&str],
    write: impl Fn(&str, &str) -> String,
) -> Answer {
    let mut answer = Answer::default();
    for path in paths.iter().filter(|path| **path != "--") {
        if let Some(content) = seat.machine().host.text(path) {
            answer.stdout.push_str(&write(&content, path));
        } else {
            push!(answer.stderr, "{program}: {path}: No such file or directory\n");
            answer.exit = 1;
        }
    }
    answer
}

fn remove(seat: &mut Seat<'_>, arguments: &[&str]) -> Answer {
    let force =
        arguments.iter().any(|argument| argument.starts_with('-') && argument.contains('f'));
    let mut answer = Answer::default();
    for path in arguments.iter().filter(|argument| !argument.starts_with('-')) {
        if seat.machine().host.files.remove(*path).is_none() && !force {
            let text = format!("rm: cannot remove '{path}': No such file or directory\n");
            answer.stderr.push_str(&text);
            answer.exit = 1;
        }
    }
    answer
}

fn chmod(seat: &mut Seat<'_>, arguments: &[&str]) -> Answer {
    let given: Vec<&str> = arguments.iter().copied().filter(|argument| *argument != "--").collect();
    let (mode, path) = match given[..] {
        [mode, path] => (u32::from_str_radix(mode, 8).ok(), path),
        _ => return Answer::fails(1, "chmod: missing operand\n"),
    };
    match (mode, seat.machine().host.files.get_mut(path)) {
        (Some(mode), Some(file)) => {
            file.mode = mode & 0o7777;
            Answer::default()
        }
        (None, _) => Answer::fails(1, "chmod: invalid mode\n"),
        (_, None) => {
            let text = format!("chmod: cannot access '{path}': No such file or directory\n");
            Answer::fails(1, text)
        }
    }
}

fn test(seat: &mut Seat<'_>, arguments: &[&str]) -> Answer {
    match arguments {
        ["-e" | "-f", path] => {
            let there = seat.machine().host.files.contains_key(*path);
            Answer { exit: u32::from(!there), ..Answer::default() }
        }
        _ => Answer::fails(2, "test: only -e and -f are known here\n"),
    }
}
