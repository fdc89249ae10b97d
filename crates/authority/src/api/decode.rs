//! Bodies to values, whatever their format; unknown and repeated fields are errors, warnings or ignored, as asked.

use crate::objects::Kind;
use crate::request_info::Query;
use crate::status::{About, ApiError, Cause};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use jeton_core::wire::{AUTHENTICATION_V1, Arrived, Spec};
use jeton_schema::{self as schema, PatchError, structural};
use serde::Deserialize;
use serde_json::Value;

/// What to do with fields nobody knows. Kubernetes 1.36: the default is to warn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validation {
    Ignore,
    Warn,
    Strict,
}

impl Validation {
    /// Reads `fieldValidation`.
    ///
    /// # Errors
    /// BadRequest for another value.
    pub(super) fn of(query: &Query) -> Result<Self, ApiError> {
        match query.get("fieldValidation") {
            None | Some("Warn") => Ok(Self::Warn),
            Some("Ignore") => Ok(Self::Ignore),
            Some("Strict") => Ok(Self::Strict),
            Some(other) => Err(ApiError::BadRequest(format!(
                "fieldValidation: Unsupported value: {other:?}: supported values: \"Ignore\", \"Warn\", \"Strict\""
            ))),
        }
    }
}

/// Whether `dryRun=All` is set.
///
/// # Errors
/// BadRequest for another value.
pub(super) fn dry_run(query: &Query) -> Result<bool, ApiError> {
    match query.get("dryRun") {
        None => Ok(false),
        Some("All") => Ok(true),
        Some(other) => Err(ApiError::BadRequest(format!(
            "dryRun: Unsupported value: {other:?}: supported values: \"All\""
        ))),
    }
}

/// Format of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    Json,
    Yaml,
    Protobuf,
}

fn media(headers: &HeaderMap) -> Result<Media, ApiError> {
    let Some(header) = headers.get(CONTENT_TYPE) else { return Ok(Media::Json) };
    let named = header.to_str().unwrap_or("").split(';').next().unwrap_or("").trim();
    // RFC 9110: the case of a media type does not matter.
    match named.to_ascii_lowercase().as_str() {
        "" | "application/json" => Ok(Media::Json),
        "application/yaml" => Ok(Media::Yaml),
        "application/vnd.kubernetes.protobuf" => Ok(Media::Protobuf),
        _ => Err(unknown_format()),
    }
}

fn unknown_format() -> ApiError {
    ApiError::UnsupportedMediaType(
        "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf".to_owned(),
    )
}

/// A value, and what to warn of.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) value: Value,
    pub(super) warnings: Vec<String>,
}

/// Reads an object of one kind. A body that names no kind is taken for it.
///
/// # Errors
/// UnsupportedMediaType, BadRequest with what is wrong and where.
pub(super) fn object(
    headers: &HeaderMap,
    bytes: &[u8],
    api_version: &str,
    kind: &str,
    validation: Validation,
) -> Result<Decoded, ApiError> {
    read(headers, bytes, api_version, kind, &Form::of_known(api_version, kind)?, validation)
}

