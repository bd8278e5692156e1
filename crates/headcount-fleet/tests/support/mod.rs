//! A real engine and the little of its protocol that tests speak.

#![allow(dead_code, reason = "no test uses all of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

/// The programs to test with: Redis, and Valkey where there is one. `HEADCOUNT_REDIS` and
/// `HEADCOUNT_VALKEY` name others than those on `PATH`.
pub fn engines() -> Vec<PathBuf> {
    let redis = named("HEADCOUNT_REDIS").or_else(|| on_path("redis-server"));
    let redis = redis.expect(
        "no redis-server on PATH. On Debian, .ci/redis installs one without starting it; \
         or: apt-get install redis-server. HEADCOUNT_REDIS names one that is elsewhere",
    );
    let valkey = named("HEADCOUNT_VALKEY").or_else(|| on_path("valkey-server"));
    std::iter::once(redis).chain(valkey).collect()
}

fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A server of its own, on a socket in a folder of its own, and on a port of loopback
/// where it has replicas. It ends with this.
#[derive(Debug)]
pub struct Server {
    child: Child,
    folder: PathBuf,
    pub port: u16,
}

impl Server {
    pub fn start(program: &PathBuf) -> Self {
        Self::start_at(program, 0)
    }

    /// One that others can be replicas of.
    pub fn start_on_loopback(program: &PathBuf) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        Self::start_at(program, free.expect("loopback has a port").port())
    }

    fn start_at(program: &PathBuf, port: u16) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("hc-fleet-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder for the server");
        let mut child = Command::new(program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--unixsocket"])
            .arg(folder.join("s"))
            .args(["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0", "--dir"])
            .arg(&folder)
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let mut log = BufReader::new(child.stdout.take().expect("it is piped"));
        let (mut told, mut line) = (String::new(), String::new());
        while !line.to_lowercase().contains("ready to accept connections at")
            && !line.contains("unix")
        {
            told.push_str(&line);
            line.clear();
            let read = log.read_line(&mut line).expect("its log is text");
            assert!(read > 0, "{} did not start:\n{told}", program.display());
        }
        // It stops where nobody reads its log.
        thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, folder, port }
    }

    pub fn connect(&self) -> Connection {
        let stream = UnixStream::connect(self.folder.join("s")).expect("it accepts connections");
        Connection {
            from: BufReader::new(stream.try_clone().expect("a second handle")),
            to: stream,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// An answer of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Text(String),
    Nothing,
    List(Vec<Answer>),
    Error(String),
}

impl Answer {
    /// The texts of a list.
    pub fn texts(self) -> Vec<String> {
        match self {
            Self::List(all) => all.into_iter().map(Self::text).collect(),
            other => panic!("a list, not {other:?}"),
        }
    }

    pub fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            other => panic!("a text, not {other:?}"),
        }
    }
}

#[derive(Debug)]
pub struct Connection {
    from: BufReader<UnixStream>,
    to: UnixStream,
}

impl Connection {
    /// Sends a command and reads its answer.
    pub fn call<S: AsRef<str>>(&mut self, command: impl IntoIterator<Item = S>) -> Answer {
        self.send(command);
        self.answer()
    }

    /// Sends a command whose answer is to be read.
    pub fn send<S: AsRef<str>>(&mut self, command: impl IntoIterator<Item = S>) {
        let (mut words, mut count) = (String::new(), 0);
        for word in command {
            let word = word.as_ref();
            words.push_str(&format!("${}\r\n{word}\r\n", word.len()));
            count += 1;
        }
        self.to.write_all(format!("*{count}\r\n{words}").as_bytes()).expect("the engine reads");
    }

    pub fn answer(&mut self) -> Answer {
        let line = self.line();
        let (kind, rest) = line.split_at(1);
        let count = || rest.parse::<i64>().expect("a number");
        match kind {
            "+" | ":" => Answer::Text(rest.to_owned()),
            "-" => Answer::Error(rest.to_owned()),
            "$" if count() < 0 => Answer::Nothing,
            "$" => {
                let mut text = vec![0; count() as usize + 2];
                self.from.read_exact(&mut text).expect("the engine answers");
                text.truncate(text.len() - 2);
                Answer::Text(String::from_utf8(text).expect("it is text"))
            }
            "*" => Answer::List((0..count()).map(|_| self.answer()).collect()),
            _ => panic!("an answer of RESP, not {line}"),
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).expect("the engine answers");
        assert!(line.ends_with("\r\n"), "the engine hung up: {line:?}");
        line.truncate(line.len() - 2);
        line
    }
}
