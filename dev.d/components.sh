# shellcheck shell=bash
# Components: what building and testing need, where it is, and how to get it. Sourced by ./dev.
#
# A component NAME is three things: `find_NAME` prints where it is, or fails; `install_NAME` brings it
# here, or says how a person can; its line in `about` says what it is for. `need NAME` is the only way
# to ask for one. Nothing is started as a system service, and nothing is skipped: a component that
# cannot be had is an error.

nextest_version=0.9
aws_provider_version=5.100.0
schemathesis_version=4.32.5
rust_version_min=1.95

components_to_build=(compiler cargo)
components_to_run=(bubblewrap)
components_to_test=(nextest postgres softhsm nmap openssl python schemathesis terraform provider chromium)
components_to_lint=(deny shellcheck)

declare -A about=(
  [compiler]="gcc, make and pkg-config: C parts of dependencies (SQLite, zstd, AWS-LC)"
  [cargo]="cargo $rust_version_min or newer: builds everything"
  [bubblewrap]="bubblewrap 0.8 or newer: keeps a run apart from the machine"
  [nextest]="cargo-nextest: runs the tests"
  [postgres]="PostgreSQL server programs: the second database engine; tests start clusters of their own"
  [softhsm]="SoftHSM 2: a PKCS#11 device for the root key provider"
  [nmap]="nmap: reads which TLS versions and suites a listener really accepts"
  [openssl]="openssl: a TLS client of somebody else's"
  [python]="Python with cryptography and moto: the second verifier, and AWS for terraform to talk to"
  [schemathesis]="schemathesis $schemathesis_version: makes up requests out of the document of the API"
  [terraform]="terraform: the client that all of this is for"
  [provider]="AWS provider $aws_provider_version in a filesystem mirror: terraform init without a network"
  [chromium]="Chromium, its WebDriver and certutil: a real browser for the pages and terraform login"
  [deny]="cargo-deny: advisories, licences, sources and bans"
  [shellcheck]="shellcheck: reads the shell scripts"
)

# need NAME: makes sure that a component is here, installing it at most once even when several run at a time.
need() {
  "find_$1" >/dev/null 2>&1 && return
  say "missing: ${about[$1]}"
  exec {install_lock}>"$cache/install.lock"
  flock "$install_lock"
  "find_$1" >/dev/null 2>&1 || "install_$1"
  exec {install_lock}>&-
  # cargo and rustup install into a directory that a fresh shell does not search yet.
  hash -r
  "find_$1" >/dev/null || die "$1 was installed but still cannot be found; ./dev doctor lists every component"
}

as_root() {
  if (($(id -u) == 0)); then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "installing packages needs root: install sudo, or run as root: $*"
  fi
}

apt_install() {
  command -v apt-get >/dev/null || die "no apt-get here: install by your own means: $*"
  say "installing with apt-get: $*"
  local get=(as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
  "${get[@]}" install -y --no-install-recommends "$@" >&2 || {
    say "refreshing the package lists and trying again"
    "${get[@]}" update >&2 || true
    "${get[@]}" install -y --no-install-recommends "$@" >&2 || die "apt-get could not install: $*"
  }
}

cargo_install() {
  need cargo
  need compiler
  say "installing with cargo: $1 (minutes, once per machine)"
  CARGO_TARGET_DIR=$cache/tools cargo install --locked "$@" >&2 || die "cargo could not install $1"
}

find_compiler() { command -v make && command -v pkg-config && command -v gcc; }
install_compiler() { apt_install gcc libc6-dev make pkg-config; }

find_cargo() {
  local have
  have=$(cargo --version 2>/dev/null | cut -d' ' -f2) || return
  [[ $(printf '%s\n' "$rust_version_min" "$have" | sort -V | head -1) == "$rust_version_min" ]] && command -v cargo
}
install_cargo() {
  command -v cargo >/dev/null && ! command -v rustup >/dev/null &&
    die "$(cargo --version) is older than $rust_version_min and was not installed by rustup: bring a newer one"
  command -v rustup >/dev/null || (apt_install rustup) ||
    die "no cargo, and no rustup among this system's packages: install Rust $rust_version_min from https://rustup.rs, then run this again"
  say "installing the Rust toolchain with rustup"
  rustup toolchain install stable --profile minimal --component rustfmt --component clippy >&2
  rustup default stable >&2
  export PATH=$HOME/.cargo/bin:$PATH
}

find_nextest() { find_cargo >/dev/null && cargo nextest --version >/dev/null && find_in_cargo_home cargo-nextest; }
install_nextest() { cargo_install "cargo-nextest@$nextest_version"; }

# Debug profile: it builds in a fraction of the time, and its run takes seconds either way.
find_deny() { find_cargo >/dev/null && cargo deny --version >/dev/null && find_in_cargo_home cargo-deny; }
install_deny() { cargo_install cargo-deny --debug; }

find_in_cargo_home() { command -v "$1" || ls "${CARGO_HOME:-$HOME/.cargo}/bin/$1"; }

find_shellcheck() { command -v shellcheck; }
install_shellcheck() { apt_install shellcheck; }

# Older ones cannot forbid namespaces within the sandbox.
find_bubblewrap() {
  local have
  have=$(bwrap --version 2>/dev/null) || return
  [[ $(printf '%s\n' 0.8 "${have##* }" | sort -V | head -1) == 0.8 ]] && command -v bwrap
}
install_bubblewrap() { apt_install bubblewrap; }

find_nmap() { command -v nmap && test -r /usr/share/nmap/scripts/ssl-enum-ciphers.nse; }
install_nmap() { apt_install nmap; }

find_openssl() { command -v openssl; }
install_openssl() { apt_install openssl; }

# The driver's version must be the browser's; one source of packages has both.
find_chromium() { command -v certutil && command -v chromedriver && command -v chromium; }
install_chromium() { apt_install chromium chromium-driver libnss3-tools; }

# PostgreSQL 15 is what the promises are measured with; another version is taken where a system has no 15.
find_postgres() {
  local bin
  for bin in /usr/lib/postgresql/15/bin $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -Vr); do
    [[ -x $bin/initdb && -x $bin/postgres ]] && echo "$bin" && return
  done
  return 1
}
install_postgres() {
  # Debian's package creates and starts a cluster of its own; it is told not to, for the length of the install.
  local mute=/etc/postgresql-common/createcluster.d/statehouse-tests.conf package=postgresql-15
  as_root mkdir -p "${mute%/*}"
  echo 'create_main_cluster = false' | as_root tee "$mute" >/dev/null
  apt-cache show "$package" >/dev/null 2>&1 || as_root apt-get -q update >&2 || true
  apt-cache show "$package" >/dev/null 2>&1 || package=postgresql
  (apt_install "$package") || { as_root rm -f "$mute"; exit 1; }
  as_root rm -f "$mute"
}

