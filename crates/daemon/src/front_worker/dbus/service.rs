//! The connection to the bus: had, kept, lost, had again; calls in, replies and signals out.
//!
//! It judges nothing: what is answered is `calls`'s business, what is signalled that of `objects`.

use super::Shared;
use super::calls::{Call, FAILED, LIMITS, Reply, Value, answer};
use super::objects::Signal;
use crate::front_worker::client::{Errand, Wanted};
use core::num::NonZeroUsize;
use core::pin::Pin;
use core::time::Duration;
use futures_core::Stream as _;
use serde::Serialize;
use standfast_api::control::Order;
use std::collections::HashMap;
use std::rc::Rc;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};
use zbus::message::{Flags, Message, Type};
use zbus::names::WellKnownName;
use zbus::{Connection, DynamicType, MessageStream, Structure, Variant, connection};

/// The name of the service, where `dbus_service_name` says nothing.
const NAME: &str = "org.keepalived.Vrrp1";

const BUS: &str = "org.freedesktop.DBus";

/// How soon a bus that is missing or has refused is tried again: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// For the bus to let us in, to answer, and to take a message: it does each in a millisecond unless it hangs.
const BUS_WITHIN: Duration = Duration::from_secs(10);

/// For the supervisor to answer: a reload may take half a minute.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// Messages that wait to be looked at; the socket holds what comes beyond.
const QUEUED: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// Orders under way at once: who may give any has no use for more.
const ORDERS: usize = 16;

/// Why there is no service at the moment.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Bus(String),
    #[error("the bus does not answer within {} s", BUS_WITHIN.as_secs())]
    Hangs,
    #[error("{0} is the name of another program on the bus")]
    Taken(String),
    #[error(
        "the bus does not let the user of this process have the name {0}: its policy file has to (see \
         org.keepalived.Vrrp1.conf)"
    )]
    Forbidden(String),
    #[error("the bus has gone")]
    Gone,
}

impl From<zbus::Error> for Trouble {
    fn from(error: zbus::Error) -> Self {
        Self::Bus(error.to_string())
    }
}

/// Publishes until it is told to end.
pub(super) async fn serve(name: Option<String>, shared: Rc<Shared>, errands: mpsc::Sender<Errand>) {
    let name = name.unwrap_or_else(|| NAME.to_owned());
    let (first, most) = RETRY;
    let mut pause = first;
    let mut said = None;
    while !shared.ending.get() {
        let mut session = match Session::open(&name, &shared, &errands).await {
            Ok(session) => session,
            Err(trouble) => {
                if said.as_ref() != Some(&trouble) {
                    warn!("D-Bus: {trouble}; tried again");
                    said = Some(trouble);
                }
                wait(pause, &shared).await;
                pause = (pause * 2).min(most);
                continue;
            }
        };
        info!("D-Bus: {name} is ours on the bus");
        (pause, said) = (first, None);
        shared.heard.set(true);
        let outcome = session.run().await;
        shared.heard.set(false);
        shared.signals.borrow_mut().clear();
        match outcome {
            Ok(()) => {
                session.leave(&name).await;
                return;
            }
            Err(trouble) => {
                warn!("D-Bus: {trouble}; tried again");
                wait(pause, &shared).await;
            }
        }
    }
}

/// A pause that the end cuts short.
async fn wait(pause: Duration, shared: &Shared) {
    tokio::select! {
        () = sleep(pause) => {}
        () = shared.news.notified() => {}
    }
}

/// What the bus makes of something, in bounded time.
async fn soon<T>(what: impl Future<Output = zbus::Result<T>>) -> Result<T, Trouble> {
    timeout(BUS_WITHIN, what).await.map_err(|_| Trouble::Hangs)?.map_err(Trouble::from)
}

/// One connection that has the name.
struct Session<'a> {
    connection: Connection,
    messages: MessageStream,
    shared: &'a Rc<Shared>,
    errands: &'a mpsc::Sender<Errand>,
    /// One for each order under way.
    orders: Rc<()>,
}

