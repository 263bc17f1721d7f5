//! A call and what is answered to it. Errors have the names and words that callers of keepalived know.

use super::objects::{Node, Objects, Published, number};
use standfast_api::control::{Files, Order};

const INTROSPECTABLE: &str = "org.freedesktop.DBus.Introspectable";
const PEER: &str = "org.freedesktop.DBus.Peer";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const VRRP: &str = "org.keepalived.Vrrp1.Vrrp";
const INSTANCE: &str = "org.keepalived.Vrrp1.Instance";

/// The errors of D-Bus that are answered with.
const UNKNOWN_METHOD: &str = "org.freedesktop.DBus.Error.UnknownMethod";
const INVALID_ARGS: &str = "org.freedesktop.DBus.Error.InvalidArgs";
const NOT_SUPPORTED: &str = "org.freedesktop.DBus.Error.NotSupported";
/// Of a call that was tried and came to nothing.
pub(super) const FAILED: &str = "org.freedesktop.DBus.Error.Failed";
/// Of a call that comes when too many are under way.
pub(super) const LIMITS: &str = "org.freedesktop.DBus.Error.LimitsExceeded";

/// What is called.
#[derive(Clone, Debug, Default)]
pub(super) struct Call {
    pub(super) path: String,
    /// None: whichever has the method.
    pub(super) interface: Option<String>,
    pub(super) member: String,
    /// The types of the arguments.
    pub(super) signature: String,
    /// Those that are texts, as far as they come first.
    pub(super) texts: Vec<String>,
}

/// What is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Reply {
    /// Nothing but that it was done.
    Done,
    /// A text.
    Text(String),
    /// The number of this machine.
    MachineId,
    /// The value of a property.
    Property(Value),
    /// All properties with their names.
    Properties(Vec<(&'static str, Value)>),
    /// What the supervisor makes of that.
    Order(Order),
    /// It cannot be done.
    Error {
        /// The name of the error.
        name: &'static str,
        /// In words.
        text: String,
    },
}

/// The value of a property.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    /// `Name`
    Name(String),
    /// `State`
    State(u32, &'static str),
}

fn error(name: &'static str, text: String) -> Reply {
    Reply::Error { name, text }
}

/// What a call is answered with.
pub(super) fn answer(objects: &Objects, call: &Call) -> Reply {
    let node = objects.at(&call.path);
    let interface = call.interface.as_deref();
    let is = |name: &str| interface.is_none_or(|given| given == name);
    let own = match node {
        Node::Vrrp => VRRP,
        Node::Instance(_) => INSTANCE,
        Node::Other => "",
    };
    // Whoever looks around starts at paths where nothing is.
    match call.member.as_str() {
        "Introspect" if is(INTROSPECTABLE) => with(call, "", || Reply::Text(objects.introspect(&call.path))),
        "Ping" if is(PEER) => with(call, "", || Reply::Done),
        "GetMachineId" if is(PEER) => with(call, "", || Reply::MachineId),
        _ if node == Node::Other => {
            error(UNKNOWN_METHOD, format!("Object does not exist at path \u{201c}{}\u{201d}", call.path))
        }
        "Get" if is(PROPERTIES) => with(call, "ss", || get(node, own, call)),
        "GetAll" if is(PROPERTIES) => with(call, "s", || all(node, own, call)),
        "Set" if is(PROPERTIES) => with(call, "ssv", || set(node, own, call)),
        _ if is(own) => method(node, call),
        _ => {
            let known = [INTROSPECTABLE, PEER, PROPERTIES].map(Some).contains(&interface);
            if known { no_method(call) } else { no_interface(call) }
        }
    }
}

/// The answer, if the arguments have these types.
fn with(call: &Call, signature: &str, answer: impl FnOnce() -> Reply) -> Reply {
    if call.signature == signature {
        return answer();
    }
    let text = format!(
        "Type of message, \u{201c}({})\u{201d}, does not match expected type \u{201c}({signature})\u{201d}",
        call.signature
    );
    error(INVALID_ARGS, text)
}

fn no_method(call: &Call) -> Reply {
    error(UNKNOWN_METHOD, format!("No such method \u{201c}{}\u{201d}", call.member))
}

fn no_interface(call: &Call) -> Reply {
    let interface = call.interface.as_deref().unwrap_or_default();
    let text = format!("No such interface \u{201c}{interface}\u{201d} on object at path {}", call.path);
    error(UNKNOWN_METHOD, text)
}

fn method(node: Node<'_>, call: &Call) -> Reply {
    let order = |order: Order| with(call, "", || Reply::Order(order));
    match (node, call.member.as_str()) {
        (Node::Vrrp, "PrintData") => order(Order::Write(Files::Data)),
        (Node::Vrrp, "PrintStats") => order(Order::Write(Files::Stats { clear: false })),
        (Node::Vrrp, "PrintStatsClear") => order(Order::Write(Files::Stats { clear: true })),
        (Node::Vrrp, "ReloadConfig") => order(Order::Reload { force: false, confirm_within_s: None }),
        (Node::Vrrp, "CreateInstance" | "DestroyInstance") => {
            let text = "instances are those of the configuration: change it, then call ReloadConfig";
            error(NOT_SUPPORTED, text.to_owned())
        }
        (Node::Instance(instance), "SendGarp") => order(Order::Announce { instance: instance.name.clone() }),
        (Node::Vrrp | Node::Instance(_) | Node::Other, _) => no_method(call),
    }
}

/// An interface without properties is one as well.
fn properties(node: Node<'_>) -> Vec<(&'static str, Value)> {
    match node {
        Node::Instance(instance) => vec![("Name", Value::Name(instance.name.clone())), ("State", state(instance))],
        Node::Vrrp | Node::Other => Vec::new(),
    }
}

fn state(instance: &Published) -> Value {
    let (state, word) = number(instance.state());
    Value::State(state, word)
}

fn find(node: Node<'_>, own: &str, call: &Call) -> Result<Value, Reply> {
    let (interface, name) = (text(call, 0), text(call, 1));
    if interface != own {
        return Err(error(INVALID_ARGS, format!("No such interface \u{201c}{interface}\u{201d}")));
    }
    let found = properties(node).into_iter().find(|(known, _)| *known == name).map(|(_, value)| value);
    found.ok_or_else(|| error(INVALID_ARGS, format!("No such property \u{201c}{name}\u{201d}")))
}

fn get(node: Node<'_>, own: &str, call: &Call) -> Reply {
    find(node, own, call).map_or_else(|refusal| refusal, Reply::Property)
}

fn set(node: Node<'_>, own: &str, call: &Call) -> Reply {
    match find(node, own, call) {
        Ok(_) => error(INVALID_ARGS, format!("Property \u{201c}{}\u{201d} is not writable", text(call, 1))),
        Err(refusal) => refusal,
    }
}

fn all(node: Node<'_>, own: &str, call: &Call) -> Reply {
    let interface = text(call, 0);
    if interface == own {
        return Reply::Properties(properties(node));
    }
    error(INVALID_ARGS, format!("No such interface \u{201c}{interface}\u{201d}"))
}

fn text(call: &Call, index: usize) -> &str {
    call.texts.get(index).map(String::as_str).unwrap_or_default()
}
