//! A TCP port of this machine that leads to an address inside a namespace.
//!
//! The connection is made by a thread in the namespace; after that its socket may be used from anywhere. So no
//! interface, address or rule of the machine itself is touched.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use cell_testkit::Namespace;

/// Longer than any connection inside one machine takes.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// A running forwarder; stops listening when dropped, open connections last until one side ends them.
#[derive(Debug)]
pub(crate) struct Forward {
    listener: TcpListener,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Forward {
    /// Accepts on `listen` and connects to `target` as seen from `namespace`.
    pub(crate) fn start(
        listen: SocketAddr,
        namespace: &Namespace,
        target: SocketAddr,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen)?;
        let accepting = listener.try_clone()?;
        let stopping = Arc::new(AtomicBool::new(false));
        let (namespace, stop) = (namespace.clone(), Arc::clone(&stopping));
        let thread = std::thread::spawn(move || {
            while let Ok((client, _)) = accepting.accept() {
                if stop.load(Ordering::Acquire) {
                    break;
                }
                let connected =
                    namespace.run(|| TcpStream::connect_timeout(&target, CONNECT_LIMIT));
                if let Ok(Ok(server)) = connected {
                    // A connection that cannot be carried is closed, which its client sees.
                    let _ = carry(client, server);
                }
            }
        });
        Ok(Self {
            listener,
            stopping,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        // Wakes the thread in accept(2), which then fails with EINVAL.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Copies both ways, each on its own thread, and passes the end of either side on.
fn carry(client: TcpStream, server: TcpStream) -> io::Result<()> {
    let back = (server.try_clone()?, client.try_clone()?);
    for (mut from, mut to) in [(client, server), back] {
        std::thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use cell_testkit::WebServer;

    use super::*;

    #[test]
    fn a_port_of_the_machine_leads_into_the_namespace() {
        let namespace = Namespace::create("forward").unwrap();
        let inside = "127.0.0.1:80".parse().unwrap();
        let _web = WebServer::start(&namespace, &[inside]).unwrap();
        let forward = Forward::start("127.0.0.1:0".parse().unwrap(), &namespace, inside).unwrap();
        let address = forward.address().unwrap();

        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /through HTTP/1.1\r\n\r\n").unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert!(reply.contains("/through"), "{reply}");

        drop(forward);
        assert!(TcpStream::connect(address).is_err());
    }

    #[test]
    fn without_a_server_inside_the_connection_is_closed() {
        let namespace = Namespace::create("forward").unwrap();
        let inside = "127.0.0.1:80".parse().unwrap();
        let forward = Forward::start("127.0.0.1:0".parse().unwrap(), &namespace, inside).unwrap();
        let mut stream = TcpStream::connect(forward.address().unwrap()).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    }
}
