//! Packages of Python: an index in the cluster, a script that lists what it needs, and the
//! entrypoint of `kaiwo init`, which installs once.

use super::cp::claim;
use super::{Node, QUEUE, lacks_image};

/// Python, pip without ensurepip, and uv.
const UV: &str = "testbed/uv:1";

/// Makes a wheel, as `pip wheel` would.
const WHEEL: &str = r#"
import base64, hashlib, zipfile

def wheel(folder, name, files, more=''):
    info = f'{name}-1.0.dist-info'
    files = files | {
        f'{info}/METADATA': f'Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{more}',
        f'{info}/WHEEL': 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    }
    def row(path, text):
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
        return f"{path},sha256={digest.decode().rstrip('=')},{len(text)}\n"
    record = f'{info}/RECORD'
    files[record] = ''.join(row(*file) for file in files.items()) + f'{record},,\n'
    path = f'{name}-1.0-py3-none-any.whl'
    with zipfile.ZipFile(f'{folder}/{path}', 'w') as archive:
        for file in files.items():
            archive.writestr(*file)
    return path
"#;

/// Serves an index with one package (PEP 503: a page of links for each).
const INDEX: &str = r#"
import http.server, os, signal
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
folder = '/tmp/index/simple/greeting'
os.makedirs(folder)
wheel(folder, 'greeting', {'greeting.py': "def greet(): return 'greetings from the index'\n"})
os.chdir('/tmp/index')
http.server.ThreadingHTTPServer(('', 8000), http.server.SimpleHTTPRequestHandler).serve_forever()
"#;

const GREETS: &str = "import greeting\nprint(greeting.greet())\n";
const SAID: &str = "greetings from the index";

