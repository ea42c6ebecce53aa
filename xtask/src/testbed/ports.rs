//! The ports of a testbed's programs.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::Result;
use serde::{Deserialize, Serialize};

macro_rules! ports {
    ($( $name:ident = $inside:literal, )*) => {
        /// The ports inside; with namespaces they are the same for every testbed.
        #[derive(Clone, Copy, Debug, Serialize, Deserialize)]
        pub struct Ports {
            pub api: u16,
            $( pub $name: u16, )*
        }

        impl Ports {
            pub const NAMESPACED: Self = Self {
                api: 6443,
                $( $name: $inside, )*
            };

            /// Returns ports that are free now, with the API on a given one.
            pub fn free(api: u16) -> Result<Self> {
                // All are held open until all are known, so that no two are the same.
                $( let $name = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?; )*
                Ok(Self {
                    api,
                    $( $name: $name.local_addr()?.port(), )*
                })
            }
        }
    };
}

ports! {
    etcd = 2379,
    etcd_peer = 2380,
    webhooks = 9443,
    kueue_metrics = 9081,
    kueue_health = 9082,
    visibility = 8082,
    metrics = 4443,
    kwok = 10250,
    kuberay_metrics = 9091,
    kuberay_health = 9092,
    kaito_metrics = 9093,
    kaito_health = 9094,
    jobset_webhooks = 9444,
    jobset_health = 9095,
    lws_webhooks = 9445,
    lws_health = 9096,
    trainer_webhooks = 9446,
    trainer_health = 9097,
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn free_ports_differ() {
        let Value::Object(ports) = serde_json::to_value(Ports::free(1).unwrap()).unwrap() else {
            unreachable!()
        };
        let distinct: std::collections::BTreeSet<u64> =
            ports.values().filter_map(Value::as_u64).collect();
        assert_eq!(distinct.len(), 19);
    }
}
