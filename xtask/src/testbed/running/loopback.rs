//! Brings up loopback in a fresh network namespace and makes every pod address local to it.
//!
//! This is `ip link set lo up`, `ip route add local 10.1.0.0/16 dev lo` and, for a real node, `ip addr add ... dev lo`,
//! spoken to the kernel directly because a minimal machine has `unshare` but not always `ip`.

use anyhow::{Context, Result, bail, ensure};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

/// In a new network namespace loopback is always the first interface.
const LOOPBACK: u32 = 1;
/// The addresses KWOK gives to pods; see `POD_CIDR` in `daemons`.
const PODS: [u8; 4] = [10, 1, 0, 0];
const PODS_PREFIX: u8 = 16;

/// The addresses of Services; see `SERVICE_CIDR` in `daemons`.
const SERVICES: [u8; 4] = [10, 0, 0, 0];
const SERVICES_PREFIX: u8 = 24;

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const NLMSG_ERROR: u16 = 2;
/// Request, acknowledged, creating what is not there.
const FLAGS: u16 = 0x1 | 0x4 | 0x400;
const IFF_UP: u32 = 1;
const AF_INET: u8 = 2;
const RT_TABLE_MAIN: u8 = 254;
const RT_TABLE_LOCAL: u8 = 255;
const RTPROT_BOOT: u8 = 3;
const RT_SCOPE_HOST: u8 = 254;
const RT_SCOPE_LINK: u8 = 253;
const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_PREFSRC: u16 = 7;

/// Sets loopback up, routes the pods' addresses to it, and gives it these addresses of its own. With any, Services have
/// a route, too.
pub fn bring_up(addresses: &[[u8; 4]]) -> Result<()> {
    request(RTM_NEWLINK, &link_up()).context("failed to bring up loopback in the namespace")?;
    request(RTM_NEWROUTE, &pod_route())
        .context("failed to route the pods' addresses in the namespace")?;
    for address in addresses {
        request(RTM_NEWADDR, &own_address(*address))
            .context("failed to give the node its addresses in the namespace")?;
    }
    if let Some(first) = addresses.first() {
        request(RTM_NEWROUTE, &service_route(*first))
            .context("failed to route the addresses of Services in the namespace")?;
    }
    Ok(())
}

fn link_up() -> Vec<u8> {
    // struct ifinfomsg: family, padding, type, index, flags, mask of the flags to change.
    let mut body = vec![0; 4];
    body.extend(LOOPBACK.to_ne_bytes());
    body.extend(IFF_UP.to_ne_bytes());
    body.extend(IFF_UP.to_ne_bytes());
    body
}

/// Returns the route that makes every address of pods local.
fn pod_route() -> Vec<u8> {
    route(
        PODS_PREFIX,
        [RT_TABLE_LOCAL, RTPROT_BOOT, RT_SCOPE_HOST, RTN_LOCAL],
        &[(RTA_DST, PODS), (RTA_OIF, LOOPBACK.to_ne_bytes())],
    )
}

/// Returns the route by which what the node itself sends to a Service gets as far as kube-proxy's rules.
fn service_route(source: [u8; 4]) -> Vec<u8> {
    route(
        SERVICES_PREFIX,
        [RT_TABLE_MAIN, RTPROT_BOOT, RT_SCOPE_LINK, RTN_UNICAST],
        &[
            (RTA_DST, SERVICES),
            (RTA_OIF, LOOPBACK.to_ne_bytes()),
            (RTA_PREFSRC, source),
        ],
    )
}

fn route(prefix: u8, kind: [u8; 4], attributes: &[(u16, [u8; 4])]) -> Vec<u8> {
    // struct rtmsg: family, lengths of destination and source, tos; table, protocol, scope, type; flags.
    let mut body = vec![AF_INET, prefix, 0, 0];
    body.extend(kind);
    body.extend([0; 4]);
    for (kind, value) in attributes {
        body.extend(8u16.to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(value);
    }
    body
}

fn own_address(address: [u8; 4]) -> Vec<u8> {
    // struct ifaddrmsg: family, length of the prefix, flags, scope, index.
    let mut body = vec![AF_INET, 32, 0, 0];
    body.extend(LOOPBACK.to_ne_bytes());
    for kind in [IFA_LOCAL, IFA_ADDRESS] {
        body.extend(8u16.to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(address);
    }
    body
}

fn request(kind: u16, body: &[u8]) -> Result<()> {
    // The protocol for routes and links is number zero, which is how rustix spells no protocol.
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )?;
    send(&socket, &message(kind, body), SendFlags::empty())?;
    let mut reply = vec![0u8; 4096];
    let (_, length) = recv(&socket, &mut reply[..], RecvFlags::empty())?;
    match acknowledged(&reply[..length])? {
        0 => Ok(()),
        code => Err(std::io::Error::from_raw_os_error(-code).into()),
    }
}

fn message(kind: u16, body: &[u8]) -> Vec<u8> {
    // struct nlmsghdr: length, type, flags, sequence number, port.
    let length = 16 + body.len() as u32;
    let mut message = Vec::with_capacity(length as usize);
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(FLAGS.to_ne_bytes());
    message.extend(1u32.to_ne_bytes());
    message.extend(0u32.to_ne_bytes());
    message.extend(body);
    message
}

/// Returns the error number of an acknowledgement, negative as the kernel sends it; zero is success.
fn acknowledged(reply: &[u8]) -> Result<i32> {
    ensure!(
        reply.len() >= 20,
        "the kernel's answer is only {} bytes long",
        reply.len()
    );
    let kind = u16::from_ne_bytes([reply[4], reply[5]]);
    if kind != NLMSG_ERROR {
        bail!("the kernel answered with message type {kind}, not an acknowledgement");
    }
    Ok(i32::from_ne_bytes([
        reply[16], reply[17], reply[18], reply[19],
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_states_its_own_length() {
        let message = message(RTM_NEWROUTE, &pod_route());
        assert_eq!(message.len(), 16 + 12 + 8 + 8);
        assert_eq!(message[..4], 44u32.to_ne_bytes());
    }

    #[test]
    fn the_route_covers_the_pods() {
        let route = pod_route();
        assert_eq!(route[1], 16);
        assert_eq!(route[16..20], [10, 1, 0, 0]);
        assert_eq!(route[24..28], 1u32.to_ne_bytes());
    }

    #[test]
    fn an_address_is_one_of_loopback_only() {
        let address = own_address([10, 3, 0, 1]);
        assert_eq!(address[..8], [2, 32, 0, 0, 1, 0, 0, 0]);
        assert_eq!(address[12..16], [10, 3, 0, 1]);
        assert_eq!(address.len(), 24);
    }

    #[test]
    fn a_refusal_keeps_its_error_number() {
        let mut reply = vec![0; 36];
        reply[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        reply[16..20].copy_from_slice(&(-1i32).to_ne_bytes());
        assert_eq!(acknowledged(&reply).unwrap(), -1);
        assert!(acknowledged(&reply[..10]).is_err());
    }
}
