//! Bytes that no client and no server would send. What real ones send is tested where the servers are.

use super::*;
use crate::Gate;
use std::io::{Read, Write};

type Kind = fn(u16) -> Proxy;

/// A server that sends back what it gets: its port, where it is once the proxy has reached it, and its thread.
fn echo() -> (u16, Gate, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let reached = Gate::new("the proxy has reached its server");
    let passes = reached.clone();
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the proxy connects");
        passes.pass();
        let mut buffer = [0; 1024];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            stream.write_all(&buffer[..length]).expect("the proxy reads");
        }
    });
    (port, reached, thread)
}

#[test]
fn odd_bytes_are_passed_on_or_waited_for_and_panic_nobody() {
    // Bytes that cannot be a beginning reach the server as they are; what could be one may be waited for.
    let (mysql, postgres): (Kind, Kind) = (Proxy::mysql, Proxy::postgres);
    let cases: [(_, &[u8], _); 6] = [
        (postgres, &[0, 0, 0, 1, 9, 9, 9, 9, 9], true),
        (postgres, &[0xff; 64], true),
        (postgres, b"GET / HTTP/1.1\r\n\r\n", true),
        (postgres, &[0, 0, 0, 8], false),
        (mysql, &[0, 0, 0, 0], true),
        (mysql, &[0xff; 64], false),
    ];
    for (proxy, bytes, passed) in cases {
        let (port, reached, server) = echo();
        let proxy = proxy(port);
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).expect("the proxy listens");
        client.write_all(bytes).expect("the proxy reads");
        if passed {
            let mut back = vec![0; bytes.len()];
            client.read_exact(&mut back).expect("the echo answers");
            assert_eq!(back, bytes);
        }
        reached.wait();
        drop(client);
        drop(proxy);
        server.join().expect("nothing has panicked");
    }
}

#[test]
fn a_proxy_ends_with_a_client_that_waits_for_it() {
    let (port, reached, server) = echo();
    let proxy = Proxy::postgres(port);
    proxy.when(Trigger::Connect).then(Fault::SwallowBefore);
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).expect("the proxy listens");
    client
        .write_all(&[0, 0, 0, 9, 0, 3, 0, 0, 0])
        .expect("the proxy reads a startup message");
    proxy.wait_until_fired(1);
    reached.wait();
    drop(proxy);
    assert_eq!(client.read(&mut [0; 8]).expect("it was closed in good order"), 0);
    server.join().expect("nothing has panicked");
}

#[test]
fn a_proxy_that_refuses_can_be_reached_again() {
    let (port, reached, server) = echo();
    let proxy = Proxy::mysql(port);
    proxy.refuse(true);
    let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    proxy.refuse(false);
    proxy.refuse(false);
    let client = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).expect("it listens again");
    reached.wait();
    drop(client);
    server.join().expect("nothing has panicked");
}
