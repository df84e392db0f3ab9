//! What only the machine itself may ask.

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::support::{Server, state};

async fn ask(server: &Server, path: &str) -> (u16, String) {
    let request = Request::builder().uri(path).body(Body::empty()).unwrap();
    let answer = statehouse_web::health_router(server.core.clone())
        .oneshot(request)
        .await
        .unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn the_metrics_count_routes_and_name_nobody() {
    let server = Server::start().await;
    let owner = server.person("olga", false).await;
    server.organization("acme", &owner).await;
    server
        .call(&owner, "POST", "/state/acme/network", state("a", 1, 1))
        .await
        .is(200);
    assert_eq!(ask(&server, "/healthz").await, (200, "ok\n".to_owned()));
    let (status, text) = ask(&server, "/metrics").await;
    assert_eq!(status, 200);
    let line = r#"statehouse_http_requests_total{method="POST",route="/state/{organization}/{workspace}",status="2xx"} "#;
    assert!(text.contains(line), "{text}");
    assert!(text.contains("statehouse_site_writable 1\n"), "{text}");
    for secret in ["acme", "network", "olga", owner.token.as_str()] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn the_network_does_not_reach_them() {
    let server = Server::start().await;
    let operator = server.person("otto", true).await;
    for path in ["/metrics", "/healthz"] {
        server.call(&operator, "GET", path, "").await.is(404);
    }
}
