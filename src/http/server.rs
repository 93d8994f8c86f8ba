//! Listeners: HTTP/1.1, with TLS if configured, with limits on headers and time, and a stop that lets what runs finish.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body};
use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use super::{
    connections::{Connections, Line, Place},
    hangup::Hangup,
    peer::Peer,
    stall::Moving,
    tls::Tls,
    words::{self, Worded},
};
use crate::{
    faults,
    metrics::{self, Shed},
    open_files::SpareFiles,
    problem::{Problem, ProblemCode},
};

/// Longest time request headers may take to arrive; of the first ones, the TLS handshake included. A connection on which
/// nobody asks for anything ends after it too.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// The same at the ops listener: probes and scrapers send theirs at once.
const OPS_HEADER_TIME: Duration = Duration::from_secs(3);
/// Longest time an answer or a stream may make no progress because its peer does not read.
const STALL_TIME: Duration = Duration::from_secs(30);
/// hyper refuses larger headers itself, before there is a request; `words` makes that a problem. With as many connections as
/// there may be, all of them sending headers slowly, this bounds the memory they hold to 160 MiB.
const HEADER_BUFFER: usize = 32 * 1024;
/// Most connections of the public listener: more than the requests that may be under way, because gateways keep
/// connections open and because whoever is refused should be told why.
pub const CONNECTIONS_MAX: usize = 5_120;
/// Most connections of the ops listener: a scraper and some probes.
const OPS_CONNECTIONS_MAX: usize = 64;
/// Files kept for the ops listener, so that probes are answered when everything else has taken the rest.
const OPS_SPARE_FILES: usize = 16;
/// Pause after a connection could not be taken because this process is out of something, most often of files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The same when another connection has just been told to end.
const ROOM_PAUSE: Duration = Duration::from_millis(2);
/// One log line about it in so long.
const ACCEPT_LOG: Duration = Duration::from_secs(10);
/// At a stop, time for the first request of a connection that was opened just before.
const FIRST_REQUEST: Duration = Duration::from_millis(100);

/// A connection whose caller showed a certificate takes no request after this long: certificates expire, and only a handshake
/// looks at their time.
const CERTIFIED_MAX: Duration = Duration::from_secs(3_600);

/// What a listener needs to know.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Connections above these are refused at once.
    pub connections_max: usize,
    /// TLS, or plain HTTP.
    pub tls: Option<Arc<Tls>>,
    /// Longest time request headers may take to arrive.
    header_time: Duration,
    /// A connection ends when nothing that waits to be written goes out for so long.
    stall_time: Duration,
    /// Whether a connection on which no request is being worked on ends when a new one finds no room.
    give_way: bool,
    spare_files: usize,
}

impl ServeOptions {
    /// The usual times, and at most so many connections.
    pub fn new(connections_max: usize, tls: Option<Arc<Tls>>) -> Self {
        Self {
            connections_max,
            tls,
            header_time: HEADER_TIME,
            stall_time: faults::hurried(STALL_TIME),
            give_way: false,
            spare_files: 0,
        }
    }

    /// For probes, which have to be answered whatever the other connections do.
    pub fn of_probes() -> Self {
        Self {
            header_time: OPS_HEADER_TIME,
            give_way: true,
            spare_files: OPS_SPARE_FILES,
            ..Self::new(OPS_CONNECTIONS_MAX, None)
        }
    }
}

/// Serves until `stop` resolves; then takes no new connection, and waits for what runs, at most until the moment that
/// `stop` gave.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: ServeOptions,
    stop: impl Future<Output = Instant>,
) {
    serve_under(listener, router, options, "", stop).await;
}

