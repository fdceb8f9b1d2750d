//! An account without rights, for servers that refuse to run as root.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// Whose account is taken, the first that there is.
const NAMES: [&str; 2] = ["postgres", "nobody"];

/// Who a server runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Account {
    /// Whoever runs the tests.
    Own,
    /// Another one, because the tests are run by root.
    Other {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
}

impl Account {
    /// One that is not root.
    ///
    /// # Errors
    /// When this is root and there is no other account.
    pub(crate) fn unprivileged() -> Result<Self> {
        if !rustix::process::getuid().is_root() {
            return Ok(Self::Own);
        }
        let accounts = std::fs::read_to_string("/etc/passwd").context("/etc/passwd")?;
        let found = NAMES.iter().find_map(|name| find(&accounts, name));
        found.with_context(|| format!("there is none of the accounts {}", NAMES.join(", ")))
    }

    /// Lets the command run as this account.
    pub(crate) fn runs(self, command: &mut Command) {
        if let Self::Other { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
    }

    /// Gives it a file or folder.
    pub(crate) fn owns(self, path: &Path) -> Result<()> {
        if let Self::Other { uid, gid } = self {
            std::os::unix::fs::chown(path, Some(uid), Some(gid))
                .with_context(|| format!("cannot give {} away", path.display()))?;
        }
        Ok(())
    }
}

fn find(accounts: &str, name: &str) -> Option<Account> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next() == Some(name);
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        found.then_some(Account::Other { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let accounts = "root:x:0:0:root:/root:/bin/bash\n\
            postgresql:x:7:7::/:/bin/sh\n\
            broken\n\
            postgres:x:108:117:PostgreSQL:/var/lib/postgresql:/bin/bash\n";
        let expected = Account::Other { uid: 108, gid: 117 };
        assert_eq!(find(accounts, "postgres"), Some(expected));
        assert_eq!(find(accounts, "nobody"), None);
    }
}
