//! The table of layers: who may use what. Reading sources is not done here.

/// A layer, the places under `src` that belong to it, and what it never does.
pub struct Layer {
    pub places: &'static [&'static str],
    /// Paths, by their first segments.
    pub never: &'static [&'static str],
    /// May ask what time it is.
    pub tells_time: bool,
    /// May write to the terminal.
    pub prints: bool,
}

#[rustfmt::skip]
const LAYERS: &[Layer] = &[
    Layer {
        places: &["domain"],
        never: &[
            "sqlx", "tokio", "tracing", "anyhow", "rustix",
            "std::fs", "std::env", "std::net", "std::process",
            "crate::ports", "crate::flow", "crate::adapters", "crate::settings", "crate::daemon", "crate::cli",
        ],
        tells_time: false,
        prints: false,
    },
    Layer {
        places: &["ports"],
        never: &[
            "sqlx", "tokio", "anyhow", "rustix", "std::fs", "std::env", "std::net", "std::process",
            "crate::flow", "crate::adapters", "crate::settings", "crate::daemon", "crate::cli",
        ],
        tells_time: false,
        prints: false,
    },
    Layer {
        places: &["flow"],
        never: &[
            "sqlx", "anyhow", "rustix", "std::fs", "std::env", "std::net", "std::process",
            "tokio::fs", "tokio::net", "tokio::process",
            "crate::adapters", "crate::settings", "crate::daemon", "crate::cli",
        ],
        tells_time: false,
        prints: false,
    },
    Layer {
        places: &["adapters"],
        never: &["anyhow", "crate::flow", "crate::settings", "crate::daemon", "crate::cli"],
        tells_time: true,
        prints: false,
    },
    Layer { places: &["settings"], never: &["anyhow"], tells_time: true, prints: false },
    Layer { places: &["cli", "daemon", "main", "lib"], never: &[], tells_time: true, prints: true },
];

/// `domain/calendar/mod.rs` is the module `domain::calendar`.
pub fn module_of(file: &str) -> Vec<String> {
    let stem = file.trim_end_matches(".rs");
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    stem.split('/').filter(|part| *part != "lib" && *part != "main").map(str::to_owned).collect()
}

pub fn layer_of(file: &str) -> Option<&'static Layer> {
    let place = file.split('/').next()?.trim_end_matches(".rs");
    LAYERS.iter().find(|layer| layer.places.contains(&place))
}
