//! One client of the control socket, from its request to its last answer.
//!
//! Everything about it has a limit: the length of its request, the time it takes to make it, the time it takes to read an
//! answer. Who connects at all may look; to give orders one must be root.

use super::book::Book;
use core::time::Duration;
use standfast_api::Conflict;
use standfast_api::control::{Answer, Ask, CONTROL_VERSION, MAX_REQUEST_BYTES, Order, Refusal, RefusalReason, Request};
use std::cell::RefCell;
use std::rc::Rc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::{debug, info};

/// For making a request, which a program does in no time and a person at a keyboard does not do.
const REQUEST_WITHIN: Duration = Duration::from_secs(5);

/// For taking an answer: a reader that is stopped longer would hold its answers in our memory.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// For the supervisor to answer: a reload may take half a minute.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// Something that the loop has to ask the supervisor for.
pub(super) struct Errand {
    pub(super) wanted: Wanted,
    pub(super) answer: oneshot::Sender<Result<String, String>>,
}

/// What the supervisor is asked for.
pub(super) enum Wanted {
    /// A snapshot of now.
    Refresh,
    /// A connection to SNMP's master agent.
    Agent,
    /// What a client orders.
    Order {
        /// Who it is.
        uid: u32,
        /// What.
        order: Order,
    },
    /// Whoever is notified of conflicts is to be told of one with a peer.
    Conflict(Conflict),
}

/// Says that there is no room. One try: a client that does not read it sees the end.
pub(super) fn turn_away(stream: &UnixStream) {
    let answer = refusal(RefusalReason::Busy, "too many clients");
    let _ = stream.try_write(line(&answer).as_bytes());
}

/// Serves it.
pub(super) async fn serve(stream: UnixStream, book: Rc<RefCell<Book>>, errands: mpsc::Sender<Errand>) {
    let Ok(peer) = stream.peer_cred() else { return };
    let mut client = Client { stream, uid: peer.uid(), book, errands };
    let outcome = match timeout(REQUEST_WITHIN, client.ask()).await {
        Ok(Ok(ask)) => client.answer(ask).await,
        Ok(Err(text)) => client.send(&refusal(RefusalReason::Malformed, &text)).await,
        Err(_) => client.send(&refusal(RefusalReason::Malformed, "no request came in time")).await,
    };
    if let Err(Gone) = outcome {
        debug!("a client went or does not read");
    }
}

/// The client has gone, or as good as.
struct Gone;

struct Client {
    stream: UnixStream,
    uid: u32,
    book: Rc<RefCell<Book>>,
    errands: mpsc::Sender<Errand>,
}

impl Client {
    async fn ask(&mut self) -> Result<Ask, String> {
        let mut bytes = Vec::new();
        let limit = MAX_REQUEST_BYTES as u64;
        let mut reader = BufReader::new((&mut self.stream).take(limit));
        reader.read_until(b'\n', &mut bytes).await.map_err(|error| error.to_string())?;
        if bytes.last() != Some(&b'\n') {
            return Err(format!("no line of at most {MAX_REQUEST_BYTES} bytes"));
        }
        let ask: Ask = serde_json::from_slice(&bytes).map_err(|error| format!("no request: {error}"))?;
        if ask.version != CONTROL_VERSION {
            return Err(format!("version {} of the request, this is version {CONTROL_VERSION}", ask.version));
        }
        Ok(ask)
    }

    async fn answer(&mut self, ask: Ask) -> Result<(), Gone> {
        match ask.request {
            Request::Status { fresh } => self.status(fresh).await,
            Request::Events { last, follow } => self.events(last, follow).await,
            Request::Order(Order::Adjust(_)) => {
                self.send(&refusal(RefusalReason::Malformed, "instances are set over SNMP, or in the file")).await
            }
            Request::Order(order) if self.uid == 0 => {
                info!(uid = self.uid, "order of user {}: {order}", self.uid);
                let outcome = self.errand(Wanted::Order { uid: self.uid, order }).await;
                match outcome {
                    Ok(text) => self.send(&Answer::Done(text)).await,
                    Err(text) => self.send(&refusal(RefusalReason::Failed, &text)).await,
                }
            }
            Request::Order(_) => {
                self.send(&refusal(RefusalReason::Forbidden, "only root may give orders to the daemon")).await
            }
        }
    }

    async fn status(&mut self, fresh: bool) -> Result<(), Gone> {
        if fresh && let Err(text) = self.errand(Wanted::Refresh).await {
            return self.send(&refusal(RefusalReason::Failed, &text)).await;
        }
        let snapshot = self.book.borrow().snapshot();
        match snapshot {
            Some(snapshot) => self.send(&Answer::Status(Box::new((*snapshot).clone()))).await,
            None => self.send(&refusal(RefusalReason::Failed, "nothing is known yet")).await,
        }
    }

    async fn events(&mut self, last: u32, follow: bool) -> Result<(), Gone> {
        let news = self.book.borrow().news();
        let mut next = self.book.borrow().first_of_last(last);
        loop {
            // Asked to be told before looking, so that nothing falls between the two.
            let told = news.notified();
            loop {
                let recorded = self.book.borrow().events_from(next).next();
                let Some(recorded) = recorded else { break };
                next = recorded.number.saturating_add(1);
                self.send(&Answer::Event(Box::new(recorded))).await?;
            }
            if !follow {
                return self.send(&Answer::Done(String::new())).await;
            }
            tokio::select! {
                () = told => {}
                // It has nothing to say any more: what comes is its end.
                _ = self.stream.read_u8() => return Err(Gone),
            }
        }
    }

    async fn errand(&self, wanted: Wanted) -> Result<String, String> {
        let (answer, waiting) = oneshot::channel();
        let sent = self.errands.send(Errand { wanted, answer }).await;
        sent.map_err(|_| "the daemon is stopping".to_owned())?;
        match timeout(ANSWER_WITHIN, waiting).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err("the daemon is stopping".to_owned()),
            Err(_) => Err(format!("no answer within {} s", ANSWER_WITHIN.as_secs())),
        }
    }

    async fn send(&mut self, answer: &Answer) -> Result<(), Gone> {
        let line = line(answer);
        match timeout(READ_WITHIN, self.stream.write_all(line.as_bytes())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }
}

fn refusal(reason: RefusalReason, text: &str) -> Answer {
    Answer::Refused(Refusal { reason, text: text.to_owned() })
}

fn line(answer: &Answer) -> String {
    // Every type of an answer has a form in JSON; an empty line is no answer to anyone.
    let mut line = serde_json::to_string(answer).unwrap_or_default();
    line.push('\n');
    line
}
