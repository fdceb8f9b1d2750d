//! One TLS provider for everything that dials out.

/// Makes aws-lc-rs the process's TLS provider unless one is chosen already: two are in the tree,
/// and rustls refuses to guess.
pub(crate) fn install_provider() {
    // already installed: as good
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

/// An HTTP client that knows the usual roots, wherever it runs.
pub(crate) fn client() -> reqwest::Client {
    install_provider();
    let roots = rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let tls = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .build()
        .expect("the TLS backend is one that it knows")
}
