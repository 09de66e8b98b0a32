//! The table from codes to statuses, as a golden file, and the pages behind the codes.
//! Set `BLESS=1` to write the file anew after a change on purpose.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{door, golden};
use http::StatusCode;
use model::Code;

#[test]
fn every_code_has_its_status() {
    let lines: Vec<_> =
        Code::ALL.iter().map(|code| format!("{} {}\n", web::status_of(*code).as_u16(), code.word())).collect();
    golden("problems.txt", &lines.concat());
}

#[tokio::test]
async fn every_code_has_its_page() {
    let door = door();
    for code in Code::ALL {
        let answer = door.get(&format!("/errors/{}", code.word())).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.json()["status"], web::status_of(*code).as_u16());
        assert_eq!(answer.json()["hint"], code.hint());
    }
    let page = door.ask("GET /errors/queue_full", &[("accept", "text/html,*/*")], "").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.text().contains("<h1>queue_full</h1>"));
    assert_eq!(door.get("/errors/no_such_code").await.line(), "404 path_not_found");
}
