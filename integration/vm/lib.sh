# What the scenarios share. Each is a script of its own that prints nothing and
# leaves rows: the name of what was tried, with which program, and what came of it.

: "${OUT:=/run/out}"
here=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
scenario=$(basename "$0" .sh)
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

both='peer ironwrap'

# program WHO SERVICE is the path of SERVICE-rootwrap, the peer's or ours.
program() {
    case $1 in
    peer) echo "/usr/bin/peer-$2-rootwrap" ;;
    ironwrap) echo "/usr/bin/$2-rootwrap" ;;
    esac
}

# row NAME WHO TEXT writes a row down. A line break or a bar would end a cell.
row() {
    printf '%s/%s\t%s\t%s\n' "$scenario" "$1" "$2" "$(printf %s "$3" | tr '\n|\t' '/! ')" >>"$OUT/rows"
}

# bounded COMMAND... runs it for LIMIT seconds at most.
bounded() { timeout -k 5 "${LIMIT:-60}" "$@"; }

# outcome COMMAND... runs it and prints what came of it: "ran: WHAT IT PRINTED", or
# how it was refused or ended.
outcome() {
    "$@" >"$scratch/out" 2>"$scratch/err" </dev/null
    local status=$? said complaint
    said=$(head -c 300 "$scratch/out" | tr -d '\r')
    complaint=$(tail -n 1 "$scratch/err" | tr -d '\r')
    case $status in
    0) echo "ran${said:+: $said}" ;;
    96 | 97 | 98 | 99) echo "refused ($status)" ;;
    124) echo "no answer within ${LIMIT:-60} s" ;;
    *)
        if grep -q '^Traceback' "$scratch/err"; then echo "traceback: ${complaint%%:*}"
        elif grep -q '^sudo: ' "$scratch/err"; then echo 'refused by sudo'
        elif grep -q '^doas: ' "$scratch/err"; then echo 'refused by doas'
        elif [ $status -gt 128 ] && [ $status -lt 193 ]; then echo "killed by signal $((status - 128))"
        else echo "failed ($status)${complaint:+: ${complaint##*: }}"
        fi ;;
    esac
}

# because OUTCOME PREFIX is the outcome with what was said, from PREFIX on.
because() {
    local complaint
    complaint=$(tail -n 1 "$scratch/err")
    echo "$1: ${complaint##*"$2"}"
}

# as USER COMMAND... runs it as a user who has nothing but their own ids, in their
# home directory.
as() {
    local user="$1"
    shift
    (cd "/var/lib/$user" && bounded setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups \
        env -i PATH="$PATH" HOME="/var/lib/$user" USER="$user" "$@")
}

# through_sudo NAME SERVICE COMMAND... lets SERVICE ask for COMMAND, with the peer
# and with ironwrap, as its package's sudoers line has it.
through_sudo() {
    local name="$1" service="$2" who
    shift 2
    for who in $both; do
        row "$name" $who "$(outcome as_service "$service" "$(program $who "$service")" "$@")"
    done
}
as_service() {
    local service="$1" program="$2"
    shift 2
    as "$service" sudo -n "$program" "/etc/$service/rootwrap.conf" "$@"
}

# configure DIRECTORY FILTERS [LINES] writes rootwrap.conf and its filters.
configure() {
    mkdir -p "$1/rootwrap.d"
    printf '[DEFAULT]\nfilters_path=%s/rootwrap.d\nexec_dirs=/usr/sbin,/usr/bin,/sbin,/bin\n%s\n' "$1" "${3-}" >"$1/rootwrap.conf"
    printf '[Filters]\n%s\n' "$2" >"$1/rootwrap.d/test.filters"
    chmod 644 "$1/rootwrap.conf" "$1/rootwrap.d/test.filters"
}

# until_true COMMAND... waits for it to succeed, ten seconds at most.
until_true() {
    tries=100
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
}
