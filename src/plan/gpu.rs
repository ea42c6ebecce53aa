//! Decides how many pods share a workload's GPUs, and how many each gets.

use std::fmt;

use super::Refusal;
use super::request::autoscale::Scale;

/// Pods of a workload and the GPUs of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GpuLayout {
    /// Number of pods.
    pub replicas: i64,
    /// GPUs of each pod.
    pub gpus_per_replica: i64,
}

impl GpuLayout {
    /// Returns the GPUs of all pods together.
    pub fn total(self) -> i64 {
        self.replicas * self.gpus_per_replica
    }
}

impl fmt::Display for GpuLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} × {}", self.replicas, self.gpus_per_replica)
    }
}

/// What a workload's own variables are called together.
const PARALLELISM: &str = "PIPELINE_PARALLELISM × TENSOR_PARALLELISM";

/// What the user said about GPUs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GpuRequest {
    /// GPUs in total.
    pub total: Option<i64>,
    /// Pods.
    pub replicas: Option<i64>,
    /// GPUs of each pod.
    pub gpus_per_replica: Option<i64>,
    /// `PIPELINE_PARALLELISM` and `TENSOR_PARALLELISM` among the workload's
    /// own variables: pods, and GPUs of each, by the original kaiwo's rule.
    pub parallelism: Option<(i64, i64)>,
}

impl GpuRequest {
    /// Returns whether one pod could be asked to hold more than one GPU: then
    /// the size of a node has to be known.
    pub fn needs_node_size(&self) -> bool {
        self.counts().any(|gpus| gpus > 1)
    }

    /// Returns every count of GPUs that the request says.
    fn counts(&self) -> impl Iterator<Item = i64> {
        // A stated shape sets the workload's own parallelism aside.
        let stated = self.replicas.is_some() || self.gpus_per_replica.is_some();
        let tensor = self
            .parallelism
            .filter(|_| !stated)
            .map(|(_, tensor)| tensor);
        [self.total, self.gpus_per_replica, tensor]
            .into_iter()
            .flatten()
    }

    /// Returns whether any GPU is asked for.
    pub fn wants_gpus(&self) -> bool {
        self.counts().any(|gpus| gpus > 0)
    }

    /// Returns how many GPUs a node is taken to have where the largest of today has
    /// `seen`: what a pod is said to have is believed, because larger nodes may be
    /// added on demand.
    pub fn size_of_nodes(&self, seen: i64) -> i64 {
        let shared = match (self.total, self.replicas) {
            (Some(total), Some(replicas @ 1..)) => Some(total / replicas),
            _ => None,
        };
        let stated = self.gpus_per_replica.or(shared);
        let tensor = self.parallelism.map(|(_, tensor)| tensor);
        seen.max(stated.or(tensor).unwrap_or(0))
    }

    /// Returns the request of a service that is scaled: its GPUs are those of
    /// the most replicas.
    ///
    /// # Errors
    /// [`Refusal`] if these cannot share them evenly.
    pub fn scaled(mut self, scale: Scale) -> Result<Self, Refusal> {
        if let (Some(total), None) = (self.total, self.gpus_per_replica)
            && total > 0
        {
            let most = format!("the {} replicas of --autoscale {scale}", scale.max);
            even(total, scale.max, &most).map_err(|refusal| {
                refusal.hint("use --gpus-per-replica instead to set the GPUs of each replica")
            })?;
        }
        self.replicas = Some(scale.max);
        Ok(self)
    }

