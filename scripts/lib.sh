# Shared by scripts/test and scripts/check: numbered steps with their durations, and a count of
# what passed and failed. Read with `source`; the reader has set -euo pipefail and is in the root.

passed=0
failed=0
step_log=$(mktemp -d)

# Prints what happens now.
say() { printf '%s\n' "$*" >&2; }

# Prints the reader's header comment without the marks: its usage.
usage() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$1" | sed '/^set -euo/d'; }

# Runs a step and prints its name and duration. Its output goes to a file and is shown when it
# fails, or at once with LONGSHORE_VERBOSE=1. Returns the status of the step.
#   run_step NAME COMMAND...
run_step() {
    local name=$1 started=$SECONDS status=0
    shift
    say "==> $name"
    if [[ ${LONGSHORE_VERBOSE:-0} == 1 ]]; then
        "$@" 2>&1 | tee "$step_log/last" >&2 || status=$?
    else
        "$@" >"$step_log/last" 2>&1 || status=$?
        if ((status != 0)); then cat "$step_log/last" >&2; fi
    fi
    if ((status == 0)); then
        say "    ok: $name, $((SECONDS - started)) s"
    else
        say "    FAILED: $name, $((SECONDS - started)) s, status $status"
    fi
    return "$status"
}

# A step that is one check by itself: formatting, lints.
#   check_step NAME COMMAND...
check_step() {
    if run_step "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
}

# A step that runs tests and counts them one by one. A step that fails before any test did counts
# as one failure.
#   test_step NAME COMMAND...
test_step() {
    local ran_passed=0 ran_failed=0 status=0
    run_step "$@" || status=$?
    read -r ran_passed ran_failed < <(count_tests "$step_log/last")
    if ((status != 0 && ran_failed == 0)); then ran_failed=1; fi
    say "    $ran_passed passed, $ran_failed failed"
    # What tests measured is worth seeing even when all is well.
    grep -hoE 'measured: .*' "$step_log/last" | sort -u | sed 's/^/    /' >&2 || true
    passed=$((passed + ran_passed))
    failed=$((failed + ran_failed))
}

# Adds up the summaries of cargo-nextest and of cargo test in a file: `PASSED FAILED`.
count_tests() {
    sed 's/\x1b\[[0-9;]*m//g' "$1" | awk '
        # Summary [   1.234s] 42 tests run: 40 passed (1 slow), 1 failed, 1 timed out, 0 skipped
        /^ *Summary \[/ { read_counts($0, 1) }
        # test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out
        /^test result: / { read_counts($0, 0) }
        function read_counts(line, nextest,    words, n, i) {
            n = split(line, words, /[ ;,]+/)
            for (i = 2; i <= n; i++) {
                if (words[i] == "passed") passed += words[i - 1]
                if (words[i] == "failed") failed += words[i - 1]
                if (nextest && words[i] == "timed" && words[i + 1] == "out") failed += words[i - 1]
            }
        }
        END { print passed + 0, failed + 0 }'
}

# Ends with the count, which is the last line always; fails if anything did.
#   finish STATUS
finish() {
    local status=$1
    if ((status != 0 && failed == 0)); then failed=1; fi
    rm -rf "$step_log"
    printf '%d passed, %d failed\n' "$passed" "$failed"
    if ((failed > 0)); then exit 1; fi
}

# Whether cargo-nextest is there. LONGSHORE_NEXTEST=0 says to do without.
has_nextest() {
    [[ ${LONGSHORE_NEXTEST:-1} == 1 ]] && cargo nextest --version >/dev/null 2>&1
}

# Where cargo builds. A machine that checks many clones keeps one directory outside of them.
choose_target_dir() {
    if [[ -z ${CARGO_TARGET_DIR:-} && ${CI:-} == true ]]; then
        local shared=${LONGSHORE_TARGET_DIR:-$HOME/.cache/longshore-target}
        if mkdir -p "$shared" 2>/dev/null && [[ -w $shared ]]; then
            export CARGO_TARGET_DIR=$shared
            say "building in $shared"
        fi
    fi
}
