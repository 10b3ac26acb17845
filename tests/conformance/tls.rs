//! Off this machine, nothing is said to a server that does not prove who it is.
//!
//! 0.0.0.0 is the far address: it is none of the loopback's, so that it counts as
//! another machine's, and the system leads it to this one.

use std::{
    fmt,
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
};

use retentiond::{
    adapters::{
        engine::Server as Address,
        mysql::MySqlScan,
        postgres::PostgresScan,
        vault::{Claim, MySqlVault, PostgresVault},
    },
    domain::deployment::{Engine as Kind, ServerAddress},
    ports::SourceError,
};
use tempfile::TempDir;

use super::{
    engine::PATIENCE,
    servers::{Database, Engine, Server, mariadb, postgres},
};

const FAR: &str = "0.0.0.0";

fn openssl(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output().expect("openssl is installed");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority of our own, and what it has signed.
struct Authority {
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let own = ["req", "-x509", "-subj", "/CN=authority", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem"];
        openssl(folder.path(), &[&own[..], &curve].concat());
        let request = ["req", "-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr"];
        openssl(folder.path(), &[&request[..], &curve].concat());
        fs::set_permissions(folder.path().join("server.key"), Permissions::from_mode(0o644)).unwrap();
        let authority = Self { folder };
        authority.sign(&format!("IP:{FAR}"));
        authority
    }

    /// Makes the server's certificate, for this name only.
    fn sign(&self, name: &str) {
        fs::write(self.path("names"), format!("subjectAltName={name}\n")).unwrap();
        let by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"];
        let sign = ["x509", "-req", "-in", "server.csr", "-out", "server.pem"];
        openssl(self.folder.path(), &[&sign[..], &by].concat());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn at(database: &Database<'_>, host: &str, root: Option<PathBuf>) -> Address {
    let kind = if database.server().engine() == Engine::Postgres { Kind::Postgres } else { Kind::Mysql };
    let url = database.url().replace("127.0.0.1", host);
    let address = ServerAddress::parse(kind, url.split_once("://").unwrap().1).unwrap();
    Address { address, root_certificate: root, password: None }
}

/// What opening a source says, and then a vault.
async fn opened(database: &Database<'_>, host: &str, root: Option<PathBuf>) -> [Result<(), String>; 2] {
    let server = at(database, host, root);
    let lasts = std::time::Duration::from_secs(60);
    let claim = Claim { holder: "host".to_owned(), seat: "seat".to_owned(), lasts };
    let said = |error: SourceError| {
        assert!(matches!(error, SourceError::Unreachable { .. }), "{error:?}");
        error.to_string()
    };
    fn words(error: impl fmt::Display) -> String {
        error.to_string()
    }
    if database.server().engine() == Engine::Postgres {
        let scan = PostgresScan::open("shop".into(), &server, PATIENCE).await.map(drop).map_err(said);
        [scan, PostgresVault::create(&server, "o", false, "d", &claim).await.map(drop).map_err(words)]
    } else {
        let scan = MySqlScan::open("shop".into(), &server, PATIENCE).await.map(drop).map_err(said);
        [scan, MySqlVault::create(&server, "o", false, "d", &claim).await.map(drop).map_err(words)]
    }
}

#[track_caller]
fn refused(opened: [Result<(), String>; 2], because: &str) {
    for said in opened {
        let said = said.unwrap_err();
        assert!(said.to_lowercase().contains(because) && said.contains("hint:"), "{because}: {said}");
    }
}

/// A server that shows what the authority signed; what it does to show it anew.
async fn proves_who_it_is(server: &Server, authority: &Authority, show: impl Fn()) {
    let root = || Some(authority.path("ca.pem"));
    show();
    let encrypted = server.database();
    for opened in opened(&encrypted, FAR, root()).await {
        opened.unwrap();
    }
    let database = server.database();
    let stranger = Authority::new();
    refused(opened(&database, FAR, Some(stranger.path("ca.pem"))).await, "certificate");
    refused(opened(&database, FAR, None).await, "certificate");
    refused(opened(&database, FAR, Some(authority.path("nowhere.pem"))).await, "");
    // Signed by the right one, for somebody else.
    for name in ["DNS:db.internal", "IP:10.9.8.7", "IP:127.0.0.1"] {
        authority.sign(name);
        show();
        refused(opened(&database, FAR, root()).await, "certificate");
    }
    // Here, nobody could stand between.
    opened(&database, "127.0.0.1", None).await[0].as_ref().unwrap();
}

#[tokio::test]
async fn a_far_postgresql_proves_who_it_is() {
    let server = Server::start(Engine::Postgres, &[]);
    let authority = Authority::new();
    let data = server.data();
    let show = || {
        for name in ["server.pem", "server.key"] {
            let path = data.join(name);
            fs::copy(authority.path(name), &path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            let owner = fs::metadata(&data).unwrap();
            chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        }
        server.query("ALTER SYSTEM SET ssl_cert_file = 'server.pem'");
        server.query("ALTER SYSTEM SET ssl_key_file = 'server.key'");
        server.query("ALTER SYSTEM SET ssl = on");
        server.stop();
        server.restart();
    };
    proves_who_it_is(&server, &authority, show).await;
    // Sessions of the network must be encrypted, or this server would not have let them in.
    let database = server.database();
    authority.sign(&format!("IP:{FAR}"));
    show();
    let scan = PostgresScan::open("shop".into(), &at(&database, FAR, Some(authority.path("ca.pem"))), PATIENCE).await;
    let is_encrypted =
        "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name LIKE 'retentiond%'";
    assert_eq!(server.query(is_encrypted), "t");
    drop(scan);
}

#[tokio::test]
async fn a_far_mariadb_proves_who_it_is() {
    let authority = Authority::new();
    let options = [("cert", "server.pem"), ("key", "server.key"), ("ca", "ca.pem")];
    let options = options.map(|(option, file)| format!("--ssl-{option}={}", authority.path(file).display()));
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let server = Server::start(Engine::MariaDb, &options);
    proves_who_it_is(&server, &authority, || drop(server.query("FLUSH SSL"))).await;
    let database = server.database();
    authority.sign(&format!("IP:{FAR}"));
    server.query("FLUSH SSL");
    database.run("CREATE USER only_encrypted@'%' REQUIRE SSL; GRANT SELECT ON *.* TO only_encrypted@'%'");
    let mut address = at(&database, FAR, Some(authority.path("ca.pem")));
    address.address.user = "only_encrypted".to_owned();
    MySqlScan::open("shop".into(), &address, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_far_server_without_tls_is_not_spoken_to() {
    for server in [postgres(), mariadb()] {
        let database = server.database();
        let authority = Authority::new();
        refused(opened(&database, FAR, Some(authority.path("ca.pem"))).await, "tls");
        refused(opened(&database, FAR, None).await, "tls");
        opened(&database, "127.0.0.1", None).await[0].as_ref().unwrap();
    }
}
