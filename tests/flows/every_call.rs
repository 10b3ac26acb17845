//! Every method of every port is called in the life that the fault table lives,
//! or it is said here why it is not. A method that is added has to be added there.

use std::collections::BTreeSet;

use syn::{Item, ReturnType, TraitItem, Type};

use super::scenario::{FULL_LIFE, live};

/// Ports whose calls a fault can meet, and how their calls are named in a trace.
const PORTS: [(&str, &str); 5] =
    [("Scan", "source"), ("Source", "source"), ("Vault", "vault"), ("Keyring", "keyring"), ("Ledger", "ledger")];

/// Methods that no fault meets here, each with its reason.
const NOT_HERE: [(&str, &str); 6] = [
    // Only tables without transactions need them: `tests/crashes` ends the program in
    // the middle of both.
    ("source.finish_removal", "tests/crashes"),
    ("source.finish_restoration", "tests/crashes"),
    // Each is what one of the others does, many times.
    ("keyring.digests", "keyring.digest"),
    ("keyring.digests_unsealed", "keyring.unseal"),
    ("keyring.seal_all", "keyring.seal"),
    // Only `explain` asks, which writes nothing: its tests meet a source that fails.
    ("source.look", "explain"),
];

/// One call of a port may be several steps, each of which can fail by itself.
const IN_STEPS: [(&str, &[&str]); 1] =
    [("keyring.destroy", &["keyring.write_next", "keyring.install_next", "keyring.destroy_root"])];

/// Methods that can fail, as `port.method`, read from the source of the ports.
fn methods_that_can_fail() -> BTreeSet<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/ports.rs")).unwrap();
    let mut methods = BTreeSet::new();
    for item in syn::parse_file(&text).unwrap().items {
        let Item::Trait(port) = item else { continue };
        let Some((_, prefix)) = PORTS.iter().find(|(name, _)| port.ident == name) else { continue };
        for item in port.items {
            let TraitItem::Fn(method) = item else { continue };
            if can_fail(&method.sig.output) {
                methods.insert(format!("{prefix}.{}", method.sig.ident));
            }
        }
    }
    methods
}

fn can_fail(output: &ReturnType) -> bool {
    let ReturnType::Type(_, returned) = output else { return false };
    let Type::Path(path) = &**returned else { return false };
    path.path.segments.last().is_some_and(|segment| segment.ident == "Result")
}

#[test]
fn the_fault_table_meets_every_method_of_every_port_that_can_fail() {
    let methods = methods_that_can_fail();
    assert!(methods.len() > 30 && methods.contains("vault.keep_lease"), "{methods:?}");
    let (_, trace) = live(&FULL_LIFE, &[]);
    let called: BTreeSet<&str> = trace.iter().map(|call| call.name).collect();
    for method in &methods {
        let steps = IN_STEPS.iter().find(|(whole, _)| whole == method).map(|(_, steps)| *steps);
        let met = match steps {
            Some(steps) => steps.iter().all(|step| called.contains(step)),
            None => called.contains(method.as_str()),
        };
        let excused = NOT_HERE.iter().any(|(excused, _)| excused == method);
        assert!(met != excused, "{method} is {}", if met { "met, and excused" } else { "never met by a fault" });
    }
    let known = |name: &str| methods.contains(name) || IN_STEPS.iter().any(|(_, steps)| steps.contains(&name));
    let unknown: Vec<&&str> = called.iter().filter(|name| !known(name)).collect();
    assert!(unknown.is_empty(), "the table meets {unknown:?}, which no port has");
}
