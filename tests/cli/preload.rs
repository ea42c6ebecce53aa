//! What `--preload` has its containers run, really run: by `sh`, with tools that
//! say what they were asked for.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output};

use serde_json::Value;

use crate::common::Sandbox;
use crate::pod_runner::expansion::expand;

/// Returns the first init container of a service that preloads `url`.
fn container(sandbox: &Sandbox, url: &str, arguments: &[&str]) -> Value {
    let preload = format!("--preload={url}:/models");
    let words = ["serve", "-i", "image", "-d", &preload];
    let outcome = sandbox.kaiwo(&[&words[..], arguments].concat()).exits(0);
    outcome.document("Deployment")["spec"]["template"]["spec"]["initContainers"][0].clone()
}

/// Runs the container's command as kubelet would, with only the tools that the
/// sandbox has, and `models/` in place of `/models`.
fn run(sandbox: &Sandbox, url: &str) -> Output {
    let container = container(sandbox, url, &["--env=TRAP=sprung"]);
    let variables = BTreeMap::from([("TRAP".to_owned(), "sprung".to_owned())]);
    let words = container["command"].as_array().unwrap();
    let models = sandbox.path("models").to_str().unwrap().to_owned();
    let words: Vec<String> = words
        .iter()
        .map(|word| expand(word.as_str().unwrap(), &variables))
        .map(|word| {
            if word == "/models" {
                models.clone()
            } else {
                word
            }
        })
        .collect();
    Command::new("/bin/sh")
        .args(&words[1..])
        .env_clear()
        .env("PATH", sandbox.path("bin"))
        .output()
        .unwrap()
}

/// Puts a tool into the sandbox that notes its words, one to a line, and makes a
/// file.
fn tool(sandbox: &Sandbox, name: &str, body: &str) {
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >>{}\n{body}\n",
        sandbox.path("asked").display()
    );
    sandbox.program(&format!("bin/{name}"), script);
}

/// A sandbox with what every image has.
fn image() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("bin/.keep", "");
    for name in ["mkdir", "mv", "flock"] {
        let found = ["/bin", "/usr/bin"].map(|place| format!("{place}/{name}"));
        let found = found
            .iter()
            .find(|path| std::path::Path::new(path).exists());
        if let Some(found) = found {
            std::os::unix::fs::symlink(found, sandbox.path(&format!("bin/{name}"))).unwrap();
        }
    }
    sandbox
}

fn asked(sandbox: &Sandbox) -> String {
    let text = std::fs::read_to_string(sandbox.path("asked")).unwrap_or_default();
    text.replace(sandbox.path("models").to_str().unwrap(), "/models")
}

#[test]
fn each_kind_of_place_has_its_tool() {
    for (url, name, words) in [
        (
            "hf://org/model",
            "hf",
            "download\norg/model\n--revision\nmain\n--local-dir\n/models\n",
        ),
        (
            "hf://org/model@v1",
            "hf",
            "download\norg/model\n--revision\nv1\n--local-dir\n/models\n",
        ),
        (
            "s3://bucket/weights/",
            "aws",
            "s3\nsync\n--no-progress\ns3://bucket/weights/\n/models\n",
        ),
        (
            "s3://bucket/one.bin",
            "aws",
            "s3\ncp\n--no-progress\ns3://bucket/one.bin\n/models/\n",
        ),
        (
            "gs://bucket/weights/",
            "gcloud",
            "storage\nrsync\n--recursive\ngs://bucket/weights/\n/models\n",
        ),
    ] {
        let sandbox = image();
        tool(&sandbox, name, "");
        let output = run(&sandbox, url);
        assert!(output.status.success(), "{url}: {output:?}");
        assert_eq!(asked(&sandbox), words, "{url}");
    }
}

