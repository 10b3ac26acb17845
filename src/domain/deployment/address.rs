//! Where a database is: the parts of a URL, checked, without any secret.
//!
//! Nothing here resolves a name or opens a file. What is wrong is said without
//! repeating the URL, since it may hold a password.

/// The engine behind a server's address. MariaDB and MySQL speak one protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Postgres,
    Mysql,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A SQLite file, as written.
    File(String),
    Server(ServerAddress),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    pub engine: Engine,
    pub host: Host,
    pub user: String,
    pub database: String,
    /// A file with the certificates of the authorities that are trusted, as
    /// written; by default those of the system.
    pub root_certificate: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    Tcp {
        name: String,
        port: u16,
    },
    /// The folder (PostgreSQL) or the file (MySQL) of a unix socket, and the port
    /// in its name.
    Socket {
        path: String,
        port: u16,
    },
}

/// What is wrong with a URL, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAnAddress {
    pub message: String,
    pub hint: String,
}

fn refuse<T>(message: impl Into<String>, hint: impl Into<String>) -> Result<T, NotAnAddress> {
    Err(NotAnAddress { message: message.into(), hint: hint.into() })
}

impl Engine {
    const fn port(self) -> u16 {
        match self {
            Self::Postgres => 5432,
            Self::Mysql => 3306,
        }
    }

    #[must_use]
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }
}

/// The schemes of a server's address.
pub const SCHEMES: [(&str, Engine); 4] = [
    ("postgres", Engine::Postgres),
    ("postgresql", Engine::Postgres),
    ("mysql", Engine::Mysql),
    ("mariadb", Engine::Mysql),
];

impl Host {
    /// True where nothing that is said can leave this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Socket { .. } => true,
            Self::Tcp { name, .. } => is_loopback(name),
        }
    }
}

impl ServerAddress {
    /// Reads what stands behind `://` of a server's URL:
    /// `user@host[:port]/database`, with options behind `?`.
    pub fn parse(engine: Engine, rest: &str) -> Result<Self, NotAnAddress> {
        let (place, options) = rest.split_once('?').map_or((rest, None), |(place, options)| (place, Some(options)));
        let options = Options::parse(options)?;
        let Some((authority, database)) = place.split_once('/') else {
            return refuse("the address names no database", "write it behind the host: `user@host/database`");
        };
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, database) = (decoded(user)?, decoded(database)?);
        if user.is_empty() {
            return refuse("the address names no user", "write it before the host: `user@host/database`");
        }
        if database.is_empty() || database.contains('/') {
            return refuse("the address names no database", "write one name behind the host: `user@host/database`");
        }
        let host = options.host(host, engine)?;
        if !host.is_local() && options.unverified {
            return refuse(
                "the address asks for a connection that is not verified",
                "leave `sslmode` out: the server's certificate is verified unless it is on this machine",
            );
        }
        Ok(Self { engine, host, user, database, root_certificate: options.root_certificate })
    }

    /// Whether both lead to one server, as far as their texts tell.
    #[must_use]
    pub fn same_server(&self, other: &Self) -> bool {
        let same_host = match (&self.host, &other.host) {
            (Host::Socket { path: one, port: first }, Host::Socket { path: other, port: second }) => {
                (one, first) == (other, second)
            }
            (Host::Tcp { name: one, port: first }, Host::Tcp { name: other, port: second }) => {
                first == second && (one.eq_ignore_ascii_case(other) || (is_loopback(one) && is_loopback(other)))
            }
            (Host::Socket { port: first, .. }, Host::Tcp { name, port: second })
            | (Host::Tcp { name, port: second }, Host::Socket { port: first, .. }) => {
                first == second && is_loopback(name)
            }
        };
        self.engine == other.engine && same_host
    }

    #[must_use]
    pub fn same_database(&self, other: &Self) -> bool {
        self.same_server(other) && self.database == other.database
    }
}

/// For people: never with a password, since there is none.
impl std::fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (scheme, user, database) = (self.engine.scheme(), &self.user, &self.database);
        match &self.host {
            Host::Tcp { name, port } if name.contains(':') => write!(f, "{scheme}://{user}@[{name}]:{port}/{database}"),
            Host::Tcp { name, port } => write!(f, "{scheme}://{user}@{name}:{port}/{database}"),
            Host::Socket { path, port } => write!(f, "{scheme}://{user}@{path}:{port}/{database}"),
        }
    }
}

#[derive(Default)]
struct Options {
    socket: Option<String>,
    root_certificate: Option<String>,
    unverified: bool,
}

