//! Orders over HTTP: who may give them. The answer is the supervisor's.
//!
//! A browser is not trusted to know whose page it shows: an order needs a token in a header that no form and no foreign
//! page can send, comes from a page of ours or from no page at all, and says that it is JSON. There are no cookies.

use super::Server;
use crate::front_worker::client::{Errand, Wanted};
use core::time::Duration;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, ORIGIN};
use hyper::{Request, StatusCode};
use standfast_api::control::{MAX_REQUEST_BYTES, Order};
use std::net::SocketAddr;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

/// For the body of an order.
const BODY_WITHIN: Duration = Duration::from_secs(5);

/// For the supervisor to answer: a reload may take half a minute.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// How long whoever has a wrong token waits for the answer.
const WRONG_TOKEN_COSTS: Duration = Duration::from_secs(1);

/// What came of it: a status and words.
type Outcome = (StatusCode, String);

impl Server {
    /// Takes an order.
    pub(super) async fn order(&self, request: Request<Incoming>, from: SocketAddr) -> Outcome {
        match self.try_order(request, from).await {
            Ok(text) => (StatusCode::OK, text),
            Err(outcome) => outcome,
        }
    }

    async fn try_order(&self, request: Request<Incoming>, from: SocketAddr) -> Result<String, Outcome> {
        let slice = self.slice.borrow().clone();
        let Some(token) = &slice.token else {
            return Err((StatusCode::FORBIDDEN, "no orders are taken here: there is no http_token".to_owned()));
        };
        is_our_page(request.headers()).map_err(|text| (StatusCode::FORBIDDEN, text))?;
        let word = request.headers().get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        if !word.is_some_and(|word| token.is(word)) {
            warn!(client = %from, "order over http from {from} without the token");
            sleep(WRONG_TOKEN_COSTS).await;
            return Err((StatusCode::UNAUTHORIZED, "the token is missing or wrong".to_owned()));
        }
        let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "an order is application/json".to_owned()));
        }
        let order = read(request).await?;
        info!(client = %from, "order over http from {from}: {order}");
        // The supervisor knows clients by their user, and this one has none but ours.
        let uid = rustix::process::geteuid().as_raw();
        let (answer, waiting) = oneshot::channel();
        let stopping = || (StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping".to_owned());
        self.errands.send(Errand { wanted: Wanted::Order { uid, order }, answer }).await.map_err(|_| stopping())?;
        match timeout(ANSWER_WITHIN, waiting).await {
            Ok(Ok(outcome)) => outcome.map_err(|text| (StatusCode::CONFLICT, text)),
            Ok(Err(_)) => Err(stopping()),
            Err(_) => Err((StatusCode::GATEWAY_TIMEOUT, format!("no answer within {} s", ANSWER_WITHIN.as_secs()))),
        }
    }
}

async fn read(request: Request<Incoming>) -> Result<Order, Outcome> {
    let body = Limited::new(request.into_body(), MAX_REQUEST_BYTES);
    let body = match timeout(BODY_WITHIN, body.collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let text = format!("an order has at most {MAX_REQUEST_BYTES} bytes");
            return Err((StatusCode::PAYLOAD_TOO_LARGE, text));
        }
        Ok(Err(error)) => return Err((StatusCode::BAD_REQUEST, error.to_string())),
        Err(_) => return Err((StatusCode::REQUEST_TIMEOUT, "the order did not come in time".to_owned())),
    };
    serde_json::from_slice(&body).map_err(|error| (StatusCode::BAD_REQUEST, format!("no order: {error}")))
}

/// Whether a browser says that a page of ours sends it; other programs say nothing about that.
fn is_our_page(headers: &HeaderMap) -> Result<(), String> {
    if let Some(origin) = headers.get(ORIGIN) {
        let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, rest)| rest);
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        if authority.is_none() || authority != host {
            return Err("a page from elsewhere may not give orders".to_owned());
        }
    }
    match headers.get("sec-fetch-site").map(|site| site.as_bytes()) {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => Err("a page from elsewhere may not give orders".to_owned()),
    }
}