/// As [`serve`], where callers see the service under a path: `prefix`, without a slash at its end.
pub async fn serve_under(
    listener: TcpListener,
    router: Router,
    options: ServeOptions,
    prefix: &str,
    stop: impl Future<Output = Instant>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(options.header_time)
        .max_buf_size(HEADER_BUFFER)
        .keep_alive(true);
    let server = Arc::new(Server {
        http,
        router,
        prefix: prefix.to_owned(),
        tls: options.tls,
        header_time: options.header_time,
        stall_time: options.stall_time,
        connections: Arc::new(Connections::new(options.connections_max, options.give_way)),
        spare: SpareFiles::new(options.spare_files),
        closing: watch::Sender::new(false),
        tasks: TaskTracker::new(),
    });
    tokio::pin!(stop);
    let mut logged: Option<Instant> = None;
    let end = loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            end = &mut stop => break end,
        };
        match accepted {
            Ok((stream, address)) => server.take(stream, address),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                let is_full = is_out_of_files(&error);
                // The system looks for a file first, and says that there is none even when nobody waits.
                let is_waited_for = !is_full || somebody_waits(&listener);
                if is_full && is_waited_for && server.spare.give() {
                    // A file is free now, and the connection that waits gets it.
                    continue;
                }
                // The file of the one that ends is free in no time.
                let has_room = is_waited_for && server.connections.make_room();
                let pause = if has_room { ROOM_PAUSE } else { ACCEPT_PAUSE };
                if is_waited_for && logged.is_none_or(|at| at.elapsed() >= ACCEPT_LOG) {
                    logged = Some(Instant::now());
                    tracing::warn!(%error, "connections cannot be accepted");
                }
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    end = &mut stop => break end,
                }
            }
        }
    };
    take_the_waiting(listener, &server);
    server.closing.send_replace(true);
    server.tasks.close();
    if timeout_at(end, server.tasks.wait()).await.is_err() {
        tracing::warn!(
            "some requests did not end within the grace time; their changes are recovered at the next start"
        );
    }
}

