//! Which values are secrets by their name.
//!
//! States say what is sensitive only as far as the terraform that wrote them knew: before 1.9 the marks of the providers' schemas
//! were not kept, and a mark is lost wherever a value passes through an output of another state. So names are asked as well, and the
//! answer errs towards hiding. The lists here are the only place that decides it:
//!
//! - a name is secret when its words end in one of [`SECRETS`], with nothing behind but words of [`TAILS`]: `db_password`,
//!   `privateKeyPem`, `DB_PASSWORD`, `password_wo`, but not `password_length`, `secret_arn`, `token_endpoint`;
//! - in a resource whose type says that it carries a secret ([`CARRIER_TYPES`]), the attributes of [`CARRIED`] are;
//! - of an object with a `name` or `key` that is secret, `value` is; so in the JSON texts that some attributes hold.
//!
//! True, false and null are never secret by name: `manage_master_user_password` is a switch.

/// Words, or rows of words, at the end of a name that make it secret.
const SECRETS: &[&[&str]] = &[
    &["password"],
    &["passwords"],
    &["passwd"],
    &["pwd"],
    &["passphrase"],
    &["secret"],
    &["secrets"],
    &["token"],
    &["tokens"],
    &["credential"],
    &["credentials"],
    &["kubeconfig"],
    &["authorization"],
    &["access", "key"],
    &["account", "key"],
    &["api", "key"],
    &["apikey"],
    &["auth", "key"],
    &["client", "key"],
    &["master", "key"],
    &["preshared", "key"],
    &["primary", "key"],
    &["private", "key"],
    &["secondary", "key"],
    &["secret", "key"],
    &["service", "key"],
    &["shared", "key"],
    &["signing", "key"],
    &["connection", "string"],
    &["connection", "strings"],
    &["kube", "config"],
    &["kube", "admin", "config"],
    &["sas", "url"],
];

/// Words behind a secret that say how it is written, not what is known of it.
const TAILS: &[&str] = &[
    "base64",
    "b64",
    "binary",
    "current",
    "data",
    "json",
    "new",
    "old",
    "openssh",
    "pem",
    "pkcs8",
    "plain",
    "plaintext",
    "previous",
    "raw",
    "string",
    "text",
    "value",
    "values",
    "wo",
];

/// Words in a resource's type that say that it carries a secret; [`CARRIED`] says where.
const CARRIER_TYPES: &[&str] = &[
    "password",
    "secret",
    "secrets",
    "token",
    "credential",
    "credentials",
    "vault",
];

/// Types that carry secrets without saying so.
const CARRIERS: &[&str] = &[
    "aws_ssm_parameter",
    "tls_private_key",
    "google_service_account_key",
];

/// Attributes that hold the secret of a type that carries one.
const CARRIED: &[&str] = &[
    "bcrypt_hash",
    "binary_data",
    "content",
    "contents",
    "data",
    "data_json",
    "payload",
    "plaintext",
    "result",
    "string_data",
    "value",
    "values",
];

/// Attributes of one type that hold what others said, secrets included: another state's outputs come without their marks
/// (measured with 1.11.4), and a backend's configuration holds its credentials.
const HEARSAY: &[(&str, &[&str])] =
    &[("terraform_remote_state", &["outputs", "defaults", "config"])];

/// Whether a name is secret.
pub(super) fn is_secret(name: &str) -> bool {
    if !has_stem(name.as_bytes()) {
        return false;
    }
    let words = words(name);
    let mut words: &[String] = &words;
    loop {
        let ends = |secret: &&[&str]| {
            words
                .len()
                .checked_sub(secret.len())
                .and_then(|start| words.get(start..))
                .is_some_and(|end| end.iter().eq(secret.iter()))
        };
        if SECRETS.iter().any(ends) {
            return true;
        }
        match words.split_last() {
            Some((last, before)) if is_tail(last) => words = before,
            _ => return false,
        }
    }
}

