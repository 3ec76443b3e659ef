# shellcheck shell=bash
# Sourced by .ci/run and test-installers.sh, after setup.sh: steps that run even when one before them failed.

failed=()

# step NAME COMMAND...: run a program or function in a shell of its own, which ends with the first line that fails.
step() {
    local name="$1" start=$SECONDS code
    shift
    printf '\n=== %s\n' "$name"
    set +e # not "|| code=$?": in a condition, however far up, no shell ends with a line that fails
    (set -e; false; true)
    [ $? -ne 0 ] || stop "the step '$name' is called in a condition, where it would go on after a line that fails"
    (set -euo pipefail; "$@") </dev/null
    code=$?
    set -e
    printf '=== %s: %s after %d s\n' "$name" "$([ $code = 0 ] && echo passed || echo "FAILED with exit code $code")" $((SECONDS - start))
    [ $code = 0 ] || failed+=("$name")
}

# Say what failed; the exit code is 0 only if nothing did.
end_of_steps() {
    if [ ${#failed[@]} -gt 0 ]; then
        printf '\nfailed: %s\n' "$(IFS=,; echo "${failed[*]}")"
        exit 1
    fi
    printf '\neverything passed after %d s\n' "$SECONDS"
}