/// Takes those that the system has already connected: closing the listener would break them without a word. The system is
/// asked itself, not the runtime, which may not have heard of them yet.
fn take_the_waiting(listener: TcpListener, server: &Arc<Server>) {
    // From now on the system lets one more wait at most, so that hardly anybody comes between the last look and the end.
    // The others try again by themselves, and find that nobody listens.
    let _ = rustix::net::listen(&listener, 0);
    let Ok(listener) = listener.into_std() else { return };
    loop {
        match listener.accept() {
            Ok((stream, address)) => {
                let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
                if let Ok(stream) = stream {
                    server.take(stream, address);
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            // Most often: nobody waits.
            Err(_) => return,
        }
    }
}

/// Whether only the connection that was to be accepted is broken.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Whether this process, or the system, has no file left.
fn is_out_of_files(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// Whether a connection waits to be accepted.
fn somebody_waits(listener: &TcpListener) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut asked = [PollFd::new(listener, PollFlags::IN)];
    // Without waiting. What cannot be asked is taken for a yes.
    poll(&mut asked, Some(&Timespec::default())).map_or(true, |ready| ready > 0)
}

#[derive(Debug)]
struct Server {
    http: http1::Builder,
    router: Router,
    prefix: String,
    tls: Option<Arc<Tls>>,
    header_time: Duration,
    stall_time: Duration,
    connections: Arc<Connections>,
    spare: SpareFiles,
    closing: watch::Sender<bool>,
    tasks: TaskTracker,
}

impl Server {
    fn take(self: &Arc<Self>, stream: TcpStream, address: SocketAddr) {
        let Some(place) = self.connections.take() else {
            metrics::shed(Shed::Connections);
            if self.tls.is_none() {
                // Without waiting: who cannot take these few bytes now gets none. Over TLS nobody could read them yet.
                let problem = Problem::plain(ProblemCode::Overloaded);
                let _ = stream.try_write(&words::answer(&problem, &self.prefix));
            }
            return;
        };
        let server = Arc::clone(self);
        self.tasks.spawn(async move { server.keep(stream, address, place).await });
    }

    /// One connection, until it ends or gives way to another one.
    async fn keep(&self, stream: TcpStream, address: SocketAddr, place: Place) {
        tokio::select! {
            biased;
            () = self.attend(stream, address, Arc::clone(&place.line)) => {}
            () = place.line.gives_way() => {}
        }
        // Its file is closed.
        self.spare.refill();
    }

    /// One connection from its beginning to its end.
    async fn attend(&self, stream: TcpStream, address: SocketAddr, line: Arc<Line>) {
        let first_by = Instant::now() + self.header_time;
        let _ = stream.set_nodelay(true);
        // An IPv4 address is the same whichever kind of socket it came through.
        let address = address.ip().to_canonical();
        let stream = Moving::new(stream, self.stall_time, Arc::clone(&line));
        let Some(tls) = &self.tls else {
            let peer = Peer { address, certificate: Vec::new() };
            return self.converse(stream, peer, &line, first_by, std::future::pending()).await;
        };
        let shaken = tokio::select! {
            shaken = timeout_at(first_by, tls.accept(stream)) => shaken,
            () = self.closing_for(FIRST_REQUEST) => return,
        };
        match shaken {
            Ok(Ok((stream, shaken))) => {
                let unproved = unproved(!shaken.certificate.is_empty(), shaken.replaced);
                let peer = Peer { address, certificate: shaken.certificate };
                self.converse(stream, peer, &line, first_by, unproved).await;
            }
            Ok(Err(error)) => {
                metrics::security_event("tls_handshake", "failed");
                tracing::debug!(%error, %address, "a TLS handshake failed");
            }
            Err(_) => {
                metrics::security_event("tls_handshake", "late");
                tracing::debug!(%address, "a TLS handshake took too long");
            }
        }
    }

    /// Resolves when the listener has been closing for this long.
    async fn closing_for(&self, time: Duration) {
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
        tokio::time::sleep(time).await;
    }

    /// Requests and answers. The headers of the first request must be there at `first_by`; hyper watches the others. When the
    /// listener closes, or `over` resolves, what runs is finished and no other request is taken.
    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        peer: Peer,
        line: &Line,
        first_by: Instant,
        over: impl Future<Output = ()>,
    ) {
        let peer = Arc::new(peer);
        let begun = AtomicBool::new(false);
        let hangup = Hangup::default();
        let service = service_fn(|mut request: Request<Incoming>| {
            begun.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(Arc::clone(&peer));
            request.extensions_mut().insert(hangup.clone());
            let answer = self.router.clone().oneshot(request.map(Body::new));
            async move {
                line.asked(true);
                let answer = answer.await;
                line.asked(false);
                answer
            }
        });
        let connection = self.http.serve_connection(TokioIo::new(Worded::new(stream, &self.prefix)), service);
        tokio::pin!(connection);
        let closed = async {
            tokio::select! {
                () = self.closing_for(Duration::ZERO) => {}
                () = over => {}
            }
        };
        tokio::pin!(closed);
        let late = sleep_until(first_by);
        tokio::pin!(late);
        let cut = hangup.asked();
        tokio::pin!(cut);
        let (mut is_watched, mut is_closing, mut is_told) = (true, false, false);
        let ended = loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => break ended,
                () = &mut cut => return,
                () = &mut closed, if !is_closing => {
                    is_closing = true;
                    if !begun.load(Ordering::Relaxed) {
                        late.as_mut().reset(first_by.min(Instant::now() + FIRST_REQUEST));
                    }
                }
                () = &mut late, if is_watched => {
                    if !begun.load(Ordering::Relaxed) {
                        return;
                    }
                    is_watched = false;
                }
            }
            if is_closing && !is_told && begun.load(Ordering::Relaxed) {
                is_told = true;
                connection.as_mut().graceful_shutdown();
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke");
        }
    }
}

