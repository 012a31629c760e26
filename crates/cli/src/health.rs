//! Asking the control plane of this machine whether it is ready.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATH: &str = "/healthz";
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Whether `GET /healthz` answers 200. No answer, a late one and any other are all "not ready".
pub(crate) async fn is_ready(listen: SocketAddr) -> bool {
    let status = timeout(ANSWER_WITHIN, get(listen)).await;
    matches!(status, Ok(Ok(StatusCode::OK)))
}

async fn get(listen: SocketAddr) -> io::Result<StatusCode> {
    let stream = TcpStream::connect(listen).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let request = Request::get(PATH)
        .header("host", listen.to_string())
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    // Ends by itself when the sender is dropped; an error in it shows in the exchange.
    tokio::spawn(connection);
    let response = sender
        .send_request(request)
        .await
        .map_err(io::Error::other)?;
    Ok(response.status())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn answer(text: &'static str) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /healthz HTTP/1.1\r\n"));
            stream.write_all(text.as_bytes()).await.unwrap();
        };
        let (ready, ()) = tokio::join!(is_ready(address), server);
        ready
    }

    #[tokio::test]
    async fn only_200_is_ready() {
        assert!(answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await);
        assert!(!answer("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n").await);
        assert!(!answer("nonsense\r\n\r\n").await);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert!(!is_ready(address).await);
    }
}
