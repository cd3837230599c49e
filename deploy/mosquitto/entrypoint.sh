#!/bin/sh
# Makes the broker's files of settings, passwords and rights, then runs the command it is given.
#
#   entrypoint.sh mosquitto -c …    at the start
#   entrypoint.sh                   makes the files anew; SIGHUP then lets a running broker read them
#
# Passwords come from MQTT_INGEST_PASSWORD and MQTT_FLEET_PASSWORD. Devices come from a file
# devices.passwd beside this script, if there is one, as mosquitto_passwd writes it. The broker listens
# with TLS to those for whom there is an authority in the folder tls: see tls-devices.conf and
# tls-services.conf.
set -eu
umask 077

here=$(cd "$(dirname "$0")" && pwd)
# Memory, not disk: see tmpfs in docker-compose.yml.
run=${MOSQUITTO_RUN:-/run/mosquitto}

fail() {
    echo "entrypoint.sh: $*" >&2
    exit 1
}

# The fewest characters of a password, and those that need no escaping in a URL or in a line.
check() { # NAME-OF-VARIABLE PASSWORD
    [ "${#2}" -ge 12 ] || fail "$1 needs at least 12 characters"
    case $2 in
        *[!A-Za-z0-9._~-]*) fail "$1 may hold letters, digits and . _ ~ - only" ;;
    esac
}
check MQTT_INGEST_PASSWORD "${MQTT_INGEST_PASSWORD:-}"
check MQTT_FLEET_PASSWORD "${MQTT_FLEET_PASSWORD:-}"

# The health check makes up a password for itself at every start.
health_password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')

# Written aside and renamed: a broker that reads them at this moment reads whole files.
cat >"$run/passwords.new" <<END
headcount-ingest:$MQTT_INGEST_PASSWORD
fleet:$MQTT_FLEET_PASSWORD
health:$health_password
END
# Hashes them in place; as arguments of a command they would stand in the list of processes.
mosquitto_passwd -U "$run/passwords.new"
if [ -e "$here/devices.passwd" ]; then
    if grep -qE '^(headcount-ingest|fleet|health):' "$here/devices.passwd"; then
        fail "devices.passwd names headcount-ingest, fleet or health, which are no devices"
    fi
    # A last line without its end must not swallow what follows.
    { echo; cat "$here/devices.passwd"; echo; } | sed '/^$/d' >>"$run/passwords.new"
fi
mv "$run/passwords.new" "$run/passwords"
# A copy, because the broker wants to be the only one who can read it.
cat "$here/acl" >"$run/acl.new"
mv "$run/acl.new" "$run/acl"

# One file of settings: listeners with TLS come after the rest, each if it was given an authority.
cat "$here/mosquitto.conf" >"$run/mosquitto.conf.new"
for who in devices services; do
    [ -e "$here/tls/$who-ca.pem" ] || continue
    for needed in server.pem server.key; do
        [ -r "$here/tls/$needed" ] || fail "tls/$who-ca.pem needs tls/$needed, readable by user $(id -u)"
    done
    { echo; cat "$here/tls-$who.conf"; } >>"$run/mosquitto.conf.new"
done
mv "$run/mosquitto.conf.new" "$run/mosquitto.conf"

# mosquitto_pub reads its arguments from here: XDG_CONFIG_HOME=/run/mosquitto mosquitto_pub
cat >"$run/mosquitto_pub" <<END
-h 127.0.0.1
-p 1883
-u health
-P $health_password
-q 1
-t health
-m well
END

exec "$@"