/// Whether an attribute is secret because of the type that has it.
pub(super) fn is_carried(kind: &str, attribute: &str) -> bool {
    let hearsay = HEARSAY
        .iter()
        .any(|(name, attributes)| *name == kind && attributes.contains(&attribute));
    hearsay || (CARRIED.contains(&attribute) && is_carrier(kind))
}

fn is_carrier(kind: &str) -> bool {
    CARRIERS.contains(&kind)
        || words(kind)
            .iter()
            .any(|word| CARRIER_TYPES.contains(&word.as_str()))
}

/// Whether there is a piece of which every secret name has one. Most names, and most texts, are told apart by that, without looking
/// for words.
pub(super) fn has_stem(text: &[u8]) -> bool {
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let stems: &[&[u8]] = match first | 0x20 {
            b'a' => &[b"auth"],
            b'c' => &[b"cred", b"conn"],
            b'k' => &[b"key", b"kube"],
            b'p' => &[b"pass", b"pwd"],
            b's' => &[b"secret", b"sas"],
            b't' => &[b"token"],
            _ => &[],
        };
        let begins = |stem: &&[u8]| {
            rest.get(..stem.len())
                .is_some_and(|piece| piece.eq_ignore_ascii_case(stem))
        };
        if stems.iter().any(begins) {
            return true;
        }
        rest = tail;
    }
    false
}

/// `password_2` and `ses_smtp_password_v4` are passwords too.
fn is_tail(word: &str) -> bool {
    let number = word.strip_prefix('v').unwrap_or(word);
    TAILS.contains(&word)
        || (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The words of a name in small letters: what `_`, `-`, `.`, blanks and the like divide, and `camelCase`. Digits behind a
/// word are a word of their own.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        let begins = (letter.is_uppercase()
            && (before.is_lowercase()
                || (before.is_uppercase()
                    && letters.peek().is_some_and(|next| next.is_lowercase()))))
            || (letter.is_numeric()
                && before.is_alphabetic()
                && before != 'v'
                && before != 'b'
                && before != 's');
        if !letter.is_alphanumeric() || begins {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_the_last_words_of_their_name() {
        for name in [
            "password",
            "Password",
            "db_password",
            "DB_PASSWORD",
            "dbPassword",
            "master.password",
            "password2",
            "password_2",
            "ses_smtp_password_v4",
            "password_wo",
            "secret",
            "client_secret",
            "secret_string",
            "secret_data",
            "token",
            "auth-token",
            "AWS_SESSION_TOKEN",
            "private_key",
            "privateKeyPem",
            "private_key_pem_pkcs8",
            "APIKey",
            "api_key",
            "apikey",
            "secret_access_key",
            "primary_blob_connection_string",
            "connectionString",
            "tunnel1_preshared_key",
            "kube_config_raw",
            "credentials_json",
        ] {
            assert!(is_secret(name), "{name}");
        }
    }

    #[test]
    fn what_is_only_about_a_secret_is_not_one() {
        for name in [
            "",
            "id",
            "key",
            "tags",
            "passwordless",
            "password_length",
            "password_wo_version",
            "domain_auth_secret_arn",
            "secret_id",
            "secretary",
            "token_endpoint",
            "key_name",
            "private_key_id",
            "kms_key_id",
            "public_key",
            "hash_key",
            "connection_timeout",
            "compass",
            "v4",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn some_types_carry_secrets_under_plain_names() {
        for (kind, attribute, expected) in [
            ("random_password", "result", true),
            ("random_password", "length", false),
            ("aws_ssm_parameter", "value", true),
            ("aws_ssm_parameter", "insecure_value", false),
            ("kubernetes_secret_v1", "data", true),
            ("azurerm_key_vault_secret", "value", true),
            ("terraform_remote_state", "outputs", true),
            ("terraform_data", "value", false),
            ("random_string", "result", false),
        ] {
            assert_eq!(is_carried(kind, attribute), expected, "{kind}.{attribute}");
        }
    }
}
