//! Requests that no good client sends: the right answer, and nothing counted.

use crate::support::{Answer, Server, at_most, initialize};
use headcount::Cause;
use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn asked(server: &Server<crate::support::Sessions>, subjects: &[&[u8]]) -> Answer {
    let mut request = server.post(&initialize());
    for subject in subjects {
        request = request.header("x-client", HeaderValue::from_bytes(subject).unwrap());
    }
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_subject_that_is_none_is_a_bad_request() {
    let (_, gate) = at_most(2);
    let server = Server::start(gate).await;
    let cases: [&[&[u8]]; 4] = [&["Zoë".as_bytes()], &[b"alice", b"bob"], &[b""], &[&[b'a'; 2000]]];
    for subjects in cases {
        let answer = asked(&server, subjects).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
        assert_eq!(answer.retry_after(), None, "time does not mend it");
        assert!(!answer.body.contains("alice"));
    }
    let stats = server.sessions.gate().stats();
    assert_eq!((stats.admitted, stats.in_use, server.sessions.gate().subjects()), (0, 0, 0));
    assert_eq!(stats.rejected(Cause::SubjectTooLong), 1);
    // Whom a session counts as is decided when it is opened.
    let id = server.open(Some("alice")).await;
    let request = server.call(&id, 3, "echo").await;
    assert_eq!(request.status(), StatusCode::OK);
    server.shut_down().await;
}

#[tokio::test]
async fn a_subject_of_a_megabyte_never_gets_to_the_gate() {
    let (_, gate) = at_most(2);
    let server = Server::start(gate).await;
    let mut socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let head = format!("POST /mcp HTTP/1.1\r\nhost: {}\r\nx-client: ", server.address);
    socket.write_all(head.as_bytes()).await.unwrap();
    // The server may hang up before it has read all of it.
    _ = socket.write_all(&vec![b'a'; 1 << 20]).await;
    _ = socket.write_all(b"\r\n\r\n").await;
    let mut answer = Vec::new();
    _ = socket.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let stats = server.sessions.gate().stats();
    assert_eq!((stats.admitted, stats.in_use, server.sessions.gate().subjects()), (0, 0, 0));
    server.shut_down().await;
}

#[tokio::test]
async fn ids_that_nobody_has_are_not_found() {
    let (_, gate) = at_most(2);
    let server = Server::start(gate).await;
    for id in ["unknown", "00000000-0000-0000-0000-000000000000", "'; --"] {
        assert_eq!(server.call(id, 2, "echo").await.status(), StatusCode::NOT_FOUND);
        assert_eq!(server.listen(id).await.status(), StatusCode::NOT_FOUND);
        assert_eq!(server.initialized(id).await, StatusCode::NOT_FOUND);
        // rmcp's answer; it is the end that was asked for.
        assert_eq!(server.delete(id).await, StatusCode::ACCEPTED);
    }
    let stats = server.sessions.gate().stats();
    assert_eq!((stats.admitted, stats.in_use), (0, 0));
    server.shut_down().await;
}

#[tokio::test]
async fn methods_that_are_none_are_not_allowed() {
    let (_, gate) = at_most(2);
    let server = Server::start(gate).await;
    for method in ["PUT", "PATCH", "HEAD", "OPTIONS", "BREW"] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = server.client.request(method, server.url());
        let status = request.send().await.unwrap().status();
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    }
    assert_eq!(server.sessions.gate().stats().admitted, 0);
    server.shut_down().await;
}
