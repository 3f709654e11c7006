//! Programs that are spoken to: input, an environment, and an output that is a value.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::time::timeout;

use super::{ENDING_TIME_MAX, Group, OUTPUT_OCTETS_MAX, RunError, kill_group};

/// A program with its input.
#[derive(Clone, Copy, Debug)]
pub struct Piped<'p> {
    /// The program.
    pub program: &'p str,
    /// Its arguments.
    pub arguments: &'p [String],
    /// The directory in which it runs.
    pub directory: &'p Path,
    /// What is changed in its environment: a variable's value, or `None` to remove it.
    pub environment: &'p [(&'p str, Option<&'p str>)],
    /// What it reads.
    pub input: &'p [u8],
    /// The most octets of its output that are kept.
    pub output_octets_max: u64,
}

/// What a program that ended by itself has said.
#[derive(Debug)]
pub struct Spoke {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it wrote to stdout.
    pub output: Vec<u8>,
    /// Whether that is all of it.
    pub is_whole: bool,
    /// What it wrote to stderr, at most [`OUTPUT_OCTETS_MAX`] octets.
    pub errors: String,
}

/// Runs a program for at most `limit`, with stdin and stdout for its own words.
///
/// # Errors
/// [`RunError`].
pub async fn pipe(piped: Piped<'_>, limit: Duration) -> Result<Spoke, RunError> {
    let Piped { program, arguments, directory, environment, input, output_octets_max } = piped;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).process_group(0).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, value) in environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let not_run = |error| RunError::NotRun { program: program.to_owned(), error };
    let mut child = command.spawn().map_err(not_run)?;
    let mut group = Group(child.id());
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
        unreachable!("all three are pipes")
    };
    let speak = async move {
        // A program that does not read all of its input says why on stderr.
        let _ = stdin.write_all(input).await;
        let _ = stdin.shutdown().await;
    };
    let all = async {
        let ((), output, errors, status) = tokio::join!(
            speak,
            read(stdout, output_octets_max),
            read(stderr, OUTPUT_OCTETS_MAX as u64),
            child.wait()
        );
        (output, errors, status)
    };
    let ended = timeout(limit, all).await;
    match ended {
        Ok(((output, is_whole), (errors, _), status)) => {
            // It has been reaped, so its number may belong to another process now.
            group.0 = None;
            let errors = String::from_utf8_lossy(&errors).into_owned();
            let program = program.to_owned();
            let status = status.map_err(|error| RunError::Lost { program, error })?;
            Ok(Spoke { status, output, is_whole, errors })
        }
        Err(_) => {
            if let Some(group) = group.0.take() {
                kill_group(group);
            }
            let _ = timeout(ENDING_TIME_MAX, child.wait()).await;
            let program = program.to_owned();
            Err(RunError::TimedOut { program, limit, output: String::new() })
        }
    }
}

/// Reads everything, keeps so many octets, and says whether that is all.
async fn read(mut pipe: impl AsyncRead + Unpin, octets_max: u64) -> (Vec<u8>, bool) {
    let mut kept = Vec::new();
    // An output that cannot be read is treated as ended.
    let _ = (&mut pipe).take(octets_max).read_to_end(&mut kept).await;
    let more = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await.unwrap_or(0);
    (kept, more == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sh(script: &str, input: &[u8], octets: u64) -> Result<Spoke, RunError> {
        let arguments = ["-c".to_owned(), script.to_owned()];
        let environment = [("WORD", Some("word")), ("HOME", None)];
        let (program, directory) = ("/bin/sh", Path::new("/"));
        let (arguments, environment) = (&arguments[..], &environment[..]);
        let output_octets_max = octets;
        let piped = Piped { program, arguments, directory, environment, input, output_octets_max };
        pipe(piped, Duration::from_millis(500)).await
    }

    #[tokio::test]
    async fn input_environment_and_both_outputs_are_kept_apart() {
        let script = "cat; printf \"$WORD$HOME\"; echo wrong >&2; exit 3";
        let spoke = sh(script, b"in\0put ", 100).await.expect("an end");
        assert_eq!((spoke.output, spoke.is_whole), (b"in\0put word".to_vec(), true));
        assert_eq!((spoke.errors.as_str(), spoke.status.code()), ("wrong\n", Some(3)));
    }

    #[tokio::test]
    async fn an_output_is_bounded_and_a_slow_program_is_killed() {
        let spoke = sh("head -c 1000000 /dev/zero", b"", 10).await.expect("an end");
        assert_eq!((spoke.output.len(), spoke.is_whole), (10, false));
        let unread = vec![0; 1_000_000];
        assert!(sh("exit 0", &unread, 10).await.expect("an end").status.success());
        let slow = sh("sleep 600 & sleep 600", b"", 10).await;
        assert!(matches!(slow, Err(RunError::TimedOut { .. })), "{slow:?}");
    }
}
