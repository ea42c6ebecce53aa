//! Puts accounts together from what is read page by page.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::jiff::Timestamp;

use super::{Account, Bound, GpuTime, Period, between};
use crate::api::keys::CONTROLLER_UID_LABEL;
use crate::api::kueue_workload::KueueWorkload;
use crate::api::pod::Pod;
use crate::api::workload::Workload;
use crate::observe::kind::own_failure;

/// Accounts in the making.
#[derive(Debug)]
pub struct Ledger {
    period: Period,
    /// Of Kueue's Workloads.
    queued: Vec<Account>,
    /// Of Jobs and RayJobs, by UID.
    jobs: BTreeMap<String, Account>,
    /// When a container failed and with which exit code, by the UID of its Job,
    /// and by namespace and Workload.
    failures: HashMap<String, (Option<Timestamp>, i64)>,
}

impl Ledger {
    /// Begins accounts of a period.
    pub fn new(period: Period) -> Self {
        Self {
            period,
            queued: Vec::new(),
            jobs: BTreeMap::new(),
            failures: HashMap::new(),
        }
    }

    /// Adds Kueue's Workload of something.
    pub fn add_queued(&mut self, queued: &KueueWorkload) {
        self.queued.push(Account::of_queued(queued, self.period));
    }

    /// Adds a Job or RayJob. What belongs to an object that Kueue queues as a whole
    /// is part of that one.
    pub fn add_job(&mut self, job: &Workload) {
        let owners = &job.metadata.owner_references;
        let is_part = |kind: &str| kind != "CronJob" && job.queue().is_none();
        if !owners.iter().any(|owner| is_part(&owner.kind)) {
            let account = Account::of_job(job, self.period);
            self.jobs.insert(job.metadata.uid.clone(), account);
        }
    }

    /// Returns whether a pod tells the exit code of something that has ended since.
    pub fn needs_pods(&self, since: Timestamp) -> bool {
        let all = self.queued.iter().chain(self.jobs.values());
        let mut ended = all.filter(|one| one.ended_at.is_some_and(|end| end >= since));
        ended.any(|one| one.asks_pods)
    }

    /// Adds a pod that failed.
    pub fn add_failed_pod(&mut self, pod: &Pod) {
        let Some(failure) = own_failure(pod) else {
            return;
        };
        let Pod { metadata, .. } = pod;
        let workload = &metadata.annotations.workload;
        let of_workload = (!workload.is_empty()).then(|| place(&metadata.namespace, workload));
        let of_job = metadata.label(CONTROLLER_UID_LABEL).map(str::to_owned);
        for key in of_job.into_iter().chain(of_workload) {
            let first = self.failures.entry(key).or_insert(failure);
            *first = (*first).min(failure);
        }
    }

    /// Returns the accounts, what ended first first, and what has not ended last.
    pub fn accounts(self) -> Vec<Account> {
        let Self {
            queued,
            mut jobs,
            failures,
            ..
        } = self;
        let mut accounts = merged(queued);
        for account in &mut accounts {
            if let Some(job) = jobs.remove(&account.uid) {
                account.add(job);
            }
        }
        accounts.extend(jobs.into_values());
        for account in accounts.iter_mut().filter(|account| account.asks_pods) {
            let of_workload = place(&account.namespace, &account.workload);
            let failure = failures.get(&account.uid).or(failures.get(&of_workload));
            account.exit_code = failure.map(|(_, code)| *code);
        }
        let end = |account: &Account| account.ended_at.unwrap_or(Timestamp::MAX);
        accounts.sort_by(|a, b| (end(a), &a.name).cmp(&(end(b), &b.name)));
        accounts
    }
}

fn place(namespace: &str, workload: &str) -> String {
    format!("{namespace}/{workload}")
}

/// Adds the Workloads that were replaced, because their number of pods changed, to
/// those that took over: they are one run.
fn merged(mut queued: Vec<Account>) -> Vec<Account> {
    // Several can be of one second, and the last of them was not replaced.
    let order = |it: &Account| (it.uid.clone(), it.created_at, !it.is_replaced, it.ended_at);
    queued.sort_by_cached_key(order);
    let mut accounts: Vec<Account> = Vec::with_capacity(queued.len());
    for mut account in queued {
        match accounts.last() {
            Some(before)
                if before.is_replaced && !account.uid.is_empty() && before.uid == account.uid =>
            {
                let before = before.clone();
                account.follow(before);
                accounts.pop();
                accounts.push(account);
            }
            _ => accounts.push(account),
        }
    }
    accounts
}

impl Account {
    /// Adds the Workload that this one took over from.
    fn follow(&mut self, before: Self) {
        // For a moment both are admitted.
        let twice = match (self.admitted_at, before.ended_at) {
            (Some(begin), Some(end)) => between(begin, end),
            _ => 0,
        };
        let overlap = GpuTime::new(before.gpus, -twice, Bound::Exact);
        self.gpu_time = self.gpu_time.and(before.gpu_time);
        if before.gpu_time.seconds >= -overlap.seconds {
            self.gpu_time = self.gpu_time.and(overlap);
        }
        self.ran = self
            .ran
            .zip(before.ran)
            .map(|(own, before)| own + (before - twice).max(0));
        self.waited = before.waited;
        self.attempts += before.attempts - 1;
        self.created_at = before.created_at;
        self.ran_in_period |= before.ran_in_period;
        self.admitted_at = before.admitted_at;
    }
}
