//! Rebuilds when a migration or the built dashboard changes. The dashboard's folder is made when
//! it is missing, so that a clean clone builds without node; the server then says how to build it.

fn main() {
    println!("cargo::rerun-if-changed=../migrations");
    println!("cargo::rerun-if-changed=../dashboard/dist");
    if let Err(error) = std::fs::create_dir_all("../dashboard/dist") {
        println!("cargo::warning=dashboard/dist cannot be made: {error}");
    }
}
