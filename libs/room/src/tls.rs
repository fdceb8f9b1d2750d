//! One TLS provider for everything that dials out.

/// Makes aws-lc-rs the process's TLS provider unless one is chosen already: two are in the tree,
/// and rustls refuses to guess.
pub(crate) fn install_provider() {
    // already installed: as good
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}
