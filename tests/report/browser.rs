//! A headless Chromium, driven through ChromeDriver by the W3C WebDriver protocol:
//! as much of it as the tests here need.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            self.request("DELETE", &format!("/session/{}", self.session), &Value::Null).ok();
        }
        self.driver.kill().ok();
        self.driver.wait().ok();
    }
}

impl Browser {
    /// A window of this width.
    pub fn open(width: u32) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("chromedriver: {error}; tests/run installs chromium and chromium-driver"));
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Self { driver, port, session: String::new(), _profile: profile };
        let begun = Instant::now();
        while browser.request("GET", "/status", &Value::Null).is_err() {
            assert!(begun.elapsed() < PATIENCE, "chromedriver does not answer");
            sleep(Duration::from_millis(50));
        }
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            &format!("--user-data-dir={}", browser._profile.path().display()),
        ];
        let options = json!({ "binary": "/usr/bin/chromium", "args": arguments });
        let wanted = json!({ "browserName": "chrome", "goog:chromeOptions": options });
        let begun = browser.request("POST", "/session", &json!({ "capabilities": { "alwaysMatch": wanted } })).unwrap();
        begun["sessionId"].as_str().unwrap().clone_into(&mut browser.session);
        let screen = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        browser.command("goog/cdp/execute", &json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": screen }));
        browser
    }

    /// Opens a file from disk, and says how long it took until it was drawn.
    pub fn go(&self, file: &Path) -> Duration {
        let begun = Instant::now();
        self.command("url", &json!({ "url": format!("file://{}", file.display()) }));
        begun.elapsed()
    }

    /// The value of a script's `return`.
    pub fn script(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({ "script": script, "args": [] }))
    }

    pub fn text(&self, selector: &str) -> String {
        self.script(&format!("return document.querySelector({}).innerText", json!(selector))).as_str().unwrap().into()
    }

    /// Clicks as a person would: the element must be there, visible and not covered.
    pub fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.command(&format!("element/{element}/click"), &json!({}));
    }

    pub fn write(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.command(&format!("element/{element}/clear"), &json!({}));
        self.command(&format!("element/{element}/value"), &json!({ "text": text }));
    }

    /// Presses keys where the focus is.
    pub fn press(&self, key: &str) {
        let keys = [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })];
        self.command("actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": keys }] }));
    }

    /// Waits until a script says true.
    #[track_caller]
    pub fn wait(&self, script: &str) {
        let begun = Instant::now();
        while self.script(&format!("return {script}")) != json!(true) {
            assert!(begun.elapsed() < PATIENCE, "never true: {script}");
            sleep(Duration::from_millis(30));
        }
    }

    fn element(&self, selector: &str) -> String {
        let found = self.command("element", &json!({ "using": "css selector", "value": selector }));
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn command(&self, command: &str, body: &Value) -> Value {
        let path = format!("/session/{}/{command}", self.session);
        self.request("POST", &path, body).unwrap_or_else(|error| panic!("{command} {body}: {error}"))
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let text = |error: std::io::Error| error.to_string();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).map_err(text)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(text)?;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\nContent-Type: application/json\r\n", self.port);
        let request = format!("{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).map_err(text)?;
        let mut answer = BufReader::new(stream);
        let (mut status, mut length) = (String::new(), 0);
        answer.read_line(&mut status).map_err(text)?;
        loop {
            let mut line = String::new();
            answer.read_line(&mut line).map_err(text)?;
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            length = line.strip_prefix("content-length:").map_or(length, |value| value.trim().parse().unwrap_or(0));
        }
        let mut bytes = vec![0; length];
        answer.read_exact(&mut bytes).map_err(text)?;
        let mut value: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        let value = value["value"].take();
        if status.contains(" 200 ") { Ok(value) } else { Err(value.to_string()) }
    }
}