    /// Splits the request over nodes of `per_node` GPUs each.
    ///
    /// A total alone becomes one pod if a node holds it, else pods of its
    /// largest divisor that a node holds (the original kaiwo's rule). Splits
    /// that leave more than half of every node idle are refused.
    ///
    /// # Errors
    /// [`Refusal`] with the nearest counts that work.
    pub fn split(&self, per_node: i64) -> Result<GpuLayout, Refusal> {
        for (count, what) in [
            (self.total, "GPUs"),
            (self.replicas, "replicas"),
            (self.gpus_per_replica, "GPUs per replica"),
        ] {
            if let Some(count) = count.filter(|count| *count < 0) {
                return Err(Refusal::new(format!(
                    "invalid number of {what} {count}: must be 0 or more"
                ))
                .hint(if what == "replicas" {
                    "try 1"
                } else {
                    "try 0 or 1"
                }));
            }
        }
        if self.replicas == Some(0) {
            return Err(
                Refusal::new("invalid number of replicas 0: must be 1 or more")
                    .hint("try --replicas 1"),
            );
        }
        let layout = match (self.replicas, self.gpus_per_replica, self.parallelism) {
            (Some(replicas), Some(gpus_per_replica), _) => self.stated(
                replicas,
                gpus_per_replica,
                "--replicas × --gpus-per-replica",
            )?,
            (Some(replicas), None, _) => {
                let gpus_per_replica = even(
                    self.total.unwrap_or(0),
                    replicas,
                    &format!("--replicas {replicas}"),
                )?;
                GpuLayout {
                    replicas,
                    gpus_per_replica,
                }
            }
            (None, Some(gpus_per_replica), _) => {
                let replicas = match self.total {
                    Some(total) if gpus_per_replica > 0 => even(
                        total,
                        gpus_per_replica,
                        &format!("--gpus-per-replica {gpus_per_replica}"),
                    )?
                    .max(1),
                    _ => 1,
                };
                self.stated(replicas, gpus_per_replica, "--gpus-per-replica")?
            }
            (None, None, Some((pipeline, tensor))) => self.stated(pipeline, tensor, PARALLELISM)?,
            (None, None, None) => return split_total(self.total.unwrap_or(0), per_node),
        };
        if layout.gpus_per_replica > per_node {
            return Err(Refusal::new(format!(
                "{} GPUs per replica do not fit on a node of {per_node}",
                layout.gpus_per_replica
            ))
            .hint(format!(
                "try --gpus-per-replica {per_node}, or -g alone to let kaiwo split"
            )));
        }
        Ok(layout)
    }

    /// Returns the layout that was stated, if it agrees with a stated total.
    fn stated(&self, replicas: i64, gpus_per_replica: i64, by: &str) -> Result<GpuLayout, Refusal> {
        let layout = GpuLayout {
            replicas,
            gpus_per_replica,
        };
        let product = replicas.checked_mul(gpus_per_replica).ok_or_else(|| {
            Refusal::new(format!("{layout} GPUs: the number is too large")).hint("try -g alone")
        })?;
        match self.total {
            Some(total) if total != product => Err(Refusal::new(format!(
                "{total} GPUs were requested, but {by} gives {layout} = {product}"
            ))
            .hint(match by {
                PARALLELISM => format!("try -g {product}, or remove both variables from env"),
                _ => format!("try -g {product}, or -g {total} without {by}"),
            })),
            _ => Ok(layout),
        }
    }
}

/// Divides `total` by a stated count that must divide it.
fn even(total: i64, by: i64, stated: &str) -> Result<i64, Refusal> {
    if total % by == 0 {
        return Ok(total / by);
    }
    let gpus = match total {
        1 => "1 GPU does".to_owned(),
        total => format!("{total} GPUs do"),
    };
    Err(
        Refusal::new(format!("{gpus} not divide evenly by {stated}"))
            .hint(nearest_multiples(total, by)),
    )
}

fn split_total(total: i64, per_node: i64) -> Result<GpuLayout, Refusal> {
    if total <= per_node {
        return Ok(GpuLayout {
            replicas: 1,
            gpus_per_replica: total,
        });
    }
    let gpus_per_replica = (1..=per_node)
        .rev()
        .find(|size| total % size == 0)
        .unwrap_or(1);
    if gpus_per_replica * 2 < per_node {
        return Err(Refusal::new(format!(
            "{total} GPUs cannot be split over nodes of {per_node}: the largest even share is {gpus_per_replica} of {per_node} on {} nodes",
            total / gpus_per_replica
        ))
        .hint(nearest_multiples(total, per_node)));
    }
    Ok(GpuLayout {
        replicas: total / gpus_per_replica,
        gpus_per_replica,
    })
}