/// Resolves when the certificate of a caller proves nothing any more: other files are in force, or it was looked at long ago.
/// Never for a caller that showed none.
async fn unproved(is_certified: bool, replaced: CancellationToken) {
    if !is_certified {
        return std::future::pending().await;
    }
    tokio::select! {
        () = replaced.cancelled() => {}
        () = tokio::time::sleep(CERTIFIED_MAX) => {}
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn ask(stream: &mut TcpStream) -> String {
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn a_connection_too_many_is_told_so_and_its_place_comes_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(|| async { "fine" }));
        let options = ServeOptions::new(2, None);
        tokio::spawn(serve(listener, router, options, std::future::pending()));
        let (mut first, second) =
            (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
        let mut third = TcpStream::connect(address).await.unwrap();
        let mut answer = Vec::new();
        let _ = third.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
        assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((&body["code"], &body["outcome"]), (&"overloaded".into(), &"not_executed".into()));
        assert!(ask(&mut first).await.ends_with("fine"));
        drop((first, second));
        let again =
            async { while !ask(&mut TcpStream::connect(address).await.unwrap()).await.ends_with("fine") {} };
        tokio::time::timeout(Duration::from_secs(10), again).await.unwrap();
    }

    /// Clients that have connected but not been looked at yet, clients in the middle of a request, and idle ones.
    #[tokio::test]
    async fn a_stop_answers_what_was_sent_and_ends_what_is_idle() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (entered, mut inside) = watch::channel(false);
        let (let_go, wait) = watch::channel(false);
        let slow = move || {
            let (entered, mut wait) = (entered.clone(), wait.clone());
            async move {
                entered.send_replace(true);
                let _ = wait.wait_for(|go| *go).await;
                "slow"
            }
        };
        let router = Router::new().route("/", get(|| async { "fine" })).route("/slow", get(slow));
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let options = ServeOptions::new(64, None);
        let served = tokio::spawn(serve(listener, router, options, async move { stopped.await.unwrap() }));
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = vec![0; 4096];
        let length = idle.read(&mut answer).await.unwrap();
        assert!(answer[..length].ends_with(b"fine"));
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut busy = TcpStream::connect(address).await.unwrap();
        busy.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        inside.wait_for(|inside| *inside).await.unwrap();
        stop.send(Instant::now() + Duration::from_secs(20)).unwrap();
        assert_eq!(idle.read(&mut answer).await.unwrap(), 0, "an idle connection is closed in order");
        assert_eq!(silent.read(&mut answer).await.unwrap(), 0, "so is one that never asked");
        let_go.send_replace(true);
        let mut text = String::new();
        busy.read_to_string(&mut text).await.unwrap();
        assert!(text.ends_with("slow") && text.contains("connection: close"), "{text}");
        served.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
    }

    /// More than the runtime takes in one go, all of them before it has looked at the listener even once.
    #[tokio::test]
    async fn a_stop_answers_those_that_nobody_has_accepted_yet() {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1_024).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(|| async { "fine" }));
        let options = ServeOptions::new(1_024, None);
        let stop = async { Instant::now() + Duration::from_secs(20) };
        let waiting: Vec<_> = (0..300).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        for mut stream in &waiting {
            let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            std::io::Write::write_all(&mut stream, request).unwrap();
        }
        serve(listener, router, options, stop).await;
        for mut stream in waiting {
            let mut answer = String::new();
            std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
            assert!(answer.ends_with("fine"), "{answer}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_certificate_proves_for_an_hour_and_until_other_files_are_in_force() {
        let began = Instant::now();
        unproved(true, CancellationToken::new()).await;
        assert_eq!(began.elapsed(), CERTIFIED_MAX);
        let replaced = CancellationToken::new();
        replaced.cancel();
        unproved(true, replaced.clone()).await;
        assert_eq!(began.elapsed(), CERTIFIED_MAX);
        let never = tokio::time::timeout(CERTIFIED_MAX * 9, unproved(false, replaced)).await;
        assert!(never.is_err(), "who showed none proves by each request");
    }
}
