//! The look of generated source, which is left to rustfmt.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long rustfmt is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The source as rustfmt writes it, with the settings of a folder.
///
/// # Errors
/// Why there is none, in words.
pub(super) fn formatted(source: &str, folder: Option<&Path>) -> Result<String, String> {
    let program = std::env::var_os("RUSTFMT").unwrap_or_else(|| OsString::from("rustfmt"));
    let mut command = Command::new(program);
    command.args(["--edition", "2024"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    // The folder itself may be still to be made.
    if let Some(folder) = folder.and_then(|folder| folder.ancestors().find(|folder| folder.is_dir())) {
        command.current_dir(folder);
    }
    let mut child = command.spawn().map_err(|error| format!("there is no rustfmt: {error}"))?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    // It may write before it has read all.
    let text = thread::scope(|scope| {
        scope.spawn(|| input.map(|mut input| input.write_all(source.as_bytes())));
        let reading = scope.spawn(|| {
            let mut text = String::new();
            output.map(|mut output| output.read_to_string(&mut text)).map(|_| text)
        });
        let done = wait(&mut child);
        let text = reading.join().ok().flatten();
        done.map(|()| text)
    })?;
    text.filter(|text| !text.is_empty()).ok_or_else(|| "rustfmt gave nothing".to_owned())
}

/// Waits until the program has ended well, or ends it.
fn wait(child: &mut Child) -> Result<(), String> {
    let end = Instant::now() + PATIENCE;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("rustfmt failed: {status}")),
            Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(5)),
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err("rustfmt does not end".to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_is_formatted_and_nonsense_is_not() {
        assert_eq!(formatted("fn  f( ) { }", None).unwrap(), "fn f() {}\n");
        assert!(formatted("fn f(", None).unwrap_err().contains("rustfmt"));
    }
}