#[test]
fn what_is_there_completely_is_not_loaded_again() {
    let sandbox = image();
    tool(&sandbox, "hf", "exit 7");
    let output = run(&sandbox, "hf://org/model");
    assert_eq!(
        output.status.code(),
        Some(7),
        "its own failure is the pod's"
    );
    tool(&sandbox, "hf", "");
    assert!(run(&sandbox, "hf://org/model").status.success());
    let after = asked(&sandbox);
    let again = run(&sandbox, "hf://org/model");
    assert!(again.status.success());
    assert!(
        String::from_utf8_lossy(&again.stdout).contains("is in "),
        "{again:?}"
    );
    assert_eq!(asked(&sandbox), after, "nothing was asked for");
    // Another revision is another thing.
    assert!(run(&sandbox, "hf://org/model@v2").status.success());
    assert_ne!(asked(&sandbox), after);
}

#[test]
fn a_url_is_one_word_whatever_it_holds() {
    let sandbox = image();
    tool(
        &sandbox,
        "curl",
        "while [ \"$1\" != -o ]; do shift; done; echo x >\"$2\"",
    );
    let url = "https://host/a'b\"$(TRAP)`id`$HOME;x.bin?token=$$(TRAP)&y=*";
    let output = run(&sandbox, url);
    assert!(output.status.success(), "{output:?}");
    assert!(
        asked(&sandbox).ends_with(&format!("\n{url}\n")),
        "{}",
        asked(&sandbox)
    );
    let file = sandbox.path("models/a'b\"$(TRAP)`id`$HOME;x.bin");
    assert!(
        file.exists(),
        "{:?}",
        std::fs::read_dir(sandbox.path("models"))
            .unwrap()
            .collect::<Vec<_>>()
    );
}

#[test]
fn an_image_without_tools_says_which_it_needs() {
    for (url, says) in [
        (
            "hf://org/model",
            "this image has none of hf and huggingface_hub; --preload-image names one",
        ),
        (
            "s3://bucket/x",
            "this image has none of aws and KServe's storage initializer",
        ),
        (
            "https://host/x",
            "this image has none of curl, wget and python3",
        ),
    ] {
        let sandbox = image();
        let output = run(&sandbox, url);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(says), "{said}");
    }
}

/// With the real `curl`, from a real server that fails first.
#[test]
fn a_file_arrives_whole_or_not_at_all() {
    let real = ["/usr/bin/curl", "/bin/curl"].into_iter();
    let Some(curl) = real
        .into_iter()
        .find(|path| std::path::Path::new(path).exists())
    else {
        crate::common::skip("this machine has no curl");
        return;
    };
    let sandbox = image();
    std::os::unix::fs::symlink(curl, sandbox.path("bin/curl")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/weights.bin", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (index, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 4096]);
            let answer = match index {
                0 => "HTTP/1.1 404 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                _ => "HTTP/1.1 200 X\r\ncontent-length: 5\r\nconnection: close\r\n\r\nbytes",
            };
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let file = sandbox.path("models/weights.bin");
    assert!(!run(&sandbox, &url).status.success());
    assert!(!file.exists());
    let output = run(&sandbox, &url);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "bytes");
}

#[test]
fn tokens_come_along_by_reference_and_nothing_else_does() {
    let sandbox = Sandbox::new();
    let arguments = [
        "--secret=HF_TOKEN=hf/token",
        "--secret=DATABASE=db/password",
        "--env=HTTPS_PROXY=http://proxy",
        "--env=HF_HUB_OFFLINE=1",
        "--volume=models:/models",
    ];
    let container = container(&sandbox, "hf://org/model", &arguments);
    let variables = container["env"].as_array().unwrap();
    let names: Vec<&str> = variables
        .iter()
        .filter_map(|v| v["name"].as_str())
        .collect();
    assert_eq!(
        names,
        ["HTTPS_PROXY", "HF_TOKEN", "HF_HOME", "PYTHONUNBUFFERED"]
    );
    assert_eq!(variables[1]["valueFrom"]["secretKeyRef"]["name"], "hf");
    let mounts = container["volumeMounts"].as_array().unwrap();
    assert_eq!(
        mounts[1]["name"], "volume-0",
        "the claim that is mounted there"
    );
    assert_eq!(mounts[1]["mountPath"], "/models");
}
