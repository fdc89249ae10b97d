//! The same events in the envelope of each log service give the same facts. The envelopes are written as the services'
//! public documentation shows them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{HOUR, Log, WEB, Who, facts_of, time};
use jeton_doctor::facts::Facts;
use serde_json::{Value, json};
use std::io::Write;

/// Every fact that an audit log can hold: refreshes, stale and legacy uses, refusals, a deleted pod, awkward characters.
fn events() -> Vec<Value> {
    let mut log = Log::default();
    log.rotating(3, WEB);
    let who = Who { account: "cron", pod: "cron-0", agent: "my \"agent\", {x}\\ \u{4e2d}\u{6587}", ..WEB };
    log.stale(2 * HOUR, who, "old", 3600);
    log.stale(3 * HOUR, who, "old", 7200);
    log.issue(HOUR, WEB, "long", Some(7200));
    let legacy = log.request(HOUR, Who { account: "ci", ..WEB }, "none");
    legacy["user"]["extra"] = Value::Null;
    legacy["annotations"] = json!({"authentication.k8s.io/legacy-token-manual-secret": "ci-token"});
    log.refused(3 * HOUR + 5, WEB);
    let delete = log.request(2 * HOUR, WEB, "admin");
    delete["user"] = json!({"username": "admin"});
    delete["verb"] = json!("delete");
    // Not a mark, though it begins like one.
    delete["requestURI"] = json!("/apis/authentication.k8s.io/v1/tokenreviews");
    delete["objectRef"] = json!({"resource": "pods", "namespace": "shop", "name": "web-old"});
    log.events
}

