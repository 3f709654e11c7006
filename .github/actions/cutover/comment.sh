#!/bin/sh
# Leaves a comment on a pull or merge request, or edits the one that it left before:
# comment.sh FILE SUBJECT. There is one comment for each subject, found by a hidden first line.
#
# On GitHub: GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_TOKEN, CUTOVER_REQUEST.
# On GitLab: CI_API_V4_URL, CI_PROJECT_ID, GITLAB_TOKEN, CUTOVER_REQUEST.
# CUTOVER_AUTHOR   whose comments may be edited: the account that the token belongs to
set -eu
file=$1 marker="<!-- cutover: $2 -->"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ -n "${CI_API_V4_URL:-}" ]; then
    notes=$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests/$CUTOVER_REQUEST/notes
    one=$notes edit=PUT author=.author.username
    header="PRIVATE-TOKEN: $GITLAB_TOKEN"
    who=${CUTOVER_AUTHOR:?the name of the account that comments}
else
    repository=$GITHUB_API_URL/repos/$GITHUB_REPOSITORY
    notes=$repository/issues/$CUTOVER_REQUEST/comments
    one=$repository/issues/comments edit=PATCH author=.user.login
    header="Authorization: Bearer $GITHUB_TOKEN"
    who=${CUTOVER_AUTHOR:-github-actions[bot]}
fi
# The token goes through a file: every process on the machine may read arguments.
printf 'header = "%s"\nheader = "Content-Type: application/json"\n' "$header" >"$work/curl"
call() { curl --config "$work/curl" --silent --show-error --fail-with-body --max-time 60 "$@"; }

jq --rawfile body "$file" --arg marker "$marker" --null-input \
    '{body: ($marker + "\n" + $body)}' >"$work/body"

page=1 found=
while [ -z "$found" ]; do
    call "$notes?per_page=100&page=$page" >"$work/page"
    found=$(jq --raw-output --arg marker "$marker" --arg who "$who" \
        "[.[] | select($author == \$who and (.body | startswith(\$marker + \"\n\"))) | .id][0] // empty" \
        "$work/page")
    [ "$(jq length "$work/page")" -eq 100 ] || break
    page=$((page + 1))
done

if [ -n "$found" ]; then
    call --request "$edit" --data "@$work/body" "$one/$found" >"$work/done"
else
    call --request POST --data "@$work/body" "$notes" >"$work/done"
fi
