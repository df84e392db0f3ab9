//! The command line: noun, then verb; one file per noun.
//!
//! A command parses, does one thing and prints its data with [`crate::out`]. Failures come back as values, with their exit
//! code, and are printed here.

mod agent;
mod agent_pool;
mod attached;
mod backup;
mod budget;
mod completions;
mod config;
mod cost;
mod drift;
mod eject;
mod execution;
mod grant;
mod import;
mod key;
mod ledger;
mod life;
mod login;
mod member;
mod notification;
mod org;
mod permissions;
pub(crate) mod policy;
mod policy_set;
mod price;
mod project;
mod restore;
mod retention;
mod run;
mod runner;
mod scope;
mod serve;
mod session;
mod state;
mod team;
mod token;
mod up;
mod user;
mod variable;
mod variable_set;
mod verify;
mod workspace;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::client::ServerArgs;
use crate::environment::Environment;
use crate::estimator;
use crate::failure::Result;
use crate::out::{self, Format, Out};
use crate::runners::INSIDE;
use session::Session;

const AFTER_HELP: &str = "\
Exit codes:
  0      done; `verify`: everything that can be proven is proven
  1      failed
  2      the command line, the configuration or a setting is wrong
  3      refused: not allowed, or no such thing that you may see
  4      in conflict with what is stored, or locked by somebody else
  5      not available now; trying again later may work
  10-18  `verify` found: 10 truncated, 11 reordered, 12 signed with another key, 13 older than the anchor,
         14 forked, 15 altered, 16 gap in versions, 17 not canonical, 18 unreadable; of several the smallest
  20     `drift`: something drifted

Data goes to standard output, words go to standard error. NO_COLOR is honoured.";

/// Keeps Terraform state sealed, versioned, locked and provable.
#[derive(Parser)]
#[command(name = "statehouse", version, after_help = AFTER_HELP, subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    /// How data is printed: for eyes, or as one JSON value
    #[arg(long, global = true, value_enum, default_value_t = Format::Human, value_name = "FORM")]
    output: Format,
    #[command(flatten)]
    server: ServerArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve, as the configuration says
    Serve(serve::Args),
    /// Serve from one directory, with a first organization and a token; prints a Terraform block that works
    Up(up::Args),
    /// Store address, token and trusted authority of a server
    Login(login::Args),
    /// Organizations: each has its own database, keys and ledger
    #[command(subcommand)]
    Org(org::Verb),
    /// Projects: folders of workspaces
    #[command(subcommand)]
    Project(project::Verb),
    /// Workspaces: one state and its history each
    #[command(subcommand)]
    Workspace(workspace::Verb),
    /// States: versions, uploads that wait, locks
    #[command(subcommand)]
    State(state::Verb),
    /// Runs: plans and applies on the server
    #[command(subcommand)]
    Run(run::Verb),
    /// Drift: whether what is there is still as it was applied
    #[command(subcommand)]
    Drift(drift::Verb),
    /// Execution: where runs happen, and who must agree to what they apply
    #[command(subcommand)]
    Execution(execution::Verb),
    /// Pools of agents: runners elsewhere, for what the server cannot reach
    #[command(subcommand)]
    AgentPool(agent_pool::Verb),
    /// Take the jobs of a pool and do them on this machine, until SIGTERM
    Agent(agent::Args),
    /// Variables: what the runs of a workspace are given
    #[command(subcommand)]
    Variable(variable::Verb),
    /// Sets of variables: what the runs of many workspaces are given
    #[command(subcommand)]
    VariableSet(variable_set::Verb),
    /// Policies: checking, testing and the starter library, without a server
    #[command(subcommand)]
    Policy(policy::Verb),
    /// Policy sets: what the plans of many workspaces are judged by
    #[command(subcommand)]
    PolicySet(policy_set::Verb),
    /// Costs: what a plan costs a month, a file without a server and those of runs with one
    Cost(cost::Args),
    /// Budgets: what may be spent, as policies of the starter library
    #[command(subcommand)]
    Budget(budget::Verb),
    /// Price books: what costs are estimated with, without a server
    #[command(subcommand)]
    Price(statehouse_cost::desk::price::Verb),
    /// Notifications: who elsewhere is told what becomes of runs
    #[command(subcommand)]
    Notification(notification::Verb),
    /// Retention: for how long the content of old versions is kept
    #[command(subcommand)]
    Retention(retention::Verb),
    /// Grants: which role who has where
    #[command(subcommand)]
    Grant(grant::Verb),
    /// Teams: people who hold roles together
    #[command(subcommand)]
    Team(team::Verb),
    /// Members: who belongs to an organization
    #[command(subcommand)]
    Member(member::Verb),
    /// The ledger of an organization: what happened, in an order nobody can change unseen
    #[command(subcommand)]
    Ledger(ledger::Verb),
    /// Prove a ledger from an export, without any server; or, with --live, a server's database against its ledger
    Verify(verify::Args),
    /// Keys of an organization, in epochs
    #[command(subcommand)]
    Key(key::Verb),
    /// API tokens: what terraform and pipelines authenticate with
    #[command(subcommand)]
    Token(token::Verb),
    /// Accounts, for operators of the site
    #[command(subcommand)]
    User(user::Verb),
    /// Backups, consistent while serving, and without any key
    #[command(subcommand)]
    Backup(backup::Verb),
    /// Fill an empty data directory from a backup, and declare that this was done; the server must not run
    Restore(restore::Args),
    /// Move states in, with their history: from files, a bucket, or another server
    #[command(subcommand)]
    Import(import::Verb),
    /// Write every state as a plain file: from a server, or without one from a backup and its keys
    Eject(eject::Args),
    /// The configuration of the server
    #[command(subcommand)]
    Config(config::Verb),
    /// Every permission, and the roles that hold it
    Permissions,
    /// A completion script for a shell
    Completions(completions::Args),
    /// One job of a run, for the server
    #[command(hide = true)]
    Runner(runner::Args),
}