impl<'a> Session<'a> {
    async fn open(name: &str, shared: &'a Rc<Shared>, errands: &'a mpsc::Sender<Errand>) -> Result<Self, Trouble> {
        let name = WellKnownName::try_from(name).map_err(|error| Trouble::Bus(error.to_string()))?;
        let builder = connection::Builder::system().max_queued(QUEUED).method_timeout(BUS_WITHIN);
        let connection = soon(builder.build()).await?;
        // Nobody can call before there is a name.
        let messages = MessageStream::from(&connection);
        let reply = call_bus(&connection, "RequestName", &(name.as_str(), DO_NOT_QUEUE)).await;
        let reply = reply.map_err(|trouble| match &trouble {
            Trouble::Bus(text) if text.contains("AccessDenied") => Trouble::Forbidden(name.to_string()),
            Trouble::Bus(_) | Trouble::Hangs | Trouble::Taken(_) | Trouble::Forbidden(_) | Trouble::Gone => trouble,
        })?;
        match reply.body().deserialize::<u32>()? {
            OWNER | OWNER_ALREADY => {}
            _ => return Err(Trouble::Taken(name.to_string())),
        }
        Ok(Self { connection, messages, shared, errands, orders: Rc::new(()) })
    }

    /// Answers and signals until told to end.
    async fn run(&mut self) -> Result<(), Trouble> {
        let started = self.shared.objects.borrow().started();
        self.emit(&started).await?;
        loop {
            while let Some(signal) = self.shared.next_signal() {
                self.emit(&signal).await?;
            }
            if self.shared.ending.get() {
                return Ok(());
            }
            tokio::select! {
                () = self.shared.news.notified() => {}
                message = next(&mut self.messages) => match message {
                    Some(Ok(message)) => self.heard(&message).await?,
                    Some(Err(_)) | None => return Err(Trouble::Gone),
                },
            }
        }
    }

    async fn heard(&self, message: &Message) -> Result<(), Trouble> {
        let header = message.header();
        if header.message_type() != Type::MethodCall {
            return Ok(());
        }
        let call = read(message);
        let reply = answer(&self.shared.objects.borrow(), &call);
        let Reply::Order(order) = reply else { return soon(respond(&self.connection, message, reply)).await };
        if Rc::strong_count(&self.orders) > ORDERS {
            let reply = Reply::Error { name: LIMITS, text: "too many orders at once".to_owned() };
            return soon(respond(&self.connection, message, reply)).await;
        }
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        info!(client = sender, "order over D-Bus from {sender}: {order}");
        let (connection, message, errands) = (self.connection.clone(), message.clone(), self.errands.clone());
        let place = Rc::clone(&self.orders);
        tokio::task::spawn_local(async move {
            let reply = match carry_out(order, &errands).await {
                Ok(()) => Reply::Done,
                Err(text) => Reply::Error { name: FAILED, text },
            };
            if let Err(trouble) = soon(respond(&connection, &message, reply)).await {
                debug!("an answer over D-Bus does not arrive: {trouble}");
            }
            drop(place);
        });
        Ok(())
    }

    async fn emit(&self, signal: &Signal) -> Result<(), Trouble> {
        const VRRP: &str = "org.keepalived.Vrrp1.Vrrp";
        let nobody = None::<&str>;
        let connection = &self.connection;
        match signal {
            Signal::Started { path } => {
                soon(connection.emit_signal(nobody, path.as_str(), VRRP, "VrrpStarted", &())).await
            }
            Signal::Reloaded { path } => {
                soon(connection.emit_signal(nobody, path.as_str(), VRRP, "VrrpReloaded", &())).await
            }
            Signal::Stopped { path } => {
                soon(connection.emit_signal(nobody, path.as_str(), VRRP, "VrrpStopped", &())).await
            }
            Signal::Changed { path, state } => {
                let interface = "org.keepalived.Vrrp1.Instance";
                soon(connection.emit_signal(nobody, path.as_str(), interface, "VrrpStatusChange", state)).await
            }
        }
    }

    /// Gives the name back. When that is answered, everything before has arrived.
    async fn leave(self, name: &str) {
        if let Err(trouble) = call_bus(&self.connection, "ReleaseName", &name).await {
            debug!("the bus was left without a word: {trouble}");
        }
    }
}

