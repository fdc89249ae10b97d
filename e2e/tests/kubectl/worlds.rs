//! What kubectl shows of the two worlds: accounts, pods, and who uses which token.

use crate::lab::{KUBECTLS, Lab};
use crate::review;
use e2e::client::As;
use std::thread;

/// A version; what its pods hold, as a row of `tokenuses`; columns of accounts; whether a Secret is made by itself.
type World = (&'static str, [&'static str; 2], &'static str, bool);

const WORLDS: [World; 4] = [
    ("1.20", ["legacy", "never by itself"], "NAME SECRETS AGE", true),
    ("1.21", ["extended", "in 36"], "NAME SECRETS AGE", true),
    ("1.25", ["extended", "in 36"], "NAME SECRETS AGE", false),
    ("1.36", ["extended", "in 36"], "NAME AGE", false),
];

/// One request as a program of its own makes it.
fn used(lab: &Lab, token: &str) {
    let headers = [("User-Agent", "OpenAPI-Generator/11.0.0/python")];
    let answer = lab.server.access.send(&As::Token(token), "GET", "/version", &headers, None).unwrap();
    assert_eq!(answer.status, 200);
}

/// The first line of a table, its words alone.
fn header(table: &str) -> String {
    table.lines().next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the pod's program finds in its file.
fn held(lab: &Lab, version: &str) -> String {
    let volume = lab.run("kubectl get pod web -o 'jsonpath={.spec.volumes[0]}'");
    if version == "1.20" {
        assert!(volume.contains("secretName"), "{volume}");
        let secret = lab.run("kubectl get sa builder -o 'jsonpath={.secrets[0].name}'");
        return lab.run(&format!(
            "kubectl get secret {secret} -o 'go-template={{{{.data.token | base64decode}}}}'"
        ));
    }
    assert!(volume.contains("serviceAccountToken"), "{volume}");
    lab.run("kubectl create token builder --duration 3607s --bound-object-kind Pod --bound-object-name web")
}

fn live(program: &str, (version, row, accounts, makes_secret): World) {
    let lab = Lab::with(program, &["--emulated-version", version]);
    let said = lab.run("kubectl version 2>&1");
    assert!(said.contains(&format!("Server Version: v{version}.0")), "{said}");
    lab.run("kubectl create serviceaccount builder");
    if makes_secret {
        // Until it is there a pod of 1.20 is refused.
        lab.run("kubectl wait --for=jsonpath='{.secrets[0].name}' sa/builder --timeout=20s");
    } else {
        assert_eq!(lab.run("kubectl get secrets -o name"), "");
    }
    assert_eq!(header(&lab.run("kubectl get sa builder")), accounts, "{version}");
    lab.run(r#"kubectl run web --image=i --overrides='{"spec":{"serviceAccountName":"builder"}}'"#);
    let token = held(&lab, version);
    used(&lab, &token);
    used(&lab, &token);
    assert_eq!(review(&lab, &token)["authenticated"], true);
    let table = lab.run("kubectl get tokenuses");
    let columns = "NAME ACCOUNT WORKLOAD TOKEN TOKEN AGE LAST USE CLIENT STOPS WORKING USES";
    assert_eq!(header(&table), columns, "{version}");
    for (client, uses) in [("python", " 2"), ("tokenreview", " 1")] {
        let line = table.lines().find(|line| line.contains(client)).unwrap_or_default();
        let whole = line.ends_with(uses) && row.iter().all(|word| line.contains(word));
        assert!(whole, "{version} {client}: {table}");
    }
    assert_eq!(table.lines().count(), 3, "{table}");
    // What is stored nowhere cannot be written.
    let name = table.lines().nth(1).unwrap().split(' ').next().unwrap();
    let refused = lab.shell(&format!("kubectl delete tokenuse {name} --wait=false"));
    assert_eq!(refused.code, Some(1), "{:?}", refused.lines);
}

#[test]
fn each_world_shows_its_accounts_pods_and_uses() {
    thread::scope(|scope| {
        for program in KUBECTLS {
            scope.spawn(move || WORLDS.iter().for_each(|world| live(program, *world)));
        }
    });
}
