//! A port that leads to a server, and may be closed.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Carries connections from a port to a server, for as long as it is open.
#[derive(Clone)]
pub struct Relay {
    address: SocketAddr,
    server: SocketAddr,
    open: Arc<Mutex<Option<JoinHandle<()>>>>,
    is_open: Arc<AtomicBool>,
    carried: Arc<Mutex<Vec<TcpStream>>>,
    rude: Arc<AtomicUsize>,
}

impl Relay {
    /// Opens a port.
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Self {
            address: listener.local_addr().unwrap(),
            server,
            open: Arc::default(),
            is_open: Arc::default(),
            carried: Arc::default(),
            rude: Arc::default(),
        };
        relay.listen(listener);
        relay
    }

    /// Returns where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has this many connections cut as soon as something came over them.
    pub fn cut(&self, connections: usize) {
        self.rude.store(connections, Ordering::SeqCst);
    }

    /// Closes the port. What is carried goes on.
    pub fn refuse(&self) {
        let listening = self.open.lock().unwrap().take();
        if let Some(listening) = listening {
            self.is_open.store(false, Ordering::SeqCst);
            // Whoever waits for the next connection sees that.
            let _ = TcpStream::connect(self.address);
            listening.join().unwrap();
        }
    }

    /// Closes the port, and breaks what is carried.
    pub fn close(&self) {
        self.refuse();
        for stream in self.carried.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Opens the port again.
    pub fn open(&self) {
        loop {
            // The last connections may not have let go of it.
            if let Ok(listener) = TcpListener::bind(self.address) {
                return self.listen(listener);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Closes the port for so long.
    pub fn pause(&self, time: Duration) {
        self.close();
        std::thread::sleep(time);
        self.open();
    }

    fn listen(&self, listener: TcpListener) {
        self.is_open.store(true, Ordering::SeqCst);
        let relay = self.clone();
        let listening = std::thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                if !relay.is_open.load(Ordering::SeqCst) {
                    return;
                }
                relay.take(near);
            }
        });
        *self.open.lock().unwrap() = Some(listening);
    }

    fn take(&self, near: TcpStream) {
        let rude = |left: usize| left.checked_sub(1);
        let order = Ordering::SeqCst;
        if self.rude.fetch_update(order, order, rude).is_ok() {
            std::thread::spawn(move || (&near).read(&mut [0; 64]));
            return;
        }
        let Ok(far) = TcpStream::connect(self.server) else {
            return;
        };
        let mut carried = self.carried.lock().unwrap();
        carried.extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
        for (from, to) in [
            (near.try_clone().unwrap(), far.try_clone().unwrap()),
            (far, near),
        ] {
            std::thread::spawn(move || carry(from, to));
        }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
