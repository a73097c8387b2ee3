# The watchdog of one private server. It owns the server and its folder, and outlives the test process just long
# enough to take both away: standard input is a pipe that only the test process holds, so its end is the end of the
# test, however that came about (a panic, SIGKILL, Ctrl-C, a plain exit). Plain POSIX sh; procps need not be there.
#
# Arguments: the name of the server; the user to drop to when this is root, or nothing.
# First it prints its folder, then each line of standard input is a command, answered by one line: "ok" or "error WHY".

name=$1
user=$2

# A signal meant for the test must not end this shell before its work is done; a lost reader of our answers neither.
trap '' HUP INT QUIT TERM PIPE
umask 077

folder=$(mktemp -d "${TMPDIR:-/tmp}/aludel-$name.XXXXXX") || exit 1
log=$folder/log
exec 2>>"$log"
cd "$folder" || exit 1

# Neither server wants to run as root. setpriv execs, so the id of the server is the one that we started.
if [ "$(id -u)" = 0 ] && [ -n "$user" ]; then
    chown "$user" "$folder" || exit 1
    drop="setpriv --reuid=$user --regid=$user --clear-groups"
else
    drop=
fi

server=

as_user() {
    trap - HUP INT QUIT TERM PIPE
    # shellcheck disable=SC2086 # the words of $drop are meant to be split
    exec $drop "$@" </dev/null >>"$log" 2>&1
}

children() {
    cat "/proc/$1/task/$1/children" 2>/dev/null || ps -A -o pid= -o ppid= | awk -v parent="$1" '$2 == parent { print $1 }'
}

# A zombie still answers kill -0, and in a container nobody may ever reap it.
alive() {
    kill -0 "$1" 2>/dev/null && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null
}

gone_within() {
    tenths=$(($2 * 10))
    while alive "$1"; do
        [ "$tenths" -gt 0 ] || return 1
        tenths=$((tenths - 1))
        sleep 0.1
    done
}

# A signal to stop reaches a thread when it next enters the kernel: until then it may answer once more.
stopped() {
    for status in /proc/"$1"/task/*/status; do
        if ! grep -q '^State:[[:space:]]*[TtXZ]' "$status" 2>/dev/null && [ -e "$status" ]; then
            return 1
        fi
    done
}

# The server first, so that no child is born behind our back.
stop_all() {
    kill -STOP "$server" 2>/dev/null
    for member in "$server" $(children "$server"); do
        kill -STOP "$member" 2>/dev/null
        turns=500
        until stopped "$member"; do
            [ "$turns" -gt 0 ] || return 1
            turns=$((turns - 1))
            sleep 0.01
        done
    done
}

# The whole family dies: a PostgreSQL backend that outlives its postmaster holds the shared memory, and the next start
# refuses. It is stopped first so that no child is born between the listing and the killing.
kill_server() {
    [ -n "$server" ] || return 0
    kill -STOP "$server" 2>/dev/null
    family="$server $(children "$server")"
    # shellcheck disable=SC2086 # a list of ids
    kill -KILL $family 2>/dev/null
    wait "$server" 2>/dev/null
    for member in $family; do
        gone_within "$member" 5
    done
    server=
}

echo "$folder"

while IFS= read -r line; do
    eval "set -- $line"
    command=$1
    shift
    case $command in
    run)
        if (as_user "$@"); then echo ok; else echo "error it ended with status $?"; fi
        ;;
    start)
        if [ -n "$server" ] && alive "$server"; then
            echo "error it is running already"
        else
            (as_user "$@") &
            server=$!
            echo "ok $server"
        fi
        ;;
    alive)
        if [ -n "$server" ] && alive "$server"; then echo ok; else echo "error it is not running"; fi
        ;;
    signal)
        if [ -z "$server" ]; then
            echo "error it is not running"
        else
            if [ "$1" = STOP ] && ! stop_all; then
                echo "error it goes on in spite of SIGSTOP"
                continue
            fi
            # shellcheck disable=SC2046 # a list of ids
            kill -"$1" "$server" $(children "$server") 2>/dev/null
            echo ok
        fi
        ;;
    stop)
        if [ -n "$server" ]; then
            kill -"$1" "$server" 2>/dev/null
            if gone_within "$server" "$2"; then
                wait "$server" 2>/dev/null
                server=
                echo ok
            else
                kill_server
                echo "error it did not end within $2 s after SIG$1 and was killed"
            fi
        else
            echo ok
        fi
        ;;
    kill)
        kill_server
        echo ok
        ;;
    *)
        echo "error unknown command $command"
        ;;
    esac
done

kill_server
cd /
rm -rf "$folder"
