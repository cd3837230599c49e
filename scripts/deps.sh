#!/bin/sh
# Installs what is needed here and this machine lacks; says nothing when nothing is missing.
#
#   scripts/deps.sh            what tests need
#   scripts/deps.sh bench      and what benches need besides
#   scripts/deps.sh demo       only what the demo needs
#   scripts/deps.sh --print    only say what is missing and what would be run
#
# Debian and Ubuntu: apt-get, as root or with a sudo that asks for no password. macOS: Homebrew
# (untested). Elsewhere it says what to install. Services that come with newly installed packages
# are switched off, because every test starts servers of its own; those that were there before are
# left alone.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)

print_only=no
for_tests=yes
modules=paho.mqtt.client
for argument in "$@"; do
    case "$argument" in
        demo) for_tests=no ;;
        bench) modules="$modules psycopg" ;;
        --print) print_only=yes ;;
        *) echo "usage: scripts/deps.sh [bench|demo] [--print]" >&2; exit 2 ;;
    esac
done

say() { echo "deps: $*"; }
fail() { echo "deps: $*" >&2; exit 1; }

# Whether a program is installed, also where an ordinary user's PATH does not lead.
have() {
    command -v "$1" >/dev/null 2>&1 && return 0
    for program in \
        "/usr/sbin/$1" "/usr/local/sbin/$1" /usr/lib/postgresql/*/bin/"$1" \
        "/opt/homebrew/bin/$1" "/opt/homebrew/sbin/$1" /opt/homebrew/opt/postgresql@*/bin/"$1" \
        "/usr/local/bin/$1" /usr/local/opt/postgresql@*/bin/"$1"
    do
        [ -x "$program" ] && return 0
    done
    return 1
}

# Whether version $1 is at least version $2, compared number by number.
at_least() {
    awk -v have="$1" -v want="$2" 'BEGIN {
        split(have, h, "."); split(want, w, ".")
        for (i = 1; i <= 3; i++) if (h[i] + 0 != w[i] + 0) exit !(h[i] + 0 > w[i] + 0)
    }'
}

# --- What has to be there already: this script does not choose a toolchain for anybody. ---

prerequisites_missing=no
require() {
    command -v "$1" >/dev/null 2>&1 && return 0
    echo "deps: $1 is missing: $2" >&2
    prerequisites_missing=yes
}
require git "install the package git"
require make "install the package make (Debian: build-essential; macOS: xcode-select --install)"
require cc "install a C compiler (Debian: build-essential; macOS: xcode-select --install)"
require cargo "install Rust with rustup"
require rustc "install Rust with rustup"
[ "$prerequisites_missing" = no ] || exit 1

wanted_rust=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$root/Cargo.toml")
installed_rust=$(rustc --version | awk '{ sub(/-.*/, "", $2); print $2 }')
at_least "$installed_rust" "$wanted_rust" ||
    fail "rustc is $installed_rust, $wanted_rust or newer is needed: run 'rustup update stable'"

# --- What is missing, and why it is wanted. ---

apt_packages=
brew_packages=
reasons=
want() { # DEBIAN-PACKAGE HOMEBREW-PACKAGE REASON
    case " $apt_packages " in
        *" $1 "*) return ;;
    esac
    apt_packages="$apt_packages $1"
    case " $brew_packages " in
        *" $2 "*) ;;
        *) brew_packages="$brew_packages $2" ;;
    esac
    reasons="$reasons
deps:   $1: $3"
}

# Programs that must be there when all is installed.
needed="initdb postgres psql createdb mosquitto mosquitto_pub node npm"
have initdb && have postgres && have psql && have createdb ||
    want postgresql postgresql@17 "demo, tests and benches start private Postgres servers"
have mosquitto ||
    want mosquitto mosquitto "demo, tests and benches start private MQTT brokers"

# Debian 12 has Node 18; newer ones do as well.
wanted_node=18.20
if have node; then
    installed_node=$(node --version | sed 's/^v//')
    at_least "$installed_node" "$wanted_node" ||
        fail "node is $installed_node, $wanted_node or newer is needed to build the page"
    have npm || want npm node "it brings what the page is built with"
else
    want nodejs node "the page is built with it"
    want npm node "it brings what the page is built with"
fi

chromium_program() {
    for program in chromium chromium-browser google-chrome-stable google-chrome; do
        command -v "$program" && return 0
    done
    program="/Applications/Chromium.app/Contents/MacOS/Chromium"
    [ -x "$program" ] && echo "$program"
}

have mosquitto_pub && have mosquitto_sub ||
    want mosquitto-clients mosquitto "people and tests are devices with mosquitto_pub"

