//! Reads listings page by page, so that memory does not grow with the cluster.

use std::collections::HashSet;
use std::future::ready;

use futures_util::FutureExt as _;
use futures_util::future::{Either, LocalBoxFuture, select};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::task::spawn_blocking;

use super::request::{ServedKind, percent_encoded};
use crate::{Cluster, ClusterError};
use kaiwo_base::answer::{Page, PageMetadata, Reading};

/// Objects of one page.
const PAGE: usize = 500;

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
type Asked<'a> = LocalBoxFuture<'a, Result<String, ClusterError>>;

/// A listing that is read page by page.
pub struct Pages<'a> {
    cluster: &'a Cluster,
    path: String,
    /// Where pages began so far.
    begun: HashSet<String>,
    /// The next page; `None` after the last.
    next: Option<Asked<'a>>,
}

impl<'a> Pages<'a> {
    /// Begins a listing in a namespace, in all of them if it is empty.
    pub fn new(
        cluster: &'a Cluster,
        resource: &impl ServedKind,
        namespace: &str,
        selection: &Selection,
    ) -> Self {
        Self::with_size(PAGE, cluster, resource, namespace, selection)
    }

    /// Begins a listing as [`Self::new`] does, with at most `page` objects on each page.
    pub fn with_size(
        page: usize,
        cluster: &'a Cluster,
        resource: &impl ServedKind,
        namespace: &str,
        selection: &Selection,
    ) -> Self {
        let path = resource.collection_path(namespace);
        let path = format!("{path}?limit={page}{}", selection.parameters());
        Self {
            next: Some(ask(cluster, path.clone(), String::new())),
            cluster,
            path,
            begun: HashSet::new(),
        }
    }

    /// Returns how objects are read that are not as they should be.
    pub fn reading(&self) -> Reading {
        self.cluster.reading()
    }

    /// Asks for the first page without looking at it, so that several listings
    /// can do so at once.
    pub async fn begin(&mut self) {
        if let Some(page) = self.next.take() {
            let page = page.await;
            self.next = Some(ready(page).boxed_local());
        }
    }

    /// Reads the next page; `None` after the last.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn next<T: DeserializeOwned + Send + 'static>(
        &mut self,
    ) -> Result<Option<Vec<T>>, ClusterError> {
        let reading = self.reading();
        self.turn(move |text| {
            let page: Page<T> = reading.parse(text.as_bytes())?;
            Ok((page.items, page.metadata.next))
        })
        .await
    }

    /// Has `read` make of the text of the next page what is on it, and where the
    /// one after it begins, empty for nowhere; `None` after the last.
    ///
    /// # Errors
    /// Any [`ClusterError`].
    pub async fn turn<T: Send + 'static>(
        &mut self,
        read: impl FnOnce(&str) -> serde_json::Result<(T, String)> + Send + 'static,
    ) -> Result<Option<T>, ClusterError> {
        let Some(page) = self.next.take() else {
            return Ok(None);
        };
        let text = page.await?;
        let request = format!("GET {}", self.path);
        let wrong = |error| ClusterError::Answer {
            request: request.clone(),
            source: kube::Error::SerdeError(error),
        };
        // The next page is on its way while this one is read.
        let Some(next) = next_page(&text) else {
            let (items, next) = read(&text).map_err(wrong)?;
            if !next.is_empty() {
                self.check(&next)?;
                self.next = Some(ask(self.cluster, self.path.clone(), next));
            }
            return Ok(Some(items));
        };
        if next.is_empty() {
            return read(&text).map_err(wrong).map(|(items, _)| Some(items));
        }
        self.check(&next)?;
        let page = ask(self.cluster, self.path.clone(), next);
        let reading = spawn_blocking(move || read(&text));
        let (items, page) = match select(reading, page).await {
            Either::Left((items, page)) => (items, page),
            Either::Right((page, reading)) => (reading.await, ready(page).boxed_local()),
        };
        self.next = Some(page);
        match items {
            Ok(items) => items.map_err(wrong).map(|(items, _)| Some(items)),
            // Nothing cancels it, so it has panicked, and has said so.
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
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
        Err(ClusterError::Answer {
            request: format!("GET {}", self.path),
            source: kube::Error::Service(Box::new(wrong)),
        })
    }
}

/// Asks for the page that begins at `next`, the first if that is empty.
fn ask(cluster: &Cluster, path: String, next: String) -> Asked<'_> {
    let text = async move |next: &str| match next {
        "" => cluster.get_text(&path).await,
        next => {
            let path = format!("{path}&continue={}", percent_encoded(next));
            cluster.get_text(&path).await
        }
    };
    let page = async move {
        match text(&next).await {
            // The listing took so long that its beginning is forgotten; the
            // answer says where it can go on with what is there now
            // (apiserver `handleExpiredListError`).
            Err(ClusterError::Api(status)) if status.code == 410 => {
                let metadata = status.metadata.as_ref();
                let next = metadata.and_then(|metadata| metadata.continue_.clone());
                match next.filter(|next| !next.is_empty()) {
                    Some(next) => text(&next).await,
                    None => Err(ClusterError::Api(status)),
                }
            }
            text => text,
        }
    };
    page.boxed_local()
}

/// Returns where the page after this one begins, empty for nowhere, without reading its
/// objects: that is told before them, and of custom resources after them.
fn next_page(text: &str) -> Option<String> {
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
    pub async fn list<T: DeserializeOwned + Send + 'static>(
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
    pub async fn list_selected<T: DeserializeOwned + Send + 'static>(
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
            assert_eq!(next_page(text).as_deref(), next, "{text}");
        }
    }
}
