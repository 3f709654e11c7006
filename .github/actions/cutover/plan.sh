#!/bin/sh
# Checks and plans, and leaves a review of each plan as a comment: plan.sh PLAN...
#
# CUTOVER_OUT      where artifacts and reviews are written (default: cutover-review)
# CUTOVER_REQUEST  the number of the pull or merge request; without it nothing is posted
# CUTOVER_SIGNERS  who may approve, as COMMIT:PATH of the base branch: a plan that asks for the approval of
#                  somebody else is refused here, and not only after the merge
set -eu
here=$(dirname "$0")
out=${CUTOVER_OUT:-cutover-review}
mkdir -p "$out"

form=text
[ -z "${GITHUB_ACTIONS:-}" ] || form=github
if [ -n "${CUTOVER_SIGNERS:-}" ]; then
    signers=$(mktemp)
    trap 'rm -f "$signers"' EXIT
    git -c safe.directory="$PWD" show "$CUTOVER_SIGNERS" >"$signers"
    cutover check --format "$form" --allowed-signers "$signers" "$@"
else
    cutover check --format "$form" "$@"
fi

worst=0
for plan in "$@"; do
    review=$out/$(basename "$plan").md
    ended=0
    # A plan that would do harm ends with 3, and its review says why.
    cutover plan "$plan" --format markdown -o "$out" >"$review" || ended=$?
    [ "$ended" -le "$worst" ] || worst=$ended
    [ -s "$review" ] || continue
    [ -z "${GITHUB_STEP_SUMMARY:-}" ] || cat "$review" >>"$GITHUB_STEP_SUMMARY"
    [ -z "${CUTOVER_REQUEST:-}" ] || "$here/comment.sh" "$review" "$plan"
done
exit "$worst"
