//! One database of a server, spoken to with the engine's own client: what a
//! test counts does not go through the code that it tests.

use std::{
    io::{Read, Write as _},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use super::{
    Engine, Server,
    programs::{ADMINISTRATOR, program},
};

#[derive(Debug)]
pub struct Database<'s> {
    server: &'s Server,
    name: String,
}

impl<'s> Database<'s> {
    pub(super) fn create(server: &'s Server, name: String) -> Self {
        let (around, options) = match server.engine() {
            Engine::Postgres => ("postgres", ""),
            Engine::MariaDb => ("mysql", " CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"),
        };
        let server_itself = Database { server, name: around.to_owned() };
        server_itself.run(&format!("CREATE DATABASE {name}{options}"));
        Database { server, name }
    }

    pub fn server(&self) -> &'s Server {
        self.server
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// As the administrator, over TCP.
    pub fn url(&self) -> String {
        self.url_of(ADMINISTRATOR)
    }

    pub fn url_of(&self, user: &str) -> String {
        let scheme = match self.server.engine() {
            Engine::Postgres => "postgres",
            Engine::MariaDb => "mariadb",
        };
        format!("{scheme}://{user}@127.0.0.1:{}/{}", self.server.port(), self.name)
    }

    /// Runs statements, separated by semicolons.
    pub fn run(&self, sql: &str) {
        self.query(sql);
    }

    /// Runs statements and returns what they print: a line per row, columns
    /// separated by tabs, no headings, no blanks around.
    pub fn query(&self, sql: &str) -> String {
        self.feed(sql.as_bytes()).trim_end_matches('\n').to_owned()
    }

    /// A single number.
    pub fn number(&self, sql: &str) -> i64 {
        let text = self.query(sql);
        text.parse().unwrap_or_else(|_| panic!("{text:?} is no number: {sql}"))
    }

    /// Runs the statements of a dump that is packed with gzip.
    pub fn load_packed(&self, dump: &Path) {
        self.load_packed_after("", dump);
    }

    /// The same, in a session that some statements have prepared.
    pub fn load_packed_after(&self, before: &str, dump: &Path) {
        let mut unpack = Command::new("gzip").arg("-dc").arg(dump).stdout(Stdio::piped()).spawn().expect("gzip runs");
        let out = unpack.stdout.take().expect("it is piped");
        self.feed(before.as_bytes().chain(out));
        assert!(unpack.wait().unwrap().success(), "gzip could not unpack {}", dump.display());
    }

    fn feed(&self, mut input: impl Read + Send) -> String {
        let mut command = self.client();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the client starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        let output = thread::scope(|scope| {
            scope.spawn(move || {
                let mut piece = vec![0; 1 << 16];
                loop {
                    let length = input.read(&mut piece).expect("the input can be read");
                    // A client that stopped at an error says why on its own.
                    if length == 0 || stdin.write_all(&piece[..length]).is_err() {
                        return;
                    }
                }
            });
            child.wait_with_output().unwrap()
        });
        assert!(output.status.success(), "the client failed: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn client(&self) -> Command {
        let port = self.server.port().to_string();
        match self.server.engine() {
            Engine::Postgres => {
                let mut command = Command::new(program("psql"));
                command.args(["-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"]);
                command.args(["-p", &port, "-U", ADMINISTRATOR, "-d", &self.name]);
                command
            }
            Engine::MariaDb => {
                let mut command = Command::new(program("mariadb"));
                command.args(["--no-defaults", "--protocol=TCP", "--host=127.0.0.1", "--batch", "--skip-column-names"]);
                command.args(["--binary-mode", "--default-character-set=utf8mb4"]);
                command.args(["--port", &port, "--user", ADMINISTRATOR, &self.name]);
                command
            }
        }
    }
}

impl Server {
    /// The address of a database of another server's on this one, its replica.
    pub fn address_of(&self, database: &Database<'_>, user: &str) -> String {
        Database { server: self, name: database.name.clone() }.url_of(user)
    }

    /// Asks the server itself, in no database of a test.
    pub fn query(&self, sql: &str) -> String {
        let around = if self.engine() == Engine::Postgres { "postgres" } else { "mysql" };
        Database { server: self, name: around.to_owned() }.query(sql)
    }

    /// Asks a database of another server's on this one, its replica.
    pub fn query_of(&self, database: &Database<'_>, sql: &str) -> String {
        Database { server: self, name: database.name.clone() }.query(sql)
    }
}
