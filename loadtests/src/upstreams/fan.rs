//! The yardstick: as many frames of the same size to as many WebSockets, and nothing else.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{accept_async, connect_async};

use super::spent;
use crate::child::{Child, questions, say};

pub(super) const FRAMES_PER_SECOND: f64 = 50.0;
const FRAME: Duration = Duration::from_millis(20);

/// A server that sends.
#[derive(Args)]
pub(crate) struct Fan {
    #[arg(long)]
    frame_bytes: usize,
}

impl Fan {
    pub(crate) fn run(self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(self.serve())
    }

    async fn serve(self) -> Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        say(&listener.local_addr()?.port().to_string());
        let _ends_with_its_parent = questions();
        let frame = Message::Binary(Bytes::from(vec![0; self.frame_bytes]));
        let mut due = tokio::time::interval(FRAME);
        due.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut sockets = Vec::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    sockets.push(accept_async(accepted?.0).await?);
                }
                _ = due.tick() => {
                    for socket in &mut sockets {
                        socket.send(frame.clone()).await?;
                    }
                }
            }
        }
    }
}

/// Seconds of CPU that plain sends take in a second.
pub(super) async fn plain(
    listeners: usize,
    frame_bytes: usize,
    warm_up: Duration,
    seconds: u64,
) -> Result<f64> {
    let child = Child::start(
        "fan",
        &["--frame-bytes".to_owned(), frame_bytes.to_string()],
    )?;
    let port: u16 = child.answer(Duration::from_secs(10))?;
    let mut clients = JoinSet::new();
    for _ in 0..listeners {
        let (mut socket, _) = connect_async(format!("ws://127.0.0.1:{port}"))
            .await
            .context("the yardstick takes no client")?;
        clients.spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
    }
    spent(child.pid(), warm_up, seconds).await
}
