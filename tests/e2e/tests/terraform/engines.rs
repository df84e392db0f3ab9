//! Every scenario on SQLite, each with a server of its own, and all of them one after another on PostgreSQL.

use crate::support::house::{House, Server};
use crate::support::postgres::Cluster;
use crate::{cloud, commands, faults, locks, lost, unusual};

/// What happens to a server, which is given back in service.
type Scenario = fn(Server) -> Server;

fn check(scenario: Scenario) {
    let home = tempfile::tempdir().unwrap();
    scenario(House::up(home.path()).start()).stop();
}

#[test]
fn every_command_works_through_the_pasted_block() {
    check(commands::every_command);
}

#[test]
fn a_local_state_migrates_and_stays_what_it_was() {
    check(commands::migration);
}

#[test]
fn a_destroy_of_many_resources_passes() {
    check(commands::destroy_of_many);
}

#[test]
fn a_plan_is_applied_by_a_server_that_was_restarted_meanwhile() {
    check(commands::restart_within);
}

#[test]
fn another_lineage_passes_with_the_permission_and_waits_without() {
    check(unusual::lineage);
}

#[test]
fn a_state_that_shrinks_waits_and_goes_on_by_its_id() {
    check(unusual::shrinking);
}

#[test]
fn another_lineage_through_the_cloud_block_waits_and_names_the_way_out() {
    check(unusual::lineage_in_cloud);
}

#[test]
fn a_second_apply_is_kept_out_and_told_who_holds_the_lock() {
    check(locks::second_apply);
}

#[test]
fn a_write_without_a_lock_is_marked_and_refused_where_somebody_holds_it() {
    check(locks::without_lock);
}

#[test]
fn force_unlock_breaks_whatever_lock_there_is_by_those_who_may() {
    check(locks::force_unlock);
}

#[test]
fn a_lost_answer_changes_nothing() {
    check(lost::answers);
}

#[test]
fn whatever_exchange_breaks_there_is_one_state_and_a_way_on() {
    check(faults::every_exchange);
}

#[test]
fn a_push_a_destroy_and_a_new_workspace_survive_a_broken_exchange() {
    check(faults::other_commands);
}

#[test]
fn an_apply_survives_the_end_of_the_server_and_a_state_the_end_of_an_apply() {
    check(faults::ends_within);
}

#[test]
fn every_command_works_through_the_cloud_block() {
    check(cloud::every_command);
}

#[test]
fn a_client_asks_in_the_order_that_was_measured() {
    check(cloud::order);
}

#[test]
fn workspaces_are_found_by_their_tags_and_projects() {
    check(cloud::tags);
}

#[test]
fn states_move_into_the_cloud_block_and_out_of_it() {
    check(cloud::migrations);
}

#[test]
fn the_remote_backend_works_by_name_and_by_prefix() {
    check(cloud::remote);
}

#[test]
fn two_users_of_the_cloud_block_keep_each_other_out() {
    check(cloud::locks);
}

#[test]
fn an_upload_that_fails_leaves_a_way_on() {
    check(cloud::failed_upload);
}

#[test]
fn all_of_it_holds_on_postgresql() {
    let scenarios: [Scenario; 15] = [
        cloud::every_command,
        cloud::tags,
        cloud::migrations,
        cloud::remote,
        cloud::locks,
        commands::every_command,
        commands::migration,
        commands::destroy_of_many,
        commands::restart_within,
        unusual::lineage,
        unusual::shrinking,
        locks::second_apply,
        locks::without_lock,
        locks::force_unlock,
        lost::answers,
    ];
    let cluster = Cluster::start();
    let home = tempfile::tempdir().unwrap();
    let house = House::serve(home.path(), &[("DATABASE_URL", &cluster.url())]);
    let server = scenarios
        .iter()
        .fold(house.start(), |server, scenario| scenario(server));
    server.stop();
}
