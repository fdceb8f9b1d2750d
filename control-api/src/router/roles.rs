//! Which role an operation needs, said where programs can read it: `x-role`.
//!
//! Every operation that not everybody may ask for says so for people in its 403: "Needs the role
//! supervisor". The same words are the extension, so that the two cannot differ; the credential
//! matrix of the tests proves that they are true.

use sidetone_wire::Role;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{OpenApi, RefOr};

const NEEDS: &str = "Needs the role ";

/// Declares for every operation the roles that may ask for it: `x-role: ["admin", "auditor"]`.
/// Without it, every role may.
pub(super) fn declare(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.head,
            &mut item.post,
            &mut item.put,
            &mut item.patch,
            &mut item.delete,
        ];
        for operation in operations.into_iter().flatten() {
            if let Some(roles) = needed(operation) {
                let roles = roles.iter().map(|role| role.as_str()).collect::<Vec<_>>();
                let said = Extensions::builder().add("x-role", roles).build();
                operation.extensions.get_or_insert_default().merge(said);
            }
        }
    }
}

/// The roles that its 403 names, and those that include them.
fn needed(operation: &Operation) -> Option<Vec<Role>> {
    let RefOr::T(refusal) = operation.responses.responses.get("403")? else {
        return None;
    };
    let words = refusal.description.split_once(NEEDS)?.1;
    let words = words.split(['(', ',', '.', ';']).next().unwrap_or_default();
    let named: Vec<Role> = words
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let includes = |role: Role| match role {
        Role::Admin => !named.is_empty(),
        Role::Supervisor => named.contains(&Role::Supervisor) || named.contains(&Role::Agent),
        Role::Agent => named.contains(&Role::Agent),
        Role::Auditor => named.contains(&Role::Auditor),
    };
    let roles: Vec<Role> = Role::ALL
        .iter()
        .copied()
        .filter(|role| includes(*role))
        .collect();
    (!roles.is_empty()).then_some(roles)
}
