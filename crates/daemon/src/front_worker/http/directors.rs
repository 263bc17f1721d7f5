//! Asks another director how it is, again and again, with limits: it may be slow, silent or somebody else.

use super::{Server, body::Body};
use core::time::Duration;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use standfast_page::directors::{MAX_REPORT_BYTES, read};
use standfast_page::report::Report;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// How often it is asked.
const EVERY: Duration = Duration::from_secs(3);

/// How long it may take: on a LAN that is an age, and what is not there takes no longer.
const WITHIN: Duration = Duration::from_secs(2);

/// Asks for ever.
pub(super) async fn watch(server: Rc<Server>, index: usize, address: SocketAddr) {
    loop {
        let said = match timeout(WITHIN, ask(address)).await {
            Ok(said) => said,
            Err(_) => Err(format!("no answer within {} s", WITHIN.as_secs())),
        };
        let changed = server.view.borrow_mut().heard(index, said);
        if changed {
            server.told();
        }
        sleep(EVERY).await;
    }
}

async fn ask(address: SocketAddr) -> Result<Report, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let request = Request::get("/api/v1/status?servers=no")
        .header(header::HOST, address.to_string())
        .header(header::CONNECTION, "close")
        .body(Body::from(Bytes::new()))
        .map_err(|error| error.to_string())?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        if answer.status() != StatusCode::OK {
            return Err(format!("it answers {}", answer.status()));
        }
        let body = Limited::new(answer.into_body(), MAX_REPORT_BYTES).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        read(&body)
    };
    // The connection is done when the answer is, one way or the other.
    let mut connection = core::pin::pin!(connection);
    let mut answer = core::pin::pin!(answer);
    tokio::select! {
        said = &mut answer => said,
        ended = &mut connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(error.to_string()),
        },
    }
}
