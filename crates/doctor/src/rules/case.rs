//! Facts that belong together: one case for each workload, account and client.

use crate::facts::{Account, Facts, Pod, Refusal, Use};
use crate::knowledge::{Client, Knowledge};
use crate::report::Confidence;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Seconds after its last accepted request in which a refusal is surely of the same client.
const SURE_SECONDS: i64 = 2 * 3600;

/// Everything known of one row. There may be as many as there are uses, so it borrows what it can.
#[derive(Debug)]
pub struct Case<'f> {
    /// Cluster, where it was told or asked.
    pub cluster: Option<&'f str>,
    /// Account.
    pub account: Cow<'f, Account>,
    /// `kind/name`, or empty.
    pub owner: String,
    /// As it was sent.
    pub user_agent: &'f str,
    /// What is known of it.
    pub client: Rc<Client>,
    /// Whether any request was seen.
    pub seen: bool,
    /// Uses.
    pub uses: Vec<&'f Use>,
    /// Refusals that are mapped back to it.
    pub refused: Vec<(&'f Refusal, Confidence)>,
    /// Pods, where a cluster was asked.
    pub pods: Vec<&'f Pod>,
    /// Names of pods, from any source, in order.
    pub pod_names: Vec<&'f str>,
    /// Only token of a Secret.
    pub legacy: bool,
}

impl<'f> Case<'f> {
    /// Most cases have one pod, and sets take much room.
    fn name_pod(&mut self, name: &'f str) {
        if let Err(place) = self.pod_names.binary_search(&name) {
            self.pod_names.insert(place, name);
        }
    }
}

/// What is known of clients, once for each that is not like the others: User-Agents often carry a program's own name.
#[derive(Default)]
struct Clients<'f> {
    by_agent: BTreeMap<&'f str, Rc<Client>>,
    all: BTreeSet<Rc<Client>>,
}

impl<'f> Clients<'f> {
    fn of(&mut self, agent: &'f str, knowledge: &Knowledge) -> Rc<Client> {
        if let Some(known) = self.by_agent.get(agent) {
            return known.clone();
        }
        let new = knowledge.client(agent);
        let client = self.all.get(&new).cloned().unwrap_or_else(|| Rc::new(new));
        self.all.insert(client.clone());
        self.by_agent.insert(agent, client.clone());
        client
    }
}

/// Sorts facts into cases, and gives back the refusals that belong to none.
pub fn cases<'f>(facts: &'f Facts, knowledge: &Knowledge) -> (Vec<Case<'f>>, Vec<&'f Refusal>) {
    let known = Known::new(facts);
    let mut clients = Clients::default();
    let mut found: BTreeMap<(&Account, String, &str, bool), Case<'f>> = BTreeMap::new();
    for one in &facts.uses {
        let pod = known.pod(one);
        let guess = || one.pod.as_ref().map(|(name, _)| known.owner(one, owner_of(name))).unwrap_or_default();
        let owner = pod.map_or_else(guess, |pod| pod.owner.clone());
        let agent = one.user_agent.as_str();
        let client = clients.of(agent, knowledge);
        let key = (&one.account, owner.clone(), agent, one.legacy.is_some());
        let case = found.entry(key).or_insert_with(|| Case {
            cluster: facts.name(),
            account: Cow::Borrowed(&one.account),
            owner,
            user_agent: agent,
            client,
            seen: true,
            uses: Vec::new(),
            refused: Vec::new(),
            pods: Vec::new(),
            pod_names: Vec::new(),
            legacy: one.legacy.is_some(),
        });
        case.uses.push(one);
        if let Some((name, _)) = &one.pod {
            case.name_pod(name);
        }
        if let Some(pod) = pod
            && !case.pods.iter().any(|known| known.uid == pod.uid)
        {
            case.pods.push(pod);
        }
    }
    let mut cases: Vec<Case<'f>> = found.into_values().collect();
    let mut lost = map_back(facts, &mut cases);
    lost.retain(|&refusal| !by_address(facts, &known, refusal, knowledge, &mut cases));
    unseen(facts, &mut cases);
    (cases, lost)
}

