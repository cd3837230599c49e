#!/bin/sh
# Certificates for the broker, its devices and its services, by authorities of our own. For a fleet
# whose devices have certificates already, lay the authority that signed them in place of ours.
#
#   deploy/certify.sh broker HOST        deploy/mosquitto/tls/server.pem and server.key, for a name or an
#                                        address; every client needs authorities/servers.pem to trust it
#   deploy/certify.sh device ID          authorities/devices/ID.pem and ID.key, for the device
#   deploy/certify.sh service NAME       authorities/services/NAME.pem and NAME.key: headcount-ingest, fleet
#
# The first certificate of a kind makes its authority, and lets the broker know it. Run it again to
# renew. The authorities' keys, authorities/*.key, belong onto a machine that nobody reaches.
set -eu
umask 077

here=$(cd "$(dirname "$0")" && pwd)
authorities=${AUTHORITIES:-$here/../authorities}
broker=$here/mosquitto
AUTHORITY_DAYS=3650
BROKER_DAYS=397
SERVICE_DAYS=397
# Longer than a car loan: nobody renews what is built into a car.
DEVICE_DAYS=3650

fail() {
    echo "certify.sh: $*" >&2
    exit 1
}

usage() {
    sed -n 's/^#   \(deploy\)/\1/p' "$0" >&2
    exit 2
}

key() { # FILE
    openssl ecparam -name prime256v1 -genkey -noout -out "$1"
}

# Makes an authority if there is none yet.
authority() { # KIND
    [ -e "$authorities/$1.pem" ] && return
    mkdir -p "$authorities"
    key "$authorities/$1.key"
    openssl req -x509 -new -sha256 -key "$authorities/$1.key" -days "$AUTHORITY_DAYS" \
        -subj "/CN=headcount $1" -out "$authorities/$1.pem"
}

# Makes a key and a certificate. Written aside and renamed, so that nobody reads half of one; whoever
# reads the new one of two with the old one of the other sees that they do not fit.
certify() { # KIND NAME DAYS FILE EXTENSIONS
    mkdir -p "$(dirname "$4")"
    key "$4.key.new"
    printf 'basicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature\n%s\n' "$5" >"$4.ext"
    openssl req -new -sha256 -key "$4.key.new" -subj "/CN=$2" -out "$4.csr"
    openssl x509 -req -sha256 -in "$4.csr" -CA "$authorities/$1.pem" -CAkey "$authorities/$1.key" \
        -CAcreateserial -days "$3" -extfile "$4.ext" -out "$4.pem.new" 2>/dev/null ||
        fail "openssl made no certificate for $2"
    rm "$4.csr" "$4.ext"
    mv "$4.key.new" "$4.key"
    mv "$4.pem.new" "$4.pem"
    echo "$4.pem"
}

# Lets the broker know an authority, which switches the listener for its clients on.
announce() { # KIND
    mkdir -p "$broker/tls"
    cp "$authorities/$1.pem" "$broker/tls/$1-ca.pem"
}

# Whether a name is a user of the broker, with rights that no device has.
is_user() { # NAME
    grep -qxF "user $1" "$broker/acl"
}

[ "$#" -eq 2 ] || usage
name=$2
case $1 in
    broker)
        case $name in
            *[!0-9.]*) ;;
            *) host=IP:$name ;;
        esac
        case $name in
            "" | *[!A-Za-z0-9.:-]*) fail "$name is no host" ;;
            *:*) host=IP:$name ;;
        esac
        authority servers
        certify servers "$name" "$BROKER_DAYS" "$broker/tls/server" \
            "extendedKeyUsage=serverAuth
subjectAltName=${host:-DNS:$name}"
        ;;
    device)
        # A device id, but for what would be a path.
        case $name in
            "" | .* | *[!A-Za-z0-9._:-]*) fail "$name is no device id" ;;
        esac
        [ "${#name}" -le 64 ] || fail "$name is longer than 64 characters"
        ! is_user "$name" || fail "$name is a user with rights of its own, see mosquitto/acl"
        authority devices
        certify devices "$name" "$DEVICE_DAYS" "$authorities/devices/$name" \
            "extendedKeyUsage=clientAuth"
        announce devices
        ;;
    service)
        is_user "$name" || fail "$name is no user in mosquitto/acl"
        authority services
        certify services "$name" "$SERVICE_DAYS" "$authorities/services/$name" \
            "extendedKeyUsage=clientAuth"
        announce services
        ;;
    *) usage ;;
esac
