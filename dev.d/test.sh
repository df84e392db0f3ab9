# shellcheck shell=bash
# Test, bench, soak: brings the real components here, tells the tests where they are, and runs them.
# Sourced by ./dev.
#
# Tests read the STATEHOUSE_TEST_… variables exported below and nothing else of the machine; a test
# whose variable is missing fails and names ./dev test. Each run writes into a directory of its own,
# so that two runs at once do not read each other's results.

cmd_test() {
  prepare_tests
  cd "$root"
  "$STATEHOUSE_TEST_PYTHON" tests/shim/selftest.py "$STATEHOUSE_TEST_SHIM" >&2

  local packages=(--workspace) argument binary=yes
  for argument in "$@"; do
    # A choice of packages replaces all of them; the binary is needed by the end-to-end tests only.
    [[ $argument != -p && $argument != -p?* && $argument != --package* ]] || packages=() binary=no
  done
  [[ "$*" != *statehouse-e2e* ]] || cargo build "${locked[@]}" --package statehouse
  # The whole workspace, as nextest is about to build it: the same features, so that nothing is built twice.
  [[ $binary == no ]] || cargo build "${locked[@]}" --workspace --bins

  export STATEHOUSE_TEST_BINARY=$CARGO_TARGET_DIR/debug/statehouse
  local with_examples=no
  (($# > 0)) || with_examples=yes
  # The control of the canary search: with sealing replaced, the same search must find every canary. A build of its own,
  # because the feature may never reach the product's binary.
  if [[ $with_examples == yes ]]; then
    cargo test "${locked[@]}" --package statehouse-e2e --features control --test control >&2
  fi
  run_nextest default "${packages[@]}" "$@"
}

cmd_soak() {
  prepare_tests
  cd "$root"
  cargo build "${locked[@]}" --release --package statehouse
  export STATEHOUSE_TEST_BINARY=$CARGO_TARGET_DIR/release/statehouse STATEHOUSE_TEST_SCALE=10
  local with_examples=no
  run_nextest soak --package statehouse-e2e --package statehouse-policy --run-ignored all \
    -E 'binary(strength) or test(schemathesis::) or test(mutations::) or test(hostile_evaluations)' "$@"
}

cmd_bench() {
  prepare_tests
  cd "$root"
  # In one call: apart, each would build what both need with other features.
  cargo build "${locked[@]}" --release --package statehouse --package statehouse-runner --package statehouse-policy \
    --package statehouse-cost --package statehouse-e2e --bins
  export STATEHOUSE_TEST_BINARY=$CARGO_TARGET_DIR/release/statehouse
  "$CARGO_TARGET_DIR/release/statehouse-bench" "$@"
}

prepare_tests() {
  local name
  for name in "${components_to_build[@]}" "${components_to_run[@]}" "${components_to_test[@]}"; do need "$name"; done

  STATEHOUSE_TEST_PG_BIN=$(find_postgres)
  STATEHOUSE_TEST_SOFTHSM_MODULE=$(find_softhsm)
  STATEHOUSE_TEST_PYTHON=$(find_python)
  STATEHOUSE_TEST_PROVIDER_MIRROR=$(find_provider)
  STATEHOUSE_TEST_SCHEMATHESIS=$(find_schemathesis)
  STATEHOUSE_TEST_TERRAFORM=$(find_terraform)
  STATEHOUSE_TEST_NMAP=$(find_nmap)
  STATEHOUSE_TEST_OPENSSL=$(find_openssl)
  STATEHOUSE_TEST_CHROMIUM=$(find_chromium | tail -1)
  STATEHOUSE_TEST_CHROMEDRIVER=$(command -v chromedriver)
  STATEHOUSE_TEST_CERTUTIL=$(command -v certutil)
  STATEHOUSE_TEST_SHIM=$(build_shim)
  export STATEHOUSE_TEST_PG_BIN STATEHOUSE_TEST_SOFTHSM_MODULE STATEHOUSE_TEST_PYTHON STATEHOUSE_TEST_PROVIDER_MIRROR
  export STATEHOUSE_TEST_SCHEMATHESIS STATEHOUSE_TEST_TERRAFORM STATEHOUSE_TEST_NMAP STATEHOUSE_TEST_OPENSSL STATEHOUSE_TEST_SHIM
  export STATEHOUSE_TEST_CHROMIUM STATEHOUSE_TEST_CHROMEDRIVER STATEHOUSE_TEST_CERTUTIL

  # PostgreSQL refuses to run as root: its package brings a user who may.
  if (($(id -u) == 0)); then export STATEHOUSE_TEST_PG_USER=postgres; fi
  # Set only where there is one: no package of Debian or Ubuntu has it.
  if command -v tofu >/dev/null; then STATEHOUSE_TEST_TOFU=$(command -v tofu); export STATEHOUSE_TEST_TOFU; fi
  # A person's own terraform settings and credentials must not decide what a test sees.
  unset TF_CLI_CONFIG_FILE TF_CLI_ARGS TF_DATA_DIR TF_LOG TF_WORKSPACE AWS_PROFILE
}

# Named after its sources, so that two checkouts with different shims can share the cache.
build_shim() {
  local source=$root/tests/shim library
  library=$cache/shim/$(cat "$source"/*.[ch] | sha256sum | cut -c1-12)/libsyncshim.so
  if [[ ! -r $library ]]; then
    mkdir -p "${library%/*}"
    gcc -std=gnu11 -O2 -fPIC -shared -Wall -Wextra -Werror -o "$library.$$" "$source/syncshim.c" -lpthread >&2 ||
      die "the shim in $source does not compile (above)"
    mv "$library.$$" "$library"
  fi
  echo "$library"
}

# run_nextest PROFILE ARGS…: the tests, then the totals and the ten slowest, from the reports of this very run.
run_nextest() {
  local profile=$1 results status=0
  shift
  mkdir -p "$cache/runs"
  results=$(mktemp -d "$cache/runs/XXXXXXXX")
  printf '[store]\ndir = "%s"\n' "$results" >"$results/store.toml"
  cargo nextest run "${locked[@]}" --profile "$profile" --tool-config-file "statehouse:$results/store.toml" "$@" || status=$?
  # Examples in documentation are tests that nextest does not run; cargo does.
  if [[ $with_examples == yes && -r $results/$profile/junit.xml ]]; then
    cargo test "${locked[@]}" --workspace --doc --no-fail-fast 2>&1 | tee "$results/examples.log" >&2 || status=1
  fi
  if [[ -r $results/$profile/junit.xml ]]; then
    "$STATEHOUSE_TEST_PYTHON" "$root/dev.d/summary.py" "$results/$profile/junit.xml" "$results/examples.log" || ((status)) || status=1
  fi
  rm -rf "$results"
  return "$status"
}