/// Returns the words for the multiples of `size` around `count`.
fn nearest_multiples(count: i64, size: i64) -> String {
    let below = count / size * size;
    match below {
        0 => format!("try -g {size}"),
        below => format!("try -g {below} or -g {}", below.saturating_add(size)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn total(total: i64) -> GpuRequest {
        GpuRequest {
            total: Some(total),
            ..GpuRequest::default()
        }
    }

    #[test]
    fn the_table_of_the_original_holds() {
        for (gpus, per_node, replicas, each) in [
            (4, 8, 1, 4),
            (16, 8, 2, 8),
            (18, 8, 3, 6),
            (0, 4, 1, 0),
            (8, 8, 1, 8),
        ] {
            assert_eq!(
                total(gpus).split(per_node),
                Ok(GpuLayout {
                    replicas,
                    gpus_per_replica: each
                }),
                "{gpus} on {per_node}"
            );
        }
    }

    #[test]
    fn what_does_not_split_comes_with_counts_that_do() {
        let refusal = total(25).split(4).unwrap_err();
        assert_eq!(refusal.hints, ["try -g 24 or -g 28"]);
        let refusal = total(-1).split(8).unwrap_err();
        assert!(refusal.message.contains("GPUs -1"), "{refusal}");
        assert_eq!(refusal.hints, ["try 0 or 1"]);
        let refusal = GpuRequest {
            replicas: Some(3),
            ..total(16)
        }
        .split(8)
        .unwrap_err();
        assert_eq!(refusal.hints, ["try -g 15 or -g 18"]);
        let refusal = GpuRequest {
            replicas: Some(5),
            ..total(3)
        }
        .split(8)
        .unwrap_err();
        assert_eq!(refusal.hints, ["try -g 5"]);
    }

    #[test]
    fn one_stated_count_combines_with_the_total() {
        let split = |request: GpuRequest| request.split(8).map(|layout| layout.to_string());
        assert_eq!(
            split(GpuRequest {
                replicas: Some(4),
                ..total(16)
            })
            .unwrap(),
            "4 × 4"
        );
        assert_eq!(
            split(GpuRequest {
                gpus_per_replica: Some(4),
                ..total(16)
            })
            .unwrap(),
            "4 × 4"
        );
        assert_eq!(
            split(GpuRequest {
                gpus_per_replica: Some(2),
                ..GpuRequest::default()
            })
            .unwrap(),
            "1 × 2"
        );
        assert_eq!(
            split(GpuRequest {
                replicas: Some(3),
                ..GpuRequest::default()
            })
            .unwrap(),
            "3 × 0"
        );
        assert!(
            split(GpuRequest {
                replicas: Some(1),
                ..total(16)
            })
            .is_err()
        );
        assert!(
            split(GpuRequest {
                replicas: Some(2),
                gpus_per_replica: Some(4),
                ..total(16)
            })
            .is_err()
        );
    }

    #[test]
    fn parallelism_of_the_workload_is_honoured() {
        let request = GpuRequest {
            parallelism: Some((2, 4)),
            ..total(8)
        };
        assert_eq!(request.split(8).unwrap().to_string(), "2 × 4");
        assert!(request.split(2).is_err());
        assert!(
            GpuRequest {
                parallelism: Some((2, 4)),
                ..total(16)
            }
            .split(8)
            .is_err()
        );
        let typed = GpuRequest {
            replicas: Some(1),
            parallelism: Some((2, 4)),
            ..total(8)
        };
        assert_eq!(typed.split(8).unwrap().to_string(), "1 × 8");
    }

    proptest! {
        #[test]
        fn a_split_keeps_every_gpu_and_fits_its_nodes(gpus in 0_i64..5_000, per_node in 1_i64..33) {
            match total(gpus).split(per_node) {
                Ok(layout) => {
                    prop_assert_eq!(layout.total(), gpus);
                    prop_assert!(layout.replicas >= 1);
                    prop_assert!(layout.gpus_per_replica <= per_node);
                    prop_assert!(gpus <= per_node || layout.gpus_per_replica * 2 >= per_node);
                    // No larger even share would have fitted.
                    let larger = (layout.gpus_per_replica + 1..=per_node.min(gpus)).find(|s| gpus % s == 0);
                    prop_assert_eq!(larger, None);
                }
                Err(refusal) => {
                    for word in refusal.hints[0].plain().split_whitespace() {
                        if let Ok(count) = word.parse::<i64>() {
                            prop_assert!(total(count).split(per_node).is_ok(), "hint {} on {}", count, per_node);
                        }
                    }
                }
            }
        }

        #[test]
        fn no_request_panics(
            total in proptest::option::of(any::<i64>()),
            replicas in proptest::option::of(any::<i64>()),
            gpus_per_replica in proptest::option::of(any::<i64>()),
            per_node in 1_i64..65,
        ) {
            let request = GpuRequest { total, replicas, gpus_per_replica, parallelism: None };
            if let Ok(layout) = request.split(per_node) {
                prop_assert!(layout.gpus_per_replica <= per_node);
                prop_assert!(total.is_none_or(|total| total == layout.total()));
            }
        }
    }
}
