//! `docs/config.md`, from the table.

use std::fmt::Write as _;

use super::table::{Kind, SETTINGS};

/// The page. `docs/config.md` must be equal to it; `UPDATE_DOCS=1 cargo test -p sidetone-service`
/// rewrites it.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Settings\n\n\
        Generated from `libs/service/src/config/table.rs`; the tests compare it.\n\n\
        Each setting is read from the environment, or from `sidetone.toml` in the working directory \
        (`SIDETONE_CONFIG` names another file) under the same name or as the key of its table. The \
        environment wins. An empty variable counts as not set. Unknown names are errors. \
        `sidetone config check` prints the effective settings, secrets hidden, and what is wrong.\n\n\
        | name | in `sidetone.toml` | default | meaning |\n|---|---|---|---|\n",
    );
    for setting in SETTINGS {
        let default = if setting.default_told == setting.default && !setting.default.is_empty() {
            format!("`{}`", setting.default)
        } else {
            setting.default_told.to_owned()
        };
        let mut meaning = setting.effect.to_owned();
        if setting.kind == Kind::Secret {
            meaning.push_str(" Secret: never shown.");
        }
        if !setting.danger.is_empty() {
            let _ = write!(meaning, " **Danger:** {}", setting.danger);
        }
        let _ = writeln!(
            page,
            "| `{}` | `{}` | {default} | {meaning} |",
            setting.name, setting.path
        );
    }
    page.push_str(
        "\n`RUST_LOG` chooses what is logged, for example `info,gateway=debug` (default: `info`).\n",
    );
    page
}
