#!/bin/sh
# Keep folders of the data on branches of the repository that is checked out here, for machines that
# forget everything, such as those of a hosted CI.
#   deploy/branches.sh restore    the folders from the branches; a branch that is not there is skipped
#   deploy/branches.sh save       the branches from the folders, pushed if anything changed
# The landing zone has a history: a commit for each night. Published vintages have none: their branch
# is one commit, which is replaced, so that what is pruned leaves the repository.
set -eu
: "${TOKENSHARE_DATA_DIR:?set it to a folder outside the checkout}"
cd "$(dirname "$(dirname "$(realpath "$0")")")"
git_dir=$(git rev-parse --absolute-git-dir)
export GIT_AUTHOR_NAME=tokenshare GIT_AUTHOR_EMAIL=tokenshare@localhost
export GIT_COMMITTER_NAME=tokenshare GIT_COMMITTER_EMAIL=tokenshare@localhost
# An index of its own: neither the checkout nor its index is touched.
GIT_INDEX_FILE=$(mktemp -d)/index
export GIT_INDEX_FILE

restore() {  # folder
    branch=tokenshare-$1
    # Exit code 2: no such branch. A server that cannot be reached must not look like that.
    found=0
    git ls-remote --exit-code --heads origin "$branch" > /dev/null || found=$?
    [ "$found" = 2 ] && { echo "$branch: not there yet"; return; }
    [ "$found" = 0 ]
    git fetch --quiet --depth 1 origin "+refs/heads/$branch:refs/tokenshare/$1"
    mkdir -p "$TOKENSHARE_DATA_DIR/$1"
    git read-tree "refs/tokenshare/$1"
    git --git-dir="$git_dir" --work-tree="$TOKENSHARE_DATA_DIR/$1" checkout-index --all --force
    echo "$branch: restored"
}

save() {  # folder, with or without history
    branch=tokenshare-$1
    [ -d "$TOKENSHARE_DATA_DIR/$1" ] || return 0
    rm -f "$GIT_INDEX_FILE"
    git -C "$TOKENSHARE_DATA_DIR/$1" --git-dir="$git_dir" --work-tree=. \
        -c core.autocrlf=false add --all --force .
    tree=$(git write-tree)
    before=$(git rev-parse --quiet --verify "refs/tokenshare/$1" || true)
    if [ -n "$before" ] && [ "$tree" = "$(git rev-parse "$before^{tree}")" ]; then
        echo "$branch: nothing new"
        return
    fi
    parent=
    [ "$2" = with ] && [ -n "$before" ] && parent="-p $before"
    # shellcheck disable=SC2086  # two words or none
    commit=$(git commit-tree "$tree" $parent -m "$1 of $(date -u +%Y-%m-%d)")
    # Only if the branch is where it was, or is not there: two nights must not overwrite each other.
    git push --quiet --force-with-lease="refs/heads/$branch:$before" origin "$commit:refs/heads/$branch"
    git update-ref "refs/tokenshare/$1" "$commit"
    echo "$branch: saved"
}

case "${1:-}" in
    restore) restore landing; restore pulls; restore published ;;
    # The landing zone first: everything else can be made from it.
    save) save landing with; save pulls without; save published without ;;
    *) echo "usage: $0 restore|save" >&2; exit 2 ;;
esac
