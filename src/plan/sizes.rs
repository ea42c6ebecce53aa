//! How large the pods of a workload are: what is stated, and what is usual where nothing
//! is.

use super::request::pod::PodSettings;
use super::request::sizes::Sizes;
use crate::quantity::Quantity;

/// CPU and memory of one pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodResources {
    pub cpu: Quantity,
    /// Memory in bytes.
    pub memory: Quantity,
}

/// What of a pod is sized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    Cpu,
    Memory,
}

impl Dimension {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Cpu, Self::Memory];

    /// Returns what a resource of this name is of.
    pub fn named(resource: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|it| it.resource() == resource)
    }

    /// Returns the name of the resource.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }

    /// Returns the sizes that kaiwo chooses among, below `most` and from it on down:
    /// whole CPUs and GiB as long as there is one, for they are what people write.
    pub fn steps(self, most: Quantity) -> impl Iterator<Item = Quantity> {
        let (unit, fractions) = match self {
            Self::Cpu => (Quantity::units(1), [750, 500, 250].map(Quantity::milli)),
            Self::Memory => (
                Quantity::gib(1),
                [768, 512, 256].map(|mebi| Quantity::units(mebi << 20)),
            ),
        };
        let whole = (1..=most.holds(unit)).rev().map(move |count| unit * count);
        let steps = whole.chain(fractions.into_iter().filter(move |it| *it <= most));
        std::iter::once(most).chain(steps.filter(move |it| *it != most))
    }

    /// Returns the largest of these sizes that is within `amount`; nothing if it is too
    /// little for any.
    pub fn within(self, amount: Quantity) -> Option<Quantity> {
        let (whole, most_of_less) = match self {
            Self::Cpu => (Quantity::units(amount.whole()), Quantity::milli(750)),
            Self::Memory => (
                Quantity::gib(amount.holds(Quantity::gib(1))),
                Quantity::units(768 << 20),
            ),
        };
        let most = match whole > Quantity::default() {
            true => whole,
            false => most_of_less,
        };
        self.steps(most).find(|step| *step <= amount)
    }
}

/// So much of a resource for a pod, or for each of its GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// How much.
    pub each: Quantity,
    /// GPUs for each of which it is; 0 for the pod as a whole.
    pub gpus: i64,
    /// Whether kaiwo chooses it, because the user does not.
    pub is_chosen: bool,
}

impl Share {
    fn of_pod(stated: Option<Quantity>, usual: Quantity) -> Self {
        Self {
            each: stated.unwrap_or(usual),
            gpus: 0,
            is_chosen: stated.is_none(),
        }
    }

    /// Returns how much the pod has.
    pub fn total(self) -> Quantity {
        self.each * self.gpus.max(1)
    }
}

/// The size of one pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodSize {
    pub cpu: Share,
    pub memory: Share,
}

impl PodSize {
    /// Returns what it has of a resource.
    pub fn share(&self, dimension: Dimension) -> Share {
        match dimension {
            Dimension::Cpu => self.cpu,
            Dimension::Memory => self.memory,
        }
    }

    /// Sets what it has of a resource.
    pub fn set(&mut self, dimension: Dimension, each: Quantity) {
        match dimension {
            Dimension::Cpu => self.cpu.each = each,
            Dimension::Memory => self.memory.each = each,
        }
    }

    /// Returns what the pod requests.
    pub fn resources(&self) -> PodResources {
        PodResources {
            cpu: self.cpu.total(),
            memory: self.memory.total(),
        }
    }
}

/// The sizes of a workload's pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodSizes {
    /// Of each pod that works.
    pub worker: PodSize,
    /// Of a Ray head.
    pub head: PodSize,
    /// Size of `/dev/shm` in a pod that works; half its memory if it is not stated.
    pub shm: Option<Quantity>,
}

impl PodSizes {
    /// Returns the sizes that are stated, and for the others the usual ones: those of the
    /// original kaiwo. A Ray head coordinates and computes nothing.
    pub fn usual(pods: &PodSettings, gpus: i64) -> Self {
        let stated = &pods.sizes;
        let share = |of_pod: Option<Quantity>, of_gpu: Option<Quantity>, each, alone| match gpus {
            1.. if of_pod.is_none() => Share {
                gpus,
                ..Share::of_pod(of_gpu, each)
            },
            _ => Share::of_pod(of_pod, alone),
        };
        let (cpus, memory) = (pods.cpus_per_gpu, pods.memory_per_gpu);
        Self {
            worker: PodSize {
                cpu: share(stated.cpus, cpus, Quantity::units(4), Quantity::units(1)),
                memory: share(stated.memory, memory, Quantity::gib(32), Quantity::gib(4)),
            },
            head: PodSize {
                cpu: Share::of_pod(stated.head_cpus, Quantity::units(2)),
                memory: Share::of_pod(stated.head_memory, Quantity::gib(16)),
            },
            shm: stated.shm,
        }
    }

    /// Returns the size of `/dev/shm` in a pod that works.
    pub fn shared_memory(&self) -> Quantity {
        self.shm.unwrap_or(self.worker.memory.total().half())
    }

