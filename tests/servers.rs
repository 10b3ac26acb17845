//! The servers for tests, tested: they start, crash, come back, and leave nothing.

#[cfg(test)]
#[path = "servers/mod.rs"]
mod servers;

#[cfg(test)]
mod tests {
    use super::servers::{Engine, Server, mariadb, postgres};

    #[test]
    fn each_engine_gives_every_test_an_empty_database_of_its_own() {
        for server in [postgres(), mariadb()] {
            let (one, other) = (server.database(), server.database());
            one.run("CREATE TABLE t (x INT); INSERT INTO t VALUES (1), (2)");
            other.run("CREATE TABLE t (x INT)");
            assert_eq!(one.query("SELECT x, x + 1 FROM t ORDER BY x"), "1\t2\n2\t3");
            assert_eq!(other.number("SELECT count(*) FROM t"), 0);
        }
    }

    #[test]
    fn what_was_committed_survives_a_crash_and_the_folder_goes_with_the_server() {
        for engine in [Engine::Postgres, Engine::MariaDb] {
            let server = Server::start(engine, &[]);
            let port = server.port();
            let database = server.database();
            database.run("CREATE TABLE t (x INT); INSERT INTO t VALUES (1)");
            server.kill();
            server.restart();
            assert_eq!((database.number("SELECT count(*) FROM t"), server.port()), (1, port));
            server.stop();
            server.restart();
            assert_eq!(database.number("SELECT count(*) FROM t"), 1);
            let data = server.data();
            assert!(data.is_dir());
            drop(server);
            assert!(!data.exists() && !data.parent().unwrap().exists());
        }
    }

    /// Runs itself again as a process that starts a server and is then killed.
    #[test]
    fn a_killed_test_process_leaves_neither_server_nor_folder() {
        const VICTIM: &str = "RETENTIOND_TEST_VICTIM";
        if std::env::var_os(VICTIM).is_some() {
            let server = Server::start(Engine::MariaDb, &[]);
            println!("folder={}", server.data().parent().unwrap().display());
            // Until it is killed, or until its parent is.
            std::io::Read::read_to_end(&mut std::io::stdin(), &mut Vec::new()).unwrap();
            return;
        }
        let name = "tests::a_killed_test_process_leaves_neither_server_nor_folder";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture"])
            .env(VICTIM, "1")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        let folder = lines.find_map(|line| Some(line.unwrap().split_once("folder=")?.1.to_owned())).unwrap();
        let pid = std::fs::read_to_string(format!("{folder}/pid")).unwrap();
        assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
        child.kill().unwrap();
        child.wait().unwrap();
        let start = std::time::Instant::now();
        while std::path::Path::new(&folder).exists() || std::path::Path::new(&format!("/proc/{pid}")).exists() {
            assert!(start.elapsed().as_secs() < 30, "{folder} or process {pid} is still there");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
