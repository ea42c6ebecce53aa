use super::*;
use std::fs;
use std::io::Write;
use std::process::Command;

const LIMIT: ByteSize = ByteSize(100);
/// For what never comes.
const SHORT: Duration = Duration::from_millis(50);

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[track_caller]
fn is_no_file(result: Result<Vec<u8>, FileError>, kind: Kind) {
    match result.unwrap_err().reason {
        Reason::NoFile(NoFile(found)) => assert_eq!(found, kind),
        other => panic!("{other}"),
    }
}

#[test]
fn what_has_no_end_is_read_to_the_limit() {
    assert_eq!(
        bounded(io::repeat(b'x').take(100), LIMIT).unwrap().len(),
        100
    );
    for endless in [101, u64::MAX] {
        let refused = bounded(io::repeat(b'x').take(endless), LIMIT).unwrap_err();
        assert!(matches!(refused, Reason::TooLong(LIMIT)), "{refused}");
    }
    let zeros = named(Path::new("/dev/zero"), LIMIT).unwrap_err();
    assert!(matches!(zeros.reason, Reason::TooLong(_)));
    assert_eq!(named(Path::new("/dev/null"), LIMIT).unwrap(), b"");
}

#[test]
#[cfg(target_os = "linux")]
fn the_size_that_a_file_is_said_to_have_is_not_believed() {
    let status = Path::new("/proc/self/status");
    assert_eq!(fs::metadata(status).unwrap().len(), 0);
    let text = found(status, WRITTEN).unwrap();
    assert!(text.starts_with(b"Name:"));
    let refused = found(status, LIMIT).unwrap_err();
    assert!(matches!(refused.reason, Reason::TooLong(_)));
}

#[test]
fn only_files_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    pipe(&at("pipe"));
    std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    std::os::unix::fs::symlink(at("pipe"), at("to-pipe")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", at("to-device")).unwrap();
    fs::write(at("file"), "text").unwrap();
    std::os::unix::fs::symlink("file", at("to-file")).unwrap();
    is_no_file(found(&at("pipe"), LIMIT), Kind::Pipe);
    is_no_file(found(&at("to-pipe"), LIMIT), Kind::Pipe);
    is_no_file(found(&at("socket"), LIMIT), Kind::Socket);
    is_no_file(found(&at("to-device"), LIMIT), Kind::Stream);
    is_no_file(found(folder.path(), LIMIT), Kind::Directory);
    is_no_file(named(&at("socket"), LIMIT), Kind::Socket);
    is_no_file(named(folder.path(), LIMIT), Kind::Directory);
    assert!(found(&at("missing"), LIMIT).unwrap_err().is_missing());
    assert_eq!(found(&at("to-file"), LIMIT).unwrap(), b"text");
}

#[test]
fn a_file_that_becomes_a_pipe_is_no_file_and_makes_nobody_wait() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    pipe(&path);
    // As after a look at what was there before.
    let opened = system::open(&path).unwrap();
    let kind = system::kind_of(&opened.metadata().unwrap());
    assert!(matches!(check(kind), Err(Reason::NoFile(_))));
    // And the other way round.
    let file = folder.path().join("file");
    fs::write(&file, "text").unwrap();
    let refused = open_stream(&file, PATIENCE).unwrap_err();
    assert!(matches!(refused, Reason::Changed), "{refused}");
}

#[test]
fn a_named_pipe_is_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    pipe(&path);
    let writer = std::thread::spawn({
        let path = path.clone();
        move || {
            let mut pipe = fs::OpenOptions::new().write(true).open(path).unwrap();
            for part in ["in ", "several ", "parts"] {
                pipe.write_all(part.as_bytes()).unwrap();
                std::thread::yield_now();
            }
        }
    });
    assert_eq!(named(&path, LIMIT).unwrap(), b"in several parts");
    writer.join().unwrap();
    let refused = named_within(&path, LIMIT, SHORT).unwrap_err();
    assert!(matches!(refused.reason, Reason::NoWriter), "{refused}");
}

/// A directory with a file below it, and one beside it.
fn tree() -> (tempfile::TempDir, DirectoryTree) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("inside/below")).unwrap();
    fs::create_dir_all(folder.path().join("outside")).unwrap();
    fs::write(folder.path().join("inside/below/file"), "inside").unwrap();
    fs::write(folder.path().join("outside/file"), "outside").unwrap();
    let tree = DirectoryTree::open(&folder.path().join("inside")).unwrap();
    (folder, tree)
}

#[test]
fn nothing_but_files_of_a_tree_is_read_from_it() {
    use std::os::unix::fs::symlink;
    let file = Path::new("below/file");
    let (_folder, untouched) = tree();
    let (content, metadata) = untouched.read(file, LIMIT).unwrap();
    assert_eq!((&content[..], metadata.len()), (&b"inside"[..], 6));
    let refused = untouched.read(file, ByteSize(5)).unwrap_err();
    assert!(matches!(refused, Reason::TooLong(_)), "{refused}");

    type Change = fn(&Path);
    let changes: [Change; 7] = [
        |top| {
            fs::remove_file(top.join("inside/below/file")).unwrap();
            symlink(top.join("outside/file"), top.join("inside/below/file")).unwrap();
        },
        |top| {
            fs::rename(top.join("inside/below"), top.join("moved")).unwrap();
            symlink(top.join("outside"), top.join("inside/below")).unwrap();
        },
        |top| {
            fs::rename(top.join("inside/below"), top.join("moved")).unwrap();
            fs::write(top.join("inside/below"), "").unwrap();
        },
        |top| {
            fs::remove_file(top.join("inside/below/file")).unwrap();
            pipe(&top.join("inside/below/file"));
        },
        |top| {
            let path = top.join("inside/below/file");
            fs::remove_file(&path).unwrap();
            std::os::unix::net::UnixListener::bind(path).unwrap();
        },
        |top| {
            fs::remove_file(top.join("inside/below/file")).unwrap();
            fs::create_dir(top.join("inside/below/file")).unwrap();
        },
        |top| fs::remove_dir_all(top.join("inside/below")).unwrap(),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let (folder, tree) = tree();
        change(folder.path());
        let refused = tree.read(file, LIMIT).unwrap_err();
        assert!(matches!(refused, Reason::Changed), "{index}: {refused}");
    }
    let (_folder, tree) = tree();
    for elsewhere in ["../outside/file", "/etc/passwd", "below/../below/file", ""] {
        assert!(tree.read(Path::new(elsewhere), LIMIT).is_err());
    }
}

#[test]
fn a_tree_is_that_which_was_opened() {
    let (folder, tree) = tree();
    fs::rename(folder.path().join("inside"), folder.path().join("moved")).unwrap();
    fs::create_dir_all(folder.path().join("outside/below")).unwrap();
    fs::write(folder.path().join("outside/below/file"), "outside").unwrap();
    std::os::unix::fs::symlink("outside", folder.path().join("inside")).unwrap();
    let (content, _) = tree.read(Path::new("below/file"), LIMIT).unwrap();
    assert_eq!(content, b"inside");
}
