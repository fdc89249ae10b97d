//! get, list, create, update, patch and delete of stored objects.

use super::decode::{self, Validation};
use super::reply::{Format, Reply};
use super::router::App;
use crate::objects::Kind;
use crate::objects::delete::{DeleteOptions, Deleted};
use crate::objects::registry::ListOptions;
use crate::objects::selector::Selector;
use crate::request_info::{Query, ResourcePath};
use crate::status::ApiError;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

/// Times a patch is applied again when another writer came first. Kubernetes 1.36: 5.
const MAX_PATCH_RETRIES: usize = 5;

/// One request for a stored object.
pub(super) struct Request<'a> {
    pub(super) app: &'a App,
    pub(super) kind: &'static Kind,
    pub(super) path: &'a ResourcePath,
    pub(super) query: &'a Query,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

impl Request<'_> {
    /// Does what the verb says.
    pub(super) async fn answer(&self, verb: &str) -> Result<Reply, ApiError> {
        let format = Format::of(self.headers)?;
        if self.kind.namespaced && self.path.namespace.is_empty() && verb != "list" {
            return Err(ApiError::MethodNotAllowed);
        }
        match verb {
            "get" => Reply::value(StatusCode::OK, &self.get()?, format),
            "list" => Reply::value(StatusCode::OK, &self.list()?, format),
            "create" if self.path.name.is_empty() => self.create(format).await,
            "update" if !self.path.name.is_empty() => self.update(format).await,
            "patch" if !self.path.name.is_empty() => self.patch(format).await,
            "delete" => self.delete(format).await,
            _ => Err(ApiError::MethodNotAllowed),
        }
    }

    fn namespace(&self) -> &str {
        if self.kind.namespaced { &self.path.namespace } else { "" }
    }

    fn get(&self) -> Result<Value, ApiError> {
        tokio::task::block_in_place(|| self.app.registry.get(self.kind, self.namespace(), &self.path.name))
    }

    fn list(&self) -> Result<Value, ApiError> {
        let selector = Selector::parse(self.query.get("labelSelector"), self.query.get("fieldSelector"))
            .map_err(ApiError::BadRequest)?;
        let limit = match self.query.get("limit") {
            None => 0,
            Some(text) => text.parse().map_err(|_| {
                ApiError::BadRequest(format!("limit: Invalid value: {text:?}: must be a number, 0 or more"))
            })?,
        };
        let after = self.query.get("continue").map(str::to_owned);
        let options = ListOptions { selector, limit, after };
        let list =
            tokio::task::block_in_place(|| self.app.registry.list(self.kind, self.namespace(), &options))?;
        let mut metadata = json!({"resourceVersion": list.revision.to_string()});
        if let Some(next) = list.next {
            metadata["continue"] = json!(next);
        }
        Ok(json!({
            "kind": format!("{}List", self.kind.kind),
            "apiVersion": self.kind.api_version(),
            "metadata": metadata,
            "items": list.items,
        }))
    }

    fn decode(&self) -> Result<decode::Decoded, ApiError> {
        let validation = Validation::of(self.query)?;
        decode::object(self.headers, self.body, &self.kind.api_version(), self.kind.kind, validation)
    }

    async fn create(&self, format: Format) -> Result<Reply, ApiError> {
        let decoded = self.decode()?;
        let dry_run = decode::dry_run(self.query)?;
        let made = self.app.registry.create(self.kind, self.namespace(), decoded.value, dry_run).await?;
        Ok(Reply::value(StatusCode::CREATED, &made, format)?.warn(decoded.warnings))
    }

    async fn update(&self, format: Format) -> Result<Reply, ApiError> {
        let decoded = self.decode()?;
        let dry_run = decode::dry_run(self.query)?;
        let name = &self.path.name;
        let made =
            self.app.registry.update(self.kind, self.namespace(), name, decoded.value, dry_run).await?;
        Ok(Reply::value(StatusCode::OK, &made, format)?.warn(decoded.warnings))
    }

    /// Reads the object, patches it, and updates it; once more when somebody else was faster.
    async fn patch(&self, format: Format) -> Result<Reply, ApiError> {
        let patch = decode::patch(self.headers, self.body)?;
        let validation = Validation::of(self.query)?;
        let dry_run = decode::dry_run(self.query)?;
        let name = &self.path.name;
        for _ in 0..MAX_PATCH_RETRIES {
            let old = self.get()?;
            let mut object = old.clone();
            decode::apply(&patch, self.kind, name, &mut object)?;
            let fixed = object["metadata"]["resourceVersion"] != old["metadata"]["resourceVersion"];
            let decoded = decode::checked(object, self.kind, validation)?;
            let updated =
                self.app.registry.update(self.kind, self.namespace(), name, decoded.value, dry_run).await;
            match updated {
                Err(ApiError::Conflict(..)) if !fixed => {}
                other => return Ok(Reply::value(StatusCode::OK, &other?, format)?.warn(decoded.warnings)),
            }
        }
        Err(ApiError::TooManyRequests(1))
    }

    async fn delete(&self, format: Format) -> Result<Reply, ApiError> {
        let options = self.delete_options()?;
        let deleted =
            self.app.registry.delete(self.kind, self.namespace(), &self.path.name, &options).await?;
        let value = match deleted {
            Deleted::Marked(object) => object,
            Deleted::Gone(object) if self.kind.returns_deleted => object,
            Deleted::Gone(object) => json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                "details": {
                    "name": self.path.name, "group": self.kind.group, "kind": self.kind.plural,
                    "uid": object["metadata"]["uid"],
                },
            }),
        };
        Reply::value(StatusCode::OK, &value, format)
    }

    /// DeleteOptions come as a body or as parameters.
    fn delete_options(&self) -> Result<DeleteOptions, ApiError> {
        let mut options = if self.body.is_empty() {
            DeleteOptions::default()
        } else {
            // Clients send their own group's version here; the shape is the same in all of them.
            let decoded = decode::delete_options(self.headers, self.body)?;
            DeleteOptions::read(&decoded).map_err(ApiError::BadRequest)?
        };
        if let Some(text) = self.query.get("gracePeriodSeconds") {
            let seconds = text.parse().map_err(|_| {
                ApiError::BadRequest(format!(
                    "gracePeriodSeconds: Invalid value: {text:?}: must be a number of seconds"
                ))
            })?;
            options.grace = Some(seconds);
        }
        options.dry_run |= decode::dry_run(self.query)?;
        Ok(options)
    }
}
