//! Reads listings page by page, so that memory does not grow with the cluster.

use std::cell::Cell;
use std::collections::HashSet;
use std::future::ready;
use std::rc::Rc;

use futures_util::FutureExt as _;
use futures_util::future::{Either, LocalBoxFuture, select};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::task::spawn_blocking;

use super::answer;
use super::request::{ServedKind, percent_encoded};
use crate::{Cluster, ClusterError};
use kaiwo_base::answer::{Page, PageMetadata, Reading};
use kaiwo_base::protobuf::{self, Encoded};

/// Objects of one page.
const PAGE: usize = 500;

/// Objects of one page if 500 are too large for an answer: of as many as etcd takes (1.5
/// MiB each), an answer can hold so many.
const LARGE_OBJECTS: usize = 40;

/// Most pages of a listing: half a million objects. Kubernetes is made for 150,000
/// pods.
const MOST_PAGES: usize = 1000;

/// A listing that does not end.
#[derive(Debug, thiserror::Error)]
enum Endless {
    #[error("its pages repeat: two have the same continue token")]
    Circle,
    #[error("it has more than {MOST_PAGES} pages")]
    Long,
}

/// What a listing is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Label selector, empty for all.
    pub labels: String,
    /// Field selector, empty for all.
    pub fields: String,
}

impl Selection {
    /// Selects by labels.
    pub fn labels(selector: impl Into<String>) -> Self {
        Self {
            labels: selector.into(),
            fields: String::new(),
        }
    }

    /// Selects by fields.
    pub fn fields(selector: impl Into<String>) -> Self {
        Self {
            labels: String::new(),
            fields: selector.into(),
        }
    }

    /// Returns it as parameters of a path that has some already.
    pub fn parameters(&self) -> String {
        let mut text = String::new();
        for (name, selector) in [
            ("labelSelector", &self.labels),
            ("fieldSelector", &self.fields),
        ] {
            if !selector.is_empty() {
                text += &format!("&{name}={}", percent_encoded(selector));
            }
        }
        text
    }
}

/// A page that was asked for.
type Asked<'a> = LocalBoxFuture<'a, Result<Encoded, ClusterError>>;

/// A listing that is read page by page.
pub struct Pages<'a> {
    source: Rc<Source<'a>>,
    /// Where pages began so far.
    begun: HashSet<String>,
    /// The next page; `None` after the last.
    next: Option<Next<'a>>,
}

/// A page that is to come.
enum Next<'a> {
    /// It begins at this continue token; empty for the first.
    At(String),
    /// It was asked for.
    Asked(Asked<'a>),
}

/// Where pages come from.
struct Source<'a> {
    cluster: &'a Cluster,
    collection: String,
    /// What the listing is narrowed to.
    parameters: String,
    /// What it is asked for in; JSON if nothing is said.
    accept: Option<&'static str>,
    /// Objects of a page.
    size: Cell<usize>,
}

impl<'a> Pages<'a> {
    /// Begins a listing in a namespace, in all of them if it is empty.
    pub fn new(
        cluster: &'a Cluster,
        resource: &impl ServedKind,
        namespace: &str,
        selection: &Selection,
    ) -> Self {
        Self::start((PAGE, None), cluster, resource, namespace, selection)
    }

    /// Begins a listing as [`Self::new`] does, in protobuf, which takes the API server a
    /// fraction of the time. What answers in its place may still have JSON only. For
    /// [`Self::turn`], of a kind that Kubernetes defines itself.
    pub fn in_protobuf(
        cluster: &'a Cluster,
        resource: &impl ServedKind,
        namespace: &str,
        selection: &Selection,
    ) -> Self {
        let form = (PAGE, Some(answer::PROTOBUF_OR_JSON));
        Self::start(form, cluster, resource, namespace, selection)
    }

    /// Begins a listing as [`Self::new`] does, with at most `size` objects on each page.
    pub fn with_size(
        size: usize,
        cluster: &'a Cluster,
        resource: &impl ServedKind,
        namespace: &str,
        selection: &Selection,
    ) -> Self {
        Self::start((size, None), cluster, resource, namespace, selection)
    }

