//! Which answer belongs to which request.
//!
//! A path is one of those that are written here, or there is nothing: no part of one is a name of anything else.

use super::body::Body;
use super::view::{View, now_ms};
use super::{Server, stream};
use crate::front_worker::client::{Errand, Wanted};
use core::time::Duration;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use standfast_api::Snapshot;
use standfast_kernel::timer::boottime;
use standfast_page::happened::Happened;
use standfast_page::judgement::{Verdict, judge};
use standfast_page::page::timeline::SHOWN;
use standfast_page::page::{Sheet, document, nothing_known};
use standfast_page::schema::Outcome;
use standfast_page::{SCRIPT, STYLE, metrics, schema};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// What a browser may do with what we send: load style, script and events from here, and nothing else at all.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// The workers are not asked more often, however many ask us.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How long they may take before we answer with what we know.
const ASK_WITHIN: Duration = Duration::from_secs(2);

/// Events that one request gets at most.
const MAX_EVENTS: u32 = 1000;

/// Events that are looked at for the changes on the page.
const LOOKED_AT: u32 = 2000;

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const PLAIN: &str = "text/plain; charset=utf-8";

impl Server {
    /// Answers a request.
    pub(super) async fn answer(self: &Rc<Self>, request: Request<Incoming>, from: SocketAddr) -> Response<Body> {
        self.requests.set(self.requests.get().wrapping_add(1));
        let mut answer = match self.is_asked_by_our_name(&request) {
            true => self.route(request, from).await,
            false => plain(StatusCode::MISDIRECTED_REQUEST, "not known by this name: see http_name\n"),
        };
        let headers = answer.headers_mut();
        for (name, value) in [
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (X_FRAME_OPTIONS, "DENY"),
            (REFERRER_POLICY, "no-referrer"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        answer
    }

    /// A page from elsewhere can have its own name point to us, and would then be ours to a browser.
    fn is_asked_by_our_name(&self, request: &Request<Incoming>) -> bool {
        let Some(host) = request.headers().get(HOST) else { return true };
        let Ok(host) = host.to_str() else { return false };
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            Some(_) | None => host,
        };
        let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
        let names = &self.slice.borrow().http.names;
        bare.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    async fn route(self: &Rc<Self>, request: Request<Incoming>, from: SocketAddr) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let is_order = path == "/api/v1/orders";
        let allowed = if is_order { [Method::POST, Method::POST] } else { [Method::GET, Method::HEAD] };
        if !allowed.contains(request.method()) && is_known(&path) {
            let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "not that way\n");
            let allow = if is_order { "POST" } else { "GET, HEAD" };
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
            return answer;
        }
        let query = request.uri().query().unwrap_or_default().to_owned();
        match path.as_str() {
            "/" => self.page().await,
            "/page.css" => asset("text/css; charset=utf-8", STYLE),
            "/page.js" => asset("text/javascript; charset=utf-8", SCRIPT),
            "/events" => self.events(&request),
            "/metrics" => self.metrics().await,
            "/healthz" => self.health(&query),
            "/api/v1/status" => self.status(&query).await,
            "/api/v1/events" => self.last_events(&query),
            "/api/v1/schema" => whole(StatusCode::OK, "application/schema+json", schema::text()),
            "/api/v1/orders" => {
                let (status, text) = self.order(request, from).await;
                let outcome = Outcome { done: status == StatusCode::OK, text };
                whole(status, JSON, json(&outcome))
            }
            _ => plain(StatusCode::NOT_FOUND, "there is nothing here\n"),
        }
    }

    /// A snapshot in which counters are of now, unless the workers are slow.
    async fn fresh(&self) -> Option<Rc<Snapshot>> {
        let now = boottime();
        let due = self.view.borrow().asked.is_none_or(|asked| now.since(asked) >= ASK_EVERY);
        if due {
            self.view.borrow_mut().asked = Some(now);
            let (answer, waiting) = oneshot::channel();
            if self.errands.send(Errand { wanted: Wanted::Refresh, answer }).await.is_ok() {
                // Without an answer in time it is the last that is known.
                let _ = timeout(ASK_WITHIN, waiting).await;
            }
        }
        let snapshot = self.book.borrow().snapshot()?;
        if due {
            self.view.borrow_mut().read_table(&snapshot);
        }
        Some(snapshot)
    }

    /// An answer that was made a moment ago, or a new one.
    async fn made(
        &self,
        what: &'static str,
        kind: &'static str,
        make: impl FnOnce(&Self, &View, &Snapshot) -> String,
    ) -> Response<Body> {
        let made = self.view.borrow().made(what);
        let bytes = match made {
            Some(bytes) => bytes,
            None => {
                let Some(snapshot) = self.fresh().await else {
                    return plain(StatusCode::SERVICE_UNAVAILABLE, "nothing is known yet\n");
                };
                let text = make(self, &self.view.borrow(), &snapshot);
                let bytes = Bytes::from(text);
                self.view.borrow_mut().keep(what, &bytes);
                bytes
            }
        };
        with(StatusCode::OK, kind, bytes.into())
    }

