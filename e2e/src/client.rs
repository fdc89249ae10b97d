//! A small blocking HTTPS client, so that tests read from top to bottom.

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// What a kubeconfig holds.
#[derive(Clone)]
pub struct Access {
    /// Where the server is.
    pub address: SocketAddr,
    admin: Arc<ClientConfig>,
    nobody: Arc<ClientConfig>,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum As<'a> {
    /// The administrator, by certificate.
    Admin,
    /// The holder of a token.
    Token(&'a str),
    /// Nobody.
    Anonymous,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status code.
    pub status: u16,
    /// Header names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; a text when it is something else.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&self.body).into_owned()))
    }

    /// The first header of a name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Access({})", self.address)
    }
}

impl Access {
    /// Reads a kubeconfig with inline data.
    pub fn read(text: &str) -> Result<Self, String> {
        let config: Value = serde_yaml_ng::from_str(text).map_err(|e| e.to_string())?;
        let field = |pointer: &str| {
            config.pointer(pointer).and_then(Value::as_str).ok_or_else(|| format!("no {pointer}"))
        };
        let data = |pointer: &str| STANDARD.decode(field(pointer)?).map_err(|e| e.to_string());
        let server = field("/clusters/0/cluster/server")?;
        let address =
            server.trim_start_matches("https://").parse().map_err(|_| format!("{server} is no address"))?;
        let wrong = |e: &dyn std::fmt::Display| e.to_string();
        let mut roots = RootCertStore::empty();
        let ca = data("/clusters/0/cluster/certificate-authority-data")?;
        roots.add(CertificateDer::from_pem_slice(&ca).map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
        let builder = || {
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map(|b| b.with_root_certificates(roots.clone()))
                .map_err(|e| e.to_string())
        };
        let cert = data("/users/0/user/client-certificate-data")?;
        let key = data("/users/0/user/client-key-data")?;
        let cert = CertificateDer::from_pem_slice(&cert).map_err(|e| wrong(&e))?;
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(|e| wrong(&e))?;
        let admin = builder()?.with_client_auth_cert(vec![cert], key).map_err(|e| wrong(&e))?;
        Ok(Self { address, admin: Arc::new(admin), nobody: Arc::new(builder()?.with_no_client_auth()) })
    }

    /// Opens a connection, with or without the administrator's certificate.
    pub fn connect(&self, admin: bool) -> io::Result<Connection> {
        let tcp = TcpStream::connect_timeout(&self.address, Duration::from_secs(10))?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(Duration::from_secs(60)))?;
        let config = if admin { self.admin.clone() } else { self.nobody.clone() };
        let name = ServerName::from(self.address.ip());
        let session = ClientConnection::new(config, name).map_err(io::Error::other)?;
        Ok(Connection { stream: BufReader::new(StreamOwned::new(session, tcp)) })
    }

    /// Opens a connection as the administrator that agreed on HTTP/2, for those who speak it by hand.
    pub fn connect_http2(&self) -> io::Result<Stream> {
        let tcp = TcpStream::connect_timeout(&self.address, Duration::from_secs(10))?;
        tcp.set_read_timeout(Some(Duration::from_secs(20)))?;
        tcp.set_write_timeout(Some(Duration::from_secs(20)))?;
        let mut config = (*self.admin).clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::from(self.address.ip());
        let session = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        Ok(StreamOwned::new(session, tcp))
    }

    /// One request on a connection of its own, with a JSON body.
    pub fn ask(&self, who: &As<'_>, method: &str, path: &str, body: Option<&Value>) -> io::Result<Answer> {
        let text = body.map(Value::to_string);
        let mut headers = vec![("Accept", "application/json")];
        if text.is_some() {
            headers.push(("Content-Type", "application/json"));
        }
        self.send(who, method, path, &headers, text.as_deref().map(str::as_bytes))
    }

    /// One request on a connection of its own, as given.
    pub fn send(
        &self,
        who: &As<'_>,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> io::Result<Answer> {
        let mut connection = self.connect(*who == As::Admin)?;
        let bearer = match who {
            As::Token(token) => Some(format!("Bearer {token}")),
            As::Admin | As::Anonymous => None,
        };
        let mut all = headers.to_vec();
        if let Some(bearer) = &bearer {
            all.push(("Authorization", bearer));
        }
        connection.request(method, path, &all, body)
    }
}

/// TLS on a socket.
pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// One connection, kept alive.
pub struct Connection {
    stream: BufReader<Stream>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

impl Connection {
    /// One request and its answer.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> io::Result<Answer> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body.unwrap_or_default());
        // A server may answer and close before it has read everything.
        let written = self.stream.get_mut().write_all(&bytes);
        match self.answer(method) {
            Ok(answer) => Ok(answer),
            Err(error) => Err(written.err().unwrap_or(error)),
        }
    }

    /// The stream alone, for those who read answers themselves. Nothing may have been read ahead.
    pub fn into_stream(self) -> Stream {
        self.stream.into_inner()
    }

    /// Sends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(bytes)?;
        stream.flush()
    }

    /// Reads one chunk of a body that comes in chunks; `None` at its end, also when the connection was cut.
    pub fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        };
        let length = usize::from_str_radix(line.trim_end(), 16)
            .map_err(|_| io::Error::other(format!("no chunk: {line:?}")))?;
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes)?;
        bytes.truncate(length);
        Ok(Some(bytes).filter(|_| length > 0))
    }

    /// Reads one answer.
    pub fn answer(&mut self, method: &str) -> io::Result<Answer> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|s| s.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no HTTP answer: {line:?}")))?;
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        if method == "HEAD" {
            return Ok(answer);
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk()? {
                answer.body.extend(chunk);
            }
            return Ok(answer);
        }
        let length = answer.header("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
        answer.body.resize(length, 0);
        self.stream.read_exact(&mut answer.body)?;
        Ok(answer)
    }
}