    fn start(
        (size, accept): (usize, Option<&'static str>),
        cluster: &'a Cluster,
        resource: &impl ServedKind,
        namespace: &str,
        selection: &Selection,
    ) -> Self {
        let source = Rc::new(Source {
            cluster,
            collection: resource.collection_path(namespace),
            parameters: selection.parameters(),
            accept,
            size: Cell::new(size),
        });
        Self {
            next: Some(Next::At(String::new())),
            source,
            begun: HashSet::new(),
        }
    }

    /// Returns how objects are read that are not as they should be.
    pub fn reading(&self) -> Reading {
        self.source.cluster.reading()
    }

    /// Asks for the first page without looking at it, so that several listings
    /// can do so at once.
    pub async fn begin(&mut self) {
        if let Some(next) = self.next.take() {
            let page = self.asked(next).await;
            self.next = Some(Next::Asked(ready(page).boxed_local()));
        }
    }

    /// Reads the next page, each object once it has come; `None` after the last.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<Vec<T>>, ClusterError> {
        let page: Page<T> = match self.next.take() {
            None => return Ok(None),
            Some(Next::At(next)) => {
                let cluster = self.source.cluster;
                let read = async |path: &str| cluster.get_page(path).await;
                self.source.page(&next, read).await?
            }
            Some(Next::Asked(page)) => {
                let page = page.await?.parse(self.reading(), protobuf::LIST_HEAD);
                page.map_err(|error| self.malformed(error))?
            }
        };
        let next = page.metadata.next;
        if !next.is_empty() {
            self.check(&next)?;
            self.next = Some(Next::At(next));
        }
        Ok(Some(page.items))
    }

