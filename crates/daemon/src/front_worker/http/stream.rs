//! The stream of events (server-sent events): what happens, and that the page would look different now.

use super::Server;
use super::body::Body;
use super::view::GOOD_FOR;
use core::time::Duration;
use hyper::body::Bytes;
use standfast_page::happened::Happened;
use std::rc::Rc;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// Streams at once: each is a task, and wakes with every event.
const STREAMS: usize = 64;

/// Pieces that wait for a reader.
const WAITING: usize = 16;

/// A reader that takes nothing for so long has stopped reading.
const READ_WITHIN: Duration = Duration::from_secs(20);

/// How often a quiet stream says that it lives.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// A new stream that begins behind the event of this number, or now; none if there are too many.
pub(super) fn open(server: &Rc<Server>, behind: Option<u64>) -> Option<Body> {
    let place = Rc::clone(&server.streams);
    if Rc::strong_count(&place) > STREAMS.saturating_add(1) {
        return None;
    }
    let (sender, receiver) = mpsc::channel(WAITING);
    let server = Rc::clone(server);
    tokio::task::spawn_local(async move {
        feed(&server, &sender, behind).await;
        drop(place);
    });
    Some(Body::Stream(receiver))
}

/// Until the reader has gone.
async fn feed(server: &Rc<Server>, sender: &mpsc::Sender<Bytes>, behind: Option<u64>) -> Option<()> {
    let news = server.book.borrow().news();
    let mut changes = server.changes.subscribe();
    let mut next = match behind {
        Some(number) => number.saturating_add(1),
        None => server.book.borrow().first_of_last(0),
    };
    send(sender, "retry: 2000\n\n".to_owned()).await?;
    loop {
        // Asked to be told before looking, so that nothing falls between the two.
        let told = news.notified();
        loop {
            let recorded = server.book.borrow().events_from(next).next();
            let Some(recorded) = recorded else { break };
            next = recorded.number.saturating_add(1);
            let happened = Happened::of(&recorded);
            let json = serde_json::to_string(&happened).unwrap_or_default();
            send(sender, format!("id: {}\nevent: happened\ndata: {json}\n\n", recorded.number)).await?;
        }
        tokio::select! {
            () = told => {}
            changed = changes.changed() => {
                changed.ok()?;
                // Whoever asks now for the page is to get one that is newer than the change.
                sleep(GOOD_FOR).await;
                let count = *changes.borrow_and_update();
                send(sender, format!("event: status\ndata: {count}\n\n")).await?;
            }
            () = sleep(ALIVE_EVERY) => send(sender, ": alive\n\n".to_owned()).await?,
            () = sender.closed() => return None,
        }
    }
}

async fn send(sender: &mpsc::Sender<Bytes>, text: String) -> Option<()> {
    timeout(READ_WITHIN, sender.send(text.into())).await.ok()?.ok()
}
