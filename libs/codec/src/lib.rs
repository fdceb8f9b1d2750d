//! libopus behind safe names: the only crate with C in it