find_softhsm() {
  local module
  command -v softhsm2-util >/dev/null || return
  for module in /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so; do
    [[ -r $module ]] && echo "$module" && return
  done
  return 1
}
install_softhsm() { apt_install softhsm2; }

# The Python on PATH when it has the modules, else one of our own in the cache.
find_python() {
  local python modules='import importlib.util as i, sys; sys.exit(not all(map(i.find_spec, ("cryptography", "moto", "flask", "flask_cors"))))'
  for python in "$(command -v python3)" "$cache/python/bin/python"; do
    [[ -x $python ]] && "$python" -c "$modules" && echo "$python" && return
  done
  return 1
}
install_python() {
  python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3 python3-venv
  say "installing from PyPI into $cache/python: cryptography, moto[server]"
  python3 -m venv --clear "$cache/python"
  "$cache/python/bin/python" -m pip install --quiet 'cryptography>=42' 'moto[server]>=5.1,<6' >&2 ||
    die "pip could not install cryptography and moto[server] into $cache/python"
}

# In an environment of its own: what it needs must not decide what the other Python programs get.
find_schemathesis() {
  local program
  for program in "$(command -v schemathesis)" "$cache/schemathesis/bin/schemathesis"; do
    [[ -x $program ]] && "$program" --version | grep -qF "$schemathesis_version" && echo "$program" && return
  done
  return 1
}
install_schemathesis() {
  python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3 python3-venv
  say "installing from PyPI into $cache/schemathesis: schemathesis $schemathesis_version"
  python3 -m venv --clear "$cache/schemathesis"
  "$cache/schemathesis/bin/python" -m pip install --quiet "schemathesis==$schemathesis_version" >&2 ||
    die "pip could not install schemathesis $schemathesis_version into $cache/schemathesis"
}

find_terraform() { command -v terraform; }
install_terraform() {
  die "terraform is not on PATH, and no package of this system has it: put the terraform 1.11.4 binary there, then run this again"
}

# A mirror is the directory that holds registry.terraform.io/…; the place a search found is remembered.
find_provider() {
  local mirror found
  for mirror in "${TF_PLUGIN_MIRROR:-}" "$cache/providers" "$(cat "$cache/provider-mirror" 2>/dev/null)"; do
    if holds_provider "$mirror"; then echo "$mirror" && return; fi
  done
  found=$(find / -xdev \( -path /proc -o -path /sys \) -prune -o \
    -path "*/registry.terraform.io/hashicorp/aws/*$aws_provider_version*" -name 'terraform-provider-aws*' -print -quit 2>/dev/null) || true
  mirror=${found%%/registry.terraform.io/*}
  holds_provider "$mirror" && echo "$mirror" | tee "$cache/provider-mirror"
}
holds_provider() {
  local below=$1/registry.terraform.io/hashicorp/aws
  [[ -n $1 ]] || return
  compgen -G "$below/$aws_provider_version/*/terraform-provider-aws*" >/dev/null ||
    compgen -G "$below/terraform-provider-aws_${aws_provider_version}_*.zip" >/dev/null
}
install_provider() {
  local work
  need terraform
  say "no mirror on this machine has the AWS provider $aws_provider_version: downloading it with terraform into $cache/providers"
  work=$(mktemp -d)
  printf 'terraform {\n  required_providers {\n    aws = {\n      source  = "hashicorp/aws"\n      version = "%s"\n    }\n  }\n}\n' \
    "$aws_provider_version" >"$work/main.tf"
  (cd "$work" && terraform providers mirror "$cache/providers" >&2) || {
    rm -rf "$work"
    die "no AWS provider $aws_provider_version: set TF_PLUGIN_MIRROR to a filesystem mirror (terraform providers mirror DIR, on a machine with a network)"
  }
  rm -rf "$work"
}

cmd_doctor() {
  local name where missing=0
  for name in "${components_to_build[@]}" "${components_to_run[@]}" "${components_to_test[@]}" "${components_to_lint[@]}"; do
    if where=$("find_$name" 2>/dev/null); then
      printf 'found    %-10s  %s\n' "$name" "${where##*$'\n'}"
    else
      printf 'MISSING  %-10s  %s\n' "$name" "${about[$name]}"
      missing=$((missing + 1))
    fi
  done
  printf '%s missing. ./dev up, ./dev test and ./dev lint install what they need.\n' "$missing"
  ((missing == 0))
}
