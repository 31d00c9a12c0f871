//! Writing a patched document: into a new file, or over the one that was read.

use std::path::Path;

use super::console::Console;
use super::exit::{CliError, Exit};
use super::files::Written;
use super::replace;
use super::wording::counted;

/// Writes a document into a file that is not there, or has this very content.
///
/// # Errors
/// With [`Exit::Conflict`] when the file is there with other content; else what the file system says.
pub(crate) fn into_new(output: &Path, patched: &[u8], console: &mut Console) -> Result<(), CliError> {
    match replace::create(output, patched).map_err(|error| CliError::file("writing", output, &error))? {
        Written::New | Written::Unchanged => {
            console.say(format_args!("written to {}", output.display()));
            Ok(())
        }
        Written::Refused => {
            let message = format!("{} is there already with other content", output.display());
            let hint = "choose another file";
            Err(CliError::new(Exit::Conflict, message).hint(hint))
        }
    }
}

/// Replaces the file that was read.
///
/// # Errors
/// As [`replace::replace`].
pub(crate) fn in_place(
    file: &Path,
    was_read: &[u8],
    patched: &[u8],
    console: &mut Console,
) -> Result<(), CliError> {
    let replaced = replace::replace(file, was_read, patched)?;
    if let Some(links) = replaced.other_links {
        console.warn(format_args!(
            "{} has {} that still lead to the old content",
            replaced.path.display(),
            counted(links, "further name")
        ));
    }
    console.say(format_args!("{} is replaced", replaced.path.display()));
    Ok(())
}
