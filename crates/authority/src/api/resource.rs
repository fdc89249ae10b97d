//! The verbs of stored objects and of their subresources.

use super::decode::{self, Validation};
use super::negotiate::{self, View};
use super::reply::Reply;
use super::router::App;
use super::{token_uses, watch};
use crate::access::{escalation, node, node_restriction};
use crate::controllers::default_account;
use crate::exchange::Exchange;
use crate::objects::delete::{DeleteOptions, Deleted, Propagation};
use crate::objects::kind::text;
use crate::objects::kinds::{NAMESPACE, POD};
use crate::objects::selector::Selector;
use crate::objects::{Kind, ListOptions, Part, Write, admission, table};
use crate::request_info::{Query, ResourcePath};
use crate::status::ApiError;
use http::{HeaderMap, StatusCode};
use jeton_core::wire::UserInfo;
use serde_json::{Value, json};
use std::sync::Arc;

/// Times a patch is applied again when another writer came first. Kubernetes 1.36: 5.
const MAX_PATCH_RETRIES: usize = 5;

/// Code, object and warnings of a write.
type Written = (StatusCode, Value, Vec<String>);

/// One request for a stored object.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) app: &'a Arc<App>,
    pub(super) kind: &'static Kind,
    pub(super) path: &'a ResourcePath,
    pub(super) query: &'a Query,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
    /// Who asks.
    pub(super) user: &'a UserInfo,
    /// The bearer token that the request came with.
    pub(super) token: Option<&'a str>,
    /// Where it is written down what the request is about.
    pub(super) exchange: &'a Exchange,
}

impl<'a> Request<'a> {
    /// Does what the verb says.
    pub(super) async fn answer(&self, verb: &str) -> Result<Reply, ApiError> {
        let (format, view) = negotiate::wanted(self.headers, self.query)?;
        let whole = matches!(verb, "list" | "watch");
        if self.kind.namespaced && self.path.namespace.is_empty() && !whole {
            return Err(ApiError::MethodNotAllowed);
        }
        let (code, value, warnings) = match (verb, self.path.name.as_str(), self.path.subresource.as_str()) {
            ("watch", _, "") if !self.kind.computed => return watch::open(self, view),
            ("list", _, "") => {
                let list = self.list(view)?;
                return Reply::value(StatusCode::OK, &list, format);
            }
            ("get", _, "" | "status" | "ephemeralcontainers") => (StatusCode::OK, self.get()?, Vec::new()),
            ("create", "", "") => self.create().await?,
            ("create", _, "binding") => return self.bind().await,
            ("update", name, "" | "status" | "finalize" | "ephemeralcontainers") if !name.is_empty() => {
                self.update().await?
            }
            ("patch", name, "" | "status" | "ephemeralcontainers") if !name.is_empty() => {
                self.patch().await?
            }
            ("delete", _, "") => (StatusCode::OK, self.delete().await?, Vec::new()),
            ("deletecollection", _, "") if self.kind.deletes_collections => {
                let list = self.delete_all().await?;
                return Reply::value(StatusCode::OK, &list, format);
            }
            _ => return Err(ApiError::MethodNotAllowed),
        };
        Ok(Reply::value(code, &self.shown(value, view), format)?.warn(warnings))
    }

