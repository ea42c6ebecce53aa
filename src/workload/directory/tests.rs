use super::*;
use crate::error::Classified;

use std::os::unix::fs::symlink;
use std::process::Command;

/// A directory to upload, and a file beside it that is nobody's business.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("w/data")).unwrap();
    for (name, text) in [
        ("w/entrypoint", "echo"),
        ("w/a", "a"),
        ("w/data/b", "b"),
        ("canary", "canary"),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// Reads the directory, which `change` changes after what it holds was found.
fn read_while(
    folder: &Path,
    change: impl FnOnce(&Path),
) -> Result<WorkloadDirectory, WorkloadError> {
    let top = folder.join("w");
    let (mut walk, has_entrypoint) = find(&top, None, ByteSize(2_000_000)).unwrap();
    change(folder);
    load(&mut walk, has_entrypoint)
}

#[test]
fn what_is_swapped_while_it_is_read_is_not_uploaded() {
    type Change = fn(&Path);
    let to_canary = |folder: &Path, name: &str| {
        let _ = fs::remove_file(folder.join(name));
        let _ = fs::remove_dir_all(folder.join(name));
        symlink(folder.join("canary"), folder.join(name)).unwrap();
    };
    for name in ["w/entrypoint", "w/a", "w/data/b", "w/data"] {
        let folder = folder();
        let refused = read_while(folder.path(), |folder| to_canary(folder, name)).unwrap_err();
        assert!(
            matches!(refused, WorkloadError::Read(_)),
            "{name}: {refused}"
        );
        assert!(
            refused.hints()[0].plain().contains("again"),
            "{name}: {refused}"
        );
    }
    let others: [Change; 3] = [
        |folder| {
            fs::remove_file(folder.join("w/a")).unwrap();
            let made = Command::new("mkfifo").arg(folder.join("w/a")).status();
            assert!(made.unwrap().success());
        },
        |folder| fs::remove_file(folder.join("w/a")).unwrap(),
        |folder| {
            fs::rename(folder.join("w/data"), folder.join("data")).unwrap();
            fs::create_dir(folder.join("elsewhere")).unwrap();
            fs::copy(folder.join("canary"), folder.join("elsewhere/b")).unwrap();
            symlink("../elsewhere", folder.join("w/data")).unwrap();
        },
    ];
    for change in others {
        let folder = folder();
        let refused = read_while(folder.path(), change).unwrap_err();
        assert!(matches!(refused, WorkloadError::Read(_)), "{refused}");
    }
}

#[test]
fn what_grows_while_it_is_read_is_held_to_the_limits() {
    let folder = folder();
    let grow = |name: &'static str, bytes: usize| {
        move |folder: &Path| fs::write(folder.join(name), vec![b'x'; bytes]).unwrap()
    };
    let refused = read_while(folder.path(), grow("w/a", 3_000_000)).unwrap_err();
    assert!(refused.hints()[0].plain().contains("a ("), "{refused}");
    fs::write(folder.path().join("w/a"), vec![b'x'; 900_000]).unwrap();
    fs::write(folder.path().join("w/c"), vec![b'x'; 900_000]).unwrap();
    let refused = read_while(folder.path(), grow("w/data/b", 900_000)).unwrap_err();
    assert!(
        matches!(refused, WorkloadError::TooLarge { .. }),
        "{refused}"
    );
    assert!(refused.hints()[0].plain().contains("data/b"), "{refused}");
    grow("w/data/b", 1)(folder.path());
    let read = read_while(folder.path(), grow("w/data/b", 10)).unwrap();
    let sizes: Vec<_> = read
        .files
        .iter()
        .map(|file| file.content.expose().len())
        .collect();
    assert_eq!(sizes, [900_000, 900_000, 10]);
}

#[test]
fn symlinks_within_the_directory_are_followed() {
    let folder = folder();
    symlink("data/b", folder.path().join("w/to-file")).unwrap();
    symlink("data", folder.path().join("w/to-folder")).unwrap();
    let read = read(&folder.path().join("w"), None, DEFAULT_LIMIT).unwrap();
    let found: Vec<_> = read
        .files
        .iter()
        .map(|file| (file.path.as_str(), &file.content.expose()[..]))
        .collect();
    assert_eq!(
        found,
        [
            ("a", &b"a"[..]),
            ("data/b", b"b"),
            ("to-file", b"b"),
            ("to-folder/b", b"b"),
        ]
    );
}
