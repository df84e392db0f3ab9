//! Where a notification may go. Pure: what a name leads to is held against the reach that is said here.

use hyper::Uri;
use statehouse_runner::egress::{AllowList, Host, Reach};

use crate::failure::{Failure, Result};

const HTTPS_PORT: u16 = 443;
const HTTP_PORT: u16 = 80;

/// The operator's list.
pub(super) struct Allowed {
    /// Over TLS.
    secure: AllowList,
    /// In clear.
    clear: AllowList,
    /// Whether whoever is not on it may be told at public addresses.
    public: bool,
}

/// Where one message goes.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) secure: bool,
    pub(super) host: Host,
    pub(super) port: u16,
    /// Path and query.
    pub(super) path: String,
    pub(super) reach: Reach,
}

impl Place {
    /// As the header `Host` has it.
    pub(super) fn authority(&self) -> String {
        let usual = if self.secure { HTTPS_PORT } else { HTTP_PORT };
        if self.port == usual {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl Allowed {
    /// Reads the list of a configuration.
    pub(super) fn parse(entries: &[String], public: bool) -> Result<Self> {
        let (mut secure, mut clear) = (Vec::new(), Vec::new());
        for entry in entries {
            let entry = entry.trim();
            if let Some(rest) = entry.strip_prefix("http://") {
                let rest = rest.strip_suffix('/').unwrap_or(rest);
                let host = rest.split_ascii_whitespace().next().unwrap_or_default();
                let named = host.rsplit(']').next().unwrap_or_default().contains(':');
                if !named {
                    let words = format!(
                        "notifications.allow: `{entry}` needs a port, as in http://10.0.0.5:8080"
                    );
                    return Err(Failure::usage(words));
                }
                clear.push(format!("https://{rest}"));
            } else if entry.starts_with("https://") {
                secure.push(entry.to_owned());
            } else {
                let words = format!(
                    "notifications.allow: `{entry}` begins with neither https:// nor http://"
                );
                return Err(Failure::usage(words));
            }
        }
        let read = |entries: &[String]| {
            let list = AllowList::parse(entries.iter().map(String::as_str));
            list.map_err(|error| Failure::usage(format!("notifications.allow: {error}")))
        };
        Ok(Self {
            secure: read(&secure)?,
            clear: read(&clear)?,
            public,
        })
    }

    /// Where an address leads, or why nothing is sent there. The words do not repeat it: it may be a secret.
    pub(super) fn place(&self, url: &str) -> std::result::Result<Place, String> {
        let odd = |words: &str| Err(words.to_owned());
        let Ok(uri) = url.parse::<Uri>() else {
            return odd("it is no address of the form https://host/path");
        };
        if url.contains('#') {
            return odd("an address of a receiver has no fragment");
        }
        let Some(authority) = uri.authority() else {
            return odd("it is no address of the form https://host/path");
        };
        if authority.as_str().contains('@') {
            return odd("a name and a password in an address are not sent; sign with a token");
        }
        let host = Host::parse(authority.host()).map_err(|why| why.to_string())?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return odd("an address of a receiver begins with https://"),
        };
        let port = match authority.port_u16() {
            Some(0) => return odd("there is no port 0"),
            Some(port) => port,
            None if authority.as_str() != authority.host() => {
                return odd("the port is no number from 1 to 65535");
            }
            None if secure => HTTPS_PORT,
            None => HTTP_PORT,
        };
        let reach = self.reach(secure, &host, port)?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Place {
            secure,
            host,
            port,
            path: path.to_owned(),
            reach,
        })
    }

    fn reach(&self, secure: bool, host: &Host, port: u16) -> std::result::Result<Reach, String> {
        let odd = |words: &str| Err(words.to_owned());
        let list = if secure { &self.secure } else { &self.clear };
        let reach = match (secure, list.https(host, port)) {
            (_, Ok(reach)) => reach,
            (false, Err(_)) => {
                return odd(
                    "it is http, which is taken where the operator of the server lists it (notifications.allow); use https",
                );
            }
            (true, Err(_)) if self.public => Reach::Public,
            (true, Err(_)) => {
                return odd("the operator of the server did not list it (notifications.allow)");
            }
        };
        let inside = match host {
            Host::Address(address) => !reach.allows(*address),
            Host::Name(_) => host.is_loopback(),
        };
        if inside {
            return odd(
                "it leads inside: only public addresses are taken, and what the operator of the server lists (notifications.allow)",
            );
        }
        Ok(reach)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn allowed(entries: &[&str], public: bool) -> Allowed {
        let entries: Vec<String> = entries.iter().map(|&entry| entry.to_owned()).collect();
        Allowed::parse(&entries, public).unwrap()
    }

    #[test]
    fn without_a_list_only_https_and_only_public_addresses_are_taken() {
        let none = allowed(&[], true);
        for url in [
            "https://hooks.example.com/a?b=c",
            "https://hooks.example.com:8443",
            "https://93.184.216.34/a",
        ] {
            assert_eq!(none.place(url).unwrap().reach, Reach::Public, "{url}");
        }
        for url in [
            "http://hooks.example.com/",
            "https://127.0.0.1/",
            "https://10.0.0.5:8443/",
            "https://169.254.169.254/latest",
            "https://100.64.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[fd00::1]/",
            "https://localhost/",
            "https://a.localhost/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://127.1/",
            "https://user:word@hooks.example.com/",
            "https://hooks.example.com:0/",
            "https://hooks.example.com:99999/",
            "https://hooks.example.com/#part",
            "https://",
            "ftp://hooks.example.com/",
            "/path",
            "hooks.example.com",
            "",
        ] {
            assert!(none.place(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_operators_list_opens_what_it_names_and_nothing_beside_it() {
        let list = allowed(
            &[
                "https://10.0.0.5:8443",
                "https://*.corp.example private",
                "http://10.0.0.6:8080",
            ],
            true,
        );
        let reach = |url: &str| list.place(url).map(|place| place.reach).ok();
        let exactly = |text: &str| Some(Reach::Exactly(text.parse().unwrap()));
        assert_eq!(reach("https://10.0.0.5:8443/a"), exactly("10.0.0.5"));
        assert_eq!(reach("https://10.0.0.5/a"), None);
        assert_eq!(reach("https://10.0.0.6:8080/a"), None);
        assert_eq!(reach("http://10.0.0.6:8080/a"), exactly("10.0.0.6"));
        assert_eq!(reach("http://10.0.0.5:8443/a"), None);
        assert_eq!(reach("https://hooks.corp.example/"), Some(Reach::Private));
        assert_eq!(reach("https://corp.example/"), Some(Reach::Public));
    }

    #[test]
    fn an_operator_may_have_nobody_else_told() {
        let list = allowed(&["https://hooks.example.com"], false);
        assert!(list.place("https://hooks.example.com/a").is_ok());
        assert!(list.place("https://other.example.com/a").is_err());
        assert!(list.place("https://hooks.example.com:8443/a").is_err());
    }

    #[test]
    fn an_entry_that_says_nothing_is_refused() {
        for entry in [
            "hooks.example.com",
            "tcp://10.0.0.5:80",
            "http://10.0.0.6",
            "https://*",
        ] {
            assert!(
                Allowed::parse(&[entry.to_owned()], true).is_err(),
                "{entry}"
            );
        }
    }

    #[test]
    fn an_authority_names_a_port_that_is_not_the_usual_one() {
        let list = allowed(&["http://10.0.0.6:80"], true);
        let authority = |url: &str| list.place(url).unwrap().authority();
        assert_eq!(
            authority("https://Hooks.example.com:443/a"),
            "hooks.example.com"
        );
        assert_eq!(
            authority("https://hooks.example.com:444/a"),
            "hooks.example.com:444"
        );
        assert_eq!(authority("http://10.0.0.6/a"), "10.0.0.6");
    }
}
