//! The sandbox by itself: what the tests of this crate start in place of the server's binary, and what measures it.
//!
//! `inside …` is the step that the sandbox starts. `seat`, `phase` and `clear` read a request from standard input and answer on
//! standard output, so that a test can have each done by another user. `measure` starts `/bin/true` fifty times.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use statehouse_runner::sandbox::{self, Egress, Exit, Phase, Seat, Settings};
use tokio::io::AsyncReadExt;

/// What a test has of an output.
const OUTPUT_MAX: u64 = 1 << 20;

/// How often the start is measured.
const STARTS: usize = 50;

#[derive(Deserialize)]
struct Request {
    settings: Settings,
    slot: u32,
    seat: Option<Seat>,
    phase: Option<Phase>,
    /// How often to interrupt, each time after a line was said.
    interrupts: u32,
    /// To let go of it in the middle, after a line was said.
    dropped: bool,
}

#[derive(Default, Serialize)]
struct Answer {
    seat: Option<Seat>,
    exit: Option<Exit>,
    error: Option<String>,
    output: String,
    errors: String,
    start_ms: Vec<f64>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((task, rest)) = arguments.split_first() else {
        return ExitCode::from(2);
    };
    if task == "inside" {
        return sandbox::inside::main(rest, relay);
    }
    match answer(task) {
        Ok(text) => {
            writeln!(io::stdout(), "{text}").map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
        }
        Err(error) => {
            // There is nobody else to tell.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn answer(task: &str) -> io::Result<String> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let request: Request = serde_json::from_str(&text)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut answer = Answer::default();
    let done = match task {
        "seat" => {
            sandbox::prepare(&request.settings, request.slot).map(|seat| answer.seat = Some(seat))
        }
        "clear" => request.seat.as_ref().map_or(Ok(()), Seat::clear),
        "phase" => runtime.block_on(phase(&request, &mut answer)),
        "measure" => runtime.block_on(measure(&request, &mut answer)),
        _ => return Err(io::Error::other(format!("no task {task}"))),
    };
    answer.error = done.err().map(|error| error.to_string());
    Ok(serde_json::to_string(&answer)?)
}

async fn phase(request: &Request, answer: &mut Answer) -> Result<(), sandbox::Error> {
    let (Some(seat), Some(phase)) = (&request.seat, &request.phase) else {
        return Ok(());
    };
    let mut running = sandbox::run(&request.settings, seat, phase).await?;
    let mut output = running
        .output()
        .ok_or_else(|| io::Error::other("no output"))?;
    for _ in 0..request.interrupts {
        read_line(&mut output).await?;
        running.interrupt().await;
    }
    if request.dropped {
        read_line(&mut output).await?;
        return Ok(());
    }
    let errors = running
        .errors()
        .ok_or_else(|| io::Error::other("no errors"))?;
    let (output, errors, exit) = tokio::join!(read(output), read(errors), running.wait());
    (answer.output, answer.errors, answer.exit) = (output?, errors?, Some(exit?));
    Ok(())
}

async fn read_line(from: &mut (impl tokio::io::AsyncRead + Unpin)) -> io::Result<()> {
    let mut byte = [0; 1];
    while from.read(&mut byte).await? == 1 && byte != *b"\n" {}
    Ok(())
}

async fn read(from: impl tokio::io::AsyncRead + Unpin) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.take(OUTPUT_MAX).read_to_end(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// From the description of a phase to its command, and to its end.
async fn measure(request: &Request, answer: &mut Answer) -> Result<(), sandbox::Error> {
    let Some(seat) = &request.seat else {
        return Ok(());
    };
    for _ in 0..STARTS {
        let phase = Phase::new("/bin/true", seat.work());
        let began = Instant::now();
        let mut running = sandbox::run(&request.settings, seat, &phase).await?;
        answer.start_ms.push(began.elapsed().as_secs_f64() * 1000.0);
        running.wait().await?;
    }
    answer.start_ms.sort_by(f64::total_cmp);
    Ok(())
}

/// Carries what comes to each address to the socket, one connection at a time: enough to see that there is a way out.
fn relay(egress: &Egress) -> io::Result<()> {
    for listen in &egress.listen {
        let listener = TcpListener::bind(listen.address)?;
        let (socket, target) = (egress.socket.clone(), listen.target.clone());
        std::thread::spawn(move || {
            for mut inner in listener.incoming().flatten() {
                let carried = UnixStream::connect(&socket).and_then(|mut outer| {
                    outer.write_all(format!("{target}\n").as_bytes())?;
                    outer.set_read_timeout(Some(Duration::from_secs(5)))?;
                    io::copy(&mut outer, &mut inner)
                });
                // Whoever asked finds the connection closed.
                drop(carried);
            }
        });
    }
    Ok(())
}