    /// Has `read` make of the next page what is on it, and where the one after it
    /// begins, empty for nowhere; `None` after the last.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn turn<T: Send + 'static>(
        &mut self,
        read: impl FnOnce(&Encoded) -> serde_json::Result<(T, String)> + Send + 'static,
    ) -> Result<Option<T>, ClusterError> {
        let Some(next) = self.next.take() else {
            return Ok(None);
        };
        let page = self.asked(next).await?;
        // The next page is on its way while this one is read.
        let Some(next) = next_page(&page) else {
            let (items, next) = read(&page).map_err(|error| self.malformed(error))?;
            if !next.is_empty() {
                self.check(&next)?;
                self.next = Some(Next::At(next));
            }
            return Ok(Some(items));
        };
        if next.is_empty() {
            let read = read(&page).map_err(|error| self.malformed(error));
            return read.map(|(items, _)| Some(items));
        }
        self.check(&next)?;
        let asked = self.asked(Next::At(next));
        let reading = spawn_blocking(move || read(&page));
        let (items, asked) = match select(reading, asked).await {
            Either::Left((items, asked)) => (items, asked),
            Either::Right((page, reading)) => (reading.await, ready(page).boxed_local()),
        };
        self.next = Some(Next::Asked(asked));
        match items {
            Ok(items) => items
                .map_err(|error| self.malformed(error))
                .map(|(items, _)| Some(items)),
            // Nothing cancels it, so it has panicked, and has said so.
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    fn asked(&self, next: Next<'a>) -> Asked<'a> {
        let next = match next {
            Next::Asked(page) => return page,
            Next::At(next) => next,
        };
        let source = Rc::clone(&self.source);
        let page = async move {
            let read = async |path: &str| source.cluster.get_encoded(path, source.accept).await;
            source.page(&next, read).await
        };
        page.boxed_local()
    }

    /// Returns the error of an answer that has another form.
    fn malformed(&self, error: serde_json::Error) -> ClusterError {
        self.invalid(kube::Error::SerdeError(error))
    }

    /// Returns the error of an invalid answer.
    fn invalid(&self, source: kube::Error) -> ClusterError {
        ClusterError::Answer {
            request: format!("GET {}", self.source.path("")),
            source,
        }
    }

    /// Checks that the listing goes on: a page that was there before would come
    /// for ever.
    fn check(&mut self, next: &str) -> Result<(), ClusterError> {
        let wrong = match self.begun.len() {
            MOST_PAGES => Endless::Long,
            _ if self.begun.insert(next.to_owned()) => return Ok(()),
            _ => Endless::Circle,
        };
        Err(self.invalid(kube::Error::Service(Box::new(wrong))))
    }
}

impl Source<'_> {
    /// Returns the path of the page that begins at `next`, the first if that is empty.
    fn path(&self, next: &str) -> String {
        let (collection, parameters) = (&self.collection, &self.parameters);
        let path = format!("{collection}?limit={}{parameters}", self.size.get());
        match next {
            "" => path,
            next => format!("{path}&continue={}", percent_encoded(next)),
        }
    }

    /// Has `read` read the page that begins at `next`.
    async fn page<P>(
        &self,
        next: &str,
        read: impl AsyncFn(&str) -> Result<P, ClusterError>,
    ) -> Result<P, ClusterError> {
        match self.fitting(next, &read).await {
            // The listing took so long that its beginning is forgotten; the
            // answer says where it can go on with what is there now
            // (apiserver `handleExpiredListError`).
            Err(ClusterError::Api(status)) if status.code == 410 => {
                let metadata = status.metadata.as_ref();
                let next = metadata.and_then(|metadata| metadata.continue_.clone());
                match next.filter(|next| !next.is_empty()) {
                    Some(next) => self.fitting(&next, &read).await,
                    None => Err(ClusterError::Api(status)),
                }
            }
            page => page,
        }
    }

    /// Reads a page, a shorter one where it is too large for an answer.
    async fn fitting<P>(
        &self,
        next: &str,
        read: &impl AsyncFn(&str) -> Result<P, ClusterError>,
    ) -> Result<P, ClusterError> {
        let mut page = read(&self.path(next)).await;
        for size in [PAGE, LARGE_OBJECTS] {
            let is_too_large = page.as_ref().is_err_and(ClusterError::is_too_large);
            if is_too_large && self.size.get() > size {
                self.size.set(size);
                page = read(&self.path(next)).await;
            }
        }
        page
    }
}

/// Returns where the page after this one begins, empty for nowhere, without reading its
/// objects: that is told before them, and of custom resources after them.
fn next_page(page: &Encoded) -> Option<String> {
    let text = match page {
        Encoded::Json(text) => text,
        Encoded::Protobuf(_) => {
            let head: Head = page.parse(Reading::Strict, protobuf::LIST_HEAD).ok()?;
            return Some(head.metadata.next);
        }
    };
    let before = || {
        let (head, _) = text.split_once("\"items\":")?;
        Some(format!("{}}}", head.trim_end().strip_suffix(',')?))
    };
    // Within the objects, more would follow than the end of the text.
    let after = || Some(format!("{{{}", &text[text.rfind("\"metadata\":")?..]));
    let next = |head: String| {
        let head: Head = serde_json::from_str(&head).ok()?;
        Some(head.metadata.next)
    };
    before().and_then(next).or_else(|| after().and_then(next))
}

#[derive(Deserialize)]
struct Head {
    metadata: PageMetadata,
}

impl Cluster {
    /// Reads all objects of a kind. `selector` is a label selector, empty for
    /// all.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn list<T: DeserializeOwned>(
        &self,
        resource: &impl ServedKind,
        namespace: &str,
        selector: &str,
    ) -> Result<Vec<T>, ClusterError> {
        self.list_selected(resource, namespace, &Selection::labels(selector))
            .await
    }

    /// Reads all objects of a kind that are selected.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn list_selected<T: DeserializeOwned>(
        &self,
        resource: &impl ServedKind,
        namespace: &str,
        selection: &Selection,
    ) -> Result<Vec<T>, ClusterError> {
        let mut pages = Pages::new(self, resource, namespace, selection);
        let mut items = Vec::new();
        while let Some(page) = pages.next().await? {
            items.extend(page);
        }
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_known_before_the_objects_are_read() {
        for (text, next) in [
            (
                r#"{"kind":"JobList","metadata":{"resourceVersion":"1","continue":"abc"},"items":[]}"#,
                Some("abc"),
            ),
            (
                r#"{"metadata":{"resourceVersion":"1"},"items":[]}"#,
                Some(""),
            ),
            (r#"{"metadata":{}, "items": []}"#, Some("")),
            (
                r#"{"apiVersion":"v1","items":[{"metadata":{}}],"kind":"XList","metadata":{"continue":"abc"}}
"#,
                Some("abc"),
            ),
            (r#"{"items":[{"metadata":{"continue":"abc"}}]}"#, None),
            (r#"{"items":[],"x":{"metadata":{"continue":"abc"}}}"#, None),
            (r#"{"apiVersion":"v1","items":[]}"#, None),
            ("{}", None),
        ] {
            let page = Encoded::Json(text.to_owned());
            assert_eq!(next_page(&page).as_deref(), next, "{text}");
        }
        for (bytes, next) in [
            (
                &b"k8s\0\x12\x0a\x0a\x06\x12\x011\x1a\x01a\x12\0"[..],
                Some("a"),
            ),
            (b"k8s\0\x12\x04\x0a\0\x12\0", Some("")),
            (b"k8s\0\x12\x02\x12", None),
        ] {
            let page = Encoded::Protobuf(bytes.to_vec());
            assert_eq!(next_page(&page).as_deref(), next, "{bytes:?}");
        }
    }
}
