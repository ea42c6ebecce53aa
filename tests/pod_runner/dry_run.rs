//! What a dry run prints, run: the shortest way from a
//! directory to what its pods do, without a cluster.

use super::place::{DryRun, Kind};
use super::scenarios;

#[test]
fn a_directory_arrives_and_runs() {
    for kind in [&Kind::BATCH[..], &Kind::SERVED].concat() {
        scenarios::a_directory_arrives_and_runs(&DryRun::new(), kind);
    }
}

#[test]
fn pods_find_one_another() {
    for kind in [Kind::Indexed, Kind::Scheduled] {
        scenarios::pods_find_one_another(&DryRun::new(), kind);
    }
}

#[test]
fn scripts_without_a_shebang_run() {
    for kind in Kind::SINGLE {
        scenarios::scripts_without_a_shebang_run(&DryRun::new(), kind);
    }
}

#[test]
fn python_runs_by_its_shebang() {
    for kind in Kind::SINGLE {
        scenarios::python_runs_by_its_shebang(&DryRun::new(), kind);
    }
}

#[test]
fn commands_arrive_word_by_word() {
    for kind in Kind::SINGLE {
        scenarios::commands_arrive_word_by_word(&DryRun::new(), kind);
    }
}

#[test]
fn variables_arrive_exactly() {
    for kind in Kind::SINGLE {
        scenarios::variables_arrive_exactly(&DryRun::new(), kind);
    }
}

#[test]
fn what_a_workload_may_write_to() {
    for kind in Kind::SINGLE {
        scenarios::what_a_workload_may_write_to(&DryRun::new(), kind);
    }
}

#[test]
fn secrets_arrive_by_reference() {
    for kind in Kind::SINGLE {
        scenarios::secrets_arrive_by_reference(&DryRun::new(), kind);
    }
}

#[test]
fn a_ray_service_imports_the_upload() {
    scenarios::a_ray_service_imports_the_upload(&DryRun::new());
}

#[test]
fn megabytes_make_one_directory() {
    for kind in Kind::SINGLE {
        scenarios::megabytes_make_one_directory(&DryRun::new(), kind);
    }
}

#[test]
fn exit_codes_come_through() {
    for kind in Kind::SINGLE {
        scenarios::exit_codes_come_through(&DryRun::new(), kind);
    }
}

#[test]
fn examples_run() {
    scenarios::examples_run(&DryRun::new());
}
