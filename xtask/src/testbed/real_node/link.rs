//! The network between the testbed's namespace and that of a node that has its own: a pair of devices, and routes.
//!
//! Whichever namespace ends, the kernel removes both devices.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::check::path;
use super::nodes::{NODES, Node};

/// The node's end of the pair; the other is called as the node.
const UPLINK: &str = "uplink";
/// How long a process may take to have its namespace.
const LIMIT: Duration = Duration::from_secs(60);

/// Joins the network namespace of a node's process to that of this process. The node's own loopback and addresses are
/// set up here, too.
pub fn connect(node: Node, pid: u32) -> Result<()> {
    wait_for_namespace(pid)?;
    let name = node.name;
    ip(
        None,
        &[format!(
            "link add {name} type veth peer name {UPLINK} netns {pid}"
        )],
    )?;
    restore(node)?;
    let [first, ..] = NODES;
    ip(
        Some(pid),
        &[
            "link set lo up".to_owned(),
            format!("address add {}/32 dev {UPLINK}", node.address),
            format!("link set {UPLINK} up"),
            format!("route add {} dev {UPLINK}", first.address),
            format!("route add default via {} dev {UPLINK}", first.address),
        ],
    )
}

/// Cuts a node off, as if somebody had pulled its cable.
pub fn cut(node: Node) -> Result<()> {
    ip(None, &[format!("link set {} down", node.name)])
}

/// Makes the testbed reach a node and its pods. The kernel forgets routes by a device that goes down.
pub fn restore(node: Node) -> Result<()> {
    let Node {
        name,
        address,
        pods,
    } = node;
    let source = NODES[0].address;
    ip(
        None,
        &[
            format!("link set {name} up"),
            format!("route replace {address} dev {name} src {source}"),
            format!("route replace {pods} via {address} dev {name} src {source}"),
        ],
    )
}

/// Waits until a process that is to have a network namespace of its own is in it.
fn wait_for_namespace(pid: u32) -> Result<()> {
    let namespace =
        |process: &str| std::fs::read_link(Path::new("/proc").join(process).join("ns/net"));
    let own = namespace("self").context("failed to read the network namespace")?;
    let start = Instant::now();
    while namespace(&pid.to_string()).is_ok_and(|its| its == own) {
        if start.elapsed() > LIMIT {
            bail!("a real node has no network namespace of its own");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Runs commands of `ip` here, or in the network namespace of a process.
fn ip(namespace_of: Option<u32>, commands: &[String]) -> Result<()> {
    let mut command = match namespace_of {
        None => Command::new("ip"),
        Some(pid) => {
            let mut nsenter = Command::new("nsenter");
            nsenter.args(["--net", "--target", &pid.to_string(), "--", "ip"]);
            nsenter
        }
    };
    let mut child = command
        .args(["-batch", "-"])
        .env("PATH", path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("failed to run ip (package iproute2)")?;
    let mut lines = commands.join("\n");
    lines.push('\n');
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(lines.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("the network of a real node: ip: {}", said.trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::TcpStream;

    use super::*;
    use crate::testbed::instance::Mode;
    use crate::testbed::real_node::ADDRESSES;
    use crate::testbed::running::loopback;
    use crate::testbed::running::namespaces;

    /// Runs itself in a network namespace that stands for the testbed's.
    #[test]
    fn a_node_is_reached_unless_it_is_cut_off() {
        const INSIDE: &str = "XTASK_TEST_INSIDE_NAMESPACE";
        let has_ip = Command::new("ip").arg("-V").env("PATH", path()).output();
        if !rustix::process::geteuid().is_root() || has_ip.is_err() {
            eprintln!("skipped: networks of two nodes, which need root and iproute2");
            return;
        }
        if std::env::var_os(INSIDE).is_none() {
            let itself = std::env::current_exe().unwrap();
            let output = namespaces::xtask(Mode::Root, &itself)
                .args(["--exact", "--nocapture"])
                .arg("testbed::real_node::link::tests::a_node_is_reached_unless_it_is_cut_off")
                .env(INSIDE, "true")
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            if said.contains("Operation not permitted") {
                eprintln!("skipped: networks of two nodes, which this machine forbids");
                return;
            }
            assert!(output.status.success(), "{said}");
            return;
        }
        loopback::bring_up(&ADDRESSES).unwrap();
        let node = NODES[1];
        let mut process = Command::new("unshare")
            .args(["--net", "--", "sleep", "600"])
            .spawn()
            .unwrap();
        let connected = connect(node, process.id());
        // Nothing listens there: a refusal has come from the node.
        let refusal = || TcpStream::connect((node.address, 1)).unwrap_err().kind();
        let (at_first, is_cut) = (refusal(), cut(node).is_ok());
        let (meanwhile, restored) = (refusal(), restore(node));
        let afterwards = refusal();
        process.kill().unwrap();
        process.wait().unwrap();
        connected.unwrap();
        restored.unwrap();
        assert_eq!(at_first, ErrorKind::ConnectionRefused);
        assert!(is_cut);
        assert_eq!(meanwhile, ErrorKind::NetworkUnreachable);
        assert_eq!(afterwards, ErrorKind::ConnectionRefused);
    }
}