python_missing=no
if [ "$for_tests" = yes ]; then
    needed="$needed mosquitto_passwd mosquitto_sub jq"
    have mosquitto_passwd || want mosquitto mosquitto "tests give users passwords"
    have jq || want jq jq "tests run the pipelines of docs/migrate-from-lambda.md"
    chromium_program >/dev/null ||
        want chromium chromium "tests look at the page in a real browser"
    # shellcheck disable=SC2086
    "$root/scripts/python-with" $modules >/dev/null 2>&1 || python_missing=yes
fi

[ -n "$apt_packages" ] || [ "$python_missing" = yes ] || exit 0

# --- How to install it. ---

as_root=
method=by_hand
if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ]; then
        method=apt
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        method=apt
        as_root="sudo -n"
    fi
elif command -v brew >/dev/null 2>&1; then
    method=brew
fi

# Debian has packages for these; elsewhere they go into a virtual environment of their own, which
# needs no rights. So do they for a user who cannot install packages.
python_reason="tests and benches compare with clients that share no code with ours"
python_from=venv
if [ "$python_missing" = yes ]; then
    apt_modules="python3-paho-mqtt"
    pip_modules="paho-mqtt>=1.6,<3"
    case "$modules" in
        *psycopg*)
            apt_modules="$apt_modules python3-psycopg"
            pip_modules="$pip_modules psycopg[binary]"
            ;;
    esac
    if [ "$method" = apt ]; then
        python_from=apt
        apt_packages="$apt_packages python3 $apt_modules"
        reasons="$reasons
deps:   python3, $apt_modules: $python_reason"
    else
        reasons="$reasons
deps:   $pip_modules, into target/python: $python_reason"
    fi
fi

say "missing here:$reasons"

if [ "$method" = by_hand ] && [ -n "$apt_packages" ]; then
    if command -v apt-get >/dev/null 2>&1; then
        fail "this needs root; run: sudo apt-get update && sudo apt-get install --no-install-recommends$apt_packages"
    fi
    fail "no apt-get and no brew here; install what Debian calls:$apt_packages"
fi

if [ "$print_only" = yes ]; then
    case "$method" in
        apt) say "would run: ${as_root:+$as_root }apt-get install --yes --no-install-recommends$apt_packages" ;;
        brew) [ -z "$brew_packages" ] || say "would run: brew install$brew_packages" ;;
    esac
    [ "$python_missing" = no ] || [ "$python_from" = apt ] ||
        say "would create: $root/target/python"
    exit 0
fi

# Debian starts a service as soon as it is installed, unless this program forbids it.
policy=/usr/sbin/policy-rc.d
policy_is_ours=no
remove_policy() {
    [ "$policy_is_ours" = no ] || $as_root rm -f "$policy"
    policy_is_ours=no
}

install_with_apt() {
    new_services=
    for service in postgresql mosquitto; do
        case " $apt_packages " in
            *" $service "*)
                dpkg -s "$service" >/dev/null 2>&1 || new_services="$new_services $service" ;;
        esac
    done

    if [ -n "$new_services" ] && [ ! -e "$policy" ]; then
        trap remove_policy EXIT
        trap 'exit 1' HUP INT TERM
        policy_is_ours=yes
        printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
        $as_root chmod 755 "$policy"
    fi

    quiet="--quiet --yes -o DPkg::Lock::Timeout=300"
    # Old lists may do; if they do not, the next command says so.
    # shellcheck disable=SC2086 # words on purpose, here and below
    $as_root apt-get $quiet update || say "the package lists could not be updated"
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get $quiet install --no-install-recommends $apt_packages
    remove_policy

    for service in $new_services; do
        if [ -d /run/systemd/system ]; then
            $as_root systemctl disable --now "$service" || say "could not switch off $service"
        elif [ -x /usr/sbin/update-rc.d ]; then
            $as_root /usr/sbin/update-rc.d "$service" disable >/dev/null 2>&1 || true
        fi
        say "the service $service is switched off: tests start servers of their own"
    done
}

case "$method" in
    apt)
        install_with_apt
        ;;
    brew)
        # shellcheck disable=SC2086
        [ -z "$brew_packages" ] || brew install $brew_packages
        ;;
esac

if [ "$python_missing" = yes ] && [ "$python_from" = venv ]; then
    command -v python3 >/dev/null 2>&1 || fail "python3 is missing: install it, with its venv module"
    python3 -m venv "$root/target/python" ||
        fail "python3 cannot create virtual environments: install python3-venv"
    # shellcheck disable=SC2086
    "$root/target/python/bin/python" -m pip install --quiet $pip_modules
fi

if [ "$for_tests" = yes ]; then
    # shellcheck disable=SC2086
    "$root/scripts/python-with" $modules >/dev/null
    have jq || want jq jq "tests run the pipelines of docs/migrate-from-lambda.md"
    chromium_program >/dev/null || fail "chromium is still missing"
fi
for program in $needed; do
    have "$program" || fail "$program is still missing"
done
say "all there now"
