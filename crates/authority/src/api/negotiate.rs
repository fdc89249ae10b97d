//! What a client wants to read: which format, and which view of an object.
//!
//! Kubernetes 1.36: the ranges of `Accept` are tried in order; parameters `as`, `v` and `g` ask for another view.

use crate::objects::table::Include;
use crate::request_info::Query;
use crate::status::ApiError;
use http::HeaderMap;
use http::header::ACCEPT;

/// The group of the views.
const META: &str = "meta.k8s.io";
/// Content type of an aggregated discovery document.
pub(super) const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Yaml,
}

/// What is shown of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    Object,
    Metadata,
    /// Rows, in a version of the group; how much of each object stands behind its row.
    Table(&'static str, Include),
}

/// One range of an `Accept` header.
#[derive(Debug, Default)]
struct Range<'a> {
    media: &'a str,
    kind: &'a str,
    version: &'a str,
    group: &'a str,
}

impl<'a> Range<'a> {
    fn read(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Self { media: parts.next().unwrap_or(""), ..Self::default() };
        for (name, value) in parts.filter_map(|p| p.split_once('=')) {
            match name.trim() {
                "as" => range.kind = value.trim(),
                "v" => range.version = value.trim(),
                "g" => range.group = value.trim(),
                _ => {}
            }
        }
        range
    }

    fn format(&self) -> Option<Format> {
        match self.media {
            "application/json" | "application/*" | "*/*" | "" => Some(Format::Json),
            "application/yaml" => Some(Format::Yaml),
            _ => None,
        }
    }

    fn view(&self, include: Include) -> Option<View> {
        match (self.kind, self.group, self.version) {
            ("", ..) => Some(View::Object),
            ("Table", META, "v1") => Some(View::Table("v1", include)),
            ("Table", META, "v1beta1") => Some(View::Table("v1beta1", include)),
            ("PartialObjectMetadata" | "PartialObjectMetadataList", META, "v1" | "v1beta1") => {
                Some(View::Metadata)
            }
            _ => None,
        }
    }
}

fn ranges(headers: &HeaderMap) -> impl Iterator<Item = Range<'_>> {
    let accept = headers.get(ACCEPT).and_then(|a| a.to_str().ok()).unwrap_or("");
    accept.split(',').map(Range::read)
}

fn unacceptable() -> ApiError {
    ApiError::NotAcceptable(
        "only the following media types are accepted: application/json, application/yaml".to_owned(),
    )
}

impl Format {
    /// The first acceptable format.
    ///
    /// # Errors
    /// NotAcceptable, with what is.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        ranges(headers).find_map(|range| range.format()).ok_or_else(unacceptable)
    }
}

/// The first acceptable format and view of objects.
///
/// # Errors
/// NotAcceptable, with what is; BadRequest for `includeObject`.
pub(super) fn wanted(headers: &HeaderMap, query: &Query) -> Result<(Format, View), ApiError> {
    let include = match query.get("includeObject") {
        None | Some("Metadata") => Include::Metadata,
        Some("None") => Include::None,
        Some("Object") => Include::Object,
        Some(other) => {
            return Err(ApiError::BadRequest(format!(
                "includeObject: Unsupported value: {other:?}: supported values: \"Metadata\", \"None\", \"Object\""
            )));
        }
    };
    let found = ranges(headers).find_map(|range| Some((range.format()?, range.view(include)?)));
    found.ok_or_else(unacceptable)
}

/// Whether a client wants the whole of discovery in one document.
pub(super) fn aggregated(headers: &HeaderMap) -> bool {
    let first = ranges(headers).find(|range| match (range.group, range.kind) {
        ("apidiscovery.k8s.io", "APIGroupDiscoveryList") => range.version == "v2",
        _ => range.format().is_some() && range.kind.is_empty(),
    });
    first.is_some_and(|range| range.group == "apidiscovery.k8s.io")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::HeaderValue;

    fn headers(accept: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(accept) = accept {
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
        }
        headers
    }

    #[test]
    fn formats_and_views() {
        const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
        let json = |view| Some((Format::Json, view));
        for (accept, want) in [
            (None, json(View::Object)),
            (Some("application/vnd.kubernetes.protobuf, application/json"), json(View::Object)),
            (Some("application/yaml"), Some((Format::Yaml, View::Object))),
            (Some("text/html;q=0.9,*/*;q=0.8"), json(View::Object)),
            (Some(TABLE), json(View::Table("v1", Include::Metadata))),
            (Some("application/json;as=Other;v=v1;g=meta.k8s.io,application/json"), json(View::Object)),
            (Some("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"), json(View::Metadata)),
            (Some("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io"), None),
            (Some("text/html"), None),
        ] {
            assert_eq!(wanted(&headers(accept), &Query::default()).ok(), want, "{accept:?}");
        }
    }

    #[test]
    fn aggregated_discovery_is_asked_for_by_parameters() {
        const V2: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
        const BETA: &str =
            "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
        for (accept, want) in
            [(Some(V2), true), (Some(BETA), false), (Some("application/json"), false), (None, false)]
        {
            assert_eq!(aggregated(&headers(accept)), want, "{accept:?}");
        }
    }
}
