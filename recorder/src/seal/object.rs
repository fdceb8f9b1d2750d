//! The names of a take's files in the store.

use sidetone_wire::Manifest;

/// Where all objects of recordings are.
pub(crate) const OBJECTS: &str = "objects/";

/// The name of a take's media: `objects/<tenant>/<yyyy>/<mm>/<recording>.enc`, and
/// `<recording>.<channel>.enc` for a further file, which holds that channel alone.
pub(super) fn object_name(manifest: &Manifest, channel: u8) -> String {
    let started = manifest.started_at.to_string();
    let (year, month) = (&started[..4], &started[5..7]);
    let tenant = folder_name(&manifest.tenant);
    let recording = manifest.recording;
    let folder = format!("{OBJECTS}{tenant}/{year}/{month}");
    match channel {
        0 => format!("{folder}/{recording}.enc"),
        _ => format!("{folder}/{recording}.{channel}.enc"),
    }
}

/// A tenant's slug as a folder: whatever else it may hold, it stays one folder below the root.
fn folder_name(tenant: &str) -> String {
    let mut name: String = tenant
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .take(64)
        .collect();
    if name.is_empty() {
        name.push('_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_one_folder_whatever_its_slug() {
        assert_eq!(folder_name("acme-2"), "acme-2");
        assert_eq!(folder_name("../../etc/passwd"), "______etc_passwd");
        assert_eq!(folder_name(""), "_");
        assert_eq!(folder_name(&"x".repeat(500)).len(), 64);
    }
}
