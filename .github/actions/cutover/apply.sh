#!/bin/sh
# Applies what was approved, and nothing else: apply.sh PLAN...
#
# Beside PLAN.yaml lie PLAN.json, the artifact that was reviewed, and PLAN.json.sig.d with its approvals.
# The artifact is built once more: if anything is not as it was reviewed, nothing is applied.
#
# CUTOVER_STATE    where the state of runs is kept
# CUTOVER_SIGNERS  who may approve, as COMMIT:PATH: of the base branch before the merge, so that nobody
#                  adds themselves in what they propose
# CUTOVER_NEED     how many have to approve (default: 1)
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git -c safe.directory="$PWD" show "$CUTOVER_SIGNERS" >"$work/signers"

apply_one() {
    plan=$1 reviewed=${1%.*}.json
    [ -e "$reviewed" ] || { echo "$plan: nothing was approved: there is no $reviewed" >&2; return 6; }
    cutover status "$plan" --format json >"$work/status"
    stage=$(jq --raw-output '.stage // "none"' "$work/status")
    digest=$(jq --raw-output .digest "$reviewed")
    case $stage in
        running | settling | halted) cutover run "$plan" --once; return ;;
        finished)
            [ "$(jq --raw-output .artifact "$work/status")" != "$digest" ] || {
                echo "$plan: done already"
                return 0
            } ;;
    esac
    cutover plan "$plan" -o "$work/rebuilt.json" >"$work/plan" || { ended=$?; cat "$work/plan"; return $ended; }
    if [ "$(jq --raw-output .digest "$work/rebuilt.json")" != "$digest" ]; then
        echo "$plan: it is not what was reviewed any more. Since then:" >&2
        cutover diff "$reviewed" "$work/rebuilt.json" >&2
        return 3
    fi
    cutover apply "$reviewed" --digest "$digest" --approved-only --allowed-signers "$work/signers" \
        --need "${CUTOVER_NEED:-1}"
}

worst=0
for plan in "$@"; do
    ended=0
    apply_one "$plan" || ended=$?
    # A run that waits is as it should be: the scheduled job continues it.
    [ "$ended" -ne 4 ] || ended=0
    [ "$ended" -le "$worst" ] || worst=$ended
done
exit "$worst"