    async fn page(&self) -> Response<Body> {
        if self.book.borrow().snapshot().is_none() {
            let name = self.slice.borrow().name.clone();
            return whole(StatusCode::SERVICE_UNAVAILABLE, HTML, nothing_known(&name));
        }
        let make = |server: &Self, view: &View, snapshot: &Snapshot| {
            let slice = server.slice.borrow();
            document(&Sheet {
                report: &view.report(snapshot, &slice.name),
                directors: &view.directors,
                history: view.history(),
                samples: &view.samples,
                events: &server.changes_of_late(),
                now_unix_ms: now_ms(),
                takes_orders: slice.token.is_some(),
            })
        };
        self.made("page", HTML, make).await
    }

    /// The last changes, the newest first.
    fn changes_of_late(&self) -> Vec<Happened> {
        let book = self.book.borrow();
        let first = book.first_of_last(LOOKED_AT);
        let newest_first = book.events_from(first).rev().map(|recorded| Happened::of(&recorded));
        newest_first.filter(|happened| happened.about.is_change()).take(SHOWN).collect()
    }

    async fn status(&self, query: &str) -> Response<Body> {
        let (brief, what) = match parameter(query, "servers").as_deref() {
            Some("no") => (true, "brief"),
            Some(_) | None => (false, "status"),
        };
        let make = |server: &Self, view: &View, snapshot: &Snapshot| {
            let report = view.report(snapshot, &server.slice.borrow().name);
            json(&if brief { report.without_servers() } else { report })
        };
        self.made(what, JSON, make).await
    }

    async fn metrics(&self) -> Response<Body> {
        let make = |server: &Self, view: &View, snapshot: &Snapshot| {
            let report = view.report(snapshot, &server.slice.borrow().name);
            let own = metrics::Own {
                requests: server.requests.get(),
                turned_away: server.gate.turned_away(),
                connections: server.gate.inside(),
            };
            metrics::text(&report, &view.directors, &own).unwrap_or_default()
        };
        self.made("metrics", metrics::CONTENT_TYPE, make).await
    }

    /// 200 while all that is configured is served or waits to serve; 503 if something that should be served is not. With
    /// `master=NAME`, 200 while this node is master of that instance.
    fn health(&self, query: &str) -> Response<Body> {
        let Some(snapshot) = self.book.borrow().snapshot() else {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "UNKNOWN: nothing is known yet\n");
        };
        if let Some(name) = parameter(query, "master") {
            let mut instances = snapshot.vrrp.iter().flat_map(|vrrp| &vrrp.instances);
            return match instances.find(|instance| instance.name == name) {
                Some(instance) if instance.state == standfast_model::State::Master => plain(StatusCode::OK, "MASTER\n"),
                Some(instance) => plain(StatusCode::SERVICE_UNAVAILABLE, &format!("{}\n", instance.state)),
                None => plain(StatusCode::NOT_FOUND, "no instance has this name\n"),
            };
        }
        let (verdict, remarks) = judge(&snapshot);
        let status = match verdict {
            Verdict::Ok | Verdict::Warning => StatusCode::OK,
            Verdict::Critical => StatusCode::SERVICE_UNAVAILABLE,
        };
        let mut text = format!("{}\n", verdict.word());
        for remark in remarks {
            text.push_str(&format!("{}: {}\n", remark.verdict.word(), remark.text));
        }
        plain(status, &text)
    }

    fn last_events(&self, query: &str) -> Response<Body> {
        let last = match parameter(query, "last").map(|last| last.parse::<u32>()) {
            None => 100,
            Some(Ok(last)) => last.min(MAX_EVENTS),
            Some(Err(_)) => return plain(StatusCode::BAD_REQUEST, "last is a number\n"),
        };
        let book = self.book.borrow();
        let first = book.first_of_last(last);
        let events = book.events_from(first).map(|recorded| Happened::of(&recorded));
        whole(StatusCode::OK, JSON, json(&events.collect::<Vec<_>>()))
    }

    fn events(self: &Rc<Self>, request: &Request<Incoming>) -> Response<Body> {
        let kind = "text/event-stream";
        if request.method() == Method::HEAD {
            return with(StatusCode::OK, kind, Bytes::new().into());
        }
        let behind = request.headers().get("last-event-id").and_then(|number| number.to_str().ok()?.parse().ok());
        match stream::open(self, behind) {
            Some(body) => with(StatusCode::OK, kind, body),
            None => plain(StatusCode::SERVICE_UNAVAILABLE, "too many streams\n"),
        }
    }
}

/// Whether there is something at this path.
fn is_known(path: &str) -> bool {
    let known = [
        "/",
        "/page.css",
        "/page.js",
        "/events",
        "/metrics",
        "/healthz",
        "/api/v1/status",
        "/api/v1/events",
        "/api/v1/schema",
        "/api/v1/orders",
    ];
    known.contains(&path)
}

/// The first value of a name in a query.
fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes()).find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

fn json(value: &impl serde::Serialize) -> String {
    // Every type of an answer has a form in JSON.
    serde_json::to_string(value).unwrap_or_default()
}

fn asset(kind: &'static str, text: &'static str) -> Response<Body> {
    let mut answer = with(StatusCode::OK, kind, Bytes::from_static(text.as_bytes()).into());
    let keep = HeaderValue::from_static("public, max-age=3600");
    answer.headers_mut().insert(CACHE_CONTROL, keep);
    answer
}

fn plain(status: StatusCode, text: &str) -> Response<Body> {
    whole(status, PLAIN, text.to_owned())
}

fn whole(status: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    with(status, kind, Bytes::from(text).into())
}

fn with(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