/// Gives a refusal whose client was never accepted to the one pod that has its address; that it had it then is less than
/// sure. Pods on the host's network share theirs, and nothing is guessed.
fn by_address<'f>(
    facts: &'f Facts,
    known: &Known<'f>,
    refusal: &'f Refusal,
    knowledge: &Knowledge,
    cases: &mut Vec<Case<'f>>,
) -> bool {
    let Some(&[pod]) = known.by_address.get(refusal.address.as_str()).map(Vec::as_slice) else {
        return false;
    };
    let started = pod.started.values().min();
    if pod.tokens.is_empty() || started.is_some_and(|started| *started > refusal.last) {
        return false;
    }
    let sure = if started.is_some() { Confidence::Medium } else { Confidence::Low };
    let account = Account { namespace: pod.namespace.clone(), name: pod.account.clone() };
    let same = |case: &&mut Case<'_>| {
        *case.account == account && case.owner == pod.owner && case.user_agent == refusal.user_agent
    };
    if let Some(case) = cases.iter_mut().find(same) {
        case.refused.push((refusal, sure));
        return true;
    }
    cases.push(Case {
        cluster: facts.name(),
        account: Cow::Owned(account),
        owner: pod.owner.clone(),
        user_agent: &refusal.user_agent,
        client: Rc::new(knowledge.client(&refusal.user_agent)),
        seen: true,
        uses: Vec::new(),
        refused: vec![(refusal, sure)],
        pods: vec![pod],
        pod_names: vec![pod.name.as_str()],
        legacy: false,
    });
    true
}

/// Pods of the clusters, for look-ups: however many sources see a workload, it is one.
struct Known<'f> {
    by_uid: BTreeMap<&'f str, &'f Pod>,
    of_account: BTreeMap<(&'f str, &'f str), Vec<&'f Pod>>,
    by_address: BTreeMap<&'f str, Vec<&'f Pod>>,
}

impl<'f> Known<'f> {
    fn new(facts: &'f Facts) -> Self {
        let (mut by_uid, mut of_account) = (BTreeMap::new(), BTreeMap::<_, Vec<_>>::new());
        let mut by_address = BTreeMap::<_, Vec<_>>::new();
        for pod in facts.clusters.iter().flat_map(|c| &c.pods) {
            by_uid.insert(pod.uid.as_str(), pod);
            of_account.entry((pod.namespace.as_str(), pod.account.as_str())).or_default().push(pod);
            for address in &pod.addresses {
                by_address.entry(address.as_str()).or_default().push(pod);
            }
        }
        Self { by_uid, of_account, by_address }
    }

    /// The pod that a use names; else the one pod of the account that has the address.
    fn pod(&self, one: &Use) -> Option<&'f Pod> {
        if let Some((_, uid)) = &one.pod {
            return self.by_uid.get(uid.as_str()).copied();
        }
        let has = |pod: &&&Pod| pod.addresses.iter().any(|address| one.addresses.contains(address));
        let found: Vec<_> = self.pods(&one.account).iter().filter(has).collect();
        if let [pod] = found.as_slice() { Some(pod) } else { None }
    }

    fn pods<'k>(&'k self, account: &'k Account) -> &'k [&'f Pod] {
        let key = (account.namespace.as_str(), account.name.as_str());
        self.of_account.get(&key).map_or(&[], Vec::as_slice)
    }

    /// What a cluster calls the owner that a pod's name suggests: a name does not tell a DaemonSet from a Job.
    fn owner(&self, one: &Use, guess: String) -> String {
        let bare = guess.split_once('/').map_or(guess.as_str(), |(_, bare)| bare);
        let same = |pod: &&&Pod| pod.owner.split_once('/').is_some_and(|(_, own)| own == bare);
        let owners: BTreeSet<&str> =
            self.pods(&one.account).iter().filter(same).map(|pod| pod.owner.as_str()).collect();
        if owners.len() == 1 { owners.into_iter().collect() } else { guess }
    }
}

