//! A real Prometheus over metrics of the past, where one is installed.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Prometheus, until it is dropped.
pub struct Prometheus {
    /// Where it answers.
    pub url: String,
    process: Child,
    _directory: TempDir,
}

impl Prometheus {
    /// Starts one that has these metrics, in the form of OpenMetrics with times;
    /// `None` where Prometheus is not installed.
    pub fn start(metrics: &str) -> Option<Self> {
        let is_installed = |program: &str| {
            let mut version = Command::new(program);
            version.arg("--version");
            let silent = version.stdout(Stdio::null()).stderr(Stdio::null());
            silent.status().is_ok()
        };
        if !is_installed("promtool") || !is_installed("prometheus") {
            return None;
        }
        let directory = TempDir::new().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("metrics"), metrics).unwrap();
        std::fs::write(at("prometheus.yml"), "scrape_configs: []\n").unwrap();
        let made = Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([at("metrics"), at("data")])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", at("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", at("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let prometheus = Self {
            url: format!("http://127.0.0.1:{port}"),
            process,
            _directory: directory,
        };
        let deadline = Instant::now() + Duration::from_secs(120);
        while !is_ready(port) {
            assert!(Instant::now() < deadline, "Prometheus does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(prometheus)
    }
}

fn is_ready(port: u16) -> bool {
    use std::io::{Read as _, Write as _};
    let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let mut answer = String::new();
    let asked = stream.write_all(b"GET /-/ready HTTP/1.0\r\n\r\n");
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.contains(" 200 ")
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
