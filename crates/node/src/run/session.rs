//! The pod on the server, from its creation to its end.

use super::pod::{self, Identity};
use super::{Note, RunError, chain};
use jeton_core::clock::Clock;
use jeton_core::deliver::{
    LOOK_SECONDS, Pulses, RENEW_SECONDS, RENEWED_ANNOTATION, RUN_SCHEDULER, SILENT_SECONDS,
};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::wait::await_condition;
use kube::{Client, Error};
use serde_json::json;
use std::ffi::OsStr;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Time for one request.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// Attempts to delete the pod, and the pause between two.
const DELETE_ATTEMPTS: u32 = 5;
const DELETE_PAUSE: Duration = Duration::from_secs(1);
/// Seconds between two looks at others' pods, and up to as many more, so that many runners do not look at once.
const OTHERS_SECONDS: u64 = 20;

/// A pod that this process stands behind.
#[derive(Clone)]
pub(super) struct Session {
    api: Api<Pod>,
    clock: Clock,
    note: Note,
    name: String,
    uid: String,
}

/// One request, with an end.
async fn ask<T>(request: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = |_| Error::Service(format!("no answer within {} s", REQUEST_TIME.as_secs()).into());
    timeout(REQUEST_TIME, request).await.map_err(late)?
}

fn code(error: &Error) -> u16 {
    if let Error::Api(status) = error { status.code } else { 0 }
}

/// What a server said, or what kept it from it.
fn words(error: &Error) -> String {
    if let Error::Api(status) = error { status.message.clone() } else { chain(error) }
}

fn of_uid(uid: &str) -> DeleteParams {
    let preconditions = Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None });
    DeleteParams { preconditions, ..DeleteParams::default().grace_period(0) }
}

impl Session {
    /// Creates the pod; gives it back as the server stored it.
    pub(super) async fn begin(
        client: Client,
        clock: Clock,
        who: &Identity,
        program: &OsStr,
        note: &Note,
    ) -> Result<(Self, Pod), RunError> {
        let api: Api<Pod> = Api::namespaced(client, &who.namespace);
        let wanted = |clock: &Clock| pod::pod(who, program, &clock.now().rfc3339());
        let mut created = ask(api.create(&PostParams::default(), &wanted(&clock)?)).await;
        if let (Err(error), Some(name)) = (&created, &who.pod)
            && code(error) == 409
        {
            vacate(&api, &clock, name, note).await?;
            created = ask(api.create(&PostParams::default(), &wanted(&clock)?)).await;
        }
        let pod = created.map_err(|error| RunError::Refused(words(&error)))?;
        let named = |value: &Option<String>| value.clone().unwrap_or_default();
        let (name, uid) = (named(&pod.metadata.name), named(&pod.metadata.uid));
        Ok((Self { api, clock, note: note.clone(), name, uid }, pod))
    }

    /// Tells the server that the program runs, where that is allowed. It only looks better.
    pub(super) async fn running(&self) {
        let status = json!({"metadata": {"uid": self.uid}, "status": {"phase": "Running"}});
        let (how, what) = (PatchParams::default(), Patch::Merge(status));
        if let Err(error) = ask(self.api.patch_status(&self.name, &how, &what)).await {
            tracing::debug!(error = words(&error), "the pod's phase stays");
        }
    }

    /// Renews the pod; ready when it is gone, or going.
    pub(super) async fn stand_behind(&self) {
        let mut due = tokio::time::interval(Duration::from_secs(RENEW_SECONDS));
        let ours = |pod: Option<&Pod>| {
            pod.is_some_and(|pod| {
                pod.metadata.uid.as_ref() == Some(&self.uid) && pod.metadata.deletion_timestamp.is_none()
            })
        };
        loop {
            let over = await_condition(self.api.clone(), &self.name, |pod: Option<&Pod>| !ours(pod));
            tokio::select! {
                ended = over => match ended {
                    Ok(_) => return,
                    // Such as a right to watch that is missing: then renewing tells it.
                    Err(error) => {
                        tracing::debug!(error = chain(&error), "the pod is not watched");
                        due.tick().await;
                        if self.renew().await { return }
                    }
                },
                () = self.renew_until_gone(&mut due) => return,
            }
        }
    }

    async fn renew_until_gone(&self, due: &mut tokio::time::Interval) {
        loop {
            due.tick().await;
            if self.renew().await {
                return;
            }
        }
    }