    /// Returns what of each is less in either.
    #[must_use]
    pub fn least(mut self, other: &Self) -> Self {
        for dimension in Dimension::ALL {
            for (own, other) in [
                (&mut self.worker, &other.worker),
                (&mut self.head, &other.head),
            ] {
                own.set(
                    dimension,
                    own.share(dimension).each.min(other.share(dimension).each),
                );
            }
        }
        self
    }

    /// Returns the flags that state what differs from `usual`.
    pub fn flags(&self, usual: &Self) -> Vec<String> {
        let none = Sizes::default();
        let sizes = [(Role::Worker(none), &self.worker, &usual.worker)];
        let sizes = sizes
            .into_iter()
            .chain([(Role::Head, &self.head, &usual.head)]);
        let differing = sizes.flat_map(|(role, own, usual)| {
            let both = Dimension::ALL.into_iter();
            both.filter(move |it| own.share(*it) != usual.share(*it))
                .filter_map(move |it| {
                    let share = own.share(it);
                    let (flag, _) = role.flag(it, share.gpus)?;
                    Some(format!("{flag} {}", share.each))
                })
        });
        differing.collect()
    }
}

/// What a pod is for, which decides the flags of its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It does the work; what is stated of its size.
    Worker(Sizes),
    /// It is the head of a Ray cluster.
    Head,
    /// Its size cannot be chosen.
    Other,
}

impl Role {
    /// Returns the flag of the size of a pod with so many GPUs, and how many times what it
    /// says counts.
    pub fn flag(self, dimension: Dimension, gpus: i64) -> Option<(&'static str, i64)> {
        let Self::Worker(stated) = self else {
            let of_head = match dimension {
                Dimension::Cpu => "--head-cpus",
                Dimension::Memory => "--head-memory",
            };
            return (self == Self::Head).then_some((of_head, 1));
        };
        let (of_pod, of_gpu, stated) = match dimension {
            Dimension::Cpu => ("--cpus", "--cpus-per-gpu", stated.cpus),
            Dimension::Memory => ("--memory", "--memory-per-gpu", stated.memory),
        };
        Some(match gpus > 0 && stated.is_none() {
            true => (of_gpu, gpus),
            false => (of_pod, 1),
        })
    }

    /// Returns the flag with which such a pod asks for no more of a resource than `most`.
    pub fn at_most(self, resource: &str, gpus: i64, most: Quantity) -> Option<String> {
        let dimension = Dimension::named(resource)?;
        let (flag, times) = self.flag(dimension, gpus)?;
        let each = dimension.within(most.part(times))?;
        Some(format!("{flag} {each}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(dimension: Dimension, most: &str) -> Vec<String> {
        let steps = dimension.steps(most.parse().unwrap());
        steps.map(|step| step.to_string()).collect()
    }

    #[test]
    fn sizes_are_those_that_people_write() {
        assert_eq!(
            steps(Dimension::Cpu, "2"),
            ["2", "1", "750m", "500m", "250m"]
        );
        assert_eq!(
            steps(Dimension::Memory, "2Gi"),
            ["2Gi", "1Gi", "768Mi", "512Mi", "256Mi"]
        );
        let within = |dimension: Dimension, amount: &str| {
            let within = dimension.within(amount.parse().unwrap());
            within.map_or("none".to_owned(), |within| within.to_string())
        };
        for (amount, expected) in [("3920m", "3"), ("999m", "750m"), ("249m", "none")] {
            assert_eq!(within(Dimension::Cpu, amount), expected);
        }
        for (amount, expected) in [("15.6Gi", "15Gi"), ("700Mi", "512Mi"), ("1Mi", "none")] {
            assert_eq!(within(Dimension::Memory, amount), expected);
        }
    }

    #[test]
    fn a_pod_is_sized_as_a_whole_or_by_its_gpus() {
        let mut pods = PodSettings::default();
        let told = |pods: &PodSettings, gpus: i64| {
            let sizes = PodSizes::usual(pods, gpus);
            let PodResources { cpu, memory } = sizes.worker.resources();
            format!("{cpu} {memory} {}", sizes.shared_memory())
        };
        assert_eq!(told(&pods, 0), "1 4Gi 2Gi");
        assert_eq!(told(&pods, 8), "32 256Gi 128Gi");
        pods.cpus_per_gpu = Some(Quantity::units(6));
        pods.sizes.memory = Some(Quantity::gib(100));
        pods.sizes.shm = Some(Quantity::gib(10));
        assert_eq!(told(&pods, 8), "48 100Gi 10Gi");
        assert_eq!(told(&pods, 0), "1 100Gi 10Gi");
        let worker = Role::Worker(pods.sizes);
        let at_most = |role: Role, resource: &str, most: &str| {
            let flag = role.at_most(resource, 8, most.parse().unwrap());
            flag.unwrap_or_default()
        };
        assert_eq!(at_most(worker, "cpu", "30"), "--cpus-per-gpu 3");
        assert_eq!(at_most(worker, "memory", "30Gi"), "--memory 30Gi");
        assert_eq!(at_most(Role::Head, "cpu", "1500m"), "--head-cpus 1");
        assert_eq!(at_most(Role::Other, "cpu", "4"), "");
        assert_eq!(at_most(worker, "pods", "4"), "");
    }
}
