//! A long way to a server: a relay that makes every round trip take the time it is told.
//!
//! Bytes are held for half a round trip in each direction, however many of them there are: this stands for distance,
//! not for a narrow line. What it leaves out is TCP's slow start, which would charge large answers more; that favours
//! whoever asks for more bytes.
//!
//! Between the client and this relay there is no distance, and the kernel would acknowledge at once what the client
//! sends. From afar the acknowledgement takes a round trip, too, and a client without `TCP_NODELAY` waits for it between
//! two small writes. So acknowledgements are held as long as Linux can: 40 ms, which shows such a wait as most of one
//! round trip of 50 ms.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Most bytes that are held as one.
const CHUNK: usize = 64 << 10;
/// Chunks under way in one direction of a connection: as much as a line of 50 ms would hold at 10 Gbit/s.
const UNDER_WAY: usize = 1024;

/// What the relay saw at its near end, where the client is.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub at: Instant,
    pub connection: usize,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Opened,
    /// So many bytes came from the client.
    Sent(usize),
    /// So many bytes were handed to the client.
    Received(usize),
}

/// A relay on a thread of its own; dropping it closes its connections.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    way: Arc<Way>,
    thread: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// What all connections share.
#[derive(Debug, Default)]
struct Way {
    /// Microseconds.
    round_trip: AtomicU64,
    events: Mutex<Vec<Event>>,
}

