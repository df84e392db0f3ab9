# shellcheck shell=bash
# Lint: what can be said of the code without running it. Sourced by ./dev.
#
# Each step is red on its first finding and runs alone as `./dev lint STEP`; CI runs them one by one.
# Advisories are read offline, from a git bundle of the RustSec database beside the checkout; where
# there is none, that is said, and the rest is checked.

lint_steps=(format scripts dependencies clippy)

cmd_lint() {
  local step
  (($#)) || set -- "${lint_steps[@]}"
  cd "$root"
  for step in "$@"; do
    [[ " ${lint_steps[*]} " == *" $step "* ]] || usage_error "lint: unknown step '$step'; there are: ${lint_steps[*]}"
    say "lint: $step"
    "lint_$step" || die "lint: $step found something (above)"
  done
}

lint_format() {
  need cargo
  cargo fmt --all --check || { say "./dev fmt repairs the format"; return 1; }
}

lint_scripts() {
  need shellcheck
  shellcheck --external-sources --check-sourced dev .ci/run
}

lint_clippy() {
  need compiler
  need cargo
  cargo clippy "${locked[@]}" --workspace --all-targets -- -D warnings
}

lint_dependencies() {
  need deny
  local checks=(bans licenses sources)
  # cargo-deny reads licences from the crates' sources and, offline, does not bring them.
  cargo fetch "${locked[@]}" --quiet
  if open_advisories; then checks+=(advisories); fi
  cargo deny "${locked[@]}" --offline check --hide-inclusion-graph "${checks[@]}"
}

# Puts the advisories of the bundle where deny.toml looks for them. Fails where there is no bundle.
open_advisories() {
  local bundle=${STATEHOUSE_ADVISORY_BUNDLE:-$root/../shared/advisory-db.bundle} newest now
  # db-path of deny.toml, then the name cargo-deny derives from db-urls: it looks nowhere else, and says so if that changes.
  local database=$HOME/.cache/statehouse/advisory-dbs/advisory-db-3157b0e258782691
  if [[ ! -r $bundle ]]; then
    say "ADVISORIES WERE NOT CHECKED: no bundle at $bundle (or set STATEHOUSE_ADVISORY_BUNDLE)"
    return 1
  fi
  if [[ ! -d $database/.git ]]; then
    mkdir -p "$database"
    git -C "$database" init --quiet
  fi
  git -C "$database" fetch --quiet --no-tags "$bundle" '+refs/heads/one:refs/heads/bundle' ||
    die "$bundle has no branch 'one': it is not the advisory bundle, or is damaged"
  git -C "$database" checkout --quiet --force --detach refs/heads/bundle
  # The author's date: the committer's is that of the copy.
  newest=$(git -C "$database" log -1 --format=%at)
  now=$(date +%s)
  say "advisories as of $(date -u -d "@$newest" +%F), $(((now - newest) / 86400)) days old"
}
