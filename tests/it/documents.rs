//! Holds what the documents say against the code, as far as a program can.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Who may use whom inside the crate: the table in ARCHITECTURE.md. Checked for what is compiled into the programs.
const USES: [(&str, &[&str]); 18] = [
    ("model", &[]),
    ("metrics", &[]),
    ("log_events", &[]),
    ("access", &["model"]),
    ("optimizer", &["model"]),
    ("dify", &["model"]),
    ("variants", &["model", "dify", "optimizer"]),
    ("evidence", &["model", "optimizer"]),
    (
        "config",
        &[
            "model",
            "access",
            "credential",
            "optimizer::OptimizationSettings",
            "llm::LlmSettings",
        ],
    ),
    (
        "storage",
        &["log_events", "model", "metrics", "versions::numbering"],
    ),
    ("audit", &["log_events", "model", "metrics", "storage"]),
    (
        "llm",
        &[
            "credential",
            "log_events",
            "model",
            "optimizer::references",
            "storage::filesystem::disk",
        ],
    ),
    ("versions", &["model", "optimizer", "evidence", "storage"]),
    (
        "jobs",
        &[
            "access",
            "admission",
            "log_events",
            "model",
            "metrics",
            "dify",
            "llm",
            "optimizer",
            "evidence",
            "storage",
            "versions",
            "http::wire",
        ],
    ),
    (
        "http",
        &[
            "access",
            "admission",
            "audit",
            "log_events",
            "model",
            "metrics",
            "throttle",
            "storage",
            "versions",
            "optimizer",
            "evidence",
            "jobs",
            "llm",
        ],
    ),
    (
        "daemon",
        &[
            "access",
            "audit",
            "credential",
            "log_events",
            "model",
            "metrics",
            "config",
            "evidence",
            "storage",
            "throttle",
            "versions",
            "jobs",
            "llm",
            "http",
        ],
    ),
    (
        "client",
        &[
            "audit",
            "model",
            "optimizer",
            "evidence",
            "storage",
            "versions",
            "http::wire",
        ],
    ),
    (
        "cli",
        &[
            "audit",
            "client",
            "config",
            "dify",
            "evidence",
            "http::wire",
            "jobs::CandidateReport",
            "jobs::ImportResult",
            "jobs::OptimizeResult",
            "jobs::OptimizedPrompt",
            "jobs::SkippedPlace",
            "model",
            "optimizer",
            "storage",
            "variants",
            "versions",
        ],
    ),
];

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns every file beneath a directory with one of these endings.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found
}

/// Returns the documents of the project.
fn documents() -> Vec<PathBuf> {
    let names = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];
    let mut documents: Vec<PathBuf> = names.iter().map(|name| Path::new(ROOT).join(name)).collect();
    documents.extend(files(&Path::new(ROOT).join("docs"), "md"));
    documents
}

/// Returns the code of a module without its tests and comments.
fn code_of(module: &str) -> Vec<(PathBuf, String)> {
    let dir = Path::new(ROOT).join("src").join(module);
    let of_tests = |path: &Path| {
        path.iter().any(|part| part == "tests")
            || path.file_stem().is_some_and(|stem| {
                let stem = stem.to_string_lossy();
                stem == "tests"
                    || stem.ends_with("_tests")
                    || stem == "golden"
                    || stem == "fuzz"
                    || stem == "stub"
            })
    };
    let product = files(&dir, "rs").into_iter().filter(|path| !of_tests(path));
    let code = product.map(|path| {
        let text = read(&path);
        let before_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = before_tests
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let code = lines.collect::<Vec<_>>().join("\n");
        (path, code)
    });
    code.collect()
}

/// Returns the parts of the crate that some code names, such as `model` or `http::wire`.
fn used_by(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let paths = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or_default(),
            None => rest.split(',').next().unwrap_or_default(),
        };
        for path in paths.split(',') {
            let is_name = |c: &char| c.is_ascii_alphanumeric() || *c == '_' || *c == ':';
            used.push(path.trim().chars().take_while(is_name).collect());
        }
    }
    used
}

#[test]
fn modules_use_only_what_the_architecture_lets_them() {
    let document = read(&Path::new(ROOT).join("ARCHITECTURE.md"));
    for (module, allowed) in USES {
        let mut rows = document.lines().filter(|line| line.starts_with('|'));
        let row = rows.find(|row| row.split('|').nth(1).unwrap().contains(&format!("`{module}`")));
        let names = allowed.iter().flat_map(|part| part.split("::"));
        for name in names {
            assert!(
                row.is_some_and(|row| row.contains(&format!("`{name}`"))),
                "{module} uses {name}"
            );
        }
        for (path, code) in code_of(module) {
            for used in used_by(&code) {
                let may = [module].iter().chain(allowed).any(|part| {
                    used == *part || used.strip_prefix(part).is_some_and(|rest| rest.starts_with(':'))
                });
                assert!(may, "{} uses {used}", path.display());
            }
        }
    }
}

#[test]
fn what_is_absent_from_a_module_is_absent() {
    for (module, words) in [
        (
            "storage/filesystem/disk",
            &["tokio", "ractor", "thread::spawn", "thread::sleep"][..],
        ),
        ("model", &["tokio", "std::fs", "async fn"]),
        ("optimizer", &["tokio", "std::fs", "async fn"]),
        ("dify", &["tokio", "std::fs", "async fn"]),
    ] {
        for (path, code) in code_of(module) {
            for word in words {
                assert!(!code.contains(word), "{} has {word}", path.display());
            }
        }
    }
}

#[test]
fn the_architecture_fits_on_250_lines_and_names_tests_that_exist() {
    let document = read(&Path::new(ROOT).join("ARCHITECTURE.md"));
    assert!(document.lines().count() <= 250);
    let sources: String = files(&Path::new(ROOT).join("src"), "rs")
        .iter()
        .chain(&files(&Path::new(ROOT).join("tests"), "rs"))
        .map(|path| read(path))
        .collect();
    let mut named = 0;
    for word in document.split('`').skip(1).step_by(2) {
        // The names of tests are sentences; nothing else has as many words.
        if word.matches('_').count() >= 4 {
            named += 1;
            assert!(
                sources.contains(&format!("fn {word}(")),
                "there is no test {word}"
            );
        }
    }
    assert!(named >= 15, "only {named} tests are named");
}

#[test]
fn every_file_that_a_document_links_to_is_there() {
    for document in documents() {
        let text = read(&document);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = document.parent().unwrap().join(target);
            assert!(path.exists(), "{} links to {target}", document.display());
        }
    }
}

#[test]
fn the_manual_of_operations_names_every_key_and_every_error_code() {
    let manual = read(&Path::new(ROOT).join("docs/operations.md"));
    for key in promptd::config::keys() {
        let row = format!("| `{}` | `{}` |", key.path, key.default);
        assert!(manual.contains(&row), "{row}");
    }
    let problem = Path::new(ROOT).join("src/http/problem.rs");
    let source = read(&problem);
    let codes: BTreeSet<&str> = source
        .lines()
        .filter(|line| line.trim_start().starts_with("Self::") && line.contains("=> \""))
        .filter_map(|line| line.split('"').nth(1))
        .collect();
    assert!(codes.len() > 15, "{codes:?}");
    for code in codes {
        assert!(manual.contains(&format!("`{code}`")), "{code}");
    }
}
