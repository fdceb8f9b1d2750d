//! One request and its answer, with what was asked to happen to them.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::http::{Body, Head, Reader, Shape, Writer};
use super::{Fault, InFlight, Shared};

/// What is said without asking the server.
const SLOW_DOWN: &str = "503 Slow Down";
const NOT_IMPLEMENTED: &str = "501 Not Implemented";

/// Serves a client until it leaves (`Ok`), or is to be cut off (`Err`).
pub(super) async fn all(client: &mut TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    let (reader, mut writer) = client.split();
    let mut reader = Reader::new(reader);
    while let Some(request) = reader.head().await? {
        let mut changed = shared.plan.subscribe();
        let (fault, under_way) = shared.begin(request.word(0));
        if fault == Fault::Refuse {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if fault == Fault::Hang {
            // the sender lives as long as the proxy does
            drop(changed.changed().await);
            return Err(ErrorKind::ConnectionReset.into());
        }
        if let Fault::Delay(delay) = fault {
            tokio::time::sleep(delay).await;
        }
        let closes = request.closes();
        let conditional = request.header("if-none-match").is_some();
        let refused = if fault == Fault::SlowDown {
            Some((SLOW_DOWN, "SlowDown"))
        } else if fault == Fault::Unconditional && conditional {
            Some((NOT_IMPLEMENTED, "NotImplemented"))
        } else {
            None
        };
        let goes_on = if let Some((status, code)) = refused {
            refuse(&request, &mut reader, &mut writer, status, code).await?;
            drop(under_way);
            true
        } else {
            let asked = (&request, under_way, fault);
            pass(asked, &mut reader, &mut writer, shared).await?
        };
        if !goes_on || closes {
            return writer.shutdown().await;
        }
    }
    Ok(())
}

/// Takes a request's body and answers with an error as S3 writes it.
async fn refuse(
    request: &Head,
    reader: &mut Reader<impl AsyncRead + Unpin>,
    writer: &mut (impl AsyncWrite + Unpin),
    status: &str,
    code: &str,
) -> io::Result<()> {
    if request.header("expect").is_some() {
        writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let mut nowhere = Writer {
        to: tokio::io::sink(),
        shape: Shape::default(),
        count: &|_| {},
    };
    reader.copy(request.request_body(), &mut nowhere).await?;
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
         <Message>The fault proxy says so.</Message><RequestId>0</RequestId></Error>"
    );
    let length = xml.len();
    let body = if request.word(0) == "HEAD" { "" } else { &xml };
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/xml\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    writer.write_all(answer.as_bytes()).await
}

/// A request that is passed on, and what it meets.
type Asked<'a> = (&'a Head, InFlight, Fault);

/// Asks the server, shaping what goes there and what comes back. Gives whether the client's
/// connection goes on.
async fn pass(
    (request, under_way, fault): Asked<'_>,
    reader: &mut Reader<impl AsyncRead + Unpin>,
    writer: &mut (impl AsyncWrite + Unpin),
    shared: &Shared,
) -> io::Result<bool> {
    let mut server = TcpStream::connect(shared.upstream).await?;
    let (server_reader, mut server_writer) = server.split();
    server_writer.write_all(&request.bytes()).await?;
    let sent = |bytes| shared.counts().traffic.request_body_bytes += bytes;
    let mut to_server = Writer {
        to: &mut server_writer,
        shape: request_shape(fault),
        count: &sent,
    };
    // one after the other unless the client waits to be told to go on, or the server answers early
    let sending = reader.copy(request.request_body(), &mut to_server);
    let asked = (request, under_way, fault);
    let answering = answer(asked, Reader::new(server_reader), writer, shared);
    let mut whole = false;
    let outcome = {
        tokio::pin!(sending, answering);
        loop {
            tokio::select! {
                answered = &mut answering => break answered,
                sent = &mut sending, if !whole => match sent {
                    Ok(()) => whole = true,
                    Err(error) => break Err(error),
                },
            }
        }
    };
    if outcome.is_err() {
        // the server must see the cut, not the end of a message
        drop(server.set_zero_linger());
    }
    outcome.map(|goes_on| goes_on && whole)
}

/// Passes the server's answer on. Gives whether the connection could take another request.
async fn answer(
    (request, under_way, fault): Asked<'_>,
    mut server: Reader<impl AsyncRead + Unpin>,
    writer: &mut (impl AsyncWrite + Unpin),
    shared: &Shared,
) -> io::Result<bool> {
    let mut head = loop {
        let head = server.head().await?.ok_or(ErrorKind::UnexpectedEof)?;
        if !head.word(1).starts_with('1') {
            break head;
        }
        writer.write_all(&head.bytes()).await?;
    };
    if fault == Fault::LoseAnswer {
        return Err(ErrorKind::ConnectionReset.into());
    }
    falsify(&mut head, fault);
    let body = head.response_body(request.word(0));
    // who has the whole answer asks the next thing before we are told that it is written
    let mut under_way = Some(under_way);
    if body == Body::Length(0) {
        under_way = None;
    }
    writer.write_all(&head.bytes()).await?;
    let came = |bytes| shared.counts().traffic.response_body_bytes += bytes;
    let mut to_client = Writer {
        to: writer,
        shape: response_shape(fault),
        count: &came,
    };
    server.copy(body, &mut to_client).await?;
    drop(under_way);
    Ok(body != Body::UntilClose && !head.closes())
}

/// How the request's body is passed on.
fn request_shape(fault: Fault) -> Shape {
    let mut shape = drip(fault);
    if let Fault::CutRequest { after_bytes } = fault {
        shape.cut_after = Some(after_bytes);
    }
    shape
}

/// How the answer's body is passed on.
fn response_shape(fault: Fault) -> Shape {
    let mut shape = drip(fault);
    if let Fault::CutResponse { after_bytes } = fault {
        shape.cut_after = Some(after_bytes);
    }
    shape
}

fn drip(fault: Fault) -> Shape {
    let mut shape = Shape::default();
    if let Fault::Drip { bytes_per_second } = fault {
        shape.bytes_per_second = Some(bytes_per_second);
    }
    shape
}

/// Makes the answer say something else of what was stored.
fn falsify(head: &mut Head, fault: Fault) {
    let (etag, checksum) = (fault == Fault::WrongEtag, fault == Fault::WrongChecksum);
    for (name, value) in &mut head.headers {
        if etag && is_etag(name) {
            *value = format!("\"{:0>32}\"", "bad");
        }
        if checksum && is_checksum(name) {
            *value = format!("{:A>43}=", "");
        }
    }
    if fault == Fault::NoChecksum {
        let says_nothing = |name: &str| !is_etag(name) && !is_checksum(name);
        head.headers.retain(|(name, _)| says_nothing(name));
    }
}

fn is_etag(name: &str) -> bool {
    name.eq_ignore_ascii_case("etag")
}

fn is_checksum(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("x-amz-checksum-") && !name.ends_with("-type")
}
