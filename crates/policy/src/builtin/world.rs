//! What reads the world: refused, so that no verdict depends on when and where it was reached.

use regorus::Value;

use super::{Answer, Args, Builtin, Failure};

/// Refused in every evaluation, or answered without the world.
pub(super) const ALWAYS: [Builtin; 2] = [("http.send", 1, send), ("net.lookup_ip_addr", 1, lookup)];

/// Refused unless an evaluation may be impure.
pub(super) const IMPURE: [Builtin; 3] = [
    ("rand.intn", 2, |args| refuse(args)),
    ("uuid.rfc4122", 1, |args| refuse(args)),
    ("opa.runtime", 0, |args| refuse(args)),
];

/// The instant that the evaluation is given.
pub(super) const NOW: Builtin = ("time.now_ns", 0, |args| {
    Ok(Value::from(args.context.now("time.now_ns")?))
});

/// Members of a request that the reference implementation knows.
const REQUEST: &str = "url method body raw_body enable_redirect force_json_decode force_yaml_decode headers tls_use_system_certs \
    tls_ca_cert tls_ca_cert_file tls_ca_cert_env_variable tls_client_cert tls_client_cert_file tls_client_cert_env_variable \
    tls_client_key tls_client_key_file tls_client_key_env_variable tls_insecure_skip_verify tls_server_name timeout cache \
    force_cache force_cache_duration_seconds raise_error caching_mode max_retry_attempts cache_ignored_headers";

fn refuse(args: &Args<'_>) -> Answer {
    Err(Failure::Refused(format!(
        "{} reads the world, and a verdict must not depend on it; take it from input or data",
        args.name()
    )))
}

fn send(args: &Args<'_>) -> Answer {
    let request = args.object(0)?;
    for (key, _) in &request {
        let known = key.as_string().is_ok_and(|key| {
            REQUEST
                .split_ascii_whitespace()
                .any(|it| it == key.as_ref())
        });
        if !known {
            return Err(Failure::Type(format!(
                "{}: invalid request parameter {key}",
                args.name()
            )));
        }
    }
    for key in ["method", "url"] {
        if args.any(0)[key] == Value::Undefined {
            return Err(Failure::Type(format!(
                "{}: the request has no {key}",
                args.name()
            )));
        }
    }
    Err(Failure::Refused("http.send: a policy has no network; give what it needs as data of the set, and take it from there".to_owned()))
}

/// An address is its own answer, and this machine's name needs no resolver.
fn lookup(args: &Args<'_>) -> Answer {
    let name = args.text(0)?;
    let address = match name.parse::<std::net::IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) if name == "localhost" => "127.0.0.1".to_owned(),
        Err(_) => {
            return Err(Failure::Refused(format!(
                "net.lookup_ip_addr: a policy has no network to ask for {name}; give addresses as data"
            )));
        }
    };
    Ok(Value::from(std::collections::BTreeSet::from([
        Value::from(address),
    ])))
}
