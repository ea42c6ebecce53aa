//! Checks that what a `serveconfig` imports is there.

use std::path::Path;

use super::{read, wrong};
use crate::names::nearest;
use crate::workload::WorkloadError;
use crate::workload::upload::UploadFile;
use crate::yaml::Located;

/// Checks that what is imported from the uploaded files is there. Python finds them by
/// their own names, because Ray starts in the directory and has its processes import from
/// there (Ray 2.60, `py_driver_sys_path`), and as parts of the module `app`, which
/// the directory is; of other modules only the image knows.
///
/// # Errors
/// [`WorkloadError`] with the line, and with the path that was perhaps meant.
pub fn check_imports(file: &Path, text: &str, files: &[UploadFile]) -> Result<(), WorkloadError> {
    for Located { value, .. } in read(file, text)?.applications {
        let Some(Located { value: path, line }) = value.import_path else {
            continue;
        };
        let (module, name) = path
            .split_once(':')
            .or_else(|| path.rsplit_once('.'))
            .unwrap_or((&path, ""));
        let parts: Vec<&str> = module.split('.').collect();
        let of_elsewhere = value.runtime_env.is_some_and(|environment| {
            environment.contains_key("working_dir") || environment.contains_key("py_modules")
        });
        if of_elsewhere && parts[0] != "app" {
            continue;
        }
        let missing = |message: String, hint: String| Err(wrong(file, line, message, hint));
        let found = match (source(&parts, files), &parts[..]) {
            (Some(found), _) => found,
            (None, ["app", below @ ..]) => {
                if let Some(other) = source(&["app"], files) {
                    return missing(
                        format!(
                            "import_path {path:?}: {} hides the module app that the directory is",
                            other.path
                        ),
                        format!(
                            "rename {}, or use the names of files without app",
                            other.path
                        ),
                    );
                }
                let Some(found) = source(below, files) else {
                    let wanted = match below {
                        [] => "__init__.py".to_owned(),
                        below => format!("{}.py", below.join("/")),
                    };
                    let near = nearest(&wanted, modules(files).map(|module| file_of(&module)));
                    let hint = match (near, below) {
                        (Some(near), _) => format!("did you mean {}?", import_of(&near, name)),
                        (None, []) => {
                            "the directory is the module app: add __init__.py, or use a file, such as app.server:deployment"
                                .to_owned()
                        }
                        (None, _) => "modules in the directory are called app.NAME".to_owned(),
                    };
                    return missing(
                        format!("import_path {path:?}: the directory has no {wanted}"),
                        hint,
                    );
                };
                found
            }
            (None, _) => continue,
        };
        let text = String::from_utf8_lossy(found.content.expose());
        if !may_define(&text, name) {
            return missing(
                format!("import_path {path:?}: {} has no {name}", found.path),
                format!("use a name that {} defines", found.path),
            );
        }
    }
    Ok(())
}

/// Returns the file of a module below the directory.
fn source<'a>(module: &[&str], files: &'a [UploadFile]) -> Option<&'a UploadFile> {
    let place = module.join("/");
    let package = match place.as_str() {
        "" => "__init__.py".to_owned(),
        place => format!("{place}/__init__.py"),
    };
    let plain = format!("{place}.py");
    files
        .iter()
        .find(|file| file.path == package || file.path == plain)
}

/// Returns the modules below the directory, by the paths of their files.
fn modules(files: &[UploadFile]) -> impl Iterator<Item = String> {
    files
        .iter()
        .filter_map(|file| Some(file.path.strip_suffix(".py")?.to_owned()))
}

fn file_of(module: &str) -> String {
    format!("{module}.py")
}

/// Returns how something in a file is imported.
fn import_of(file: &str, name: &str) -> String {
    let module = file.trim_end_matches(".py");
    let module = module.trim_end_matches("__init__").trim_end_matches('/');
    match module {
        "" => format!("app:{name}"),
        module => format!("app.{}:{name}", module.replace('/', ".")),
    }
}

/// Returns whether a module may hold a name: it stands there as a word, or names
/// come about in ways that are not seen.
fn may_define(text: &str, name: &str) -> bool {
    const UNSEEN: [&str; 4] = ["import *", "globals(", "__getattr__", "setattr("];
    let first = name.split('.').next().unwrap_or_default();
    let part = |c: char| c.is_alphanumeric() || c == '_';
    UNSEEN.iter().any(|word| text.contains(word))
        || text.match_indices(first).any(|(at, _)| {
            !text[..at].ends_with(part) && !text[at + first.len()..].starts_with(part)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Classified;
    use crate::secrecy::Confidential;
    use crate::suggestion::comparison::joined;

    fn imported(path: &str) -> Result<(), String> {
        let files = [
            ("__init__.py", "from .server import deployment\n"),
            ("server.py", "def deployment(): pass\nredeployment = 1\n"),
            ("lib/chat.py", "from x import *\n"),
        ];
        imported_from(&files, path, "")
    }

    fn imported_from(files: &[(&str, &str)], path: &str, more: &str) -> Result<(), String> {
        let file = |(path, text): &(&str, &str)| UploadFile {
            path: (*path).to_owned(),
            content: Confidential::new(text.as_bytes().to_vec()),
            executable: false,
        };
        let files: Vec<UploadFile> = files.iter().map(file).collect();
        let text = format!("applications:\n- name: a\n  import_path: {path}\n{more}");
        check_imports(Path::new("serveconfig"), &text, &files)
            .map_err(|error| format!("{error}; {}", joined(&error.hints(), "; ")))
    }

    #[test]
    fn what_is_imported_is_there() {
        for path in [
            "app:deployment",
            "app.server:deployment",
            "app.server.deployment",
            "app.lib.chat:anything",
            "ray.serve.llm:build_openai_app",
            "server:deployment",
            "lib.chat:anything",
        ] {
            assert_eq!(imported(path), Ok(()), "{path}");
        }
        for (path, said) in [
            (
                "app.sever:deployment",
                "serveconfig:3: import_path \"app.sever:deployment\": the directory has no sever.py; did you mean app.server:deployment?",
            ),
            ("app.server:deploy", "server.py has no deploy"),
            ("app:application", "__init__.py has no application"),
            ("server:deploy", "server.py has no deploy"),
        ] {
            let wrong = imported(path).unwrap_err();
            assert!(wrong.contains(said), "{wrong}");
        }
        let files = [("app.py", "hello = 1\n")];
        assert_eq!(imported_from(&files, "app:hello", ""), Ok(()));
        // As Ray 2.60 says: 'app' is not a package.
        let wrong = imported_from(&files, "app.app:hello", "").unwrap_err();
        assert!(
            wrong.ends_with("app.py hides the module app that the directory is; rename app.py, or use the names of files without app"),
            "{wrong}"
        );
        let elsewhere = "  runtime_env: {working_dir: 'https://x/y.zip'}\n";
        assert_eq!(imported_from(&files, "server:any", elsewhere), Ok(()));
    }
}
