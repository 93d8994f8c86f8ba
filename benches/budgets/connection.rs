//! One kept-alive HTTP/1.1 connection, as cheap as it can be: the generator shares the cores with what it measures.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A connection and what was read from it.
pub struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { address, stream, buffer: Vec::with_capacity(8192) })
    }

    /// Sends a request and reads the answer; gives its status, 0 when the connection broke.
    pub async fn exchange(&mut self, request: &[u8]) -> u16 {
        match self.try_exchange(request).await {
            Ok(status) => status,
            Err(_) => {
                if let Ok(fresh) = Self::open(self.address).await {
                    *self = fresh;
                }
                0
            }
        }
    }

    async fn try_exchange(&mut self, request: &[u8]) -> std::io::Result<u16> {
        self.buffer.clear();
        self.stream.write_all(request).await?;
        loop {
            if let Some(head) = find(&self.buffer, b"\r\n\r\n") {
                let length = content_length(&self.buffer[..head]).unwrap_or(0);
                let missing = (head + 4 + length).saturating_sub(self.buffer.len());
                if missing == 0 {
                    let status =
                        std::str::from_utf8(&self.buffer[9..12]).ok().and_then(|text| text.parse().ok());
                    return Ok(status.unwrap_or(0));
                }
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The whole last answer, for messages.
    pub fn last_answer(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }
}

pub fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// `Content-Length` of a head. Every program measured here sends one.
pub fn content_length(head: &[u8]) -> Option<usize> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(15)?;
        if !name.eq_ignore_ascii_case(b"content-length:") {
            return None;
        }
        std::str::from_utf8(value).ok()?.trim().parse().ok()
    })
}
