//! Where the tools are that tests drive.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// A path in the workspace that this crate was built from.
pub fn workspace_path(relative: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here
        .ancestors()
        .nth(2)
        .expect("this crate stands two folders below the workspace");
    root.join(relative)
}

/// The tool at environment variable `variable`, else at `relative` in the workspace.
///
/// # Errors
/// When nothing is there: says how to get it.
pub(crate) fn find(variable: &str, relative: &str) -> Result<PathBuf> {
    let path = std::env::var_os(variable).map_or_else(|| workspace_path(relative), PathBuf::from);
    if !path.exists() {
        bail!(
            "{} is not there: run `make tools`, or point {variable} at one",
            path.display()
        );
    }
    Ok(path)
}

/// A program that the shell would find.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_where_its_manifest_is() {
        let manifest = std::fs::read_to_string(workspace_path("Cargo.toml")).unwrap();
        assert!(manifest.contains("[workspace]"));
    }

    #[test]
    fn a_missing_tool_says_how_to_get_it() {
        let error = find("SIDETONE_NO_SUCH_TOOL", ".tools/bin/no-such-tool").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("make tools"), "{text}");
        assert!(text.contains("SIDETONE_NO_SUCH_TOOL"), "{text}");
    }
}