/// Gives refusals without a name to the one case that used the same address and client before.
fn map_back<'f>(facts: &'f Facts, cases: &mut [Case<'f>]) -> Vec<&'f Refusal> {
    // Cases by client and address: there may be as many as refusals, so nobody looks at all of either for one.
    let wanted =
        facts.refusals.iter().map(|one| ((one.user_agent.as_str(), one.address.as_str()), BTreeSet::new()));
    let mut near: BTreeMap<(&str, &str), BTreeSet<usize>> = wanted.collect();
    for (at, case) in cases.iter().enumerate() {
        for address in case.uses.iter().flat_map(|one| &one.addresses) {
            if let Some(cases) = near.get_mut(&(case.user_agent, address.as_str())) {
                cases.insert(at);
            }
        }
    }
    let mut lost = Vec::new();
    for refusal in &facts.refusals {
        let fits = |one: &Use| one.addresses.contains(&refusal.address) && !gone_before(facts, one, refusal);
        let near = near.get(&(refusal.user_agent.as_str(), refusal.address.as_str())).into_iter().flatten();
        let owners: Vec<usize> =
            near.copied().filter(|at| cases[*at].uses.iter().any(|one| fits(one))).take(2).collect();
        let [one] = owners.as_slice() else {
            lost.push(refusal);
            continue;
        };
        let case = &mut cases[*one];
        let last = case.uses.iter().filter(|u| fits(u)).filter_map(|u| u.last).max();
        let near = last.is_some_and(|last| refusal.first.seconds() - last.seconds() <= SURE_SECONDS);
        let pods: BTreeSet<_> = case.uses.iter().filter(|u| fits(u)).map(|u| &u.pod).collect();
        let sure = match (near, pods.len()) {
            (true, 1) => Confidence::High,
            (true, _) | (_, 1) => Confidence::Medium,
            _ => Confidence::Low,
        };
        case.refused.push((refusal, sure));
    }
    lost
}

/// A deleted pod's token is refused, as it should be.
fn gone_before(facts: &Facts, one: &Use, refusal: &Refusal) -> bool {
    deleted(facts, one).is_some_and(|at| at <= refusal.first)
}

/// When the pod of a use was deleted, if that was after its last use.
pub fn deleted(facts: &Facts, one: &Use) -> Option<jeton_core::time::UnixTime> {
    let (name, _) = one.pod.as_ref()?;
    let at = facts.deleted.get(&(one.account.namespace.clone(), name.clone())).copied()?;
    (one.last? <= at.plus_seconds(60)).then_some(at)
}

/// Workloads that a cluster holds and no log tells of.
fn unseen<'f>(facts: &'f Facts, cases: &mut Vec<Case<'f>>) {
    let known: BTreeSet<String> = cases.iter().flat_map(|c| &c.pods).map(|pod| pod.uid.clone()).collect();
    let mut alike: BTreeMap<(Account, String, bool), Vec<usize>> = BTreeMap::new();
    for (at, case) in cases.iter().enumerate().filter(|(_, case)| !case.owner.is_empty()) {
        alike
            .entry((case.account.clone().into_owned(), case.owner.clone(), case.legacy))
            .or_default()
            .push(at);
    }
    let nobody = Rc::new(Client::unknown());
    let mut found: BTreeMap<(Account, String), Case<'f>> = BTreeMap::new();
    for pod in facts.clusters.iter().flat_map(|c| &c.pods) {
        if known.contains(pod.uid.as_str()) || pod.tokens.is_empty() {
            continue;
        }
        let account = Account { namespace: pod.namespace.clone(), name: pod.account.clone() };
        // Pods of one owner are alike: what was seen of one is told of all, and they make no second row.
        let legacy = pod.tokens.iter().all(|token| !token.kind.is_projected());
        if let Some(same) = alike.get(&(account.clone(), pod.owner.clone(), legacy)) {
            for at in same {
                cases[*at].name_pod(&pod.name);
                cases[*at].pods.push(pod);
            }
            continue;
        }
        let case = found.entry((account.clone(), pod.owner.clone())).or_insert_with(|| Case {
            cluster: facts.name(),
            account: Cow::Owned(account),
            owner: pod.owner.clone(),
            user_agent: "",
            client: nobody.clone(),
            seen: false,
            uses: Vec::new(),
            refused: Vec::new(),
            pods: Vec::new(),
            pod_names: Vec::new(),
            legacy: false,
        });
        case.name_pod(&pod.name);
        case.pods.push(pod);
    }
    cases.extend(found.into_values());
}

/// Letters that generated names are made of. Kubernetes 1.36: apimachinery/pkg/util/rand.
fn is_generated(part: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    lengths.contains(&part.len()) && part.bytes().all(|b| b"bcdfghjklmnpqrstvwxz2456789".contains(&b))
}

/// The owner that a pod's name suggests.
fn owner_of(pod: &str) -> String {
    let Some((rest, last)) = pod.rsplit_once('-') else { return format!("Pod/{pod}") };
    if is_generated(last, 5..=5) {
        return match rest.rsplit_once('-') {
            Some((name, hash)) if is_generated(hash, 6..=10) && !hash.bytes().all(|b| b.is_ascii_digit()) => {
                format!("Deployment/{name}")
            }
            Some((name, minutes)) if minutes.len() == 8 && minutes.bytes().all(|b| b.is_ascii_digit()) => {
                format!("CronJob/{name}")
            }
            _ => format!("Workload/{rest}"),
        };
    }
    if !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()) {
        return format!("StatefulSet/{rest}");
    }
    format!("Pod/{pod}")
}
