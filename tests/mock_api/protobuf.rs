//! Answers in protobuf, whole and broken.

use super::server::{Answer, MockApi};
use super::trouble::is;

/// Writes a field that holds bytes.
fn field(number: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    let length = u8::try_from(content.len()).unwrap();
    assert!(number < 16 && length < 128);
    [&[number << 3 | 2, length], content].concat()
}

/// Answers with a message.
fn answer(code: u16, message: &[u8]) -> Answer {
    let whole = [b"k8s\0", &field(2, message)[..]].concat();
    let head = format!(
        "HTTP/1.1 {code} X\r\ncontent-type: application/vnd.kubernetes.protobuf\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        whole.len()
    );
    Answer::Raw([head.as_bytes(), &whole].concat())
}

/// An API server whose listing of Jobs is answered like this.
fn with_jobs(jobs: fn() -> Answer) -> MockApi {
    MockApi::new(move |request| is(request, "GET", "/jobs").then(jobs))
}

#[test]
fn jobs_are_listed_and_so_is_nothing() {
    let one = || {
        let labels = field(11, [field(1, "a"), field(2, "b")].concat());
        let metadata = [
            field(1, "train"),
            field(3, "kaiwo"),
            field(5, "uid"),
            labels,
        ];
        let job = field(1, metadata.concat());
        answer(200, &[field(1, []), field(2, job)].concat())
    };
    let api = with_jobs(one);
    let listed = api.sandbox.kaiwo(&["list", "-o", "name"]).exits(0).stdout;
    assert_eq!(listed, "job.batch/train\n");
    let api = with_jobs(|| answer(200, &field(1, [])));
    let _ = api
        .sandbox
        .kaiwo(&["list"])
        .exits(0)
        .says("no workloads created by kaiwo");
}

#[test]
fn a_refusal_in_protobuf_is_told_as_any_other() {
    let api = with_jobs(|| {
        let words = "jobs.batch is forbidden: User \"bob\" cannot list resource \"jobs\"";
        let parts = [field(2, "Failure"), field(3, words), field(4, "Forbidden")];
        // 403, in two bytes.
        answer(403, &[parts.concat(), vec![0x30, 0x93, 0x03]].concat())
    });
    let _ = api
        .sandbox
        .kaiwo(&["list", "--kind", "job"])
        .exits(4)
        .says("User \"bob\" cannot list resource \"jobs\"");
}

#[test]
fn protobuf_that_is_none_is_an_invalid_answer() {
    let api = with_jobs(|| answer(200, &[0x0a, 9, b'x']));
    let _ = api
        .sandbox
        .kaiwo(&["list"])
        .exits(1)
        .says("invalid answer to GET /apis/batch/v1/namespaces/kaiwo/jobs")
        .says("it ends in the middle");
}
