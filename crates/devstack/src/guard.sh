# Runs one server, and stops it when the process that started this script is gone.
#
# Arguments: the server's folder, its log, the signal that stops it, how many seconds it gets
# before SIGKILL, what becomes of the folder when nobody is left to use it (remove or keep), and
# the server's command.
#
# Standard input is a pipe that the starting process holds open and never writes to; its end of
# file means that this process has ended. Standard output gets one line: the server's process id.
folder=$1 log=$2 signal=$3 grace_secs=$4 leftovers=$5
shift 5

# When the starting process ends while the server is paused, the kernel sends SIGHUP to all of this
# process group, of which nobody outside takes care any more. SIGPIPE comes when it ends before it
# has read the server's process id.
trap '' HUP PIPE

exec 3<&0 </dev/null 2>>"$log"

# The server must not hold the pipe's end (3<&-), nor the one its process id is read from.
exec "$@" >>"$log" 3<&- &
server=$!
echo "$server" >"$folder/server.pid"

# A shell cannot wait for an end of file and for a process at once, so a second one does the
# former. A paused server hears nothing but SIGKILL, hence SIGCONT.
{
    read -r nothing <&3
    [ "$leftovers" = remove ] && : >"$folder/abandoned"
    kill -s "$signal" "$server"
    kill -s CONT "$server"
    sleep "$grace_secs"
    kill -s KILL "$server"
} >/dev/null 2>&1 &

exec 3<&-
echo "$server"
exec >&-
wait "$server"

# The server has ended, whoever wanted that. So does the rest of this process group.
trap '' TERM
kill -s TERM 0
rm -f "$folder/server.pid"
if [ -e "$folder/abandoned" ]; then
    cd /
    rm -rf "$folder"
    rmdir "${folder%/*}" 2>/dev/null
fi
exit 0