    pub(super) fn namespace(&self) -> &'a str {
        if self.kind.namespaced { &self.path.namespace } else { "" }
    }

    /// The selectors of the query.
    pub(super) fn selector(&self) -> Result<Selector, ApiError> {
        let selector = Selector::parse(self.query.get("labelSelector"), self.query.get("fieldSelector"))
            .map_err(ApiError::BadRequest)?;
        // A field that this kind does not know is told even where there is no object.
        selector.matches(self.kind, &Value::Null).map_err(ApiError::BadRequest)?;
        Ok(selector)
    }

    /// One object as the client wants to see it. A Status stays what it is.
    fn shown(&self, object: Value, view: View) -> Value {
        if object["kind"] != self.kind.kind {
            return object;
        }
        match view {
            View::Object => object,
            View::Metadata => table::metadata_only(object),
            View::Table(version, include) => {
                let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                let row = table::row(self.kind, object, include, self.app.registry.clock().now());
                table::table(self.kind, version, metadata, vec![row], true)
            }
        }
    }

    fn get(&self) -> Result<Value, ApiError> {
        tokio::task::block_in_place(|| match self.kind.computed {
            true => token_uses::get(self.app, self.namespace(), &self.path.name),
            false => self.app.registry.get(self.kind, self.namespace(), &self.path.name),
        })
    }

    fn list(&self, view: View) -> Result<Value, ApiError> {
        let selector = self.selector()?;
        if self.kind.computed {
            let items =
                tokio::task::block_in_place(|| token_uses::list(self.app, self.namespace(), &selector))?;
            return Ok(self.shown_list(items, json!({}), view));
        }
        let limit = match self.query.get("limit") {
            None => 0,
            Some(text) => text.parse().map_err(|_| {
                ApiError::BadRequest(format!("limit: Invalid value: {text:?}: must be a number, 0 or more"))
            })?,
        };
        self.version_is_there()?;
        let after = self.query.get("continue").map(str::to_owned);
        let options = ListOptions { selector, limit, after };
        let list =
            tokio::task::block_in_place(|| self.app.registry.list(self.kind, self.namespace(), &options))?;
        let mut metadata = json!({"resourceVersion": list.revision.to_string()});
        if let Some(next) = list.next {
            metadata["continue"] = json!(next);
        }
        if let Some(remaining) = list.remaining {
            metadata["remainingItemCount"] = json!(remaining);
        }
        Ok(self.shown_list(list.items, metadata, view))
    }

    fn shown_list(&self, items: Vec<Value>, metadata: Value, view: View) -> Value {
        let (kind, version) = match view {
            View::Object => (format!("{}List", self.kind.kind), self.kind.api_version()),
            View::Metadata => ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1".to_owned()),
            View::Table(version, include) => {
                let now = self.app.registry.clock().now();
                let rows = items.into_iter().map(|o| table::row(self.kind, o, include, now)).collect();
                return table::table(self.kind, version, metadata, rows, true);
            }
        };
        let items = match view {
            View::Metadata => items.into_iter().map(table::metadata_only).collect(),
            _ => items,
        };
        json!({"kind": kind, "apiVersion": version, "metadata": metadata, "items": items})
    }

    /// A list is always of now, so a client may ask for at least a revision, but not for one that is past or to come.
    fn version_is_there(&self) -> Result<(), ApiError> {
        let Some(text) = self.query.get("resourceVersion") else { return Ok(()) };
        let wanted: u64 = text.parse().map_err(|_| {
            ApiError::BadRequest(format!("resourceVersion: Invalid value: {text:?}: must be a number"))
        })?;
        let now = self.app.registry.store().revision();
        if wanted > now {
            return Err(ApiError::Timeout(format!("Too large resource version: {wanted}, current: {now}")));
        }
        if self.query.get("resourceVersionMatch") == Some("Exact") && wanted != now {
            return Err(ApiError::Expired(format!(
                "The resourceVersion for the provided list is too old: {wanted}"
            )));
        }
        Ok(())
    }

    fn decode(&self) -> Result<decode::Decoded, ApiError> {
        let validation = Validation::of(self.query)?;
        decode::stored(self.headers, self.body, self.kind, validation)
    }

    async fn create(&self) -> Result<Written, ApiError> {
        let decoded = self.decode()?;
        let dry_run = decode::dry_run(self.query)?;
        self.exchange.about(&decoded.value);
        self.guard(&decoded.value, None)?;
        let made = self.app.registry.create(self.kind, self.namespace(), decoded.value, dry_run).await?;
        self.exchange.about(&made);
        if self.kind.stored_as == NAMESPACE.stored_as && !dry_run {
            // The namespace stands; should this fail, the controller tries again.
            let _ = default_account::ensure(&self.app.registry, text(&made, "/metadata/name")).await;
        }
        let mut warnings = decoded.warnings;
        warnings.extend((self.kind.warnings)(&made, None));
        Ok((StatusCode::CREATED, made, warnings))
    }

    /// What a write through this path changes.
    fn write(&self) -> Result<Write<'static>, ApiError> {
        let part = match self.path.subresource.as_str() {
            "" => Part::Main,
            "status" if self.kind.has_status => Part::Status,
            "finalize" if self.kind.stored_as == NAMESPACE.stored_as => Part::Finalizers,
            "ephemeralcontainers" if self.kind.stored_as == POD.stored_as => Part::Ephemeral,
            _ => return Err(ApiError::NoResource),
        };
        Ok(Write { part, dry_run: decode::dry_run(self.query)?, guard: None })
    }

    /// What only this user may not write.
    fn guard(&self, new: &Value, old: Option<&Value>) -> Result<(), ApiError> {
        let rbac = &self.app.authorizer.rbac;
        let name = if old.is_some() { &self.path.name } else { text(new, "/metadata/name") };
        node_restriction::write(&self.app.registry, self.user, self.kind, name, Some(new), old)?;
        if self.path.subresource == "ephemeralcontainers" {
            node_restriction::no_subresource(self.user, self.kind, name, &self.path.subresource)?;
            admission::ephemeral(&self.app.registry, self.namespace(), new)?;
        }
        escalation::check(rbac, self.user, self.kind, self.namespace(), new, old)
    }

    async fn update(&self) -> Result<Written, ApiError> {
        let guard = |new: &Value, old: &Value| self.guard(new, Some(old));
        let write = Write { guard: Some(&guard), ..self.write()? };
        let decoded = self.decode()?;
        let name = &self.path.name;
        // Read only for an object there may be something to say about.
        let told = !(self.kind.warnings)(&decoded.value, None).is_empty();
        let old = if told { self.get().ok() } else { None };
        let made = self.app.registry.update(self.kind, self.namespace(), name, decoded.value, write).await?;
        let mut warnings = decoded.warnings;
        if told {
            warnings.extend((self.kind.warnings)(&made, old.as_ref()));
        }
        Ok((StatusCode::OK, made, warnings))
    }

    /// Reads the object, patches it, and updates it; once more when somebody else was faster.
    async fn patch(&self) -> Result<Written, ApiError> {
        let patch = decode::patch(self.headers, self.body)?;
        let validation = Validation::of(self.query)?;
        let guard = |new: &Value, old: &Value| self.guard(new, Some(old));
        let write = Write { guard: Some(&guard), ..self.write()? };
        let name = &self.path.name;
        for _ in 0..MAX_PATCH_RETRIES {
            let old = self.get()?;
            let mut object = old.clone();
            decode::apply(&patch, self.kind, name, &mut object)?;
            let fixed = object["metadata"]["resourceVersion"] != old["metadata"]["resourceVersion"];
            let decoded = decode::checked(object, self.kind, validation)?;
            let updated =
                self.app.registry.update(self.kind, self.namespace(), name, decoded.value, write).await;
            match updated {
                Err(ApiError::Conflict(..)) if !fixed => {}
                other => {
                    let made = other?;
                    let mut warnings = decoded.warnings;
                    warnings.extend((self.kind.warnings)(&made, Some(&old)));
                    return Ok((StatusCode::OK, made, warnings));
                }
            }
        }
        Err(ApiError::TooManyRequests(1))
    }

    /// Assigns a pod to a node.
    async fn bind(&self) -> Result<Reply, ApiError> {
        if self.kind.stored_as != POD.stored_as {
            return Err(ApiError::NoResource);
        }
        let validation = Validation::of(self.query)?;
        let decoded = decode::object(self.headers, self.body, "v1", "Binding", validation)?;
        let dry_run = decode::dry_run(self.query)?;
        let name = &self.path.name;
        self.app.registry.bind(self.namespace(), name, &decoded.value, dry_run).await?;
        let status =
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
        Ok(Reply::json(StatusCode::CREATED, &status)?.warn(decoded.warnings))
    }

    async fn delete(&self) -> Result<Value, ApiError> {
        let options = self.delete_options()?;
        if node::name_of(self.user).is_some() {
            let old = self.get()?;
            let registry = &self.app.registry;
            node_restriction::write(registry, self.user, self.kind, &self.path.name, None, Some(&old))?;
        }
        let deleted =
            self.app.registry.delete(self.kind, self.namespace(), &self.path.name, &options).await?;
        Ok(match deleted {
            Deleted::Marked(object) => object,
            Deleted::Gone(object) if self.kind.returns_deleted => object,
            Deleted::Gone(object) => json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                "details": {
                    "name": self.path.name, "group": self.kind.group, "kind": self.kind.plural,
                    "uid": object["metadata"]["uid"],
                },
            }),
        })
    }

    /// Deletes what a list with the same selectors shows; answers with that list.
    async fn delete_all(&self) -> Result<Value, ApiError> {
        let options = self.delete_options()?;
        let list = self.list(View::Object)?;
        for object in list["items"].as_array().into_iter().flatten() {
            let of = |key: &str| object["metadata"][key].as_str().unwrap_or("");
            let one = DeleteOptions { uid: Some(of("uid").to_owned()), ..options.clone() };
            match self.app.registry.delete(self.kind, of("namespace"), of("name"), &one).await {
                // Gone or made anew meanwhile: no longer what was listed.
                Ok(_) | Err(ApiError::NotFound(_) | ApiError::Conflict(..)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(list)
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
        if let Some(policy) = self.query.get("propagationPolicy") {
            options.propagation = Some(Propagation::read(policy).map_err(ApiError::BadRequest)?);
        }
        options.dry_run |= decode::dry_run(self.query)?;
        Ok(options)
    }
}