/// Runs the command of this process.
pub(crate) fn main() -> ExitCode {
    // A step of a sandbox passes its words on as they are, switches of other programs among them.
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some(INSIDE) => return runner::inside(&words.collect::<Vec<_>>()),
        Some(policy::WORKER) => return policy::worker(),
        Some(estimator::WORKER) => return estimator::main(),
        _ => {}
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            out::usage(&error);
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let environment = Environment::of_process();
    let out = Out::new(cli.output, &environment);
    let session = Session {
        out,
        environment,
        server: cli.server,
    };
    match run(cli.command, &session) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            out.fail(&failure);
            ExitCode::from(failure.exit as u8)
        }
    }
}

/// Only `verify` and `drift` have more to say than done or failed.
fn run(command: Command, session: &Session) -> Result<u8> {
    match command {
        Command::Verify(args) => return verify::run(args, session),
        Command::Drift(verb) => return drift::run(verb, session),
        Command::Serve(args) => serve::run(&args, session),
        Command::Up(args) => up::run(&args, session),
        Command::Login(args) => login::run(&args, session),
        Command::Org(verb) => org::run(verb, session),
        Command::Project(verb) => project::run(verb, session),
        Command::Workspace(verb) => workspace::run(verb, session),
        Command::State(verb) => state::run(verb, session),
        Command::Run(verb) => run::run(verb, session),
        Command::Execution(verb) => execution::run(verb, session),
        Command::AgentPool(verb) => agent_pool::run(verb, session),
        Command::Agent(args) => agent::run(&args, session),
        Command::Variable(verb) => variable::run(verb, session),
        Command::VariableSet(verb) => variable_set::run(verb, session),
        Command::Policy(verb) => policy::run(verb, session),
        Command::PolicySet(verb) => policy_set::run(verb, session),
        Command::Cost(args) => cost::run(args, session),
        Command::Budget(verb) => budget::run(verb, session),
        Command::Price(verb) => price::run(&verb, session),
        Command::Notification(verb) => notification::run(verb, session),
        Command::Retention(verb) => retention::run(verb, session),
        Command::Grant(verb) => grant::run(verb, session),
        Command::Team(verb) => team::run(verb, session),
        Command::Member(verb) => member::run(verb, session),
        Command::Ledger(verb) => ledger::run(verb, session),
        Command::Key(verb) => key::run(verb, session),
        Command::Token(verb) => token::run(verb, session),
        Command::User(verb) => user::run(verb, session),
        Command::Backup(verb) => backup::run(verb, session),
        Command::Restore(args) => restore::run(args, session),
        Command::Import(verb) => import::run(verb, session),
        Command::Eject(args) => eject::run(&args, session),
        Command::Config(verb) => config::run(verb, session),
        Command::Permissions => permissions::run(session),
        Command::Completions(args) => completions::run(&args, session),
        Command::Runner(args) => runner::run(&args),
    }?;
    Ok(0)
}

/// The command line itself, for completions.
fn command_line() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_fits_together() {
        super::command_line().debug_assert();
    }
}