/// Starts the index, and returns the flags by which pip and uv use it.
fn index(node: &Node) -> Vec<String> {
    node.python("index", &format!("{WHEEL}{INDEX}"));
    _ = node.serve("index", &["--port", "8000", "--wait"]).exits(0);
    let url = "http://index:8000/simple";
    let variables = [
        format!("UV_DEFAULT_INDEX={url}"),
        format!("PIP_INDEX_URL={url}"),
        "PIP_TRUSTED_HOST=index".to_owned(),
    ];
    let flags = variables.into_iter();
    flags.flat_map(|it| ["--env".to_owned(), it]).collect()
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_script_gets_the_packages_that_it_lists() {
    if lacks_image("uv") {
        return;
    }
    let node = Node::new("packages-script");
    let index = index(&node);
    let header = "# /// script\n# dependencies = [\"greeting\"]\n# ///\n";
    let script = format!("{header}{GREETS}import sys; sys.exit(len(sys.argv[1:]) + 40)\n");
    node.sandbox.write("a script.py", script);
    let index: Vec<&str> = index.iter().map(String::as_str).collect();
    let fixed = ["run", "-n", &node.name, "-q", QUEUE, "-i", UV];
    let words = ["a script.py", "--", "-x", "a b"];
    let arguments = [&fixed[..], &index, &words].concat();
    let ended = node.sandbox.kaiwo(&arguments).exits(42);
    assert_eq!(ended.stdout, format!("{SAID}\n"));
    // Without the index, uv says what is missing.
    let arguments = [&fixed[..], &["--env", "UV_OFFLINE=1"], &words].concat();
    let ended = node.sandbox.kaiwo(&arguments);
    assert!(ended.code == 1 || ended.code == 2, "{ended:?}");
    assert!(
        ended.stdout.contains("greeting") || ended.stderr.contains("greeting"),
        "{ended:?}"
    );
}

/// Writes a workload of `kaiwo init` that greets, and needs what these files say.
fn workload(node: &Node, name: &str, files: &[(&str, &str)]) {
    let init = ["init", name, "--claim", "cache", "-i", UV, "-g", "0"];
    let command = ["--", "python3", "greet.py"];
    _ = node.sandbox.kaiwo(&[&init[..], &command].concat()).exits(0);
    node.sandbox.write(&format!("{name}/greet.py"), GREETS);
    for (file, content) in files {
        node.sandbox.write(&format!("{name}/{file}"), content);
    }
}

/// Submits such a workload under a name, and expects its greeting.
#[track_caller]
fn greets(node: &Node, directory: &str, name: &str, more: &[&str]) {
    let fixed = [
        "submit", "-n", &node.name, "-q", QUEUE, "-p", directory, "--name", name, "--follow",
    ];
    let place = ["--node-selector", "kubernetes.io/hostname=real-0"];
    let arguments = [&fixed[..], &place, more].concat();
    let ended = node.sandbox.kaiwo(&arguments).exits(0);
    assert_eq!(ended.stdout, format!("{SAID}\n"), "{}", ended.stderr);
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn what_init_writes_installs_once_for_later_workloads() {
    if lacks_image("uv") {
        return;
    }
    let node = Node::new("packages-init");
    claim(&node, "cache");
    let index = index(&node);
    let index: Vec<&str> = index.iter().map(String::as_str).collect();
    let project = "[project]\nname = \"app\"\nversion = \"1.0\"\nrequires-python = \">=3.9\"\n\
                   dependencies = [\"greeting\"]\n";
    // A backend of its own, so that nothing else has to be installed.
    let built =
        "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n";
    let backend = format!(
        "{WHEEL}\ndef build_wheel(folder, *_, **__):\n    \
         return wheel(folder, 'app', {{}}, 'Requires-Dist: greeting\\n')\n"
    );
    workload(&node, "pip", &[("requirements.txt", "greeting==1.0\n")]);
    let files = [
        ("pyproject.toml", &*format!("{project}{built}")),
        ("backend.py", &backend),
    ];
    workload(&node, "project", &files);
    workload(&node, "locked", &[("pyproject.toml", project)]);
    let fixed = [
        "run", "-n", &node.name, "-q", QUEUE, "-i", UV, "-p", "locked",
    ];
    let lock = ["--", "sh", "-c", "uv lock --quiet && cat uv.lock"];
    let locked = node
        .sandbox
        .kaiwo(&[&fixed[..], &index, &lock].concat())
        .exits(0);
    assert!(locked.stdout.contains("name = \"greeting\""), "{locked:?}");
    node.sandbox.write("locked/uv.lock", &locked.stdout);

    let directories = ["pip", "project", "locked"];
    for directory in directories {
        greets(&node, directory, directory, &index);
    }
    _ = node.kaiwo("delete", &["index", "-y"]).exits(0);
    for directory in directories {
        greets(&node, directory, &format!("{directory}-2"), &[]);
    }
    // Of what cannot be installed, nothing is left in the cache.
    node.sandbox.write("pip/requirements.txt", "farewell\n");
    let fixed = [
        "submit", "-n", &node.name, "-q", QUEUE, "-p", "pip", "--name", "pip-3",
    ];
    let more = [
        "--node-selector",
        "kubernetes.io/hostname=real-0",
        "--env",
        "PIP_INDEX_URL=http://127.0.0.1:9/",
        "--env",
        "PIP_RETRIES=0",
        "--follow",
    ];
    let failed = node.sandbox.kaiwo(&[&fixed[..], &more].concat()).exits(1);
    assert!(failed.stdout.contains("farewell"), "{failed:?}");
    let fixed = [
        "run",
        "-n",
        &node.name,
        "-q",
        QUEUE,
        "-i",
        UV,
        "--volume",
        "cache:/cache",
    ];
    let look = [
        "--node-selector",
        "kubernetes.io/hostname=real-0",
        "--",
        "sh",
        "-c",
        "ls /cache/python | grep -c -e -",
    ];
    let left = node.sandbox.kaiwo(&[&fixed[..], &look].concat()).exits(0);
    assert_eq!(left.stdout.trim(), "3");
    _ = node.kaiwo("delete", &["--all", "-y"]).exits(0);
    node.delete("PersistentVolumeClaim", "cache");
    node.delete("PersistentVolume", &node.name);
}
