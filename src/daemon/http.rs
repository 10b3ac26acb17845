//! `/metrics`, `/healthz` and `/readyz` on a loopback port or a Unix socket. It
//! reads a board that others write, and can change nothing.

use std::{
    fs, io,
    os::unix::fs::FileTypeExt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::net::{TcpListener, UnixListener, UnixStream};

use crate::{
    adapters::metrics::{self, Live, Survey},
    cli::{error::CommandError, exit::Exit},
    domain::{backlog::Standing, deployment::Listen},
    settings::Settings,
};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What can be seen from outside.
#[derive(Debug, Default)]
pub struct Board {
    shown: Mutex<Shown>,
}

#[derive(Debug, Clone, Default)]
pub struct Shown {
    pub survey: Option<Arc<Survey>>,
    pub live: Live,
    /// What keeps the daemon from being ready, in words.
    pub problems: Vec<String>,
}

impl Board {
    pub fn change(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut self.shown.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn shown(&self) -> Shown {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A place that is listened at; a socket file is removed with it.
#[derive(Debug)]
pub struct Server {
    socket: Option<PathBuf>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(socket) = &self.socket {
            // Nothing depends on it: the next start removes what nobody listens at.
            fs::remove_file(socket).ok();
        }
    }
}

/// Starts serving; `None` where the configuration asks for nothing.
pub async fn serve(settings: &Settings, board: Arc<Board>) -> Result<Option<Server>, CommandError> {
    let Some(listen) = &settings.deployment.metrics else { return Ok(None) };
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(board);
    let (task, socket) = match listen {
        Listen::Loopback(address) => {
            let listener = TcpListener::bind(address).await.map_err(|error| taken(address, &error))?;
            (tokio::spawn(finish(axum::serve(listener, router).into_future())), None)
        }
        Listen::Socket(path) => {
            let path = settings.beside(path);
            let shown = path.display().to_string();
            free(&path).await.map_err(|error| taken(&shown, &error))?;
            let listener = UnixListener::bind(&path).map_err(|error| taken(&shown, &error))?;
            (tokio::spawn(finish(axum::serve(listener, router).into_future())), Some(path))
        }
    };
    Ok(Some(Server { socket, task }))
}

async fn finish(serving: impl Future<Output = io::Result<()>>) {
    if let Err(error) = serving.await {
        tracing::error!(%error, "metrics are no longer served");
    }
}

/// Removes a socket that nobody listens at any more.
async fn free(path: &PathBuf) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket && UnixStream::connect(path).await.is_err() {
        fs::remove_file(path)?;
    }
    Ok(())
}

fn taken(place: &str, error: &io::Error) -> CommandError {
    let hint = "hint: give [metrics] listen a place of its own";
    CommandError::new(Exit::Configuration, format!("metrics cannot be served at {place}: {error}; {hint}"))
}

async fn metrics(State(board): State<Arc<Board>>) -> impl IntoResponse {
    let shown = board.shown();
    match metrics::render(shown.survey.as_deref(), shown.live) {
        Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, OPENMETRICS)], text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, "text/plain")], format!("{error}\n")),
    }
}

/// Ready: cycles run and the last one did everything. The rules that are not
/// green are named in any case.
async fn ready(State(board): State<Arc<Board>>) -> impl IntoResponse {
    let shown = board.shown();
    let mut lines = shown.problems.clone();
    let code = if lines.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if let Some(survey) = &shown.survey {
        let standings = survey.standings(shown.live.paused).into_iter();
        let not_green = standings.filter(|(_, standing)| *standing != Standing::Green);
        lines.extend(not_green.map(|(backlog, standing)| format!("rule {}: {}", backlog.rule, standing.name())));
    }
    if lines.is_empty() {
        lines.push("ready".to_owned());
    }
    (code, lines.join("\n") + "\n")
}
