//! How many files, sockets among them, this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for what is no connection of a client: the database, recordings, the SFU.
const KEPT: u64 = 256;

/// Raises the limit to what the system allows: most systems let a process begin with 1,024, which
/// is for programs that cannot count further. Gives the limit that holds now.
pub fn raise_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // one that may not be raised is as good as it was
    let _ = setrlimit(Resource::Nofile, raised);
    current()
}

/// Connections of clients that fit below the limit.
pub(crate) fn for_connections() -> usize {
    let current = current();
    let left = current.saturating_sub(KEPT).max(current / 2);
    usize::try_from(left).unwrap_or(usize::MAX)
}

fn current() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_what_the_system_allows() {
        let raised = raise_limit();
        let allowed = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        assert_eq!(raised, allowed);
        assert!(for_connections() < usize::try_from(raised).unwrap_or(usize::MAX));
    }
}
