//! Mail alerts: a queue, and for each mail a process of its own without any right, which speaks with the mail server.
//!
//! The runner itself reads no byte of the network. A mail server that is dead, slow or hostile costs such a process its
//! deadline and nobody else anything.

use super::job;
use crate::mailer::{ARGUMENT, ORDER, Order};
use core::time::Duration;
use standfast_api::encode;
use standfast_kernel::memfd;
use standfast_kernel::process::script::Spawn;
use standfast_model::Ended;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{debug, warn};

/// Mails that wait. A site on which more happens at a time has read the first ones.
pub(super) const WAITING_MAILS: usize = 256;

/// Mails that are delivered at a time.
const AT_A_TIME: usize = 4;

/// What a mail server may take for everything behind the connection.
const DIALOGUE: Duration = Duration::from_secs(60);

/// The account without rights, in every distribution.
const NOBODY: (u32, u32) = (65534, 65534);

/// Delivers what comes until nothing more can come and everything is delivered or given up.
pub(super) async fn serve(mut orders: mpsc::Receiver<Order>) {
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            order = orders.recv(), if under_way.len() < AT_A_TIME => match order {
                Some(order) => drop(under_way.spawn(deliver(order))),
                None => break,
            },
            Some(_) = under_way.join_next() => {}
        }
    }
    while under_way.join_next().await.is_some() {}
}

async fn deliver(order: Order) {
    let subject = order.subject.clone();
    match hand_over(&order).await {
        Ok((Ended::Exited(0), _)) => debug!("mail delivered: {subject}"),
        Ok((ended, said)) => warn!("mail not delivered: {subject}: the sender {ended} {}", said.trim()),
        Err(error) => warn!("mail not delivered: {subject}: {error}"),
    }
}

async fn hand_over(order: &Order) -> io::Result<(Ended, String)> {
    let bytes = encode(order).map_err(io::Error::other)?;
    let input = memfd::write("standfast-mail", ORDER, &bytes).map_err(io::Error::other)?;
    // The child's own name for itself, which is this same program.
    let program = Path::new("/proc/self/exe");
    let arguments = [OsString::from(ARGUMENT)];
    let identity = rustix::process::geteuid().is_root().then_some(NOBODY);
    let deadline = order.timeout + DIALOGUE;
    let ended = job::run(deadline, |output| {
        let spawn = Spawn { program, arguments: &arguments, identity, input: Some(input), output: Some(output) };
        standfast_kernel::process::script::spawn(spawn).map_err(|error| error.to_string())
    });
    Ok(ended.await)
}
