//! What processes of the daemon say to each other, and what its clients say to it and it to them.

use core::fmt::Debug;
use serde::Serialize;
use serde::de::DeserializeOwned;
use standfast_api::control::{Answer, Ask, Order};
use standfast_api::plan::Plan;
use standfast_api::runner::{FromRunner, ToRunner};
use standfast_api::{
    BfdSlice, CheckSlice, CheckStatus, FromWorker, FrontSlice, PROTOCOL_VERSION, RunnerSlice, ToWorker, VrrpSlice,
    decode, encode,
};

/// Chance would not find the version that is looked at first.
fn with_version(body: &[u8]) -> Vec<u8> {
    [&PROTOCOL_VERSION.to_le_bytes(), body].concat()
}

macro_rules! comes_back {
    ($octets:expr, $($type:ty),*) => {
        $(if let Ok(value) = decode::<$type>($octets) {
            let again = encode(&value).expect("a value without octets");
            assert_eq!(decode::<$type>(&again).as_ref(), Ok(&value));
        })*
    };
}

/// What goes over the channels, and the slices of the configuration. What is a value is still that value after another
/// way through octets.
pub fn channel_message(octets: &[u8]) {
    let _ = decode::<ToWorker>(octets);
    let octets = with_version(octets);
    comes_back!(&octets, ToWorker, FromWorker, ToRunner, FromRunner, VrrpSlice, CheckSlice);
    comes_back!(&octets, BfdSlice, FrontSlice, RunnerSlice, CheckStatus);
}

pub(crate) fn text_comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(octets: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<T>(octets) {
        let again = serde_json::to_vec(&value).expect("a value without text");
        assert_eq!(serde_json::from_slice::<T>(&again).ok(), Some(value));
    }
}

/// A line of the control socket in either direction, and an order over HTTP.
pub fn control(octets: &[u8]) {
    text_comes_back::<Ask>(octets);
    text_comes_back::<Answer>(octets);
    text_comes_back::<Order>(octets);
    text_comes_back::<Plan>(octets);
}