/// A body that is plain JSON and holds nothing unknown, read where it lies; `None`: it takes the thorough way.
fn plain<'a, S: Spec<'a>>(headers: &HeaderMap, bytes: &'a [u8]) -> Option<Arrived<'a, S>> {
    if media(headers) != Ok(Media::Json) {
        return None;
    }
    // As text at once: checked for UTF-8 as a whole, not string by string.
    let text = std::str::from_utf8(bytes).ok()?;
    let object = Arrived::<S>::plain(text).or_else(|| serde_json::from_str(text).ok())?;
    let kind_is_ours = object.kind.is_empty() || object.kind == S::KIND;
    let ours = kind_is_ours && matches!(&*object.api_version, "" | AUTHENTICATION_V1);
    ours.then_some(object)
}

/// Reads an object of authentication.k8s.io/v1 that borrows from the body where it can, else from `thorough`; and tells
/// what to warn of.
///
/// # Errors
/// As [`object`].
pub(super) fn borrowed<'a, S: Spec<'a>>(
    headers: &HeaderMap,
    bytes: &'a [u8],
    validation: Validation,
    thorough: &'a mut Option<Value>,
) -> Result<(Arrived<'a, S>, Vec<String>), ApiError> {
    if let Some(object) = plain(headers, bytes) {
        return Ok((object, Vec::new()));
    }
    let Decoded { value, warnings } = object(headers, bytes, AUTHENTICATION_V1, S::KIND, validation)?;
    let read = Arrived::deserialize(&*thorough.insert(value));
    Ok((read.map_err(|e| ApiError::BadRequest(format!("{}: {e}", S::KIND)))?, warnings))
}

/// Reads an object of a stored kind.
///
/// # Errors
/// As [`object`].
pub(super) fn stored(
    headers: &HeaderMap,
    bytes: &[u8],
    kind: &Kind,
    validation: Validation,
) -> Result<Decoded, ApiError> {
    read(headers, bytes, &kind.api_version(), kind.kind, &Form::of(kind)?, validation)
}

/// What is known of the fields of a kind.
enum Form {
    /// All of them.
    Known(schema::TypeRef),
    /// Those of its metadata, and those of a schema, where it brought one.
    Open(Option<&'static Value>),
}

impl Form {
    fn of(kind: &Kind) -> Result<Self, ApiError> {
        if kind.open { Ok(Self::Open(kind.schema)) } else { Self::of_known(&kind.api_version(), kind.kind) }
    }

    fn of_known(api_version: &str, kind: &str) -> Result<Self, ApiError> {
        let shape = schema::kind(api_version, kind);
        shape.map(Self::Known).ok_or_else(|| ApiError::Internal(format!("no schema of {api_version} {kind}")))
    }

    /// Makes a value fit; gives back what was taken out.
    fn conform(&self, value: &mut Value) -> Result<Vec<String>, schema::DecodeError> {
        match self {
            Self::Known(shape) => schema::conform(*shape, value),
            Self::Open(own) => {
                let mut notes = Vec::new();
                if let Some(shape) = schema::kind("meta.k8s.io/v1", "PartialObjectMetadata") {
                    let mut metadata = serde_json::json!({"metadata": value["metadata"].take()});
                    notes = schema::conform(shape, &mut metadata)?;
                    value["metadata"] = metadata["metadata"].take();
                }
                notes.extend(own.map(|schema| structural::prune(schema, value)).unwrap_or_default());
                Ok(notes)
            }
        }
    }
}

fn read(
    headers: &HeaderMap,
    bytes: &[u8],
    api_version: &str,
    kind: &str,
    form: &Form,
    validation: Validation,
) -> Result<Decoded, ApiError> {
    let version = api_version.rsplit('/').next().unwrap_or(api_version);
    let cannot = |error: &dyn std::fmt::Display| {
        ApiError::BadRequest(format!("{kind} in version {version:?} cannot be handled as a {kind}: {error}"))
    };
    let (mut value, mut notes) = match media(headers)? {
        Media::Json => schema::json(bytes).map(|d| (d.value, d.duplicates)).map_err(|e| cannot(&e))?,
        Media::Yaml => schema::yaml(bytes).map(|d| (d.value, d.duplicates)).map_err(|e| cannot(&e))?,
        Media::Protobuf => {
            let envelope = schema::envelope(bytes).map_err(|e| cannot(&e))?;
            named(&envelope.api_version, &envelope.kind, api_version, kind)?;
            let Form::Known(shape) = form else { return Err(unknown_format()) };
            (envelope.to_json(*shape).map_err(|e| cannot(&e))?, Vec::new())
        }
    };
    if !value.is_object() {
        return Err(cannot(&"json: cannot unmarshal a value that is not an object"));
    }
    let said = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or("");
    named(said("apiVersion"), said("kind"), api_version, kind)?;
    notes.extend(form.conform(&mut value).map_err(|e| cannot(&e))?);
    judged(value, notes, validation, &cannot)
}

/// What becomes of notes about fields.
fn judged(
    value: Value,
    notes: Vec<String>,
    validation: Validation,
    cannot: &dyn Fn(&dyn std::fmt::Display) -> ApiError,
) -> Result<Decoded, ApiError> {
    match validation {
        Validation::Strict if !notes.is_empty() => {
            Err(cannot(&format!("strict decoding error: {}", notes.join(", "))))
        }
        Validation::Warn => Ok(Decoded { value, warnings: notes }),
        _ => Ok(Decoded { value, warnings: Vec::new() }),
    }
}

/// A patch by its media type.
#[derive(Debug)]
pub(super) enum Patch {
    Merge(Value),
    Json(Value),
    Strategic(Value),
}

/// Reads a patch.
///
/// # Errors
/// UnsupportedMediaType; BadRequest when it is no JSON.
pub(super) fn patch(headers: &HeaderMap, bytes: &[u8]) -> Result<Patch, ApiError> {
    let header = headers.get(CONTENT_TYPE).and_then(|h| h.to_str().ok()).unwrap_or("");
    let make = match header.split(';').next().unwrap_or("").trim() {
        "application/merge-patch+json" => Patch::Merge,
        "application/json-patch+json" => Patch::Json,
        "application/strategic-merge-patch+json" => Patch::Strategic,
        media => {
            let apply = match media.starts_with("application/apply-patch") {
                true => "; server-side apply is not served here, apply on the client's side",
                false => "",
            };
            return Err(ApiError::UnsupportedMediaType(format!(
                "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json{apply}"
            )));
        }
    };
    let decoded =
        schema::json(bytes).map_err(|e| ApiError::BadRequest(format!("error decoding patch: {e}")))?;
    Ok(make(decoded.value))
}

/// Applies a patch to an object.
///
/// # Errors
/// BadRequest for a patch that is wrong in itself, Invalid for one that does not fit the object.
pub(super) fn apply(patch: &Patch, kind: &Kind, name: &str, object: &mut Value) -> Result<(), ApiError> {
    let done = match patch {
        Patch::Merge(patch) => schema::merge_patch(object, patch),
        Patch::Json(patch) => schema::json_patch(object, patch.clone()),
        // A kind that came with its own schema has no merge keys; for a definition itself a merge does.
        Patch::Strategic(_) if kind.schema.is_some() => {
            return Err(ApiError::UnsupportedMediaType(
                "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json".to_owned(),
            ));
        }
        Patch::Strategic(patch) if kind.open => schema::merge_patch(object, patch),
        Patch::Strategic(patch) => {
            let shape = schema::kind(&kind.api_version(), kind.kind)
                .ok_or_else(|| ApiError::Internal(format!("no schema of {}", kind.kind)))?;
            schema::strategic_patch(shape, object, patch)
        }
    };
    done.map_err(|error| match error {
        PatchError::Malformed(why) => ApiError::BadRequest(why),
        PatchError::DoesNotApply(why) => {
            let about = About::new(kind.group, kind.kind, name);
            ApiError::Invalid(about, vec![Cause::invalid_value("patch", "patch", why)])
        }
    })
}

/// Holds a patched object against its kind.
///
/// # Errors
/// As [`object`].
pub(super) fn checked(mut value: Value, kind: &Kind, validation: Validation) -> Result<Decoded, ApiError> {
    let form = Form::of(kind)?;
    let cannot = |error: &dyn std::fmt::Display| {
        ApiError::BadRequest(format!("the patched {} cannot be handled: {error}", kind.kind))
    };
    let notes = form.conform(&mut value).map_err(|e| cannot(&e))?;
    // Kubernetes 1.36: a patch that brings fields which nobody knows is invalid; it names no object there.
    let strict = |error: &dyn std::fmt::Display| {
        ApiError::Invalid(About::default(), vec![Cause::invalid_value("patch", "patch", error.to_string())])
    };
    judged(value, notes, validation, &strict)
}

/// A body may leave out its kind, but may not name another.
fn named(said_version: &str, said_kind: &str, api_version: &str, kind: &str) -> Result<(), ApiError> {
    let version_fits = said_version.is_empty() || said_version == api_version;
    let kind_fits = said_kind.is_empty() || said_kind == kind;
    if version_fits && kind_fits {
        return Ok(());
    }
    Err(ApiError::BadRequest(format!(
        "the object provided is unrecognized (must be of type {kind}): it is {said_kind:?} of {said_version:?}, expected {kind:?} of {api_version:?}"
    )))
}

/// Reads DeleteOptions, whose version may be that of any group.
///
/// # Errors
/// As [`object`].
pub(super) fn delete_options(headers: &HeaderMap, bytes: &[u8]) -> Result<Value, ApiError> {
    let cannot = |error: schema::DecodeError| ApiError::BadRequest(format!("DeleteOptions: {error}"));
    let shape = schema::kind("meta.k8s.io/v1", "DeleteOptions")
        .ok_or_else(|| ApiError::Internal("no schema of DeleteOptions".to_owned()))?;
    let mut value = match media(headers)? {
        Media::Json => schema::json(bytes).map_err(cannot)?.value,
        Media::Yaml => schema::yaml(bytes).map_err(cannot)?.value,
        Media::Protobuf => schema::envelope(bytes).and_then(|e| e.to_json(shape)).map_err(cannot)?,
    };
    let kind = value["kind"].as_str().unwrap_or("");
    if !matches!(kind, "" | "DeleteOptions") {
        return Err(ApiError::BadRequest(format!("expected DeleteOptions, not {kind}")));
    }
    schema::conform(shape, &mut value).map_err(cannot)?;
    Ok(value)
}