impl Link {
    /// Opens a port of 127.0.0.1 that leads to `upstream`, at first without any delay.
    pub fn open(upstream: SocketAddr) -> Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .context("failed to find a free port on 127.0.0.1")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let way = Arc::new(Way::default());
        let (stop, stopped) = oneshot::channel();
        let shared = way.clone();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = TcpListener::from_std(listener) else {
                    return;
                };
                tokio::select! {
                    () = serve(&listener, upstream, &shared) => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Self {
            address,
            way,
            thread: Some((stop, thread)),
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets what a round trip takes from now on, on connections that are open too.
    pub fn set_round_trip(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.way.round_trip.store(micros, Ordering::Relaxed);
    }

    /// Returns what happened since the last call.
    pub fn take_events(&self) -> Vec<Event> {
        std::mem::take(&mut self.way.events())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.thread.take() {
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

impl Way {
    fn round_trip(&self) -> Duration {
        Duration::from_micros(self.round_trip.load(Ordering::Relaxed))
    }

    fn note(&self, connection: usize, what: What) {
        let event = Event {
            at: Instant::now(),
            connection,
            what,
        };
        self.events().push(event);
    }

    fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(listener: &TcpListener, upstream: SocketAddr, way: &Arc<Way>) {
    let mut connections = JoinSet::new();
    for number in 1.. {
        match listener.accept().await {
            Ok((client, _)) => {
                way.note(number, What::Opened);
                let way = way.clone();
                connections.spawn(async move {
                    // A connection that breaks is the business of its two ends: both see it closed.
                    let _ = carry(client, upstream, number, &way).await;
                });
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn carry(
    client: TcpStream,
    upstream: SocketAddr,
    number: usize,
    way: &Way,
) -> io::Result<()> {
    // Linux forgets this whenever it has held an acknowledgement, so it is told before each one that may follow.
    let socket = client.as_fd().try_clone_to_owned()?;
    let acknowledge_late = || {
        // Without it the figure is as a client with `TCP_NODELAY` would have it.
        let _ = rustix::net::sockopt::set_tcp_quickack(&socket, way.round_trip().is_zero());
    };
    acknowledge_late();
    // The kernel has answered the client's SYN already, at once, so the client believes itself connected and has sent
    // its first bytes. From afar it would have waited one round trip for that answer. These bytes wait for it instead.
    // Bytes that the client comes up with only after that time would not have been late, and are not held.
    until(Instant::now() + way.round_trip()).await;
    let server = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let sent = |bytes| {
        acknowledge_late();
        way.note(number, What::Sent(bytes));
    };
    let received = |bytes| {
        acknowledge_late();
        way.note(number, What::Received(bytes));
    };
    tokio::try_join!(
        hold(from_client, to_server, way, sent, |_| {}),
        hold(from_server, to_client, way, |_| {}, received),
    )?;
    Ok(())
}

/// Carries bytes one way, each half a round trip late, and their end too.
async fn hold(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    way: &Way,
    arrives: impl Fn(usize),
    leaves: impl Fn(usize),
) -> io::Result<()> {
    let (held, mut due) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    let read = async move {
        let mut buffer = vec![0; CHUNK];
        loop {
            let length = from.read(&mut buffer).await?;
            let time = Instant::now() + way.round_trip() / 2;
            arrives(length);
            let sent = held.send((time, buffer[..length].to_vec())).await;
            if length == 0 || sent.is_err() {
                return Ok(());
            }
        }
    };
    let write = async move {
        while let Some((time, bytes)) = due.recv().await {
            until(time).await;
            if bytes.is_empty() {
                return to.shutdown().await;
            }
            leaves(bytes.len());
            to.write_all(&bytes).await?;
        }
        Ok(())
    };
    tokio::try_join!(read, write).map(|((), ())| ())
}

/// Waits more exactly than tokio's timer, which is up to two milliseconds late: too much for two waits per round trip.
async fn until(time: Instant) {
    const COARSE: Duration = Duration::from_millis(2);
    if let Some(early) = time.checked_sub(COARSE) {
        tokio::time::sleep_until(early.into()).await;
    }
    while Instant::now() < time {
        tokio::task::yield_now().await;
    }
}

/// Returns what a round trip of `time` really takes through a relay, timers and all: the median of some.
pub fn calibrate(time: Duration) -> Result<Duration> {
    let (_echo, address) = echo()?;
    let link = Link::open(address)?;
    link.set_round_trip(time);
    let mut stream = std::net::TcpStream::connect(link.address())?;
    let mut trips = Vec::new();
    for number in 0..21 {
        let begun = Instant::now();
        exchange(&mut stream)?;
        // The first pays for the connection.
        if number > 0 {
            trips.push(begun.elapsed());
        }
    }
    trips.sort();
    Ok(trips[trips.len() / 2])
}

/// Starts a server that sends back the bytes of one connection; it ends with that connection.
fn echo() -> io::Result<(JoinHandle<()>, SocketAddr)> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let thread = std::thread::spawn(move || {
        if let Ok((stream, _)) = listener.accept() {
            let _ = stream.set_nodelay(true);
            let _ = io::copy(&mut &stream, &mut &stream);
        }
    });
    Ok((thread, address))
}

fn exchange(stream: &mut std::net::TcpStream) -> io::Result<()> {
    use std::io::{Read as _, Write as _};
    stream.write_all(b"?")?;
    stream.read_exact(&mut [0])
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    const TRIP: Duration = Duration::from_millis(100);

    fn far_echo() -> (Link, std::net::TcpStream) {
        let (_echo, address) = echo().unwrap();
        let link = Link::open(address).unwrap();
        link.set_round_trip(TRIP);
        let stream = std::net::TcpStream::connect(link.address()).unwrap();
        (link, stream)
    }

    /// Measures until it took `count` round trips: never less, and on a busy machine sooner or later no more, with
    /// room for less than one.
    #[track_caller]
    fn assert_trips(count: u32, attempt: impl FnMut() -> Duration) {
        let least = TRIP * count;
        assert_takes(least, least + TRIP * count / 2 + TRIP / 2, attempt);
    }

    /// Measures until it took less than `most`; it may never take less than `least`.
    #[track_caller]
    fn assert_takes(least: Duration, most: Duration, mut attempt: impl FnMut() -> Duration) {
        let begun = Instant::now();
        loop {
            let taken = attempt();
            assert!(taken >= least, "{taken:?}, expected {least:?}");
            if taken < most {
                return;
            }
            assert!(begun.elapsed() < HANG, "{taken:?}, expected {least:?}");
        }
    }

    /// How long the machine may be too busy for a measurement.
    const HANG: Duration = Duration::from_secs(300);

    fn time(what: impl FnOnce()) -> Duration {
        let begun = Instant::now();
        what();
        begun.elapsed()
    }

    #[test]
    fn a_connection_costs_one_round_trip_and_each_exchange_one_more() {
        assert_trips(6, || {
            let begun = Instant::now();
            let (link, mut stream) = far_echo();
            for _ in 0..5 {
                exchange(&mut stream).unwrap();
            }
            let taken = begun.elapsed();
            let events: Vec<What> = link.take_events().iter().map(|event| event.what).collect();
            assert_eq!(
                events[..3],
                [What::Opened, What::Sent(1), What::Received(1)]
            );
            assert_eq!(events.len(), 11);
            assert!(link.take_events().is_empty());
            taken
        });
    }

    #[test]
    fn who_speaks_late_has_connected_meanwhile() {
        assert_trips(1, || {
            let (_link, mut stream) = far_echo();
            std::thread::sleep(TRIP * 2);
            time(|| exchange(&mut stream).unwrap())
        });
    }

    #[test]
    fn two_small_writes_without_nodelay_wait_for_each_other() {
        let (_link, mut stream) = far_echo();
        exchange(&mut stream).unwrap();
        let mut twice = |nodelay| {
            stream.set_nodelay(nodelay).unwrap();
            time(|| {
                stream.write_all(b"?").unwrap();
                stream.write_all(b"!").unwrap();
                stream.read_exact(&mut [0; 2]).unwrap();
            })
        };
        let held = TRIP + Duration::from_millis(35);
        assert_takes(held, Duration::MAX, || twice(false));
        assert_takes(TRIP, held, || twice(true));
    }

    #[test]
    fn many_bytes_take_no_longer_than_few() {
        const MANY: usize = 8 << 20;
        let there_and_back = || {
            let (_link, stream) = far_echo();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    (&stream).write_all(&vec![7; MANY]).unwrap();
                    stream.shutdown(std::net::Shutdown::Write).unwrap();
                });
                let mut received = Vec::new();
                (&stream).read_to_end(&mut received).unwrap();
                assert_eq!(received.len(), MANY);
            });
        };
        // Connection and one exchange, and some time to copy; chunk by chunk it would be more than a hundred.
        assert_takes(TRIP * 2, TRIP * 30, || time(there_and_back));
    }

    #[test]
    fn without_delay_nothing_is_held() {
        let (link, mut stream) = far_echo();
        exchange(&mut stream).unwrap();
        link.set_round_trip(Duration::ZERO);
        assert_takes(Duration::ZERO, TRIP * 3, || {
            time(|| {
                for _ in 0..5 {
                    exchange(&mut stream).unwrap();
                }
            })
        });
    }

    #[test]
    fn the_round_trip_is_what_was_asked_for_or_a_little_more() {
        assert_takes(TRIP, TRIP * 2, || calibrate(TRIP).unwrap());
    }
}
