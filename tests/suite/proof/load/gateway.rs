//! What stands in front of the program, as an API gateway does: an address that stays, whoever is behind it. Platforms
//! send their notifications there.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

pub struct Gateway {
    address: SocketAddr,
    behind: watch::Sender<Option<SocketAddr>>,
    task: JoinHandle<()>,
}

impl Gateway {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let behind = watch::Sender::new(None);
        let task = tokio::spawn(forward(listener, behind.subscribe()));
        Self { address, behind, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Who is behind it from now on.
    pub fn leads_to(&self, program: Option<SocketAddr>) {
        self.behind.send_replace(program);
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection is closed without an answer when there is nobody behind it.
async fn forward(listener: TcpListener, behind: watch::Receiver<Option<SocketAddr>>) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = open.join_next(), if !open.is_empty() => {}
            accepted = listener.accept() => {
                let Ok((mut caller, _)) = accepted else { return };
                let Some(program) = *behind.borrow() else { continue };
                open.spawn(async move {
                    if let Ok(mut program) = TcpStream::connect(program).await {
                        let _ = copy_bidirectional(&mut caller, &mut program).await;
                    }
                });
            }
        }
    }
}