    /// Renews the pod once. `true`: it is gone.
    async fn renew(&self) -> bool {
        let now = self.clock.now().rfc3339_micros();
        let sign = json!({"metadata": {"uid": self.uid, "annotations": {RENEWED_ANNOTATION: now}}});
        match ask(self.api.patch(&self.name, &PatchParams::default(), &Patch::Merge(sign))).await {
            Ok(_) => false,
            // Not there, or another one of that name.
            Err(error) if matches!(code(&error), 404 | 409) => true,
            Err(error) => {
                (self.note)(&format!("the pod {} cannot be renewed: {}", self.name, words(&error)));
                false
            }
        }
    }

    /// Removes the pods of runners in this namespace that were killed, for servers that do not do it themselves.
    pub(super) async fn collect_others(&self) {
        let mut pulses = Pulses::default();
        let list = ListParams::default().fields(&format!("spec.schedulerName={RUN_SCHEDULER}"));
        loop {
            match ask(self.api.list_metadata(&list)).await {
                Ok(found) => {
                    let now = self.clock.now();
                    let pods: Vec<(String, String)> = found
                        .items
                        .iter()
                        .filter_map(|pod| Some((pod.metadata.name.clone()?, pod.metadata.uid.clone()?)))
                        .collect();
                    for (pod, item) in pods.iter().zip(&found.items) {
                        let says =
                            item.metadata.annotations.as_ref().and_then(|all| all.get(RENEWED_ANNOTATION));
                        pulses.hear(pod.clone(), says.map_or("", String::as_str), now);
                    }
                    pulses.retain(|pod| pods.contains(pod));
                    for (name, uid) in pulses.silent(now) {
                        if uid != self.uid && ask(self.api.delete(&name, &of_uid(&uid))).await.is_ok() {
                            (self.note)(&format!("the pod {name} was removed: its runner is gone"));
                        }
                    }
                }
                // Whoever may not look leaves it to others.
                Err(error) => tracing::debug!(error = words(&error), "others' pods are not seen"),
            }
            sleep(Duration::from_secs(OTHERS_SECONDS + fastrand::u64(..=OTHERS_SECONDS))).await;
        }
    }

    /// Deletes the pod, and with it every token that is bound to it.
    pub(super) async fn end(&self) {
        let mut why = String::new();
        for attempt in 0..DELETE_ATTEMPTS {
            if attempt > 0 {
                sleep(DELETE_PAUSE).await;
            }
            match ask(self.api.delete(&self.name, &of_uid(&self.uid))).await {
                Ok(_) => return,
                Err(error) if matches!(code(&error), 404 | 409) => return,
                Err(error) => why = words(&error),
            }
        }
        (self.note)(&format!(
            "the pod {} could not be deleted: {why}; its token works until a collector finds it silent for {SILENT_SECONDS} s, or it expires",
            self.name
        ));
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// Takes a name over from a runner that is gone.
async fn vacate(api: &Api<Pod>, clock: &Clock, name: &str, note: &Note) -> Result<(), RunError> {
    let mut pulses = Pulses::default();
    let mut first: Option<(String, String)> = None;
    loop {
        let found = ask(api.get_opt(name)).await.map_err(|error| RunError::Refused(words(&error)))?;
        let Some(pod) = found else { return Ok(()) };
        if pod.spec.as_ref().and_then(|spec| spec.scheduler_name.as_deref()) != Some(RUN_SCHEDULER) {
            return Err(RunError::Foreign(name.to_owned()));
        }
        let (uid, says, host) = pod::signs(&pod);
        match &first {
            None => {
                note(&format!(
                    "the pod {name} exists; looking for {SILENT_SECONDS} s whether its runner lives"
                ));
                first = Some((uid.clone(), says.clone()));
            }
            Some(before) if *before != (uid.clone(), says.clone()) => {
                return Err(RunError::Taken(name.to_owned(), host));
            }
            Some(_) => {}
        }
        pulses.hear(uid.clone(), &says, clock.now());
        if !pulses.silent(clock.now()).is_empty() {
            let deleted = ask(api.delete(name, &of_uid(&uid))).await;
            return deleted.map(drop).map_err(|error| RunError::Refused(words(&error)));
        }
        sleep(Duration::from_secs(LOOK_SECONDS)).await;
    }
}