/// As kube-apiserver orders the members of an event.
fn line(event: &Value) -> String {
    let rest = event.to_string();
    let rest =
        rest.replacen("\"kind\":\"Event\",", "", 1).replacen("\"apiVersion\":\"audit.k8s.io/v1\",", "", 1);
    format!("{{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",{}", &rest[1..])
}

fn lines(events: &[Value], each: impl Fn(usize, String) -> String) -> Vec<u8> {
    events.iter().enumerate().map(|(n, event)| each(n, line(event)) + "\n").collect::<String>().into_bytes()
}

fn told(facts: &Facts) -> String {
    format!("{:#?}{:#?}{:#?}{:#?}", facts.uses, facts.issues, facts.refusals, facts.deleted)
}

/// Facts of bytes by one worker and by three, which must agree.
fn read(name: &str, bytes: &[u8]) -> Facts {
    let one = facts_of(bytes, name, false, 1);
    let three = facts_of(bytes, name, false, 3);
    assert_eq!(told(&one), told(&three), "{name}");
    let seen = |facts: &Facts| {
        let source = &facts.sources[0];
        format!("{} {} {:?} {:?}", source.read, source.skipped, source.window, source.missing)
    };
    assert_eq!(seen(&one), seen(&three), "{name}");
    one
}

fn pretty(value: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(value).unwrap()
}

fn csv(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

type Wrap = fn(&[Value]) -> Vec<u8>;

fn list(events: &[Value]) -> Value {
    json!({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": events})
}

fn cloudwatch(events: &[Value]) -> Value {
    let one = |event: &Value| {
        json!({"logStreamName": "kube-apiserver-audit-0123456789abcdef0123456789abcdef", "timestamp": 1_795_478_400_123_i64,
            "message": line(event), "ingestionTime": 1_795_478_405_000_i64,
            "eventId": "38212345678901234567890123456789012345678901234567890123"})
    };
    json!({"events": events.iter().map(one).collect::<Vec<_>>(), "searchedLogStreams": []})
}

/// What a subscription of CloudWatch sends: one document for some events.
fn subscription(kind: &str, events: &Value) -> String {
    json!({"messageType": kind, "owner": "123456789012", "logGroup": "/aws/eks/prod/cluster",
        "logStream": "kube-apiserver-audit-0123456789abcdef", "subscriptionFilters": ["all"], "logEvents": events})
    .to_string()
}

fn firehose(events: &[Value]) -> Vec<String> {
    let control = json!([{"id": "", "timestamp": 1_795_478_400_000_i64,
        "message": "CWL CONTROL MESSAGE: Checking health of destination Firehose."}]);
    let mut out = vec![subscription("CONTROL_MESSAGE", &control)];
    for some in events.chunks(4) {
        let one =
            |event: &Value| json!({"id": "3821", "timestamp": 1_795_478_400_123_i64, "message": line(event)});
        out.push(subscription("DATA_MESSAGE", &some.iter().map(one).collect()));
    }
    out
}

fn azure(event: &Value) -> Value {
    json!({"time": "2026-11-24T00:00:00.0000000Z", "category": "kube-audit",
        "operationName": "Microsoft.ContainerService/managedClusters/diagnosticLogs/Read",
        "resourceId": "/SUBSCRIPTIONS/0/RESOURCEGROUPS/RG/PROVIDERS/MICROSOFT.CONTAINERSERVICE/MANAGEDCLUSTERS/PROD",
        "properties": {"log": line(event) + "\n", "stream": "stdout", "pod": "kube-apiserver-5c8b7d7b6-x2x2x",
            "containerID": "0123456789abcdef"}})
}

fn lts(event: &str) -> Value {
    json!({"host_name": "prod-master-0", "ip": "192.168.0.156", "line_no": 249, "message": event.to_owned() + "\n",
        "path": "/var/paas/sys/log/kube-apiserver/audit.log", "time": 1_795_478_400_123_i64})
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn plain(events: &[Value]) -> Vec<u8> {
    lines(events, |_, line| line)
}

/// All that hold whole events.
const ENVELOPES: &[(&str, Wrap)] = &[
    ("lines of kube-apiserver", plain),
    ("lines that end as on Windows, behind a byte order mark", |events| {
        let text = String::from_utf8(plain(events)).unwrap();
        format!("\u{feff}{}", text.replace('\n', "\r\n")).into_bytes()
    }),
    ("EventList over many lines", |events| pretty(&list(events))),
    ("EventLists of a webhook, one on each line", |events| {
        events.chunks(3).map(|some| list(some).to_string() + "\n").collect::<String>().into_bytes()
    }),
    ("a list without a name", |events| pretty(&json!(events))),
    ("aws logs filter-log-events", |events| pretty(&cloudwatch(events))),
    ("aws logs filter-log-events, compact", |events| cloudwatch(events).to_string().into_bytes()),
    ("aws logs filter-log-events --output text", |events| {
        lines(events, |_, line| {
            format!("EVENTS\t3821234567\t1795478405000\tkube-apiserver-audit-0123\t{line}\t1795478400123")
        })
    }),
    ("aws logs tail", |events| {
        lines(events, |_, line| format!("2026-11-24T00:00:00.123000+00:00 kube-apiserver-audit-0123 {line}"))
    }),
    ("CloudWatch export to S3", |events| lines(events, |_, line| format!("2026-11-24T00:00:00.123Z {line}"))),
    ("CloudWatch through Firehose, unpacked", |events| firehose(events).concat().into_bytes()),
    ("CloudWatch through Firehose, one document on each line", |events| {
        firehose(events).join("\n").into_bytes()
    }),
    ("CloudWatch through Firehose, as it lies in S3", |events| {
        firehose(events).iter().flat_map(|document| gzip(document.as_bytes())).collect()
    }),
    ("CloudWatch Insights, downloaded as JSON", |events| {
        let rows = events
            .iter()
            .map(|e| json!({"@timestamp": "2026-11-24 00:00:00.123", "@message": e, "@logStream": "x"}));
        pretty(&rows.collect())
    }),
    ("CloudWatch Insights, downloaded as CSV", |events| {
        let rows = lines(events, |_, line| format!("2026-11-24 00:00:00.123,{},x", csv(&line)));
        [b"@timestamp,@message,@logStream\n".to_vec(), rows].concat()
    }),
    ("Azure storage account", |events| {
        events.iter().map(|event| azure(event).to_string() + "\r\n").collect::<String>().into_bytes()
    }),
    ("Azure event hub", |events| {
        let batch =
            |some: &[Value]| json!({"records": some.iter().map(azure).collect::<Vec<_>>()}).to_string();
        events.chunks(5).map(|some| batch(some) + "\n").collect::<String>().into_bytes()
    }),
    ("Azure log analytics query", |events| {
        let row =
            |event: &Value| json!({"TableName": "PrimaryResult", "TimeGenerated": "x", "log_s": line(event)});
        pretty(&events.iter().map(row).collect())
    }),
    ("Huawei LTS, raw transfer to OBS", plain),
    ("Huawei LTS, JSON transfer to OBS", |events| lines(events, |_, line| lts(&line).to_string())),
    ("Huawei LTS, query API", |events| {
        let one =
            |e: &Value| json!({"content": line(e) + "\n", "line_num": "1795", "labels": {"hostName": "m-0"}});
        let logs: Vec<Value> = events.iter().map(one).collect();
        pretty(&json!({"count": logs.len(), "isQueryComplete": true, "logs": logs}))
    }),
    ("Huawei LTS, downloaded as CSV", |events| {
        let rows = lines(events, |n, line| {
            format!("2026/11/24 08:00:00,{},{},{n}", csv(r#"{"hostName":"m-0"}"#), csv(&(line + "\n")))
        });
        [b"\xef\xbb\xbftime,labels,content,line_num\n".to_vec(), rows].concat()
    }),
    ("Huawei LTS, downloaded as text", |events| {
        lines(events, |_, line| format!("2026-11-24 08:00:00.123 {line}"))
    }),
    ("log of a container", |events| {
        lines(events, |_, line| format!("2026-11-24T00:00:00.123456789Z stdout F {line}"))
    }),
    ("log of Docker", |events| {
        lines(events, |_, line| json!({"log": line + "\n", "stream": "stdout", "time": "x"}).to_string())
    }),
    ("slashes escaped", |events| lines(events, |_, line| line.replace('/', "\\/"))),
    ("gzip", |events| gzip(&plain(events))),
    ("gzip files behind each other", |events| {
        let (one, two) = events.split_at(7);
        [gzip(&plain(one)), gzip(&plain(two))].concat()
    }),
    ("zstd", |events| zstd(&plain(events))),
    ("zstd frames behind each other", |events| {
        let (one, two) = events.split_at(7);
        [zstd(&plain(one)), zstd(&plain(two))].concat()
    }),
    ("compressed list", |events| gzip(&pretty(&cloudwatch(events)))),
    ("no line feed at the end", |events| plain(events).trim_ascii_end().to_vec()),
    ("no line feeds at all", |events| plain(events).into_iter().filter(|b| *b != b'\n').collect()),
    ("any order", |events| plain(&events.iter().rev().cloned().collect::<Vec<_>>())),
    ("all envelopes in one file", |events| {
        let (some, rest) = events.split_at(4);
        let (more, rest) = rest.split_at(4);
        let first = lines(some, |_, line| format!("2026-11-24T00:00:00.123Z {line}"));
        let second = lines(more, |_, line| lts(&line).to_string());
        let third = (cloudwatch(&rest[..2]).to_string() + "\n").into_bytes();
        [first, second, third, plain(&rest[2..])].concat()
    }),
];

#[test]
fn the_same_events_in_any_envelope_give_the_same_facts() {
    let events = events();
    let want = read("plain", &plain(&events));
    assert_eq!(want.sources[0].read, events.len() as u64);
    assert!(
        want.uses.len() > 3 && want.issues.len() > 3 && want.refusals.len() == 1 && want.deleted.len() == 1
    );
    for (name, wrap) in ENVELOPES {
        let got = read("x", &wrap(&events));
        let source = &got.sources[0];
        assert_eq!(
            (source.error.as_deref(), source.read, source.skipped),
            (None, events.len() as u64, 0),
            "{name}"
        );
        assert_eq!(told(&got), told(&want), "{name}");
        assert_eq!(source.window, want.sources[0].window, "{name}");
        assert_eq!(source.missing, want.sources[0].missing, "{name}");
    }
}

#[test]
fn quick_finds_the_marks_in_any_envelope() {
    let events = events();
    let quick = |bytes: &[u8]| told(&facts_of(bytes, "x", true, 2));
    let want = quick(&plain(&events));
    assert_eq!(want.matches("Use {").count(), 2, "{want}");
    for (name, wrap) in ENVELOPES {
        assert_eq!(quick(&wrap(&events)), want, "{name}");
    }
}

#[test]
fn stages_of_a_request_are_one_use_wherever_they_lie() {
    let events = events();
    let stage = |name: &str| {
        let set = |mut event: Value| {
            event["stage"] = json!(name);
            event
        };
        events.iter().cloned().map(set).collect::<Vec<_>>()
    };
    let apart = [stage("RequestReceived"), stage("ResponseStarted"), events.clone()].concat();
    let facts = read("stages", &plain(&apart));
    assert_eq!(facts.sources[0].read, events.len() as u64);
    assert_eq!(told(&facts), told(&read("once", &plain(&events))));
}

/// What a LogEntry can tell: who, when, what and from where; not which token.
#[test]
fn google_log_entries_have_no_credential_ids() {
    let entry = |id: &str, at: i64, agent: &str| {
        json!({"insertId": id, "logName": "projects/p/logs/cloudaudit.googleapis.com%2Fdata_access",
            "operation": {"first": true, "id": id, "last": true, "producer": "k8s.io"},
            "labels": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "RBAC: allowed"},
            "protoPayload": {"@type": "type.googleapis.com/google.cloud.audit.AuditLog",
                "authenticationInfo": {"principalEmail": "system:serviceaccount:shop:web"},
                "authorizationInfo": [{"granted": true, "permission": "io.k8s.core.v1.pods.list", "resource": "core/v1/namespaces/shop/pods"}],
                "methodName": "io.k8s.core.v1.pods.list", "requestMetadata": {"callerIp": "10.1.0.5", "callerSuppliedUserAgent": agent},
                "resourceName": "core/v1/namespaces/shop/pods", "serviceName": "k8s.io", "status": {"code": 0}},
            "receiveTimestamp": time(at + 5), "resource": {"labels": {"cluster_name": "prod", "location": "europe-west1",
                "project_id": "p"}, "type": "k8s_cluster"}, "timestamp": time(at)})
    };
    let mut marked = entry("a", 60, "python");
    marked["labels"]["authentication.k8s.io/stale-token"] =
        json!("subject: system:serviceaccount:shop:web, seconds after warning threshold: 30");
    let mut refused = entry("b", 90, "python");
    refused["protoPayload"]["authenticationInfo"] = json!({});
    refused["protoPayload"]["status"] = json!({"code": 16, "message": "Unauthorized"});
    let mut issued = entry("c", 95, "kubelet");
    issued["protoPayload"]["authenticationInfo"]["principalEmail"] = json!("system:node:gke-1");
    issued["protoPayload"]["methodName"] = json!("io.k8s.core.v1.serviceaccounts.token.create");
    issued["protoPayload"]["resourceName"] = json!("core/v1/namespaces/shop/serviceaccounts/web/token");
    issued["labels"] = json!({"authentication.kubernetes.io/issued-credential-id": "JTI=one"});
    let entries = json!([entry("d", 30, "python"), marked, refused, issued]);
    let lines: String = entries.as_array().unwrap().iter().map(|e| e.to_string() + "\n").collect();
    let facts = read("gcloud logging read", &pretty(&entries));
    assert_eq!(told(&facts), told(&read("sink", lines.as_bytes())));
    assert_eq!((facts.uses.len(), facts.refusals.len(), facts.issues.len()), (1, 1, 1), "{facts:#?}");
    let one = &facts.uses[0];
    assert_eq!((one.uses, one.user_agent.as_str(), one.addresses.len()), (2, "python", 1));
    assert_eq!(one.stale.unwrap().warn_after.rfc3339(), time(30));
    assert_eq!(
        (facts.issues[0].account.name.as_str(), facts.issues[0].node.as_deref()),
        ("web", Some("gke-1"))
    );
    assert!(facts.sources[0].missing.iter().any(|gap| gap.id == "no-credential-ids"));
}

#[test]
fn what_is_broken_is_counted_and_the_rest_is_read() {
    let whole = line(&events()[0]);
    let cut = &whole[..whole.len() / 2];
    let alien = r#"{"level":"info","msg":"hello"}"#;
    for (name, bytes, want) in [
        ("cut at the end", format!("{whole}\n{cut}"), (1, 1, "broken-records", "1 (line 2)")),
        (
            "cut by a crash, and on with the next",
            format!("{cut}{whole}\n"),
            (1, 1, "broken-records", "1 (line 1)"),
        ),
        ("cut between", format!("{whole}\n{cut}\n{whole}\n"), (1, 1, "broken-records", "1 (line 2)")),
        ("no text", format!("{whole}\n\u{1}\u{2}\n"), (1, 1, "broken-records", "1 (line 2)")),
        (
            "JSON of something else",
            format!("{whole}\n\n{alien}\n{alien}\n"),
            (1, 2, "unknown-records", "2 (line 3)"),
        ),
        (
            "another stream of the same group",
            json!({"events": [{"message": whole}, {"message": "I1124 00:00:00.1 controller.go:1] hi"}]})
                .to_string(),
            (1, 1, "unknown-records", "1 (line 1)"),
        ),
        ("a first line that was cut", format!("{cut}\n{whole}\n"), (1, 1, "broken-records", "1 (line 1)")),
    ] {
        let source = read("x", bytes.as_bytes()).sources.remove(0);
        assert_eq!(source.error, None, "{name}");
        assert_eq!((source.read, source.skipped), (want.0, want.1), "{name}: {source:?}");
        assert!(
            source.missing.iter().any(|gap| gap.id == want.2 && gap.detail == want.3),
            "{name}: {source:?}"
        );
    }
}

#[test]
fn streams_that_break_off_are_read_up_to_there() {
    let events: Vec<Value> = (0..200).flat_map(|_| events()).collect();
    let text = plain(&events);
    for (name, packed) in [("gzip", gzip(&text)), ("zstd", zstd(&text))] {
        let source = read(name, &packed[..packed.len() / 2]).sources.remove(0);
        assert!(source.read > 0 && source.error.is_none(), "{name}: {source:?}");
        assert!(source.missing.iter().any(|gap| gap.id == "broken-off"), "{name}: {source:?}");
    }
    let mut packed = gzip(&text);
    packed.extend_from_slice(b"trailing rubbish");
    let source = read("rubbish", &packed).sources.remove(0);
    assert!(source.missing.iter().any(|gap| gap.id == "broken-off"), "{source:?}");
}

#[test]
fn unknown_shapes_are_refused_with_file_and_line() {
    let alien = "{\"level\":\"info\",\"msg\":\"hello\"}\n";
    let pod = pretty(&json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "x"}}));
    for (bytes, line, why) in [
        (b"hello\nworld\n".to_vec(), 1, "neither JSON"),
        (format!("\n\n{alien}").into_bytes(), 3, "no audit event"),
        (alien.repeat(500).into_bytes(), 1, "no audit event"),
        (pod, 1, "no audit event"),
        (b"\x7fELF\x02\x01\x01\0\0".to_vec(), 1, "neither JSON"),
        (b"a,b,c\n1,2,3\n".to_vec(), 1, "neither JSON"),
        (b"{\"protoPayload\":{\"methodName\":\"storage.get\"}}".to_vec(), 1, "no audit event"),
        (gzip(b"hello"), 1, "neither JSON"),
    ] {
        let facts = read("strange.log", &bytes);
        let error = facts.sources[0].error.as_deref().unwrap_or_else(|| panic!("{bytes:?}"));
        assert!(error.contains(&format!("strange.log, line {line}: {why}")), "{error}");
        assert!(error.contains("Known are"), "{error}");
    }
    for empty in [&b""[..], b"\n\n", b"[]", b"{\"kind\":\"EventList\",\"items\":[]}"] {
        assert_eq!(read("empty", empty).sources[0].error, None);
    }
}