/// Flags and answers of `RequestName`.
const DO_NOT_QUEUE: u32 = 4;
const OWNER: u32 = 1;
const OWNER_ALREADY: u32 = 4;

async fn call_bus<B>(connection: &Connection, method: &str, body: &B) -> Result<Message, Trouble>
where
    B: Serialize + DynamicType,
{
    soon(connection.call_method(Some(BUS), "/org/freedesktop/DBus", Some(BUS), method, body)).await
}

async fn next(messages: &mut MessageStream) -> Option<zbus::Result<Message>> {
    core::future::poll_fn(|context| Pin::new(&mut *messages).poll_next(context)).await
}

/// What is called. Arguments that are not as their types say are none.
fn read(message: &Message) -> Call {
    let (header, body) = (message.header(), message.body());
    let signature = header.signature().to_string_no_parens();
    let texts = match signature.as_str() {
        "s" => body.deserialize::<&str>().map(|one| vec![one.to_owned()]),
        "ss" => body.deserialize::<(&str, &str)>().map(|(one, two)| vec![one.to_owned(), two.to_owned()]),
        "ssv" => {
            body.deserialize::<(&str, &str, Variant<'_>)>().map(|(one, two, _)| vec![one.to_owned(), two.to_owned()])
        }
        _ => Ok(Vec::new()),
    };
    let words = |word: Option<String>| word.unwrap_or_default();
    Call {
        path: words(header.path().map(ToString::to_string)),
        interface: header.interface().map(ToString::to_string),
        member: words(header.member().map(ToString::to_string)),
        signature,
        texts: texts.unwrap_or_default(),
    }
}

/// Replies, unless the caller wants no reply.
async fn respond(connection: &Connection, call: &Message, reply: Reply) -> zbus::Result<()> {
    let header = call.header();
    if header.primary().flags().contains(Flags::NO_REPLY_EXPECTED) {
        return Ok(());
    }
    match reply {
        Reply::Done | Reply::Order(_) => connection.reply(&header, &()).await,
        Reply::Text(text) => connection.reply(&header, &text).await,
        Reply::Property(value) => connection.reply(&header, &value_of(value)).await,
        Reply::Properties(all) => {
            let all: HashMap<&str, Variant<'_>> =
                all.into_iter().map(|(name, value)| (name, value_of(value))).collect();
            connection.reply(&header, &all).await
        }
        Reply::Error { name, text } => connection.reply_error(&header, name, &text).await,
        Reply::MachineId => match machine_id() {
            Some(id) => connection.reply(&header, &id).await,
            None => connection.reply_error(&header, FAILED, &"this machine has no number").await,
        },
    }
}

fn value_of(value: Value) -> Variant<'static> {
    match value {
        Value::Name(name) => Variant::Structure(Structure::from((name,))),
        Value::State(number, word) => Variant::Structure(Structure::from((number, word))),
    }
}

/// 32 digits, as systemd or D-Bus itself has put them there.
fn machine_id() -> Option<String> {
    let found = ["/etc/machine-id", "/var/lib/dbus/machine-id"].into_iter().filter_map(|path| {
        let text = std::fs::read_to_string(path).ok()?;
        Some(text.trim_end().to_owned())
    });
    found.into_iter().find(|id| id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// Has the supervisor do it. What it has to say to that is only said where it is against it.
async fn carry_out(order: Order, errands: &mpsc::Sender<Errand>) -> Result<(), String> {
    let stopping = || "the daemon is stopping".to_owned();
    // The supervisor knows clients by their user, and the bus has judged this one.
    let uid = rustix::process::geteuid().as_raw();
    let (answer, waiting) = oneshot::channel();
    errands.send(Errand { wanted: Wanted::Order { uid, order }, answer }).await.map_err(|_| stopping())?;
    match timeout(ANSWER_WITHIN, waiting).await {
        Ok(Ok(outcome)) => outcome.map(drop),
        Ok(Err(_)) => Err(stopping()),
        Err(_) => Err(format!("no answer within {} s", ANSWER_WITHIN.as_secs())),
    }
}