impl Options {
    fn parse(text: Option<&str>) -> Result<Self, NotAnAddress> {
        let mut options = Self::default();
        for pair in text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value)?;
            match key {
                "host" | "socket" if value.starts_with('/') => options.socket = Some(value),
                "sslrootcert" | "ssl-ca" if !value.is_empty() => options.root_certificate = Some(value),
                "sslmode" | "ssl-mode" => {
                    let mode = value.to_ascii_lowercase().replace('_', "-");
                    options.unverified = !matches!(mode.as_str(), "verify-full" | "verify-identity");
                }
                _ => {
                    return refuse(
                        "the address has an option that is not known, or without its value",
                        "known are `host=/folder/of/the/socket`, `sslrootcert=/file.pem` and `sslmode=verify-full`",
                    );
                }
            }
        }
        Ok(options)
    }

    fn host(&self, written: &str, engine: Engine) -> Result<Host, NotAnAddress> {
        let (name, port) = match written.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((name, "")) => (name, None),
            Some((name, port)) => (name, port.strip_prefix(':').or(Some("no port"))),
            None => written.split_once(':').map_or((written, None), |(name, port)| (name, Some(port))),
        };
        let Ok(port) = port.map_or(Ok(engine.port()), str::parse::<u16>) else {
            return refuse("the address has a port that is no port", "write a number from 1 to 65535 behind the host");
        };
        let name = decoded(name)?;
        if let Some(path) = &self.socket {
            return Ok(Host::Socket { path: path.clone(), port });
        }
        if name.starts_with('/') {
            return Ok(Host::Socket { path: name, port });
        }
        if name.is_empty() || name.contains(['/', ' ']) {
            return refuse("the address names no host", "write it behind the user: `user@host/database`");
        }
        Ok(Host::Tcp { name, port })
    }
}

/// `localhost`, `::1` and 127.0.0.0/8, and no name that only begins like them.
fn is_loopback(name: &str) -> bool {
    let numbers: Option<Vec<u8>> = name.split('.').map(|part| part.parse().ok()).collect();
    let in_127 = numbers.is_some_and(|numbers| numbers.len() == 4 && numbers[0] == 127);
    in_127 || name == "::1" || name.eq_ignore_ascii_case("localhost")
}

/// Percent-decoding; what it makes must be UTF-8 without control characters.
fn decoded(text: &str) -> Result<String, NotAnAddress> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let code = behind.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        let Some(byte) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) else {
            return refuse("the address has a `%` that is no code", "write a percent sign as `%25`");
        };
        bytes.push(byte);
        rest = &behind[2..];
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains(char::is_control) => Ok(text),
        _ => refuse("the address has codes that are no text", "write the name as it is, in UTF-8"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn postgres(rest: &str) -> Result<ServerAddress, NotAnAddress> {
        ServerAddress::parse(Engine::Postgres, rest)
    }

    fn tcp(name: &str, port: u16) -> Host {
        Host::Tcp { name: name.to_owned(), port }
    }

    #[test]
    fn an_address_has_its_parts() {
        let address = postgres("retention%40d@db.internal:6432/%EC%83%81%EC%A0%90?sslrootcert=/etc/ca.pem").unwrap();
        assert_eq!((address.user.as_str(), address.database.as_str()), ("retention@d", "상점"));
        assert_eq!(address.host, tcp("db.internal", 6432));
        assert_eq!(address.root_certificate.as_deref(), Some("/etc/ca.pem"));
        assert_eq!(postgres("r@db/shop").unwrap().host, tcp("db", 5432));
        assert_eq!(postgres("r@[::1]:77/shop").unwrap().host, tcp("::1", 77));
        assert_eq!(ServerAddress::parse(Engine::Mysql, "r@db/shop").unwrap().host, tcp("db", 3306));
    }

    #[test]
    fn a_socket_is_written_in_either_way() {
        let socket = Host::Socket { path: "/run/postgresql".to_owned(), port: 5432 };
        assert_eq!(postgres("r@/shop?host=/run/postgresql").unwrap().host, socket);
        assert_eq!(postgres("r@%2Frun%2Fpostgresql/shop").unwrap().host, socket);
        assert!(socket.is_local());
    }

    #[test]
    fn what_is_missing_or_strange_is_refused_without_repeating_it() {
        for rest in [
            "db/shop",
            "r@db",
            "r@db/",
            "r@/shop",
            "r@db:x/shop",
            "r@db:99999/shop",
            "r@[::1/shop",
            "r@[::1]x/shop",
            "r%zz@db/shop",
            "r%00@db/shop",
            "r@db/shop?sslmod=off",
            "r@db/shop?host=relative",
        ] {
            let refused = postgres(rest).unwrap_err();
            assert!(!refused.message.contains("shop") && !refused.hint.is_empty(), "{rest}: {refused:?}");
        }
    }

    #[test]
    fn only_what_stays_on_this_machine_goes_unverified() {
        for host in ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "%2Frun"] {
            assert!(postgres(&format!("r@{host}/shop?sslmode=disable")).unwrap().host.is_local(), "{host}");
        }
        for host in ["db", "127.example.com", "127.0.0.1.example.com", "10.0.0.1", "[fe80::1]"] {
            assert!(!postgres(&format!("r@{host}/shop")).unwrap().host.is_local(), "{host}");
            assert!(postgres(&format!("r@{host}/shop?sslmode=require")).is_err(), "{host}");
            assert!(postgres(&format!("r@{host}/shop?sslmode=verify-full")).is_ok(), "{host}");
        }
    }

    #[test]
    fn one_server_is_known_under_its_names() {
        let same = |one: &str, other: &str| postgres(one).unwrap().same_server(&postgres(other).unwrap());
        assert!(same("a@localhost/x", "b@127.0.0.1/y"));
        assert!(same("a@DB/x", "b@db:5432/y"));
        assert!(same("a@%2Frun/x", "b@localhost/y"));
        assert!(!same("a@localhost:5433/x", "b@127.0.0.1/x"));
        assert!(!same("a@db1/x", "b@db2/x"));
        let shop = postgres("a@localhost/shop").unwrap();
        assert!(shop.same_database(&postgres("b@[::1]/shop").unwrap()));
        assert!(!shop.same_database(&postgres("b@localhost/vault").unwrap()));
    }
}
