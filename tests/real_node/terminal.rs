//! `kaiwo exec -it`, typed at a terminal.

use std::io::{Read as _, Write as _};
use std::process::{ChildStdin, Stdio};
use std::sync::{Arc, Mutex};

use super::{BUSYBOX, Node};
use crate::common::binary;
use crate::testbed::reach::Running;

/// A terminal in which a command line runs.
struct Terminal<'a> {
    node: &'a Node,
    _shell: Running,
    keys: ChildStdin,
    screen: Arc<Mutex<Vec<u8>>>,
}

impl<'a> Terminal<'a> {
    /// Starts bash in one.
    fn new(node: &'a Node, line: &str) -> Self {
        let mut command = node
            .sandbox
            .shell(&format!("exec script -qfec '{line}' /dev/null"));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut shell = Running(command.spawn().unwrap());
        let keys = shell.0.stdin.take().unwrap();
        let mut output = shell.0.stdout.take().unwrap();
        let screen: Arc<Mutex<Vec<u8>>> = Arc::default();
        let seen = screen.clone();
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(length) = output.read(&mut part).map_err(drop) {
                if length == 0 {
                    break;
                }
                seen.lock().unwrap().extend(&part[..length]);
            }
        });
        Self {
            node,
            _shell: shell,
            keys,
            screen,
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Returns everything that was shown.
    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    #[track_caller]
    fn shows(&self, text: &str) {
        self.node.wait(&format!("{text:?} on the screen"), || {
            self.screen().contains(text).then_some(())
        });
    }

    /// Waits for a file in the container, by which a program there says that it is
    /// in the foreground: keys that come before that are taken by another.
    #[track_caller]
    fn finds(&self, file: &str) {
        self.node.wait(&format!("{file} in the container"), || {
            let test = ["job", "--", "test", "-e", file];
            (self.node.kaiwo("exec", &test).code == 0).then_some(())
        });
    }
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn a_terminal_has_its_size_is_resized_and_is_given_back() {
    let node = Node::new("exec-terminal");
    node.sleeper("job");
    let name = node.sandbox.path("terminal");
    let mut terminal = Terminal::new(
        &node,
        &format!(
            "tty > {}; stty rows 33 cols 111; before=$(stty -g); \
             {} exec -n {} -it job -- bash --norc -i; echo code $?; \
             test \"$(stty -g)\" = \"$before\" && echo given back",
            name.display(),
            binary(),
            node.name
        ),
    );
    terminal.press("stty size; touch /tmp/one\n");
    terminal.finds("/tmp/one");
    terminal.shows("33 111");
    // Ctrl-C ends the command in the container, and nothing else.
    terminal.press("sh -c \"touch /tmp/two; exec sleep 10000\"\n");
    terminal.finds("/tmp/two");
    terminal.press("\x03");
    terminal.press("echo interrupted $?\n");
    terminal.shows("interrupted 130");
    // Ctrl-Z stops it, and the shell has it back.
    terminal.press("sh -c \"touch /tmp/three; exec sleep 10001\"\n");
    terminal.finds("/tmp/three");
    terminal.press("\x1a");
    terminal.press("echo stopped $(jobs -s | grep -c 10001); fg\n");
    terminal.shows("stopped 1");
    terminal.press("\x03");
    // As a window that is dragged.
    let name = std::fs::read_to_string(name).unwrap();
    let resized = std::process::Command::new("stty")
        .args(["-F", name.trim(), "rows", "44", "cols", "122"])
        .status();
    assert!(resized.unwrap().success());
    terminal.press("until [ \"$(stty size)\" = \"44 122\" ]; do sleep 0.1; done; stty size\n");
    terminal.shows("\r44 122");
    // A session of Python's, left by Ctrl-D.
    terminal.press("python -q -i -c \"open(\\\"/tmp/four\\\", \\\"w\\\")\"\n");
    terminal.finds("/tmp/four");
    terminal.press("print(\"grüße ☃\".upper(), 6 * 7)\n");
    terminal.shows("GRÜSSE ☃ 42");
    terminal.press("\x04");
    terminal.press("exit 7\n");
    terminal.shows("code 7");
    terminal.shows("given back");
}

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn an_editor_writes_a_file() {
    let node = Node::new("exec-editor");
    node.script("job", "echo here\nexec sleep 100000\n");
    _ = node.run("job", &["-i", BUSYBOX]).exits(0);
    node.wait_for_log("job", "here");
    let mut terminal = Terminal::new(
        &node,
        &format!(
            "stty rows 24 cols 80; {} exec -n {} -it job -- vi /scratch/poem; echo left $?",
            binary(),
            node.name
        ),
    );
    // How vi shows that a line is none of the file's.
    terminal.shows("~");
    terminal.press("ia rose is a rose\x1b");
    terminal.shows("a rose is a rose");
    terminal.press(":wq\r");
    terminal.shows("left 0");
    let poem = node
        .kaiwo("exec", &["job", "--", "cat", "/scratch/poem"])
        .exits(0);
    assert_eq!(poem.stdout, "a rose is a rose\n");
}
