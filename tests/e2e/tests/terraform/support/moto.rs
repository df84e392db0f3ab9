//! moto, in the place of AWS.

use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::child::{Ran, Running, until};
use super::components;

/// Python takes its time to import all of moto.
const READY_MAX: Duration = Duration::from_mins(1);

/// Starts moto on a free port of this machine.
pub(crate) fn moto() -> (Running, String) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut command = Command::new(components::python());
    command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p"]);
    command.arg(address.port().to_string());
    let mut moto = Running::start(&mut command);
    until("moto answers", READY_MAX, || {
        if let Some(ran) = moto.ended() {
            panic!("moto does not go on: {ran}");
        }
        TcpStream::connect(address).ok()
    });
    (moto, format!("http://{address}"))
}

/// Runs a script with a client library of AWS at hand; `arguments` are its `sys.argv[1:]`. What it prints is the answer.
pub(crate) fn script(text: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(components::python());
    command.args(["-c", text]).args(arguments).env_clear();
    let settings = [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("HOME", "/nonexistent"),
    ];
    let ran = Ran::of(command.envs(settings)).done();
    ran.text().trim().to_owned()
}
