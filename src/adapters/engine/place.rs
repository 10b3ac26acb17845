//! Where a database is on this host or on the network, and what it takes to get
//! in: an address whose paths and secret are resolved.

use std::{fmt, path::PathBuf};

use zeroize::Zeroizing;

use crate::domain::deployment::{Host, ServerAddress};

/// A database to be opened.
#[derive(Debug, Clone)]
pub enum Place {
    File(PathBuf),
    Server(Server),
}

/// A database on a server.
#[derive(Debug, Clone)]
pub struct Server {
    pub address: ServerAddress,
    /// Authorities to trust instead of those of the system.
    pub root_certificate: Option<PathBuf>,
    pub password: Option<Password>,
}

/// A password. It has no text form of its own and is overwritten when dropped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    #[must_use]
    pub const fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Server(server) => server.address.fmt(f),
        }
    }
}

impl Server {
    /// What to look at when the server does not answer.
    pub fn hint(&self) -> String {
        match &self.address.host {
            Host::Tcp { name, port } => format!("hint: see that the server runs and answers at {name}:{port}"),
            Host::Socket { path, port } => {
                format!("hint: see that the server runs and that its socket for port {port} is at {path}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::deployment::Engine;

    #[test]
    fn a_password_is_in_no_text_form_of_its_place() {
        let address = ServerAddress::parse(Engine::Postgres, "r@db/shop").unwrap();
        let password = Some(Password::new(Zeroizing::new("hunter2".to_owned())));
        let place = Place::Server(Server { address, root_certificate: None, password });
        assert_eq!(place.to_string(), "postgres://r@db:5432/shop");
        assert!(!format!("{place:?}{place}").contains("hunter2"));
    }
}
