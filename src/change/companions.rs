//! The kinds of object that go with a service.

/// Kind of what scales a service.
pub const AUTOSCALER: &str = "HorizontalPodAutoscaler";

/// What kaiwo's own templates make beside a service, and what a later version
/// may do without.
pub const COMPANIONS: [(&str, &str); 4] = [
    ("v1", "Service"),
    ("networking.k8s.io/v1", "Ingress"),
    ("autoscaling/v2", AUTOSCALER),
    ("policy/v1", "PodDisruptionBudget"),
];
